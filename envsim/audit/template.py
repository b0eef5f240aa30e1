"""The audit of one template: what must succeed does, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from envsim.audit.canary import Watch
from envsim.audit.cheats import Cheat
from envsim.audit.episode import Played, Player, planted, play
from envsim.audit.replays import ROUNDS, Replay, effect, shuffled, without, writes
from envsim.audit.sight import Memory
from envsim.env import TaskEnv
from envsim.policy import OraclePolicy, get_policy
from envsim.reward.checks import Record, evaluate
from envsim.state import StateView, canonical
from envsim.task import Task
from envsim.task_template import TaskTemplate, find_template
from envsim.types import Action, JsonValue, Outcome

EXPECTED = {"oracle": 1.0, "null": 0.0, "random": 0.0}
"""Reward each policy must have on every instance."""

ENDING_SEEDS = 20
"""Instances at least on which an ending is tried before it is said to pass always."""

OTHERS = 12
"""Seeds looked through for an instance whose gold is another."""


@dataclass(frozen=True)
class CheatResult:
    """What one cheat got on one template.

    Attributes:
        name: Of the cheat.
        kind: Its exploit class.
        reward: The highest it got; must be 0.
        episodes: Played.
        unscored: Of these, how many had no reward: a simulated user or the sandbox gave in.
    """

    name: str
    kind: str
    reward: float
    episodes: int
    unscored: int = 0


@dataclass(frozen=True)
class CanaryResult:
    """What the search for canaries covered and found.

    Attributes:
        episodes: Whose tasks carried a canary.
        observations: Searched.
        characters: Searched, in all.
        hits: Canaries an agent was shown; must be 0.
        info_hits: Steps whose ``info``, which no agent is shown, held one.
    """

    episodes: int = 0
    observations: int = 0
    characters: int = 0
    hits: int = 0
    info_hits: int = 0


@dataclass(frozen=True)
class TaskAudit:
    """What the audit of one template found.

    Attributes:
        task: Template id.
        means: Mean reward of each policy over the seeds; an episode that could not be scored counts 0.
            ``write_nothing`` and ``shuffled`` are over the instances to which they apply, None where there is none.
        failures: One sentence for each instance and policy that did not get what it must, naming the
            seed and the first failing check.
        cheats: What each cheat got.
        canary: What was searched for canaries.
    """

    task: str
    means: dict[str, float | None]
    failures: tuple[str, ...]
    cheats: tuple[CheatResult, ...] = ()
    canary: CanaryResult = CanaryResult()

    @property
    def sound(self) -> bool:
        """Whether nothing failed."""
        return not self.failures


def audit_template(
    env: TaskEnv,
    template_id: str,
    seeds: Sequence[int],
    on_episode: Callable[[], None] = lambda: None,
    *,
    cheats: Sequence[Cheat] = (),
    cheat_seeds: Sequence[int] | None = None,
) -> TaskAudit:
    """Audit one template in an environment of its interface.

    On every instance

    - the policies in `EXPECTED` must get their rewards;
    - the oracle **without its writes** (every call that changed the state view left out, messages and answer kept)
      must get 0, wherever the oracle made such a call;
    - answers that a cheat would try (see `forged_answers`) must not pass on an untouched state;
    - no observation may hold the instance's canary (see `envsim.audit.canary`).

    Over all instances

    - the oracle **in a wrong order** must get less than 1 on average over those where order matters: where the shuffled
      actions had another net effect on the state view than the oracle's (see `envsim.audit.replays.effect`);
    - one and the same ending must not pass on every seed: who always gives up must be wrong somewhere;
    - each of `cheats` that applies must get 0.

    Args:
        env: Where the episodes run.
        template_id: The template.
        seeds: Of the instances and their episodes.
        on_episode: Called after each instance's policies, and after each cheat.
        cheats: To try, e.g. `envsim.audit.CHEATS`.
        cheat_seeds: Of the instances they are tried on; None: `seeds`.
    """
    with planted(env):
        run = _Run(env, find_template(env.app, template_id))
        for seed in seeds:
            run.instance(seed)
            on_episode()
        run.failures += _passing_endings(template_id, env, seeds)
        for cheat in cheats:
            run.cheat(cheat, seeds if cheat_seeds is None else cheat_seeds)
            on_episode()
        return run.result()


@dataclass
class _Run:
    """The audit of one template under way."""

    env: TaskEnv
    template: TaskTemplate
    rewards: dict[str, list[float]] = field(
        default_factory=lambda: {name: [] for name in (*EXPECTED, "write_nothing", "shuffled")}
    )
    failures: list[str] = field(default_factory=list)
    cheats: list[CheatResult] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)
    solved: dict[int, Played] = field(default_factory=dict)
    tasks: dict[int, Task] = field(default_factory=dict)

    def instance(self, seed: int) -> None:
        """All policies but the cheats on one instance."""
        oracle: Played | None = None
        for name, expected in EXPECTED.items():
            policy = OraclePolicy() if name == "oracle" else get_policy(name)
            done = self.play(policy, seed, blind=name != "oracle")
            self._expect(name, seed, done, expected, getattr(policy, "stuck", ""))
            oracle = done if name == "oracle" and isinstance(done, Played) else oracle
        if oracle is not None and oracle.outcome.success:
            self.solved[seed] = oracle
            self._write_nothing(seed, oracle)
            self._shuffled(seed, oracle)
        view = self.env.world.seed_view()
        self.failures += [f"seed {seed}: {what}" for what in _passing(self._instantiate(seed), view)]

    def play(self, player: Player, seed: int, *, blind: bool = True) -> Played | Outcome:
        """One watched episode of the instance."""
        return play(
            self.env, player, seed=seed, task=f"{self.template.id}@{seed}", watch=self.watch, template=self.template,
            blind=blind,
        )  # fmt: skip

    def cheat(self, cheat: Cheat, seeds: Sequence[int]) -> None:
        """One cheat on those instances it applies to."""
        rewards: list[float | None] = []
        for seed in seeds:
            task = self._instantiate(seed)
            if not cheat.applies(task):
                continue
            memory = self._memory(seed, task) if cheat.memory else None
            if cheat.memory and memory is None:
                continue
            outcome = _outcome(self.play(cheat.policy(memory), seed))
            rewards.append(outcome.reward)
            if outcome.reward:
                self.failures.append(f"seed {seed}: the cheat {cheat.name} ({cheat.kind}) got {outcome.reward:g}.")
        if rewards:
            scored = [reward for reward in rewards if reward is not None]
            self.cheats.append(
                CheatResult(cheat.name, cheat.kind, max(scored, default=0.0), len(rewards), len(rewards) - len(scored))
            )

    def result(self) -> TaskAudit:
        """What was found."""
        mean = self.mean("shuffled")
        if mean == 1.0:
            self.failures.append(
                f"every seed: the oracle's actions in a wrong order pass on all {len(self.rewards['shuffled'])} "
                "instances where they had another effect. Check what the order is for."
            )
        for hit in self.watch.hits[:5]:
            self.failures.append(f"{hit.task}: its canary was shown in `{hit.where}` ({hit.form}): {hit.text!r}")
        watch = self.watch
        canary = CanaryResult(
            watch.planted, watch.observations, watch.characters, len(watch.hits), watch.info_hits
        )  # fmt: skip
        means = {name: self.mean(name) for name in self.rewards}
        return TaskAudit(self.template.id, means, tuple(self.failures), tuple(self.cheats), canary)

    def mean(self, name: str) -> float | None:
        """Mean reward of a policy; None where it applied to no instance."""
        values = self.rewards[name]
        return sum(values) / len(values) if values else None

    def _instantiate(self, seed: int) -> Task:
        if seed not in self.tasks:
            self.tasks[seed] = self.template.instantiate(seed, self.env.world.seed_view())
        return self.tasks[seed]

    def _expect(self, name: str, seed: int, done: Played | Outcome, expected: float, stuck: str = "") -> None:
        outcome = _outcome(done)
        self.rewards[name].append(outcome.reward or 0.0)
        if outcome.reward is None:
            self.failures.append(f"seed {seed}: {name} could not be scored ({outcome.kind}): {outcome.reason}")
        elif outcome.reward != expected:
            why = " ".join(part for part in (outcome.reason, stuck) if part) or "every check holds."
            self.failures.append(f"seed {seed}: {name} got {outcome.reward:g}, not {expected:g}: {why}")

    def _write_nothing(self, seed: int, oracle: Played) -> None:
        """Leave out what wrote, until nothing does: without the first write, a later call may do it in its place."""
        kept = list(range(len(oracle.moves)))
        wrote = writes(oracle)
        if not wrote:
            return
        for _ in range(ROUNDS):
            kept = [at for place, at in enumerate(kept) if place not in set(wrote)]
            left_out = set(range(len(oracle.moves))) - set(kept)
            done = self.play(Replay(without(oracle, left_out)), seed)
            wrote = writes(done) if isinstance(done, Played) else []
            if not wrote:
                break
        self._expect("write_nothing", seed, done, 0.0)

    def _shuffled(self, seed: int, oracle: Played) -> None:
        done = self.play(Replay(shuffled(oracle, seed)), seed)
        if not isinstance(done, Played) or done.outcome.reward is None:
            return
        if effect(done.before, done.after) != effect(oracle.before, oracle.after):
            self.rewards["shuffled"].append(done.outcome.reward)

    def _memory(self, seed: int, task: Task) -> Memory | None:
        """Another instance, solved: the nearest seed whose gold is another; None where there is none.

        Where the agent only talks, and of the same things whatever the instance, its solution is everybody's.
        """
        for other in range(seed + 1, seed + 1 + OTHERS):
            if not _same_gold(task, self._instantiate(other)):
                if other not in self.solved:
                    done = self.play(OraclePolicy(), other, blind=False)
                    if not isinstance(done, Played) or not done.outcome.success:
                        continue
                    self.solved[other] = done
                solved = self.solved[other]
                alike = not writes(solved) and _told(task) == _told(solved.task)
                return None if alike else _remember(solved)
        return None


def _outcome(done: Played | Outcome) -> Outcome:
    return done.outcome if isinstance(done, Played) else done


def _same_gold(one: Task, other: Task) -> bool:
    """Whether what solves one may well solve the other: they are judged alike, or have an answer in common."""
    if _judged_by(one) == _judged_by(other) or one.goal == other.goal:
        return True
    answers = [[check.get("value") for check in task.checks if check["kind"] == "answer"] for task in (one, other)]
    return any(value in answers[1] for value in answers[0])


def _told(task: Task) -> list[JsonValue]:
    """What the agent has to say or answer; not the canary, which it must not."""
    return [check.get("value") for check in task.checks if check["kind"] in ("said", "answer")]


def _judged_by(task: Task) -> tuple[object, ...]:
    """The checks of an instance, with the parameters that their queries read; how things are put is no part of it."""
    queries = " ".join(str(check.get("query", "")) for check in task.checks)
    return task.checks, {name: value for name, value in task.params.items() if f"params.{name}" in queries}


def _remember(solved: Played) -> Memory:
    actions = tuple(move.action for move in solved.moves if isinstance(move.action, Action))
    shown = solved.observations
    urls = tuple(dict.fromkeys(seen.url for seen in shown if seen.url))
    return Memory(actions, tuple(seen.page or seen.result for seen in shown), urls)


def _passing_endings(template_id: str, env: TaskEnv, seeds: Sequence[int]) -> Iterator[str]:
    """Endings that pass on all instances without anything being done."""
    view = env.world.seed_view()
    template = find_template(env.app, template_id)
    # A few seeds may all be infeasible by chance; judging an untouched state costs no episode.
    tasks = [template.instantiate(seed, view) for seed in sorted({*seeds, *range(ENDING_SEEDS)})]
    endings = {
        "report_infeasible()": Record(view, view, infeasible=True),
        "answer()": Record(view, view, answered=True),
    }
    for ending, record in endings.items():
        if all(evaluate(task, record).reward for task in tasks):
            yield (
                f"every seed: {ending} at once passes on all {len(tasks)} instances. "
                "Draw some on which it is wrong, with checks for both (see `when` in docs/tasks.md)."
            )


def forged_answers(task: Task) -> Iterator[tuple[str, JsonValue]]:
    """Answers that must never pass: everything at once, in the hope that a check looks for a part.

    Made from the gold itself, they are worse than any an agent could make. Each comes with what it is, for the report.
    """
    values = list(_leaves(task.params))
    yield "an answer of all that could be asked, in one text", ", ".join(str(value) for value in values)
    yield "an answer of all that could be asked, as a list", list(values)
    yield "an answer of the parameters as JSON", canonical(task.params)
    yield "the answer true", True
    yield "the goal as answer", task.goal


def _passing(task: Task, view: StateView) -> Iterator[str]:
    for what, answer in forged_answers(task):
        said = (str(answer),)
        if evaluate(task, Record(view, view, answered=True, answer=answer, said=said)).reward:
            yield f"{what} passes."


def _leaves(value: JsonValue) -> Iterator[JsonValue]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value[:50]:
            yield from _leaves(inner)
    else:
        yield value
