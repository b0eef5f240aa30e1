"""Conformance kit for task templates: the audit, as an assertion for your own test suite.

from envsim.testing import check_task

def test_my_task():
    check_task("shop", "save-for-later")
"""

from __future__ import annotations

from collections.abc import Sequence

from envsim.audit import audit_template
from envsim.env import TaskEnv
from envsim.task_template import find_template
from envsim.testing.world import NonConformance


def check_task(
    app: str, template_id: str, seeds: Sequence[int] = range(20), *, bugs: str | tuple[str, ...] = "production"
) -> None:
    """Hold a task template to what `envsim.audit` demands of ours; returns if it is sound.

    Args:
        app: Name of the app.
        template_id: Of its template, ours or one under ``ENVSIM_PATH``.
        seeds: Of the instances, at least one.
        bugs: As `TaskEnv`.

    Raises:
        NonConformance: The first thing the audit found, with the seed and the check that failed.
        ContentError: There is no such app or template, or it is malformed.
    """
    if not seeds:
        raise NonConformance("give at least one seed")
    env = TaskEnv(app, interface=find_template(app, template_id).interface, bugs=bugs)
    try:
        audited = audit_template(env, template_id, seeds)
    finally:
        env.close()
    if not audited.sound:
        more = f" ({len(audited.failures) - 1} more)" if len(audited.failures) > 1 else ""
        raise NonConformance(f"{app}/{template_id}: {audited.failures[0]}{more}")
