"""Where an environment's tasks come from, and who judges them: task files by default, other benchmarks by import."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from envsim.reward.checks import Record, Verdict, evaluate
from envsim.rng import draw
from envsim.sandbox.spec import find_spec
from envsim.task import Interface, Task
from envsim.task_template import select_templates
from envsim.world import World


@runtime_checkable
class TaskSource(Protocol):
    """What `TaskEnv` needs of a set of tasks."""

    def choose(self, seed: int, wanted: str | None, world: World) -> Task:
        """The task of one episode.

        Args:
            seed: Of the episode; equal seeds give equal tasks.
            wanted: A template or instance id; None lets the seed choose.
            world: Where it will run; parameters are drawn from its `World.seed_view`.

        Raises:
            ContentError: No such task, or one that has no instance.
        """
        ...

    def judge(self, task: Task, record: Record) -> Verdict:
        """The judgement of one ended episode.

        Raises:
            ContentError: The task's own checks are broken.
        """
        ...


class TemplateSource:
    """The task files of an app (`envsim.task_template`), judged by their checks (`envsim.reward.checks`).

    An app's policy stands before every goal.

    Args:
        app: Name of the app.
        task: One template id, or one instance ``<template>@<seed>``; None for all that fit.
        split: ``"train"`` or ``"test"``; None for both.
        interface: ``"browser"`` or ``"tools"``.

    Raises:
        ContentError: An unknown name, or no task that fits.
    """

    def __init__(self, app: str, *, task: str | None, split: str | None, interface: Interface) -> None:
        self._app = app
        self._interface = interface
        self.templates, self._instance = select_templates(app, task=task, split=split, interface=interface)
        self._policy = find_spec(app).read_policy()

    def choose(self, seed: int, wanted: str | None, world: World) -> Task:
        """See `TaskSource.choose`."""
        templates, instance = self.templates, self._instance
        if wanted is not None:
            templates, instance = select_templates(self._app, task=wanted, split=None, interface=self._interface)
        template = templates[draw(seed, "template") % len(templates)]
        task = template.instantiate(
            instance if instance is not None else draw(seed, "instance") % 2**31, world.seed_view()
        )
        return task.model_copy(update={"goal": f"{self._policy}\n\n{task.goal}"}) if self._policy else task

    def judge(self, task: Task, record: Record) -> Verdict:
        """See `TaskSource.judge`."""
        return evaluate(task, record)
