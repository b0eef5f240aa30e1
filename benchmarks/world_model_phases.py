"""What the later phases of training bring: own rollouts and a policy gradient, beside as many more steps of the first.

    python benchmarks/world_model_phases.py TRACES HELD_OUT -o runs/phases

All variants start from one first phase, and end with thresholds for their edits fitted on the same tasks kept from
training. Each is held against the same sessions: one step at a time (exact, F1 of changed elements, both also with
every edit accepted) and on its own answers (steps that hold before the first difference, by Kaplan and Meier).
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from envsim.fidelity.survival import Lifetime, kaplan_meier, median_steps
from worldmodel import dataset, train
from worldmodel.calibrate import calibrate
from worldmodel.dataset import HELD_OUT, TRAIN
from worldmodel.decode import decode
from worldmodel.document import Lines, to_transition
from worldmodel.examples import Context, choose_draft, read_answer, write_context
from worldmodel.metrics import Score, score
from worldmodel.model import Config, Transformer, WorldModel
from worldmodel.optimise import Pace, optimise
from worldmodel.reinforce import reinforce
from worldmodel.rollouts import GENTLE, SHARE, Taught, learn_from_rollouts
from worldmodel.session import Sample, Session
from worldmodel.support import Support, comparable, same_answer

BATCH = 16
SIZES = {"width": 96, "layers": 4, "heads": 3, "kv_heads": 1}


class Judge:
    """Holds networks against the same sessions."""

    def __init__(self, taught: Taught, traces: Path, folder: Path) -> None:
        data = dataset.build(traces, folder, held_out=0.0)
        self.taught = taught
        self.found = [sample for sample in data.samples if sample.index > 0]
        self.contexts = [self._context(sample) for sample in self.found]

    def _context(self, sample: Sample) -> Context:
        draft = choose_draft(sample.situation, self.taught.memory)
        return write_context(self.taught.vocabulary, sample.situation, draft, self.taught.stable)

    def measure(self, network: WorldModel, accept: Mapping[str, float]) -> dict[str, Any]:
        """The figures of one network; a threshold above 0 accepts no edit."""
        decoded = []
        for start in range(0, len(self.contexts), BATCH):
            part = self.contexts[start : start + BATCH]
            decoded += decode(network, self.taught.vocabulary, part, [None] * len(part))
        out: dict[str, Any] = {"requests": len(self.found)}
        for name, least in (("", accept), ("_all_edits", None)):
            read = [
                read_answer(self.taught.vocabulary, context, answer.tokens, answer.logprobs, least)[1]
                for context, answer in zip(self.contexts, decoded, strict=True)
            ]
            scored = [_score(sample, lines) for sample, lines in zip(self.found, read, strict=True)]
            f1 = [s.f1 for s in scored if s.f1 is not None]
            out[f"exact{name}"] = round(sum(s.exact for s in scored) / len(scored), 4)
            out[f"f1{name}"] = round(sum(f1) / len(f1), 4)
        lifetimes = self._lifetimes(network, accept)
        median = median_steps(lifetimes)
        out["median_steps"] = [median.value, median.low, median.high]
        out["mean_steps"] = round(sum(kaplan_meier(lifetimes)[1:]), 3)
        return out

    def _lifetimes(self, network: WorldModel, accept: Mapping[str, float]) -> list[Lifetime]:
        by_session: dict[str, list[Sample]] = {}
        for sample in self.found:
            by_session.setdefault(sample.session, []).append(sample)
        live = [(Session.at(todo[0].situation), todo, 0) for todo in by_session.values()]
        out: list[Lifetime] = []
        while live:
            asked = [replace(todo[n], situation=s.situation(todo[n].situation.request)) for s, todo, n in live]
            answered = self._answer(network, asked, accept)
            on = []
            for (session, todo, n), sample, lines in zip(live, asked, answered, strict=True):
                if not comparable(lines, sample.target, self.taught.rates):
                    out.append(Lifetime(n, False))
                elif not same_answer(lines, sample.target):
                    out.append(Lifetime(n, True))
                elif n + 1 == len(todo):
                    out.append(Lifetime(n + 1, False))
                else:
                    session.answer(sample.situation.request, to_transition(lines, session.interface))
                    on.append((session, todo, n + 1))
            live = on
        return out

    def _answer(self, network: WorldModel, asked: Sequence[Sample], accept: Mapping[str, float]) -> list[Lines]:
        out: list[Lines] = []
        for start in range(0, len(asked), BATCH):
            contexts = [self._context(sample) for sample in asked[start : start + BATCH]]
            answers = decode(network, self.taught.vocabulary, contexts, [None] * len(contexts))
            for context, answer in zip(contexts, answers, strict=True):
                out.append(read_answer(self.taught.vocabulary, context, answer.tokens, answer.logprobs, accept)[1])
        return out


def _score(sample: Sample, lines: Lines) -> Score:
    interface = sample.situation.interface
    real, guess = (to_transition(side, interface) for side in (sample.target, lines))
    return score(interface, sample.situation.current, real, guess)


def main() -> None:
    """Train the variants, measure them, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("traces", type=Path)
    parser.add_argument("held", type=Path, help="other sessions")
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/phases"))
    parser.add_argument("--steps", type=int, default=700, help="of the first phase")
    parser.add_argument("--rollouts", type=int, default=100)
    parser.add_argument("--reinforce", type=int, default=100)
    parser.add_argument("--batch-tokens", type=int, default=1024)
    parser.add_argument("--lr", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    data = dataset.build(args.traces, args.out / "dataset", seed=args.seed)
    vocabulary, memory = train.learn_vocabulary(data, args.seed)
    examples, stable, record = train.encode(data.part(TRAIN), vocabulary, memory)
    taught = Taught(vocabulary, memory, stable, data.part(TRAIN), data.manifest["bugs"], args.seed)
    say(args.out, "learned", examples=len(examples), sessions=len({s.session for s in taught.samples}))
    judge = Judge(taught, args.held, args.out / "held")
    torch.manual_seed(args.seed)
    first = Transformer(Config(vocabulary.size, **SIZES))
    pace = Pace(1e9, args.steps, 0.0, args.batch_tokens, args.lr, args.seed, checkpoint_s=30.0)
    say(args.out, "first", **optimise(first, examples, pace, args.out, "first"))
    longer = replace(pace, steps=round(SHARE * args.steps), lr=GENTLE * pace.lr)

    def more(network: WorldModel, folder: Path) -> dict[str, Any]:
        return optimise(network, examples, longer, folder, "more")

    def rolled(network: WorldModel, folder: Path) -> dict[str, Any]:
        return learn_from_rollouts(network, taught, examples, args.rollouts, pace, args.steps, folder, "rollouts")

    def reinforced(network: WorldModel, folder: Path) -> dict[str, Any]:
        return reinforce(network, taught, args.reinforce, folder, "reinforce")

    for name, phase in (("neither", None), ("rollouts", rolled), ("reinforce", reinforced), ("more", more)):
        network, folder, started = copy.deepcopy(first), args.out / name, time.process_time()
        folder.mkdir(exist_ok=True)
        log = phase(network, folder) if phase is not None else {}
        seconds, support = time.process_time() - started, Support(memory, record, data.manifest["bugs"])
        network.eval()
        fitted = calibrate(
            network, vocabulary, support, stable, data.part(HELD_OUT), data.manifest["bugs"], taught=data.part(TRAIN)
        )
        found = judge.measure(network, fitted.accept)
        say(args.out, name, log=log, cpu_seconds=round(seconds, 1), accept=fitted.accept, **found)
        if phase is None:
            draft = judge.measure(network, dict.fromkeys(fitted.accept, 1.0))
            say(args.out, "draft alone", **{key: draft[key] for key in ("exact", "f1", "median_steps", "mean_steps")})


def say(out: Path, name: str, **figures: Any) -> None:
    """Print a row and append it to ``results.jsonl``."""
    row = json.dumps({"variant": name, **figures})
    print(row, flush=True)
    with (out / "results.jsonl").open("a", encoding="utf-8") as file:
        file.write(row + "\n")


if __name__ == "__main__":
    main()
