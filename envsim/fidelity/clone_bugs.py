"""Which declared bugs explain where a clone and production differ, found by playing the session with one switched.

A bug is *reproduced* where production's answer is the clone's with the bug and not without it, *missing* where
production shows what the clone would show with a bug that it does not have switched on, and *invented* where the
clone, with a bug, answers what production did not. A bug with a rate below 1 may fire in one and not in the other: that
is *chance*, and no disagreement. The bugs of an app that is not ours cannot be switched: where production answers as
another *variant* of it does, that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from envsim.fidelity.clone_answers import Answer, Verdict, judge, replayed
from envsim.fidelity.clone_lines import Mask
from envsim.fidelity.clone_replay import Player
from envsim.fidelity.clone_session import Config, Replay, Session

Kind = Literal["reproduced", "missing", "invented", "chance", "variant"]
MAX_BUGS = 3
"""Bugs that may meet in one answer and still be found."""
MAX_SEARCHES = 6
"""Disagreements of one session whose bug is searched for. The first costs a replay per declared bug."""


@dataclass
class Attempt:
    """The clone's answers under one configuration."""

    config: Config
    replay: Replay
    answers: list[Answer]
    verdicts: list[Verdict]

    def agrees(self, step: int) -> bool:
        """Whether the answer at `step` is production's."""
        return step < len(self.verdicts) and self.verdicts[step].agrees


@dataclass
class Explained:
    """What came of one session.

    Attributes:
        chosen: The clone as it is configured.
        kinds: Step -> what explains it, and the bugs.
        searched: Disagreeing steps for which no declared bug was found.
    """

    chosen: Attempt
    kinds: dict[int, tuple[Kind, tuple[str, ...]]] = field(default_factory=dict)
    searched: set[int] = field(default_factory=set)


class Explainer:
    """Compares one session with the clone under different bugs.

    Args:
        player: Plays it.
        session: The recording.
        production: Its answers.
        masks: What is volatile, a step each.
        rates: Every bug that can be switched, with its rate.
        variants: The app's other variants that may be tried, each with what starts it.
    """

    def __init__(
        self,
        player: Player,
        session: Session,
        production: Sequence[Answer],
        masks: Sequence[Mask],
        rates: Mapping[str, float],
        variants: Mapping[str, Callable[[], Player]] | None = None,
    ) -> None:
        self._player = player
        self._session = session
        self._production = production
        self._masks = masks
        self._rates = rates
        self._variants = variants or {}
        self._played: dict[Config, Attempt] = {}
        self._seed = 0

    def explain(self, chosen: Config, clean: Attempt) -> Explained:
        """What explains each step, given the clone without bugs."""
        self._seed = chosen.seed
        first = clean if not chosen.bugs else self.attempt(chosen)
        out = Explained(first)
        current = first
        for step in range(len(self._production)):
            if current.agrees(step):
                self._credit(out, step, current, clean)
                continue
            found = self._search(step, current, out)
            if found is None:
                out.searched.add(step)
                continue
            current = found
            out.kinds[step] = self._named(first, found, step)
        return out

    def attempt(self, config: Config) -> Attempt:
        """The clone's answers under `config`, played once."""
        if config not in self._played:
            self._played[config] = self._attempt(config)
        return self._played[config]

    def _attempt(self, config: Config) -> Attempt:
        player = self._player if config.variant is None else self._variants[config.variant]()
        replay = player.play(self._session, config, self._masks)
        answers = replayed(self._session, replay)
        verdicts = [
            judge(theirs, ours, mask)
            for theirs, ours, mask in zip(self._production, answers, self._masks, strict=False)
        ]
        return Attempt(config, replay, answers, verdicts)

    def _credit(self, out: Explained, step: int, current: Attempt, clean: Attempt) -> None:
        """An answer that agrees: owed to a bug if it would not without any."""
        if current.config == out.chosen.config:
            if not clean.agrees(step) and (fired := self._fired(current, step)):
                out.kinds[step] = ("reproduced", fired)
        elif not out.chosen.agrees(step):
            # What follows from the bug that explained an earlier step is explained by it, too.
            out.kinds[step] = self._named(out.chosen, current, step)

    def _fired(self, attempt: Attempt, step: int) -> tuple[str, ...]:
        """The bugs that fired at a step, else those that fired last before it and may still show."""
        for at in range(step, -1, -1):
            if fired := attempt.replay.fired(at):
                return tuple(dict.fromkeys(fired))
        return ()

    def _search(self, step: int, current: Attempt, out: Explained) -> Attempt | None:
        """The clone with few bugs switched, or another variant, that agrees at `step` and at all agreed on before."""
        if len(out.searched) + len({bugs for _, bugs in out.kinds.values()}) >= MAX_SEARCHES:
            return None
        held = [at for at in range(step) if current.agrees(at)]
        return self._with_bugs(step, current, held, out.chosen.config) or self._as_variant(step, held)

    def _as_variant(self, step: int, held: Sequence[int]) -> Attempt | None:
        for variant in self._variants:
            tried = self.attempt(Config(seed=self._seed, variant=variant))
            if all(tried.agrees(at) for at in (*held, step)):
                return tried
        return None

    def _with_bugs(self, step: int, current: Attempt, held: Sequence[int], chosen: Config) -> Attempt | None:
        if not self._rates or current.config.variant is not None:
            return None
        likely = tuple(dict.fromkeys((*self._fired(current, step), *self._at_work(chosen))))
        best, config = _nearness(current, step), current.config
        for _ in range(MAX_BUGS):
            nearer = None
            for other in (other for bug in likely for other in self._switched(config, bug)):
                tried = self.attempt(other)
                if not all(tried.agrees(at) for at in held):
                    continue
                if tried.agrees(step):
                    return tried
                if _nearness(tried, step) > best:
                    best, nearer = _nearness(tried, step), other
            if nearer is None:
                return None
            # Two bugs may meet on one page: go on from the one that explains most of it.
            config = nearer
        return None

    def _at_work(self, chosen: Config) -> list[str]:
        """The bugs that this session meets, each tried by itself: no other can explain anything in it."""
        found = [bug for bug, _ in chosen.bugs]
        for bug in self._rates:
            alone = chosen.without(bug).toggled(bug)
            if bug not in found and any(bug in self._fired_at(self.attempt(alone), at) for at in range(self._length)):
                found.append(bug)
        return found

    @property
    def _length(self) -> int:
        return len(self._production)

    @staticmethod
    def _fired_at(attempt: Attempt, step: int) -> tuple[str, ...]:
        return attempt.replay.fired(step) if step < len(attempt.replay.steps) else ()

    def _switched(self, config: Config, bug: str) -> tuple[Config, ...]:
        if bug not in self._rates:
            return ()
        rate = dict(config.bugs).get(bug, 0.0)
        # One that may or may not fire is tried both ways.
        return (config.toggled(bug), config.without(bug)) if 0.0 < rate < 1.0 else (config.toggled(bug),)

    def _named(self, chosen: Attempt, found: Attempt, step: int) -> tuple[Kind, tuple[str, ...]]:
        """What it says of the clone that it answers right with other bugs on, and which of them show at `step`."""
        if found.config.variant is not None:
            return "variant", (f"@{found.config.variant}",)
        was, now = dict(chosen.config.bugs), dict(found.config.bugs)
        changed = [bug for bug in self._rates if was.get(bug) != now.get(bug)]
        added = [bug for bug in changed if bug not in was]
        removed = [bug for bug in changed if was.get(bug) == 1.0]
        kind: Kind = "missing" if added else "invented" if removed else "chance"
        shown = (found if added else chosen).replay.fired(step)
        bugs = added or removed or changed
        return kind, tuple([bug for bug in bugs if bug in shown] or bugs)


def _nearness(attempt: Attempt, step: int) -> tuple[int, float]:
    """How much of production's answer an attempt has: aspects that agree, then lines."""
    verdict = attempt.verdicts[step] if step < len(attempt.verdicts) else None
    if verdict is None:
        return 0, 0.0
    return sum(bool(agrees) for agrees in verdict.aspects.values()), verdict.page.f1
