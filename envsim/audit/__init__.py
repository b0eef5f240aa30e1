"""Proof that tasks are sound: the oracle solves every instance; doing nothing, guessing and cheating solve none."""

from envsim.audit.cheats import CHEATS, Cheat
from envsim.audit.run import audit, summarise_canary, summarise_cheats
from envsim.audit.template import EXPECTED, TaskAudit, audit_template, forged_answers

__all__ = [
    "CHEATS",
    "EXPECTED",
    "Cheat",
    "TaskAudit",
    "audit",
    "audit_template",
    "forged_answers",
    "summarise_canary",
    "summarise_cheats",
]
