"""What every console script shares: one-sentence errors, exit codes, JSON output, progress.

Exit codes: 0 done, 1 a check or gate did not hold, 2 bad input or a missing prerequisite, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NoReturn, Protocol

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from envsim.errors import EnvsimError

INTERRUPTED = 130

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of a table.")]
"""The ``--json`` option, spelt the same everywhere: ``as_json: JsonFlag = False``."""


def new_app(summary: str) -> typer.Typer:
    """A Typer app with our settings: no shell-completion installer, no traceback decoration."""
    return typer.Typer(help=summary, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def run(app: typer.Typer, prog: str | None = None, argv: Sequence[str] | None = None) -> NoReturn:
    """Run a console script and exit.

    An `EnvsimError` becomes ``error: <its sentence>`` on stderr and its `exit_code`; an interrupt
    exits 130; a closed pipe (``| head``) exits quietly. Anything else is a defect of ours and keeps
    its traceback.

    Args:
        app: The commands.
        prog: Name shown in usage lines; None takes it from ``sys.argv``.
        argv: Arguments; None takes them from ``sys.argv``.
    """
    try:
        app(args=list(argv) if argv is not None else None, prog_name=prog)
    except EnvsimError as error:
        fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Python would complain again when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(0)


def fail(message: str, exit_code: int = 2) -> NoReturn:
    """Print ``error: message`` on stderr and exit."""
    # Not through rich: it would wrap the sentence and read [brackets] in it as markup.
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(exit_code)


def print_json(value: Any) -> None:
    """`value` as JSON on stdout, indented, with a final newline."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None) -> None:
    """A table on stdout. Cells are shown with ``str()``; None is a dash; text is never read as markup."""
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for column in columns:
        # Names, ids and addresses are copied from here, so only the last column, the prose, may wrap.
        table.add_column(column, overflow="fold", no_wrap=column != columns[-1])
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    # Piped output is for grep and awk: one row a line, however long.
    console = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 240)
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def note(message: str) -> None:
    """One line for the person watching, on stderr, so that stdout stays machine-readable."""
    print(message, file=sys.stderr)


class Advance(Protocol):
    """Moves a progress bar by `steps` and, if given, changes its text."""

    def __call__(self, steps: float = 1, description: str | None = None) -> None:
        """See the class."""


@contextlib.contextmanager
def progress(description: str, total: float | None = None) -> Iterator[Advance]:
    """A progress bar on stderr for anything that may take over two seconds; nothing where no one watches.

    Args:
        description: What is being done.
        total: How many steps there are; None shows a spinner.

    Yields:
        ``advance(steps=1, description=None)``: moves the bar and may change its text.
    """
    console = Console(stderr=True, highlight=False)
    columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]
    if total is not None:
        columns += [BarColumn(), MofNCompleteColumn()]
    with Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(description, total=total)

        def advance(steps: float = 1, description: str | None = None) -> None:
            bar.update(task, advance=steps, description=description)

        yield advance
