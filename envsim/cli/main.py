"""The `envsim` console script."""

from __future__ import annotations

from envsim.cli import common
from envsim.cli.audit import app as audit
from envsim.cli.demo import demo
from envsim.cli.doctor import doctor
from envsim.cli.fidelity import app as fidelity
from envsim.cli.ingest import ingest
from envsim.cli.judge import judge
from envsim.cli.personas import app as personas
from envsim.cli.robustness import robustness
from envsim.cli.rollout import rollout
from envsim.cli.tasks import app as tasks

app = common.new_app("Turn production traces into environments, and know how far to trust each one.")
app.command()(demo)
app.command()(rollout)
app.command()(robustness)
app.command()(ingest)
app.command()(judge)
app.command()(doctor)
app.add_typer(fidelity, name="fidelity")
app.add_typer(personas, name="personas")
app.add_typer(tasks, name="tasks")
app.add_typer(audit, name="audit")


def main() -> None:
    """Entry point of the console script."""
    common.run(app, "envsim")
