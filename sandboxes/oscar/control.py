"""How the shop is put together, signed in to and made to forget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from envsim.guest.hosted import HostedApp

from .site import settings

FOREVER = ("Cache-Control", "public, max-age=31536000, immutable")


def create(data: Path) -> HostedApp:
    """The shop whose state lies in `data`."""
    settings.use(data)
    # Nothing of Django but its settings can be imported before they are made.
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model  # noqa: PLC0415
    from django.contrib.auth.models import update_last_login  # noqa: PLC0415
    from django.contrib.contenttypes.models import ContentType  # noqa: PLC0415
    from django.contrib.sessions.backends.db import SessionStore  # noqa: PLC0415
    from django.contrib.sites.models import Site  # noqa: PLC0415
    from django.contrib.staticfiles.handlers import StaticFilesHandler  # noqa: PLC0415
    from django.core.cache import caches  # noqa: PLC0415
    from django.core.wsgi import get_wsgi_application  # noqa: PLC0415
    from django.db import connections  # noqa: PLC0415
    from django.urls import get_resolver  # noqa: PLC0415

    users = get_user_model()

    def login(account: str) -> dict[str, str]:
        user = users.objects.filter(email__iexact=account, is_active=True).first()
        if user is None:
            raise LookupError(account)
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = "oscar.apps.customer.auth_backends.EmailBackend"
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.create()
        update_last_login(None, user)
        return {"sessionid": str(session.session_key)}

    def reset() -> None:
        for cache in caches.all():
            cache.clear()
        Site.objects.clear_cache()
        ContentType.objects.clear_cache()

    class Static(StaticFilesHandler):
        """Scripts, styles and fonts as the packages bring them, for a browser to keep."""

        def serve(self, request: Any) -> Any:
            answer = super().serve(request)
            answer.headers[FOREVER[0]] = FOREVER[1]
            del answer.headers["Last-Modified"]  # the time of an installation
            return answer

    get_resolver().url_patterns  # noqa: B018 -- imports every view now and not on the first request
    return HostedApp(Static(get_wsgi_application()), login, reset, connections.close_all)
