"""People with wishes of their own: whole forms filled in sensibly, everything tried out. Broad data for world models.

`RandomPolicy` acts on elements one by one, and so hardly ever gets through a form of three fields, let alone a
checkout. This policy works on one form at a time: it fills in every field with something that fits its label, ticks a
choice, presses one of its buttons, and otherwise follows the links it has followed least.

Some ways into an app are long, and nobody finds them by trying. So half of its episodes begin as the task's oracle
would go about it, but with other choices on the way (another size, express delivery, a card), and leave that way at
some point. And people who came to buy follow what leads on, such as a button that says *continue*, until there is
nothing left that does. Things go wrong on the way: they try again, go back and send the same form a second time, and
now and then send what cannot be right. Nothing here knows an app: codes and names are those that pages have shown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from envsim.page.lines import Line, parse_lines, split_options
from envsim.policy.oracle import OraclePolicy
from envsim.policy.random import RandomPolicy
from envsim.rng import Rng
from envsim.task import Task
from envsim.types import Action, Observation

_FIELDS = frozenset({"textbox", "searchbox", "spinbutton", "slider"})
_CHOICES = frozenset({"combobox", "listbox"})
_GROUPS = frozenset({"form", "search", "dialog"})
_CODE = re.compile(r"\b[A-Z]{3,}\d{1,3}\b")
_CODES = re.compile(r"\b(code|coupon|voucher)", re.IGNORECASE)
"""Fields for what somebody has been given."""
_LEAVES = re.compile(r"sign out|log ?out", re.IGNORECASE)
_LEADS_ON = re.compile(
    r"\b(add to (cart|basket|bag)|check ?out|continue|proceed|place|pay|buy|confirm|ship to|book|reserve"
    r"|try again|retry)\b",
    re.IGNORECASE,
)
"""Words that lead further into what one came for, on the links and buttons of most apps."""
_DRIVES = (0.1, 0.6, 0.95)
"""How set on it people are: from those who look around to those who came to buy."""
_AGAIN = 0.08
"""Share of what is sent that is sent a second time."""
_TEXTS = (
    "Arrived early and works as it should.", "Could you look into this, please?", "Not what I had hoped for.",
    "We use it every day.", "Please leave it with the neighbours.", "The colour is off, the rest is fine.",
)  # fmt: skip
_TITLES = ("Very pleased", "It will do", "Would buy again", "Not for me", "As described", "A good find")
_NAMES = ("Nora Blackwood", "Emil Sandberg", "Priya Nair", "Tomás Rivera", "June Okabe", "Zoë Müller")
_STREETS = ("12 Alder Road", "88 Quarry Lane", "5 Tidewater Street", "301 Juniper Court", "47 Peña Row")
_CITIES = ("Bangor", "Eugene", "Ithaca", "Missoula", "Asheville", "Taos")
_BY_LABEL: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("mail", ("june.okabe@example.com", "emil@example.org", "nora.b@example.com")),
    ("phone", ("555-0163", "555-0199", "555-0142")),
    ("postcode|zip", ("04401", "97401", "14850", "59801")),
    ("street|address", _STREETS),
    ("city|town", _CITIES),
    ("state|region", ("ME", "OR", "NY", "MT", "NC")),
    ("expir", ("12/27", "04/28", "09/29")),
    ("cvc|cvv|security", ("123", "911")),
    ("title|subject|headline", _TITLES),
    ("name", _NAMES),
)
"""What fits a field, by a pattern of its label."""


class ExplorerPolicy:
    """Fills in forms and follows links; see the module.

    Args:
        submit: Probability of working on a form rather than following a link, where a page has both.
        stop: Probability of ending the episode after a form or link.
        guided: Share of episodes that begin on the oracle's way.
        leave: Probability per step of leaving it.
        aside: Probability per step of filling in another form of the page first, such as that for a coupon.
    """

    def __init__(
        self, submit: float = 0.55, stop: float = 0.02, guided: float = 0.5, leave: float = 0.04, aside: float = 0.1
    ) -> None:
        self._submit = submit
        self._stop = stop
        self._guided = guided
        self._leave = leave
        self._aside = aside
        self._oracle = OraclePolicy()
        self._tools = RandomPolicy(stop)
        self.reset(None, 0, [])

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        """See `Policy.reset`."""
        self._tools.reset(task, seed, tools)
        self._rng = Rng("policy", "explorer", seed)
        self._followed: Counter[str] = Counter()
        self._codes: list[str] = []
        self._shown: list[str] = []
        self._plan: list[Action] = []
        self._sent: Action | None = None
        self._tried = 0
        self._drive = self._rng.choice(_DRIVES)
        self._on_the_way = task is not None and bool(task.oracle) and self._rng.chance(self._guided)
        if self._on_the_way:
            self._oracle.reset(task, seed, tools)

    def act(self, observation: Observation) -> Action:
        """See `Policy.act`."""
        if self._plan:
            return self._plan.pop(0)
        lines = parse_lines(observation.page) if observation.page else []
        self._remember(lines)
        if self._on_the_way:
            if lines and self._rng.chance(self._aside) and (forms := _forms(lines)):
                self._plan = self._work(self._rarest(forms))
                return self._plan.pop(0)
            action = self._oracle.act(observation)
            self._on_the_way = action.kind == "call" and not self._rng.chance(self._leave)
            if action.kind == "call":
                return self._otherwise(action, lines)
        if not lines:
            return self._tools.act(observation)
        if self._rng.chance(self._stop):
            return Action.answer()
        self._plan = self._resend() or self._go_on(lines) or self._wander(lines)
        return self._plan.pop(0)

    def _resend(self) -> list[Action]:
        """Back, and what was pressed last once more, as who doubts that it was sent."""
        sent, self._sent = self._sent, None
        return [Action.call("go_back"), sent] if sent is not None and self._rng.chance(_AGAIN) else []

    def _go_on(self, lines: Sequence[Line]) -> list[Action]:
        """What leads further, for those who came for it; before that perhaps another form of the page."""
        if lines[0].role == "dialog" or not self._rng.chance(self._drive):
            return []
        forms = _forms(lines)
        leading = [form for form in forms if any(_leads_on(line) for line in form)]
        links = [line for line in lines if line.role == "link" and _leads_on(line)]
        if not leading and not links:
            return []
        others = [form for form in forms if form not in leading and form[0].role == "form"]
        coupon = [form for form in others if any(_CODES.search(line.name) for line in form)]
        if coupon and self._codes and self._tried < 2 and self._rng.chance(0.6):
            self._tried += 1
            return self._work(coupon[0])
        if others and self._rng.chance(2.5 * self._aside):
            return self._work(self._rarest(others))
        if leading:
            return self._work(self._rng.choice(leading), hasty=True)
        return [Action.call("click", bid=self._rng.choice(links).ref)]

    def _wander(self, lines: Sequence[Line]) -> list[Action]:
        """One form, or one link."""
        forms = _forms(lines)
        links = [line for line in lines if line.role == "link" and line.ref]
        if lines[0].role == "dialog" and forms:
            return self._work(forms[0])
        if forms and (not links or self._rng.chance(self._submit)):
            return self._work(self._rarest(forms))
        if links:
            return [self._follow(links)]
        return [Action.call("go_back") if self._rng.chance(0.5) else Action.call("goto", url="/")]

    def _otherwise(self, action: Action, lines: Sequence[Line]) -> Action:
        """`action`, or the same with a choice of one's own."""
        at = next((i for i, line in enumerate(lines) if line.ref and line.ref == action.arguments.get("bid")), None)
        if at is None or self._rng.chance(0.5):
            return action
        line = lines[at]
        if line.role == "radio":
            alike = [other for other in lines if other.role == "radio" and other.depth == line.depth]
            return Action.call("click", bid=self._rng.choice(alike).ref)
        if action.name in ("fill", "select_option"):
            return next(iter(self._fill(line)), action)
        form = next((form for form in _forms(lines) if line in form), [])
        if line.role == "button" and (missing := [a for other in form if not other.value for a in self._fill(other)]):
            # Another choice may ask for more than the oracle has filled in.
            self._plan = [*missing[1:], action]
            return missing[0]
        return action

    def _remember(self, lines: Sequence[Line]) -> None:
        for line in lines:
            self._codes += [code for code in _CODE.findall(line.name) if code not in self._codes]
            if line.role == "link" and 3 < len(line.name) < 60 and line.name not in self._shown:
                self._shown = [*self._shown[-60:], line.name]

    def _rarest(self, forms: list[list[Line]]) -> list[Line]:
        """One of the forms used least so far; where a form is on every page, such as a search, it counts as one."""
        names = [f"{form[0].role} {re.sub(r'[0-9]', '', form[-1].name)}" for form in forms]
        least = min(self._followed[name] for name in names)
        chosen = self._rng.choice([i for i, name in enumerate(names) if self._followed[name] <= least + 1])
        self._followed[names[chosen]] += 1
        return forms[chosen]

    def _follow(self, links: list[Line]) -> Action:
        kinds = [re.sub(r"[0-9]+", "0", line.url.partition("?")[0]) for line in links]
        least = min(self._followed[kind] for kind in kinds)
        chosen = self._rng.choice([i for i, kind in enumerate(kinds) if self._followed[kind] <= least + 1])
        self._followed[kinds[chosen]] += 1
        return Action.call("click", bid=links[chosen].ref)

    # -- forms ------------------------------------------------------------------------------------------

    def _work(self, form: list[Line], hasty: bool = False) -> list[Action]:
        """Every field, one radio button of each kind, then one of the form's buttons.

        Who is in haste leaves as it is what the form proposes, mostly, and presses what leads on.
        """
        buttons = [line for line in form if line.role == "button" and "disabled" not in line.states]
        if not buttons or (_LEAVES.search(buttons[0].name) and not self._rng.chance(0.1)):
            return [Action.call("go_back")]
        kept = [line for line in form if hasty and line.value and self._rng.chance(0.5)]
        plan = [action for line in form if line not in kept for action in self._fill(line)]
        radios = [line for line in form if line.role == "radio"]
        if radios and self._rng.chance(0.6 if hasty else 0.8):
            plan.append(Action.call("click", bid=self._rng.choice(radios).ref))
        # The last of several buttons is seldom the one that sends.
        button = buttons[0] if self._rng.chance(0.75) else self._rng.choice(buttons)
        button = next((line for line in buttons if hasty and _leads_on(line)), button)
        self._sent = Action.call("click", bid=button.ref)
        return [*plan, self._sent]

    def _fill(self, line: Line) -> list[Action]:
        if "disabled" in line.states or (line.value and line.role == "textbox" and self._rng.chance(0.5)):
            return []
        if line.role in _CHOICES:
            options = split_options(line.states.get("options", ""))
            return [Action.call("select_option", bid=line.ref, options=self._rng.choice(options))] if options else []
        if line.role == "checkbox":
            return [Action.call("click", bid=line.ref)] if self._rng.chance(0.4) else []
        if line.role in _FIELDS and ("required" in line.states or self._rng.chance(0.7)):
            return [Action.call("fill", bid=line.ref, value=self._value(line))]
        return []

    def _value(self, line: Line) -> str:
        label = f"{line.name} {line.states.get('placeholder', '')}".lower()
        if line.role in ("spinbutton", "slider"):
            return str(self._rng.integer(5) + (not self._rng.chance(0.08)))
        if line.role == "searchbox":
            shown = self._rng.choice(self._shown or ["lamp"])
            return shown if self._rng.chance(0.5) else self._rng.choice(shown.split())
        if "yyyy" in label or "date" in label or "day" in label:
            return f"2026-{3 + self._rng.integer(9):02d}-{1 + self._rng.integer(28):02d}"
        if _CODES.search(label):
            return self._code()
        if re.search("price|dollar|percent|amount|minimum|stock|quantity|order", label):
            whole = 5 + self._rng.integer(90)
            return f"{whole}.{self._rng.integer(20) * 5:02d}" if self._rng.chance(0.5) else str(whole)
        if "card" in label:
            return self._card()
        for pattern, values in _BY_LABEL:
            if re.search(pattern, label):
                return self._rng.choice(values)
        return self._rng.choice(_TEXTS)

    def _code(self) -> str:
        """One that was shown, as people type it, or one made up."""
        if not self._codes or self._rng.chance(0.2):
            return f"{self._rng.choice(['SAVE', 'TRAIL', 'HELLO', 'PICNIC'])}{10 + self._rng.integer(80)}"
        code = self._rng.choice(self._codes)
        return code.lower() if self._rng.chance(0.2) else code

    def _card(self) -> str:
        """A card's number: in one piece or in fours, now and then some digits short."""
        digits = f"4{self._rng.integer(10**15):015d}"
        digits = digits[: 8 + self._rng.integer(4)] if self._rng.chance(0.12) else digits
        return " ".join(re.findall(".{1,4}", digits)) if self._rng.chance(0.5) else digits


def _leads_on(line: Line) -> bool:
    """Whether it is a link or button that can be pressed and leads further."""
    return (
        line.role in ("link", "button")
        and bool(line.ref)
        and "disabled" not in line.states
        and bool(_LEADS_ON.search(line.name))
    )


def _forms(lines: Sequence[Line]) -> list[list[Line]]:
    """The lines of every form that has a button, without those of forms inside it."""
    out: list[list[Line]] = []
    for at, line in enumerate(lines):
        if line.role not in _GROUPS:
            continue
        inside: list[Line] = []
        for inner in lines[at + 1 :]:
            if inner.depth <= line.depth:
                break
            inside.append(inner)
        if any(inner.role in _GROUPS for inner in inside):
            continue
        if any(inner.role == "button" for inner in inside):
            out.append([line, *(inner for inner in inside if inner.ref)])
    return out
