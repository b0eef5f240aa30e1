"""Tool traffic against tau2's own retail and telecom tools, by scripted and noisy agents.

A *scripted* agent serves one customer: it finds the customer, looks up what it is going to change, and follows the tool
names of a random gold action list of tau2's, each with arguments that are valid for this customer. A *noisy* one starts
from the same script and spoils calls: ids that do not exist, other customers' ids, wrong states, wrong ways to pay,
calls again, calls of what it never looked up, missing arguments, tools there are not.

tau2's telecom has four customers, too few to hold some out: the world is started with `CUSTOMERS` made ones, in the
shape of its own, and its own tools run on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tau2_agents import Calls, RetailAgent, TelecomAgent
from tau2_customers import telecom_data

from envsim.cli.common import progress
from envsim.integrations.tau2 import Tau2World, tasks
from envsim.integrations.tau2.world import PARAMS_KEY
from envsim.recorder import Recorder
from envsim.rng import Rng, draw
from envsim.state import StateView
from envsim.task import Task
from envsim.trace import Header, Step, Trace, TraceWriter
from envsim.types import Action, Outcome

CUSTOMERS = 160
"""Made for telecom."""
HELD_OUT = 4
"""One customer in so many is held out."""
NOISE = 0.25
"""Share of a noisy agent's calls that it spoils."""
AGENTS: dict[str, Callable[[StateView, str, Rng], Calls]] = {"retail": RetailAgent, "telecom": TelecomAgent}


def split_of(domain: str, customer: str, seed: int) -> str:
    """``"train"`` or ``"test"``, by customer."""
    return "test" if draw(seed, domain, "held out", customer) % HELD_OUT == 0 else "train"


def record(domain: str, calls: int, out: Path, seed: int = 0) -> dict[str, int]:
    """Record sessions until there are `calls` calls, into ``out/train`` and ``out/test``.

    Returns:
        Calls by split.
    """
    world = Tau2World(domain)
    data = {} if domain == "retail" else {"initialization_data": {"agent_data": telecom_data(CUSTOMERS, seed)}}
    table = world.seed_view()["users"] if domain == "retail" else data["initialization_data"]["agent_data"]["customers"]
    customers = sorted(table) if domain == "retail" else [row["customer_id"] for row in table]
    gold = [
        [action.name for action in task.evaluation_criteria.actions or () if action.requestor == "assistant"]
        for task in list(tasks(domain).values())[:400]
        if task.evaluation_criteria is not None
    ]
    counts = {"train": 0, "test": 0}
    with progress(f"recording {domain}", calls) as advance:
        for number in range(10**6):
            if sum(counts.values()) >= calls:
                break
            rng = Rng(seed, domain, "session", number)
            customer = rng.choice(customers)
            part = split_of(domain, customer, seed)
            noise = NOISE if rng.chance(0.4) else 0.0
            task = _task(domain, customer, number, data)
            made = _session(world, task, out / part, rng, noise, rng.choice(gold), number)
            counts[part] += made
            advance(made)
    return counts


def _task(domain: str, customer: str, number: int, data: dict[str, Any]) -> Task:
    scenario = {"id": f"{customer}-{number}", "user_scenario": {"instructions": ""}, "initial_state": data}
    # The template is the customer: whole customers are held out for calibration too.
    return Task(
        id=f"{domain}-{customer}@{number}", template=f"{domain}-{customer}", app=f"tau2-{domain}", interface="tools",
        split="train", goal="", params={PARAMS_KEY: scenario},
    )  # fmt: skip


def _session(
    world: Tau2World, task: Task, out: Path, rng: Rng, noise: float, gold: list[str], number: int
) -> int:  # fmt: skip
    first = world.reset(task, number)
    recorder = Recorder(out, "noisy" if noise else "scripted")
    recorder.begin(task, world, number, world.state(), f"{task.template}-{number:05d}")
    recorder.write(Step(index=0, observation=first.observation))
    count = 0
    for action in _calls(world, task, rng, noise, gold):
        done = world.step(action)
        count += 1
        recorder.write(Step(index=count, action=action, observation=done.observation, delta=done.delta))
    recorder.finish(Outcome(kind="policy", reward=None, reason="the script has ended"))
    return count


def _calls(world: Tau2World, task: Task, rng: Rng, noise: float, gold: list[str]) -> Iterator[Action]:
    agent = AGENTS[world.domain](world.state(), task.template.partition("-")[2], rng)
    for name, arguments in agent.session(gold, noise):
        agent.state = world.state()
        yield Action(kind="call", name=name, arguments=arguments)
        agent.state = world.state()


def results_only(trace: Trace, out: Path) -> None:
    """The session as a production log would have it: calls and results, no state."""
    header: Header = trace.header.model_copy(update={"state": "", "world": "", "source": "log"})
    writer = TraceWriter(out, header)
    for step in trace.steps:
        writer.write(step.model_copy(update={"delta": ()}))
    writer.finish(None)
