"""tau2-bench in envsim against the original: the reward of every task's gold solution, of none, and of a broken one.

    python benchmarks/tau2.py

Replays all 2,449 tasks of airline, retail and telecom in `Tau2World`, has inspect-evals' own solver, tools and
scorers judge the same calls (no language model), and rewrites its section of benchmarks/RESULTS.md. The original
takes eight minutes of two cores; what it said is kept in --out, and a second run goes on from there.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from results import machine, markdown_table, update_section

from envsim.cli.common import progress
from envsim.integrations.tau2 import DOMAINS, Call, Tau2World, find_task, judge, make_task, tasks
from envsim.integrations.tau2.reference import original
from envsim.integrations.tau2.replay import GoldReplay, gold_calls, gold_said, replay
from envsim.state import state_hash
from envsim.types import Action

REPO = Path(__file__).resolve().parent.parent
Key = tuple[str, str]
"""Domain and tau2's id of a task."""
SCRIPTS = ("gold", "null", "broken")
"""What is replayed: the gold solution; nothing; and the gold solution less its last call, in silence."""


class Row(NamedTuple):
    """One task, judged twice."""

    domain: str
    task: str
    ours: dict[str, Any]
    theirs: dict[str, Any]


def theirs(domain: str, tau_id: str) -> dict[str, Any]:
    """The original's verdicts on each script of one task, and digests of what it returned to the gold calls."""
    tau = find_task(domain, tau_id)
    calls, said = gold_calls(tau), gold_said(tau)
    scored = {
        "gold": original(domain, tau_id, calls, said),
        "null": original(domain, tau_id, (), ()),
        "broken": original(domain, tau_id, calls[:-1], ()),
    }
    return {
        "domain": domain,
        "task": tau_id,
        "rewards": {name: each.reward for name, each in scored.items()},
        "reasons": {name: each.reason for name, each in scored.items()},
        "results": [state_hash(text) for text in scored["gold"].results],
    }


def ours(domain: str, wanted: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Our verdicts on the same."""
    world = Tau2World(domain)
    for tau_id in wanted:
        gold = replay(world, tau_id)
        yield {
            "rewards": {"gold": gold.reward, "null": gold.null_reward, "broken": broken_reward(world, gold)},
            "calls": [call.name for call in gold.calls],
            "results": [state_hash(text) for text in gold.results],
            "refused": gold.refused,
        }


def broken_reward(world: Tau2World, gold: GoldReplay) -> float:
    """Our reward of the gold solution less its last call, with nothing said."""
    tau = find_task(gold.domain, gold.task)
    world.reset(make_task(gold.domain, gold.task), 0)
    for call in gold.calls[:-1]:
        act(world, call)
    return judge(tau, world, ()).reward


def act(world: Tau2World, call: Call) -> None:
    """Carry out a call on its own side."""
    action = Action(kind="call", name=call.name, arguments=call.arguments)
    (world.step if call.side == "assistant" else world.user_step)(action)


def use_folder(folder: str) -> None:
    """Of a worker process: inspect-evals leaves an unpacked database behind each time it loads one."""
    tempfile.tempdir = folder


def all_theirs(wanted: list[Key], kept: Path, processes: int) -> dict[Key, dict[str, Any]]:
    """The original's verdicts on all of `wanted`: those in `kept` from there; others are appended as they are made."""
    lines = kept.read_text("utf-8").splitlines() if kept.exists() else []
    found = {(row["domain"], row["task"]): row for row in map(json.loads, lines)}
    left = [each for each in wanted if each not in found]
    kept.parent.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(processes, context, use_folder, (folder,)) as pool,
        kept.open("a", encoding="utf-8") as out,
        progress("asking the original", len(wanted)) as advance,
    ):
        advance(len(wanted) - len(left))
        for future in as_completed([pool.submit(theirs, *each) for each in left]):
            row = future.result()
            found[row["domain"], row["task"]] = row
            out.write(json.dumps(row) + "\n")
            out.flush()
            tidy(Path(folder))
            advance()
    return found


def tidy(folder: Path) -> None:
    """Remove unpacked databases that nobody reads any more."""
    for path in folder.iterdir():
        if time.time() - path.stat().st_mtime > 60:
            path.unlink(missing_ok=True)


def all_ours(wanted: list[Key]) -> dict[Key, dict[str, Any]]:
    """Our verdicts on all of `wanted`, made anew each time."""
    found: dict[Key, dict[str, Any]] = {}
    with progress("replaying", len(wanted)) as advance:
        for domain in dict.fromkeys(name for name, _ in wanted):
            chosen = [tau_id for name, tau_id in wanted if name == domain]
            for tau_id, row in zip(chosen, ours(domain, chosen), strict=True):
                found[domain, tau_id] = row
                advance()
    return found


def differences(rows: Iterable[Row]) -> list[str]:
    """One line for each script that the two judge differently, with the original's reason."""
    return [
        f"{row.domain} `{row.task}`, {name}: ours {row.ours['rewards'][name]:g}, "
        f"original {row.theirs['rewards'][name]:g} ({row.theirs['reasons'][name]})"
        for row in rows
        for name in SCRIPTS
        if row.ours["rewards"][name] != row.theirs["rewards"][name]
    ]


def other_texts(row: Row) -> list[str]:
    """Names of the gold calls that return another text."""
    results = zip(row.ours["calls"], row.ours["results"], row.theirs["results"], strict=True)
    return [name for name, a, b in results if a != b]


def table(rows: list[Row]) -> str:
    """The section of RESULTS.md."""
    of = {name: [row for row in rows if row.domain == name] for name in DOMAINS}

    def both(name: str, script: str) -> str:
        return " / ".join(
            f"{sum(getattr(row, side)['rewards'][script] == 1.0 for row in of[name]):,}" for side in ("ours", "theirs")
        )

    body = []
    for name in DOMAINS:
        calls = sum(len(row.ours["calls"]) for row in of[name])
        equal = calls - sum(len(other_texts(row)) for row in of[name])
        counts = [both(name, script) for script in SCRIPTS]
        body.append([name, f"{len(of[name]):,}", *counts, str(len(differences(of[name]))), f"{equal:,} of {calls:,}"])
    head = ["domain", "tasks", "gold solution", "nothing done", "gold less last call", "differences", "equal results"]
    refused = [text for row in rows for text in row.ours["refused"]]
    nothing = {name: [row.task for row in of[name] if row.ours["rewards"]["null"] == 1.0] for name in DOMAINS}
    lines = [
        "## tau2-bench: our rewards against the original's",
        "",
        f"`python benchmarks/tau2.py` · inspect-evals {version('inspect-evals')} · {machine()}.",
        "",
        "Episodes rewarded with 1, ours / original. The original is inspect-evals: its initial states, its tools",
        "called through `inspect_ai.model.execute_tools`, its scorers; no language model takes part. *Gold less last",
        "call* also says nothing. *Differences* counts tasks and scripts with another reward, *equal results* the gold",
        "calls that return the same text. New telecom bills get their ids from the seed here, from `uuid4` there.",
        "",
        markdown_table(head, body),
        "",
        *([f"- {line}" for line in differences(rows)] or ["No task has another reward."]),
        *(
            f"- {row.domain} `{row.task}`: another text from {', '.join(names)}"
            for row in rows
            if (names := other_texts(row))
        ),
        "",
        "Rewarded for doing and saying nothing, in the original too, and kept so:",
        "",
        *(f"- {name}, {len(some)} tasks: {', '.join(some) or 'none'}" for name, some in nothing.items()),
        "",
        f"Gold calls that the tools refuse, in the original too: {len(refused)}, in "
        f"{sum(bool(row.ours['refused']) for row in rows)} tasks.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=REPO / "runs" / "tau2")
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, default=list(DOMAINS))
    parser.add_argument("--limit", type=int, help="tasks of each domain; prints, and leaves RESULTS.md alone")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    started = time.monotonic()
    wanted = [(name, tau_id) for name in options.domains for tau_id in list(tasks(name))[: options.limit]]
    mine = all_ours(wanted)
    original_ones = all_theirs(wanted, options.out / f"original-{version('inspect-evals')}.jsonl", options.processes)
    text = table([Row(*each, mine[each], original_ones[each]) for each in wanted])
    print(text)
    if options.limit is None and list(options.domains) == list(DOMAINS):
        update_section("tau2", text)
        print(f"{time.monotonic() - started:.0f} s in all; written to benchmarks/RESULTS.md")


if __name__ == "__main__":
    main()
