"""What can go wrong in front of any app, how often, and when: the catalogue, the profiles and the schedule.

A *fault* is not a bug: the app behind it is right, and what happens on the way to its user is not.
Whether one fires at a request is a pure function of (seed, id of the fault, number of the request),
so the same episode meets the same faults in any process and through any page driver.

The classes are those of the failure taxonomy (`envsim.sandbox.spec.BugClass`) that need no knowledge
of the app. Six of its 24 do (lost update, stock race, partial write, timezone, rounding, permission
drift): those are bugs of a clone, declared in its sandbox.toml, and no fault can stand for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from envsim.errors import ContentError
from envsim.rng import draw, uniform

PATIENCE_S = 10.0
"""Longest that an agent waits for an answer, in seconds: as long as our own transports do."""


@dataclass(frozen=True)
class Fault:
    """One entry of the catalogue.

    Attributes:
        id: As it is named in options, events and traces.
        layer: ``"wire"``: any exchange; ``"ui"``: pages only, never an app's tools.
        fault_class: Its class in the taxonomy of 24; empty for what that leaves out.
        what: What is done, and what an agent then sees.
    """

    id: str
    layer: Literal["wire", "ui"]
    fault_class: str
    what: str


FAULTS: Mapping[str, Fault] = {
    fault.id: fault
    for fault in (
        Fault("latency", "wire", "", "a slow answer; beyond the agent's patience, a timeout after commit"),
        Fault("server-error", "wire", "server-error", "500, 502 (the app has done its work) or 503 (it was not asked)"),
        Fault("rate-limit", "wire", "rate-limit", "429 with Retry-After, for one to three requests"),
        Fault("connection-reset", "wire", "", "the connection closes before the app is asked"),
        Fault("timeout-before-commit", "wire", "", "no answer, and the app was not asked"),
        Fault("timeout-after-commit", "wire", "timeout-after-commit", "no answer, though the app has done its work"),
        Fault("truncated-body", "wire", "truncated-body", "the connection closes before the answer is complete"),
        Fault("malformed-body", "wire", "", "JSON that breaks off; a page whose content type is lost"),
        Fault("stale-response", "wire", "stale-cache", "an earlier answer to the same GET instead of today's"),
        Fault("duplicate-delivery", "wire", "double-submit", "a request that changes things reaches the app twice"),
        Fault("session-expiry", "wire", "session-expiry", "one to three requests lose their cookies on the way"),
        Fault("csrf-rotation", "wire", "csrf-rotation", "a form's token is no longer valid when the form is sent"),
        Fault("schema-drift", "wire", "schema-drift", "a JSON key renamed, its numbers strings; a page's labels gone"),
        Fault("encoding-damage", "wire", "encoding", "UTF-8 read as Windows-1252: 'ZoÃ«' for 'Zoë'"),
        Fault("captcha", "ui", "captcha", "a challenge in place of the page until it is solved"),
        Fault("lying-toast", "ui", "lying-toast", "'saved' for a form never sent, or an error for one that was"),
        Fault("modal", "ui", "modal", "a dialog over the page until it is closed"),
        Fault("slow-render", "ui", "slow-render", "'Loading' where the page's content should be"),
        Fault("disabled-clickable", "ui", "disabled-clickable", "a button that looks alive and does nothing"),
        Fault("layout-variant", "ui", "layout-variant", "the same page in another order"),
        Fault("list-order", "ui", "sort-instability", "a list in another order than the time before"),
        Fault("page-skip", "ui", "pagination", "a later page of a listing without its first item"),
    )
}  # fmt: skip
"""All faults by id, in the order in which a request can meet them."""

APP_ONLY = ("lost-update", "stock-race", "partial-write", "timezone", "rounding", "permission-drift")
"""Classes of the taxonomy that only an app itself can have."""

MUTATING = frozenset({"duplicate-delivery"})
"""Faults that change business state on their own: after one, a failed episode is nobody's failure."""

PRODUCTION: Mapping[str, float] = {
    "latency": 0.02, "server-error": 0.005, "rate-limit": 0.005, "connection-reset": 0.002,
    "timeout-before-commit": 0.002, "timeout-after-commit": 0.003, "truncated-body": 0.001, "malformed-body": 0.001,
    "stale-response": 0.01, "session-expiry": 0.002, "csrf-rotation": 0.002, "schema-drift": 0.002,
    "encoding-damage": 0.001, "captcha": 0.003, "lying-toast": 0.003, "modal": 0.02, "slow-render": 0.01,
    "disabled-clickable": 0.005, "layout-variant": 0.02,
}  # fmt: skip
"""Chance per request of each fault in the profile ``production``. An assumption, not a measurement: classes after
ReliabilityBench (Gupta 2026, arXiv:2601.06112; timeouts, rate limits, partial responses, schema drift) and common
practice, rates chosen so that one page request in nine meets a fault. No duplicate delivery: proxies do not repeat
what is not idempotent (RFC 9110, section 9.2.2). List order and page skips are bugs of single apps."""


@dataclass(frozen=True)
class FaultProfile:
    """Which faults, how often.

    Attributes:
        rates: Fault id -> chance per request it can apply to, in (0, 1].
        patience_s: Longest that the agent waits, in seconds; what would take longer is a timeout.
        real_latency: Sleep through delays. Off: delays are simulated, reported in events, and cost no time.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    patience_s: float = PATIENCE_S
    real_latency: bool = False

    def __post_init__(self) -> None:
        for name, rate in self.rates.items():
            if name not in FAULTS:
                raise ContentError(f"There is no fault {name!r}. Use any of: {', '.join(FAULTS)}.")
            if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0.0 <= rate <= 1.0:
                raise ContentError(f"The rate of {name} is {rate!r}. Give a probability from 0 to 1.")
        if not 0.0 < self.patience_s < math.inf:
            raise ContentError(f"patience_s={self.patience_s!r} is no time to wait. Give seconds, more than 0.")
        # In the catalogue's order whatever the order given: profiles that say the same are equal in every byte.
        rates = {name: float(self.rates[name]) for name in FAULTS if self.rates.get(name)}
        object.__setattr__(self, "rates", rates)

    def __bool__(self) -> bool:
        return bool(self.rates)

    def scaled(self, intensity: float) -> FaultProfile:
        """The same faults with every rate times `intensity`, at most 1.

        Raises:
            ContentError: `intensity` is negative or not finite.
        """
        if not 0.0 <= intensity < math.inf:
            raise ContentError(f"The fault intensity is {intensity!r}. Give a number from 0.")
        rates = {name: min(1.0, rate * intensity) for name, rate in self.rates.items()}
        return FaultProfile(rates, self.patience_s, self.real_latency)


Faults = str | Mapping[str, float] | FaultProfile
"""What options take, see `read_faults`."""


def read_faults(faults: Faults) -> FaultProfile:
    """The profile that an option means.

    Args:
        faults: ``"none"``, ``"production"``, ``"all"`` (every fault at 0.05), one of these with an intensity
            (``"production*0.5"``), rates as text (``"latency=0.05,modal=0.1"``) or as a mapping, or a profile.

    Raises:
        ContentError: An unknown name or no probability.
    """
    if isinstance(faults, FaultProfile):
        return faults
    if not isinstance(faults, str):
        return FaultProfile(faults)
    name, times, intensity = faults.partition("*")
    if "=" not in faults:
        known = {"none": {}, "production": PRODUCTION, "all": dict.fromkeys(FAULTS, 0.05)}
        if name not in known:
            raise ContentError(
                f"There is no fault profile {name!r}. Use none, production, all, or rates such as latency=0.05."
            )
        return FaultProfile(known[name]).scaled(_number(intensity, faults) if times else 1.0)
    pairs = [part.partition("=") for part in faults.split(",") if part.strip()]
    return FaultProfile({key.strip(): _number(value, faults) for key, _, value in pairs})


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ContentError(
            f"{text!r} in {whole!r} is not a number. Write rates such as latency=0.05,modal=0.1."
        ) from None


class Schedule:
    """Which faults one episode meets: no state beside its two arguments.

    Args:
        profile: Rates.
        seed: Of the episode.
    """

    def __init__(self, profile: FaultProfile, seed: int) -> None:
        self._rates = profile.rates
        self._seed = seed

    def due(self, number: int) -> list[str]:
        """Ids of the faults that request `number` (from 0) is due, in an order of its own.

        More than one can be; the first that applies to the request is the one it meets, so the order is drawn as
        well: no class hides behind another.
        """
        hits = [name for name, rate in self._rates.items() if uniform(self._seed, "fault", name, number) < rate]
        return sorted(hits, key=lambda name: self.draw(number, name, "order"))

    def draw(self, number: int, name: str, what: str) -> int:
        """A 64-bit integer for a decision of fault `name` at request `number`."""
        return draw(self._seed, "fault", name, number, what)

    def delay_s(self, number: int) -> float:
        """How long the answer to request `number` takes when it is slow, in seconds.

        Log-normal, as response times of services are: median 1.5 s, 95th percentile 11 s.
        """
        first = uniform(self._seed, "fault", "latency", number, "radius")
        second = uniform(self._seed, "fault", "latency", number, "angle")
        normal = math.sqrt(-2.0 * math.log(1.0 - first)) * math.cos(2.0 * math.pi * second)  # Box and Muller 1958
        return round(1.5 * math.exp(1.2 * normal), 2)
