"""Two queues, three people, a dozen tickets; written by the app's own models into PostgreSQL."""

import os
import re
import subprocess
import sys
from pathlib import Path

TICKETS = """
from datetime import timedelta
from django.contrib.auth.models import User
from django.contrib.sites.models import Site
from django.utils import timezone
from helpdesk.models import FollowUp, Queue, Ticket

Site.objects.filter(pk=1).update(domain="app.test", name="Harbour Tools")
ruth = User.objects.create_superuser("ruth", "ruth@harbour.example", "sesame")
omar = User.objects.create_user("omar", "omar@harbour.example", "sesame", is_staff=True)
queues = [
    Queue.objects.create(title="Orders", slug="orders", allow_public_submission=True),
    Queue.objects.create(title="Repairs", slug="repairs", allow_public_submission=True),
]
subjects = [
    "Parcel says delivered, nothing here", "Two invoices for one order", "Wrong drill bits in the box",
    "Can I change the address?", "Refund not on my card yet", "Charger gets hot", "Battery lasts ten minutes",
    "Handle broke on the first day", "When will my saw be back?", "Spare blades out of stock",
    "Warranty card missing", "Collect at the counter instead",
]
for number, subject in enumerate(subjects):
    Ticket.objects.create(
        title=subject, queue=queues[number % 2 if number < 4 else int(number > 4)], priority=1 + number % 5,
        submitter_email=f"customer{number}@mail.example", assigned_to=[ruth, omar, None][number % 3],
        description=f"{subject}. Order {48000 + 37 * number}.", created=timezone.now() - timedelta(hours=5 * number),
    )
FollowUp.objects.create(ticket_id=1, title="Comment", comment="The carrier is looking into it.", public=True, user=ruth)
"""


def build(data: Path) -> None:
    (data / "media").mkdir()
    os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
    for arguments in (["migrate", "--verbosity", "0"], ["shell", "-c", TICKETS]):
        subprocess.run([sys.executable, "-m", "django", *arguments], check=True)


def login(visit, account: str) -> None:
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', visit.get("/login/"))
    visit.post("/login/", {"username": account, "password": "sesame", "csrfmiddlewaretoken": token[1]})
    if "sessionid" not in visit.cookies:
        raise LookupError(account)
