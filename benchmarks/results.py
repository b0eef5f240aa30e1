"""Keeps `benchmarks/RESULTS.md`: each benchmark rewrites its own section and leaves the others alone."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Goal:
    """One line of a "Done when" table, measured. `met` is None where there is no goal, or nothing to measure."""

    what: str
    goal: str
    measured: str
    met: bool | None = None


def goals_table(goals: list[Goal]) -> str:
    """`goals` as a Markdown table."""
    words = {True: "met", False: "**missed**", None: ""}
    lines = ["| | goal | measured | |", "| --- | --- | --- | --- |"]
    return "\n".join(lines + [f"| {g.what} | {g.goal} | {g.measured} | {words[g.met]} |" for g in goals])


RESULTS = Path(__file__).with_name("RESULTS.md")
_TITLE = """# Measured results

Each section is written by the command it names. Figures are from small shared machines: compare
ratios and medians, and measure again on yours.
"""


def update_section(name: str, text: str, path: Path = RESULTS) -> None:
    """Replace section `name` (or append it) with `text`, in Markdown."""
    document = path.read_text(encoding="utf-8") if path.exists() else _TITLE
    block = f"<!-- {name}:start -->\n{text.strip()}\n<!-- {name}:end -->"
    pattern = re.compile(rf"<!-- {re.escape(name)}:start -->.*?<!-- {re.escape(name)}:end -->", re.DOTALL)
    if pattern.search(document):
        document = pattern.sub(lambda _: block, document)
    else:
        document = document.rstrip() + "\n\n" + block + "\n"
    path.write_text(document, encoding="utf-8")


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, numbers to the right."""
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join([" --- "] + [" ---: "] * (len(head) - 1)) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def machine() -> str:
    """The machine in words, without its name."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
