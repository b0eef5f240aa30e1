"""Gymnasium ids: ``envsim/<App>-v0`` for every app that can be found.

Entry points are strings, so registering imports nothing; `import envsim` calls `register_all`.
"""

from __future__ import annotations

import gymnasium

from envsim.content import list_apps

NAMESPACE = "envsim"


def env_id(app: str) -> str:
    """The gymnasium id of an app: ``shop`` -> ``envsim/Shop-v0``."""
    return f"{NAMESPACE}/{''.join(part.capitalize() for part in app.replace('_', '-').split('-'))}-v0"


def register_all() -> None:
    """Register every app not yet registered; call again after changing `ENVSIM_PATH`."""
    for app in list_apps():
        if env_id(app) not in gymnasium.registry:
            gymnasium.register(
                id=env_id(app),
                entry_point="envsim.env:TaskEnv",
                vector_entry_point="envsim.vector:TaskVectorEnv",
                kwargs={"app": app},
            )
