"""Mail that the forum sends: kept as rows, so that the state view shows it. None leaves the sandbox."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.utils import timezone

TABLE = "CREATE TABLE outbox (id integer PRIMARY KEY, sent_to text, subject text, body text, sent_at text)"


class Outbox(BaseEmailBackend):
    """Writes each message, one row a recipient."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """How many messages were kept."""
        rows = [
            (recipient, message.subject, message.body, timezone.now().isoformat())
            for message in email_messages
            for recipient in message.recipients()
        ]
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO outbox (sent_to, subject, body, sent_at) VALUES (%s, %s, %s, %s)", rows)
        return len(email_messages)
