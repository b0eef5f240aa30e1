"""The real world: a running clone, seen through a page driver or through its tools."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from envsim.errors import ContentError, SandboxError, UncertainError
from envsim.page.transport import Transport
from envsim.sandbox.faults import Faults, read_faults
from envsim.sandbox.faults_wire import FaultTransport
from envsim.sandbox.inprocess import InProcessRuntime
from envsim.sandbox.pool import SandboxPool
from envsim.sandbox.runtime import ResetRequest, Runtime, Sandbox, SetupCall
from envsim.sandbox.spec import SandboxSpec
from envsim.sandbox.surfaces import PageSurface, ToolSurface, check_driver, open_driver
from envsim.sandbox.tools import ToolClient
from envsim.state import StateView
from envsim.task import Interface, Task
from envsim.types import Action, Event, JsonValue, Observation, Transition

T = TypeVar("T")


@dataclass(frozen=True)
class Episode:
    """A running episode, away from the sandbox it began in.

    Attributes:
        make: App, interface and driver of the worlds that can go on with it.
        seed: Of the episode.
        app: The sandbox's state, see `Control.export`.
        session: What the agent has open.
        users: The session of the task's user; None where it has none.
        wire: Position in the schedule of faults; None without faults.
        bugs: Those that are on.
    """

    make: tuple[str, ...]
    seed: int
    app: bytes
    session: object
    users: object
    wire: object
    bugs: Mapping[str, float]


class SandboxWorld:
    """Implements `envsim.world.ForkableWorld` over one sandbox, started at the first reset.

    Args:
        spec: The clone.
        runtime: What starts it, or a pool that lends it. Without a pool, the first fork makes one, which is closed
            with this world.
        interface: ``"browser"`` (page primitives) or ``"tools"`` (the app's own operations).
        driver: ``"http"`` (no browser) or ``"chromium"``; browser interface only.
        bugs: What is on unless a task says otherwise, as `SandboxSpec.select_bugs` reads it.
        faults: What goes wrong between agent and app, as `envsim.sandbox.faults.read_faults` reads it. The page an
            episode starts on and the session of a task's user are spared.

    Raises:
        ContentError: An unknown driver, bug or fault, or an interface the clone does not offer.
    """

    kind = "sandbox"

    def __init__(
        self,
        spec: SandboxSpec,
        *,
        runtime: Runtime,
        interface: Interface = "browser",
        driver: str = "http",
        bugs: str | tuple[str, ...] = "production",
        faults: Faults = "none",
    ) -> None:
        check_driver(driver)
        if interface == "tools" and spec.tools is None:
            raise ContentError(f"{spec.name} offers no tools. Use interface='browser'.")
        spec.select_bugs(bugs)
        self.spec = spec
        self.interface = interface
        self._runtime = runtime
        self._driver_name = driver
        self._bugs = bugs
        self.faults = read_faults(faults)
        self.bugs: Mapping[str, float] = {}
        self._make = (spec.name, interface, driver)
        self._own_pool: SandboxPool | None = None
        self._seed = 0
        self._sandbox: Sandbox | None = None
        self._surface: PageSurface | ToolSurface | None = None
        self._wire: FaultTransport | None = None
        self._user: ToolSurface | None = None
        """The user's own session; None where the task's user has none."""
        self._seed_view: StateView | None = None

    def tools(self) -> list[dict[str, JsonValue]]:
        """See `World.tools`. Starts the sandbox, since only the app knows its operations."""
        return self._open().tools()

    def seed_view(self) -> StateView:
        """See `World.seed_view`."""
        if self._seed_view is None:
            self._seed_view = self._held_up(self._read_seed_view)
        return self._seed_view

    def reset(self, task: Task, seed: int) -> Transition:
        """See `World.reset`. A sandbox that fails is restarted, then replaced, before the failure is reported."""
        return self._held_up(lambda: self._reset(task, seed))

    def step(self, action: Action) -> Transition:
        """See `World.step`."""
        if self._surface is None:
            raise UncertainError("The world has no episode to step. Call reset() first.")
        try:
            observation, asked = self._surface.act(action)
            return self._transition(observation) if asked else Transition(observation=observation)
        except SandboxError:
            self._give_up()
            raise

    def user_tools(self) -> list[dict[str, JsonValue]]:
        """See `DualControlWorld.user_tools`."""
        return self._users().tools()

    def user_step(self, action: Action) -> Transition:
        """See `DualControlWorld.user_step`."""
        user = self._users()
        try:
            observation, asked = user.act(action)
            return self._transition(observation) if asked else Transition(observation=observation)
        except SandboxError:
            self._give_up()
            raise

    def state(self) -> StateView:
        """See `World.state`."""
        return self._live().control.state()

    def snapshot(self) -> object:
        """See `World.snapshot`."""
        if self._surface is None:
            raise UncertainError("The world has no episode to snapshot. Call reset() first.")
        users = self._user.save() if self._user else None
        return (self._live().control.snapshot(), self._surface.save(), users, self._wire.save() if self._wire else None)

    def restore(self, token: object) -> None:
        """See `World.restore`."""
        if self._surface is None or not isinstance(token, tuple) or len(token) != 4:
            raise UncertainError("This token is not from the running episode. Take it after reset().")
        snapshot_id, session, users, wire = token
        self._live().control.restore(snapshot_id)
        self._surface.load(session)
        if self._wire is not None:
            self._wire.load(wire)
        if self._user is not None:
            self._user.load(users)

    @property
    def apart(self) -> bool:
        """Whether its sandbox is in another process, so that what it does is waited for."""
        runtime = self._runtime.runtime if isinstance(self._runtime, SandboxPool) else self._runtime
        return not isinstance(runtime, InProcessRuntime)

    def spawn(self, count: int) -> list[SandboxWorld]:
        """See `ForkableWorld.spawn`. Their sandboxes come from one pool and are being warmed when this returns.

        Raises:
            ContentError: More than the pool may hold.
        """
        pool = self._runtime if isinstance(self._runtime, SandboxPool) else None
        if pool is None:
            pool = self._own_pool = SandboxPool(self._runtime, self.spec)
            self._runtime = pool
        if count > pool.limit:
            raise ContentError(f"{count} forks need more sandboxes than a pool may hold. Make at most {pool.limit}.")
        pool.prewarm(pool.used + count)
        return [self._like(pool) for _ in range(count)]

    def _like(self, pool: SandboxPool) -> SandboxWorld:
        world = SandboxWorld(
            self.spec,
            runtime=pool,
            interface=self.interface,
            driver=self._driver_name,
            bugs=self._bugs,
            faults=self.faults,
        )
        world._seed_view = self._seed_view
        return world

    def export(self) -> Episode:
        """See `ForkableWorld.export`."""
        if self._surface is None:
            raise UncertainError("The world has no episode to export. Call reset() first.")
        return Episode(
            make=self._make,
            seed=self._seed,
            app=self._live().control.export(),
            session=self._surface.save(),
            users=self._user.save() if self._user else None,
            wire=self._wire.save() if self._wire else None,
            bugs=dict(self.bugs),
        )

    def load(self, token: object) -> None:
        """See `ForkableWorld.load`. A sandbox that fails is restarted, then replaced."""
        if not isinstance(token, Episode) or token.make != self._make:
            raise UncertainError(f"This is no episode of {' '.join(self._make)}. Export one from such a world.")
        self._held_up(lambda: self._load(token))

    def _load(self, token: Episode) -> None:
        surface, control = self._open(), self._live().control
        control.load(token.app)
        if self._wire is not None:
            self._wire.end()
        surface.load(token.session)
        if self._driver_name == "chromium":
            # A browser that shows a page again asks for its styles and scripts, which here never happened.
            control.load(token.app)
        self.bugs, self._seed = token.bugs, token.seed
        if self._wire is not None:
            self._wire.begin(token.seed)
            self._wire.load(token.wire)
        self._end_user()
        if token.users is not None:
            self._user = self._user_surface()
            self._user.load(token.users)

    def screenshot(self) -> bytes | None:
        """The page as PNG; None through a driver that cannot paint."""
        return self._surface.screenshot() if self._surface else None

    def close(self) -> None:
        """See `World.close`. Forks go on; what they give back afterwards is closed."""
        self._drop()
        pool, self._own_pool = self._own_pool, None
        if pool is not None:
            self._runtime = pool.runtime
            pool.close()

    def _drop(self) -> None:
        """Let go of the sandbox, and of the episode with it."""
        self._close_surfaces()
        sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            sandbox.close()

    def _give_up(self) -> None:
        """`_drop` after a failure, which says more than what then fails in the clearing up."""
        with contextlib.suppress(SandboxError):
            self._drop()

    def _close_surfaces(self) -> None:
        surfaces, self._surface, self._user, self._wire = (self._surface, self._user), None, None, None
        for surface in surfaces:
            if surface is not None:
                surface.close()

    def _held_up(self, attempt: Callable[[], T]) -> T:
        """The result of `attempt`; after a failure in a sandbox restarted in place, after another in a new one."""
        try:
            return attempt()
        except SandboxError:
            restarted = self._restart()
        if restarted:
            try:
                return attempt()
            except SandboxError:
                self._give_up()
        return attempt()

    def _restart(self) -> bool:
        """Whether the sandbox runs again; if not, it is let go."""
        sandbox = self._sandbox
        self._close_surfaces()
        try:
            if sandbox is not None:
                sandbox.restart()
                return True
        except SandboxError:
            pass
        self._give_up()
        return False

    def _read_seed_view(self) -> StateView:
        self._open()
        return self._live().control.seed_view()

    def _reset(self, task: Task, seed: int) -> Transition:
        if task.interface != self.interface:
            raise ContentError(
                f"Task {task.template} is for interface {task.interface!r}; make the environment with that one."
            )
        surface = self._open()
        self.bugs = bugs = self.spec.select_bugs(self._bugs if task.bugs is None else task.bugs)
        setup = [SetupCall(tool=call.name, arguments=dict(call.arguments)) for call in task.start.setup]
        request = ResetRequest(seed=seed, bugs=bugs, clock=task.start.clock, login=task.start.login, setup=setup)
        cookies = self._live().control.reset(request)
        self._seed = seed
        self._sign_in_user(task)
        if self._wire is None:
            return self._transition(surface.open(task.start.url, cookies))
        self._wire.end()
        observation = surface.open(task.start.url, cookies)
        self._wire.begin(seed)
        return self._transition(observation)

    def _sign_in_user(self, task: Task) -> None:
        self._end_user()
        if task.user is None or task.user.login is None:
            return
        if not (self.spec.user_tools or self.spec.tools):
            raise ContentError(
                f"{self.spec.name} offers its users no tools. Remove `login` from the [user] of {task.template}."
            )
        self._user = self._user_surface()
        self._user.open("", self._live().control.sign_in(task.user.login))

    def _user_surface(self) -> ToolSurface:
        return ToolSurface(ToolClient(self._live().transport(), str(self.spec.user_tools or self.spec.tools)))

    def _end_user(self) -> None:
        user, self._user = self._user, None
        if user is not None:
            user.close()

    def _users(self) -> ToolSurface:
        if self._user is None:
            raise UncertainError("The user of this episode has no session of its own. Give its goal a login.")
        return self._user

    def _open(self) -> PageSurface | ToolSurface:
        if self._sandbox is None:
            self._sandbox = self._runtime.start(self.spec)
        if self._surface is None:
            transport: Transport = self._sandbox.transport()
            if self.faults:
                # Without its document a client of ours could ask for nothing: that is no fault of production.
                transport = self._wire = FaultTransport(
                    transport, self.faults, [path for path in (self.spec.tools,) if path]
                )
            if self.interface == "tools":
                self._surface = ToolSurface(ToolClient(transport, str(self.spec.tools)))
            else:
                self._surface = PageSurface(open_driver(self._driver_name, transport))
        return self._surface

    def _live(self) -> Sandbox:
        if self._sandbox is None:
            raise UncertainError("The world has no running sandbox. Call reset() first.")
        return self._sandbox

    def _transition(self, observation: Observation) -> Transition:
        changes = self._live().control.changes()
        return Transition(
            observation=observation,
            delta=tuple(tuple(change) for change in changes["delta"]),
            events=(*(self._wire.drain() if self._wire else ()), *map(Event.model_validate, changes["events"])),
        )
