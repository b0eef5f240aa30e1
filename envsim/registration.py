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


INTEGRATIONS = {"Tau2": "envsim.integrations.tau2.env:Tau2"}
"""Environments made of other people's benchmarks: the name in the id, and what to put before Env and VectorEnv."""


def register_all() -> None:
    """Register every app not yet registered, and the integrations; call again after changing `ENVSIM_PATH`."""
    for name, entry in INTEGRATIONS.items():
        if (full := f"{NAMESPACE}/{name}-v0") not in gymnasium.registry:
            gymnasium.register(id=full, entry_point=f"{entry}Env", vector_entry_point=f"{entry}VectorEnv")
    for app in list_apps():
        if env_id(app) not in gymnasium.registry:
            gymnasium.register(
                id=env_id(app),
                entry_point="envsim.env:TaskEnv",
                vector_entry_point="envsim.vector:TaskVectorEnv",
                kwargs={"app": app},
            )
