"""Mail goes to a table, where the state view finds it."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.utils import timezone

SCHEMA = """
CREATE TABLE sandbox_mail (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sent_at TEXT NOT NULL,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL
)"""


class TableBackend(BaseEmailBackend):
    """One row for every recipient of a message."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        rows = [
            (timezone.now().isoformat(), recipient, message.subject, message.body)
            for message in email_messages
            for recipient in message.recipients()
        ]
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO sandbox_mail (sent_at, recipient, subject, body) VALUES (%s, %s, %s, %s)", rows
            )
        return len(email_messages)
