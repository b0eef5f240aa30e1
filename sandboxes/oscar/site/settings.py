"""Settings under which django-oscar 3.2 to 4.2 runs unmodified, with all that changes in one folder."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import django
from django.conf import settings

HERE = __package__

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
    "oscar.apps.basket.middleware.BasketMiddleware",
]

CONTEXT_PROCESSORS = [
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.template.context_processors.i18n",
    "django.template.context_processors.media",
    "django.template.context_processors.static",
    "django.contrib.messages.context_processors.messages",
    "oscar.apps.search.context_processors.search_form",
    "oscar.apps.checkout.context_processors.checkout",
    "oscar.apps.communication.notifications.context_processors.notifications",
    "oscar.core.context_processors.metadata",
]

ORDER_STATUSES = {
    "Pending": ("Being processed", "Cancelled"),
    "Being processed": ("Shipped", "Cancelled"),
    "Shipped": ("Returned",),
    "Returned": (),
    "Cancelled": (),
}


def use(data: Path) -> None:
    """Configure Django for the shop whose state lies in `data`; once a process."""
    if settings.configured:
        return
    # The supervisor runs one request at a time on the thread of its event loop, which Django takes for a mistake.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    import oscar  # noqa: PLC0415 -- the version decides on the rest
    from oscar import defaults  # noqa: PLC0415

    chosen = {name: getattr(defaults, name) for name in dir(defaults) if name.isupper()}
    apps = list(oscar.INSTALLED_APPS)
    if importlib.util.find_spec("sorl") is not None:  # 3.2 demands it; pictures are made without it
        apps.append("sorl.thumbnail")
    settings.configure(**(chosen | _base(data) | _shop() | {"INSTALLED_APPS": apps}))
    django.setup()


def _base(data: Path) -> dict[str, Any]:
    folder = Path(__file__).parent
    return {
        "SECRET_KEY": "the same in every copy of this shop, which no production would do",
        "DEBUG": False,
        "ALLOWED_HOSTS": ["*"],  # nobody else can reach it
        "DATABASES": {
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(data / "shop.db"),
                "ATOMIC_REQUESTS": True,
                "CONN_MAX_AGE": None,
            }
        },
        # Sessions, baskets and all else that lasts are rows; what is here is gone after a reset.
        "CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        "SESSION_ENGINE": "django.contrib.sessions.backends.db",
        # One round of MD5, as in tests: a login costs a millisecond instead of a third of a second.
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
        "AUTHENTICATION_BACKENDS": [
            "oscar.apps.customer.auth_backends.EmailBackend",
            "django.contrib.auth.backends.ModelBackend",
        ],
        "MIDDLEWARE": MIDDLEWARE,
        "ROOT_URLCONF": f"{HERE}.urls",
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [str(folder / "templates")],
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": CONTEXT_PROCESSORS},
            }
        ],
        "STATIC_URL": "/static/",
        "MEDIA_URL": "/media/",
        "MEDIA_ROOT": str(data / "media"),
        "EMAIL_BACKEND": f"{HERE}.mail.TableBackend",
        "HAYSTACK_CONNECTIONS": {"default": {"ENGINE": f"{HERE}.search.Engine", "SILENTLY_FAIL": False}},
        "HAYSTACK_SIGNAL_PROCESSOR": "haystack.signals.BaseSignalProcessor",
        "SITE_ID": 1,
        "USE_TZ": True,
        "TIME_ZONE": "UTC",
        "LANGUAGE_CODE": "en-gb",
        "LANGUAGES": [("en-gb", "British English")],
        "DEFAULT_AUTO_FIELD": "django.db.models.AutoField",
        "DEFAULT_FROM_EMAIL": "shop@thistleandtwine.example",
        "LOGGING_CONFIG": None,
        "X_FRAME_OPTIONS": "SAMEORIGIN",
    }


def _shop() -> dict[str, Any]:
    return {
        "OSCAR_SHOP_NAME": "Thistle & Twine",
        "OSCAR_SHOP_TAGLINE": "everything to make things with",
        "OSCAR_FROM_EMAIL": "orders@thistleandtwine.example",
        "OSCAR_DEFAULT_CURRENCY": "GBP",
        "OSCAR_ALLOW_ANON_CHECKOUT": True,
        "OSCAR_MODERATE_REVIEWS": True,
        "OSCAR_MISSING_IMAGE_URL": "missing.svg",
        "OSCAR_THUMBNAILER": f"{HERE}.pictures.Thumbnailer",
        "OSCAR_INITIAL_ORDER_STATUS": "Pending",
        "OSCAR_INITIAL_LINE_STATUS": "Pending",
        "OSCAR_ORDER_STATUS_PIPELINE": ORDER_STATUSES,
        "OSCAR_LINE_STATUS_PIPELINE": ORDER_STATUSES,
        "OSCAR_ORDER_STATUS_CASCADE": {
            "Being processed": "Being processed",
            "Shipped": "Shipped",
            "Cancelled": "Cancelled",
            "Returned": "Returned",
        },
    }
