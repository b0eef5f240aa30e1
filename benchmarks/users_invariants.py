"""Plays simulated users against a noisy agent and counts what their monitor finds, and how fast they are.

    python benchmarks/users_invariants.py [--episodes 2000] [--quick]

The agent asks in and out of place, reports falsely, refuses, offers, contradicts itself and says rubbish
(`envsim.testing.user.NoisyAgent`). A violation is a `UserTurn.fault`: a value from nowhere, a secret told too
early, a wish before its time, an end too soon.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

from results import machine, markdown_table, update_section

from envsim.testing.user import EXAMPLE, CompetentAgent, ExampleHands, NoisyAgent, play
from envsim.user.agenda import AgendaUser
from envsim.user.persona import builtin_populations, read_population


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=2000, help="in all, over the built-in populations")
    parser.add_argument("--quick", action="store_true", help="a tenth of the episodes, nothing written")
    arguments = parser.parse_args()
    names = builtin_populations()
    each = max(1, arguments.episodes // len(names) // (10 if arguments.quick else 1))
    rows = [measure(name, each) for name in names]
    text = f"""## Simulated users: invariants and speed

{machine()}. {each} episodes per population with the noisy agent, of at most 60 turns; turns/s is of one process, the
user alone, in CPU time. Settled: episodes with a competent agent that end with every item done.

{markdown_table(["population", "episodes", "turns", "violations", "gave up", "turns/s", "settled"], rows)}

Reproduce: `python benchmarks/users_invariants.py`
"""
    print(text)
    if not arguments.quick:
        update_section("users_invariants", text)


def measure(name: str, episodes: int) -> list[str]:
    user = AgendaUser(read_population(name))
    faults: Counter[str] = Counter()
    turns = gave_up = settled = 0
    spent = 0.0
    for seed in range(episodes):
        agent = NoisyAgent(EXAMPLE, seed)
        turn = user.reset(EXAMPLE, seed, ExampleHands())
        for _ in range(60):
            if turn.fault:
                faults[turn.fault] += 1
            if turn.done:
                break
            said = agent.reply(turn)
            begun = time.process_time()
            turn = user.hear(said)
            spent += time.process_time() - begun
            turns += 1
        gave_up += "give_up" in turn.decisions
        list(play(user, CompetentAgent(EXAMPLE), EXAMPLE, seed, ExampleHands()))
        settled += set(user.statuses.values()) == {"done"}
    for fault, count in faults.most_common(3):
        print(f"{name}: {count} times {fault}")
    return [
        name, str(episodes), str(turns), str(sum(faults.values())), f"{gave_up / episodes:.0%}",
        f"{turns / spent:,.0f}", f"{settled / episodes:.1%}",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
