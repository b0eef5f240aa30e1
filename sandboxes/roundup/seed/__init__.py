"""Heron's tracker, filled: people, keywords, 159 reports with what was said and attached, saved searches."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import roundup.configuration
import roundup.date
import roundup.instance
import roundup.password
import time_machine

from ..control import NAME, TEMPLATE
from .history import Report, history
from .people import DEVELOPERS, DOMAIN, REPORTERS
from .reports import AREAS

FIRST = datetime(2025, 5, 5, 7, 30, tzinfo=UTC)
PASSWORD = "heron-2026"  # noqa: S105 -- of everybody in a made-up tracker
SETTINGS = {
    "RDBMS_BACKEND": "sqlite",
    "DATABASE": "db",
    "TEMPLATE_ENGINE": "zopetal",
    "INDEXER": "native-fts",
    "TRACKER_NAME": NAME,
    "TRACKER_WEB": "http://app.test/",
    "MAIL_DOMAIN": DOMAIN,
    "ADMIN_EMAIL": f"admin@{DOMAIN}",
    # Mail goes to a file: nothing leaves a sandbox.
    "MAIL_DEBUG": "mail.txt",
    # Roundup's own quarter of a million would make each login take seconds; nobody's real password lies here.
    "PASSWORD_PBKDF2_DEFAULT_ROUNDS": 1000,
}
SEARCHES = (
    # owner, name, private, query
    (
        "ingrid",
        "Critical and urgent",
        False,
        "status=-1,1,2,3,4,5,6,7&priority=1,2&@sort=-activity&@columns=id,title,status",
    ),
    ("ingrid", "Mine, by age", True, "assignedto=3&status=-1,1,2,3,4,5,6,7&@sort=activity&@columns=id,activity,title"),
    ("tomasz", "Waiting for an example", False, "status=4&@sort=-activity&@columns=id,activity,title,creator"),
    ("rfairley", "All about mail", True, "keyword=5&@sort=-id&@columns=id,title,status&@pagesize=5"),
)


def build(data: Path) -> None:
    """Make the tracker in `data`."""
    shutil.copytree(TEMPLATE, data, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    config = roundup.configuration.CoreConfig()
    for name, value in SETTINGS.items():
        config[name] = value
    config.save(str(data / "config.ini"))
    (data / "db").mkdir()
    tracker = roundup.instance.open(str(data))
    with time_machine.travel(FIRST, tick=False):
        tracker.init(roundup.password.Password(PASSWORD, config=tracker.config))
        _people(tracker)
    _reports(tracker)
    (data / "mail.txt").write_text("", encoding="utf-8")


def _people(tracker: roundup.instance.Tracker) -> None:
    db = tracker.open("admin")
    db.user.set("1", realname="Heron Admin", organisation="Heron")
    for username, name, zone in DEVELOPERS:
        _person(db, username, name, "Heron", zone)
    for username, name, group in REPORTERS:
        _person(db, username, name, group, "")
    for area in AREAS:
        db.keyword.create(name=area)
    db.commit()
    db.close()


def _person(db: object, username: str, name: str, organisation: str, zone: str) -> None:
    db.user.create(
        username=username,
        realname=name,
        organisation=organisation,
        address=f"{username}@{DOMAIN}",
        timezone=zone,
        roles="User",
        password=roundup.password.Password(PASSWORD, config=db.config),
    )


def _reports(tracker: roundup.instance.Tracker) -> None:
    """Every step of every report at its time, in the order in which things happened."""
    db = tracker.open("admin")
    nodes: dict[Report, str] = {}
    for step in history(FIRST):
        with time_machine.travel(step.moment, tick=False):
            db.setCurrentUser(step.who)
            values = {name: _resolved(db, name, value) for name, value in step.values.items()}
            if step.text:
                author = db.user.lookup(step.who)
                files = [
                    db.file.create(name=name, type="text/plain", content=text) for name, text in step.files.items()
                ]
                text = db.msg.create(author=author, content=step.text, date=roundup.date.Date("."), files=files)
                said = db.issue.get(nodes[step.report], "messages") if step.report in nodes else []
                values |= {"messages": [*said, text]}
                if files:
                    values["files"] = files
            if step.report in nodes:
                db.issue.set(nodes[step.report], **values)
            else:
                nodes[step.report] = db.issue.create(**values)
            db.commit()
    _searches(db)
    db.close()


def _resolved(db: object, name: str, value: str) -> object:
    """A name as the id it stands for."""
    if name == "keyword":
        return [db.keyword.lookup(value)]
    if name == "assignedto":
        return db.user.lookup(value)
    return value if name == "title" else db.getclass(name).lookup(value)


def _searches(db: object) -> None:
    for who, name, private, url in SEARCHES:
        db.setCurrentUser(who)
        user = db.user.lookup(who)
        query = db.query.create(klass="issue", name=name, url=url, **({"private_for": user} if private else {}))
        db.user.set(user, queries=[*db.user.get(user, "queries"), query])
        db.commit()
