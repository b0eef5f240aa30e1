"""The real world: a running clone, seen through a page driver or through its tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from envsim.errors import ContentError, SandboxError, UncertainError
from envsim.page.driver import PageDriver
from envsim.page.http import HttpDriver
from envsim.page.lines import format_lines
from envsim.page.transport import Transport
from envsim.sandbox.faults import Faults, read_faults
from envsim.sandbox.faults_wire import FaultTransport
from envsim.sandbox.runtime import ResetRequest, Runtime, Sandbox, SetupCall
from envsim.sandbox.spec import SandboxSpec
from envsim.sandbox.tools import ToolClient
from envsim.state import StateView
from envsim.task import Interface, Task
from envsim.types import Action, Event, JsonValue, Observation, Transition

DRIVERS = ("http", "chromium")
T = TypeVar("T")


class SandboxWorld:
    """Implements `envsim.world.World` over one sandbox, started at the first reset.

    Args:
        spec: The clone.
        runtime: What starts it.
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
        if driver not in DRIVERS:
            raise ContentError(f"There is no page driver {driver!r}. Use one of: {', '.join(DRIVERS)}.")
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
            self._seed_view = self._twice(self._read_seed_view)
        return self._seed_view

    def reset(self, task: Task, seed: int) -> Transition:
        """See `World.reset`. A sandbox that fails is replaced once before the failure is reported."""
        return self._twice(lambda: self._reset(task, seed))

    def step(self, action: Action) -> Transition:
        """See `World.step`."""
        if self._surface is None:
            raise UncertainError("The world has no episode to step. Call reset() first.")
        try:
            observation, asked = self._surface.act(action)
            return self._transition(observation) if asked else Transition(observation=observation)
        except SandboxError:
            self.close()
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
            self.close()
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

    def screenshot(self) -> bytes | None:
        """The page as PNG; None through a driver that cannot paint."""
        return self._surface.screenshot() if self._surface else None

    def close(self) -> None:
        """See `World.close`."""
        surfaces, self._surface, self._user, self._wire = (self._surface, self._user), None, None, None
        sandbox, self._sandbox = self._sandbox, None
        for surface in surfaces:
            if surface is not None:
                surface.close()
        if sandbox is not None:
            sandbox.close()

    def _twice(self, attempt: Callable[[], T]) -> T:
        try:
            return attempt()
        except SandboxError:
            self.close()
            return attempt()

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
        self._sign_in_user(task)
        if self._wire is None:
            return self._transition(surface.open(task.start.url, cookies))
        self._wire.end()
        observation = surface.open(task.start.url, cookies)
        self._wire.begin(seed)
        return self._transition(observation)

    def _sign_in_user(self, task: Task) -> None:
        user, self._user = self._user, None
        if user is not None:
            user.close()
        if task.user is None or task.user.login is None:
            return
        document = self.spec.user_tools or self.spec.tools
        if document is None:
            raise ContentError(
                f"{self.spec.name} offers its users no tools. Remove `login` from the [user] of {task.template}."
            )
        sandbox = self._live()
        self._user = ToolSurface(ToolClient(sandbox.transport(), document))
        self._user.open("", sandbox.control.sign_in(task.user.login))

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
                self._surface = PageSurface(_driver(self._driver_name, transport))
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


class PageSurface:
    """What an agent touches through pages."""

    def __init__(self, driver: PageDriver) -> None:
        self._driver = driver

    def open(self, target: str, cookies: Mapping[str, str]) -> Observation:
        """Start a browsing session at `target`."""
        self._driver.open(target, cookies)
        return self._observe("")

    def act(self, action: Action) -> tuple[Observation, bool]:
        """The observation after `action`, and whether the app was asked anything."""
        before = self._driver.requests
        error = self._driver.act(action)
        return self._observe(error), self._driver.requests != before

    def tools(self) -> list[dict[str, JsonValue]]:
        """The page primitives."""
        return self._driver.tools()

    def save(self) -> object:
        """The session, for `load`."""
        return self._driver.save()

    def load(self, token: Any) -> None:
        """Return to a saved session."""
        self._driver.load(token)

    def screenshot(self) -> bytes | None:
        """The page as PNG, or None."""
        return self._driver.screenshot()

    def close(self) -> None:
        """Release the driver."""
        self._driver.close()

    def _observe(self, error: str) -> Observation:
        page = self._driver.observe()
        return Observation(url=page.url, title=page.title, page=format_lines(page.lines), error=error)


class ToolSurface:
    """What an agent touches through the app's own operations."""

    def __init__(self, client: ToolClient) -> None:
        self._client = client

    def open(self, target: str, cookies: Mapping[str, str]) -> Observation:
        """Start a session; `target` has no meaning without pages."""
        self._client.cookies = dict(cookies)
        return Observation()

    def act(self, action: Action) -> tuple[Observation, bool]:
        """The observation after `action`, and whether the app was asked anything."""
        if action.kind != "call":
            return Observation(), False
        reply = self._client.call(action.name, action.arguments)
        return Observation(result=reply.result, error=reply.error), not reply.error

    def tools(self) -> list[dict[str, JsonValue]]:
        """The app's operations."""
        return self._client.tools()

    def save(self) -> object:
        """The session, for `load`."""
        return dict(self._client.cookies)

    def load(self, token: Any) -> None:
        """Return to a saved session."""
        self._client.cookies = dict(token)

    def screenshot(self) -> None:
        """Tools have no looks."""
        return

    def close(self) -> None:
        """Release the connection."""
        self._client.close()


def _driver(name: str, transport: Transport) -> PageDriver:
    if name == "http":
        return HttpDriver(transport)
    # Playwright is an extra: the module that needs it is loaded only when asked for.
    from envsim.page.chromium import ChromiumDriver  # noqa: PLC0415

    return ChromiumDriver(transport)
