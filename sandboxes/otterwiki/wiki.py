"""Otter Wiki's settings, and the wiki itself: it reads them from the environment when it is imported."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType

from .repository import ENVIRONMENT

DATABASE = "wiki.db"
REPOSITORY = "repository"
HOST = "handbook.example"


def load(data: Path) -> ModuleType:
    """The wiki's ``otterwiki.server``, imported once a process for the state that lies in `data`."""
    os.environ.update(ENVIRONMENT)
    os.environ.update(
        {
            "REPOSITORY": str(data / REPOSITORY),
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{data / DATABASE}",
            # It signs the sessions of a clone's own visitors and protects nothing else.
            "SECRET_KEY": "weir-meadow-demo-key-0123456789abcdef",
            "SITE_NAME": "Weir Meadow",
            "MAIL_DEFAULT_SENDER": "wiki@weirmeadow.example",
            "MAIL_SERVER": "localhost",
            "LOG_LEVEL": "WARNING",
        }
    )
    return importlib.import_module("otterwiki.server")
