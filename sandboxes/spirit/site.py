"""What `control` hands out, for a Django that is set up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.db import SessionStore
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.db.backends.signals import connection_created
from django.db.models import Q
from django.utils import timezone, translation
from djconfig.conf import config


def open_app() -> Callable[..., Any]:
    """The forum."""
    connection_created.connect(_no_waiting, dispatch_uid="sandbox")
    app: Callable[..., Any] = get_wsgi_application()
    return app


def _no_waiting(connection: Any, **_: object) -> None:
    # A crash of the machine ends the episode anyway, and the seed is elsewhere.
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous = OFF")


def login(account: str) -> dict[str, str]:
    """Cookies of a new session of the member with this e-mail address or user name."""
    user = get_user_model().objects.filter(Q(email=account) | Q(username=account)).first()
    if user is None:
        raise LookupError(account)
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return {settings.SESSION_COOKIE_NAME: session.session_key}


def reset() -> None:
    """Forget what was derived from the data. Caches and limits lie in the database; the search index is only read."""
    config._cache = {}
    ContentType.objects.clear_cache()
    timezone.deactivate()
    translation.deactivate()


def release() -> None:
    """Close the database."""
    connections.close_all()
