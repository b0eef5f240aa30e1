"""Oscar's tables, made from its models, and how rows get into them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from ..site.mail import SCHEMA


def create() -> None:
    """Create every table in the empty database."""
    with connection.cursor() as cursor:
        for pragma in ("synchronous = OFF", "journal_mode = MEMORY"):
            cursor.execute(f"PRAGMA {pragma}")
            cursor.fetchall()
    # The history of the tables is the same to nobody here, and replaying it takes ten seconds.
    settings.MIGRATION_MODULES = dict.fromkeys(config.label for config in apps.get_app_configs())
    call_command("migrate", verbosity=0, interactive=False, run_syncdb=True)
    with connection.cursor() as cursor:
        cursor.execute(SCHEMA)


def model(name: str) -> Any:
    """The model class called ``app.Model``."""
    return apps.get_model(*name.split("."))


def make(kind: str, /, **fields: Any) -> Any:
    """Insert one row; see `_fitting`."""
    return model(kind).objects.create(**_fitting(model(kind), fields))


def make_all(name: str, rows: Sequence[dict[str, Any]]) -> list[Any]:
    """Insert rows at once; see `_fitting`. No signal is sent."""
    kind = model(name)
    return list(kind.objects.bulk_create([kind(**_fitting(kind, row)) for row in rows]))


def _fitting(kind: Any, fields: dict[str, Any]) -> dict[str, Any]:
    """`fields` without those ending in ``_`` that this version of Oscar lacks, such as ``num_allocated_``."""
    known = {field.name for field in kind._meta.get_fields()}
    optional = {name[:-1]: value for name, value in fields.items() if name.endswith("_") and name[:-1] in known}
    return {name: value for name, value in fields.items() if not name.endswith("_")} | optional
