"""The forum's settings: those of Spirit's project template, with everything that changes in one data folder."""

from __future__ import annotations

import os
import zoneinfo
from pathlib import Path
from typing import Any

import django
from django.conf import settings


def _each(pattern: str, names: str) -> list[str]:
    return [pattern.format(name) for name in names.split()]


ENGINE = "django.db.backends.sqlite3"
SITE = "http://forum.example/"
APPS = [
    *_each("django.contrib.{}", "admin auth contenttypes sessions messages staticfiles humanize"),
    *_each("spirit.{}", "core admin search user user.admin user.auth category category.admin topic"),
    *_each("spirit.topic.{}", "admin favorite moderate notification private unread"),
    "spirit.comment",
    *_each("spirit.comment.{}", "bookmark flag flag.admin history like poll"),
    "djconfig",
    "haystack",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    *_each("spirit.user.middleware.{}Middleware", "Timezone LastIP LastSeen ActiveUser"),
    "spirit.core.middleware.PrivateForumMiddleware",
    "djconfig.middleware.DjConfigMiddleware",
]
CONTEXT = [
    "django.contrib.auth.context_processors.auth",
    *_each("django.template.context_processors.{}", "debug i18n media static tz request"),
    "django.contrib.messages.context_processors.messages",
    "djconfig.context_processors.config",
]


CACHE = {"BACKEND": "django.core.cache.backends.db.DatabaseCache"}
FIXED: dict[str, Any] = {
    "DEBUG": False,
    # It signs what a clone hands out to its own visitors and protects nothing else.
    "SECRET_KEY": "mendwick-forum-demo-key-0123456789abcdef-0123456789",
    "ALLOWED_HOSTS": ["*"],
    "INSTALLED_APPS": APPS,
    "MIDDLEWARE": MIDDLEWARE,
    "TEMPLATES": [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {"context_processors": CONTEXT},
        }
    ],
    "ROOT_URLCONF": f"{__package__}.urls",
    "DEFAULT_AUTO_FIELD": "django.db.models.AutoField",
    "SILENCED_SYSTEM_CHECKS": ["models.W042"],
    # As in Spirit's template: in the database, so that limits and duplicates are part of the state.
    "CACHES": {
        "default": {**CACHE, "LOCATION": "spirit_cache"},
        "st_rate_limit": {**CACHE, "LOCATION": "spirit_rl_cache", "TIMEOUT": None},
    },
    "AUTHENTICATION_BACKENDS": _each("spirit.user.auth.backends.{}AuthBackend", "Username Email"),
    # Spirit's own development hasher: passwords of seeded accounts are published in the README.
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
    "HAYSTACK_SIGNAL_PROCESSOR": "spirit.search.signals.RealtimeSignalProcessor",
    "EMAIL_BACKEND": f"{__package__}.outbox.Outbox",
    "DEFAULT_FROM_EMAIL": "noreply@forum.example",
    "LOGIN_URL": "spirit:user:auth:login",
    "LOGIN_REDIRECT_URL": "spirit:user:update",
    "LOGOUT_REDIRECT_URL": "spirit:index",
    "LANGUAGE_CODE": "en",
    "LANGUAGES": [("en", "English")],
    "TIME_ZONE": "UTC",
    "USE_I18N": True,
    "USE_TZ": True,
    "STATIC_URL": "/static/",
    "MEDIA_URL": "/media/",
    "LOGGING_CONFIG": None,
    "ST_SITE_URL": SITE,
}
"""What no version, and no folder of data, changes."""


def configure(data: Path) -> None:
    """Set Django up, once a process, for the forum whose state is `data`: ``forum.db``, ``search/``, ``media/``."""
    if settings.configured:
        return
    # The guest's event loop waits while the forum answers: nothing runs beside it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    # The profile lists every time zone there is: those of the pinned packages, whatever the machine has.
    zoneinfo.reset_tzpath(to=())
    settings.configure(**_settings(data))
    django.setup()


def _settings(data: Path) -> dict[str, Any]:
    return {
        **FIXED,
        **_storage("spirit.core.storage.OverwriteFileSystemStorage"),
        "DATABASES": {"default": {"ENGINE": ENGINE, "NAME": str(data / "forum.db"), "CONN_MAX_AGE": None}},
        "HAYSTACK_CONNECTIONS": {
            "default": {"ENGINE": "haystack.backends.whoosh_backend.WhooshEngine", "PATH": str(data / "search")}
        },
        "MEDIA_ROOT": str(data / "media"),
    }


def _storage(backend: str) -> dict[str, Any]:
    """Where uploads go, as this version of Django is told."""
    if django.VERSION < (4, 2):
        return {"DEFAULT_FILE_STORAGE": backend, "USE_L10N": True}
    static = "django.contrib.staticfiles.storage.StaticFilesStorage"
    return {"STORAGES": {"default": {"BACKEND": backend}, "staticfiles": {"BACKEND": static}}}
