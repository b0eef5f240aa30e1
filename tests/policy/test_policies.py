"""Policies against a counter app of a few lines: a page with one lying button, and a tool that fails at first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envsim.errors import ContentError
from envsim.page.lines import INTERACTIVE, Line, assign_refs, format_lines, parse_lines
from envsim.policy import ExplorerPolicy, NoisyPolicy, OraclePolicy, Policy, RandomPolicy, ScriptedPolicy, get_policy
from envsim.task import Task
from envsim.types import Action, Message, Observation

PRIMITIVES: list[dict[str, Any]] = [{"name": "click", "parameters": {}}, {"name": "fill", "parameters": {}}]


class Counter:
    """A page with a number, a field and a button that saves only every second time."""

    def __init__(self) -> None:
        self.value = self.typed = ""
        self.presses = 0
        self.url = "/"

    def see(self, error: str = "") -> Observation:
        lines = [
            Line("heading", f"Saved: {self.value}"), Line("textbox", "Value", value=self.typed), Line("button", "Save"),
            Line("link", "About", url="/about"),
        ]  # fmt: skip
        if self.url == "/about":
            lines = [Line("heading", "About"), Line("link", "Home", url="/")]
        return Observation(url=self.url, page=format_lines(assign_refs(lines)), error=error)

    def act(self, action: Action) -> Observation:
        line = next((x for x in parse_lines(self.see().page) if x.ref == action.arguments.get("bid")), None)
        if action.name in ("goto", "go_back"):
            self._open(str(action.arguments.get("url", "/")))
        elif line is None:
            return self.see(error="no such element")
        elif action.name == "fill" and line.role == "textbox":
            self.typed = str(action.arguments["value"])
        elif line.role == "link":
            self._open(line.url)
        elif line.role == "button":
            self.presses += 1
            if self.presses % 2 == 0:
                self.value = self.typed
        return self.see()

    def _open(self, url: str) -> None:
        self.url, self.typed = url, self.value


def make_task(*oracle: Any, **params: Any) -> Task:
    return Task(
        id="t@0", template="t", app="x", interface="browser", split="train", goal="", params=params, oracle=oracle
    )


def play(policy: Policy, see: Observation, act: Callable[[Action], Observation], limit: int = 60) -> list[Action]:
    actions = []
    for _ in range(limit):
        actions.append(policy.act(see))
        if actions[-1].kind == "answer":
            break
        see = act(actions[-1])
    return actions


SAVE = (
    {
        "until": "@heading Saved: {value}",
        "do": ['fill("@textbox Value", "{value}")', 'click("@button Save")'],
        "max": 3,
    },
    {"save": {"shown": "@heading ~Saved"}, "pattern": "Saved: (.*)"},
    'answer("{saved.shown}")',
)


def test_oracle_copes_with_a_button_that_lies() -> None:
    app, policy = Counter(), OraclePolicy()
    policy.reset(make_task(*SAVE, value='4 { } " >> #2'), 0, PRIMITIVES)
    actions = play(policy, app.see(), app.act)
    assert [action.name for action in actions[:-1]] == ["fill", "click", "fill", "click"]
    assert actions[-1] == Action.answer(app.value)
    assert app.value == '4 { } " >> #2'


def test_oracle_takes_the_branch_it_sees() -> None:
    for url, expected in (("/", "home"), ("/about", "about")):
        app, policy = Counter(), OraclePolicy()
        app.url = url
        branch = {"when": ["@heading About", "url == '/about'"], "do": ['answer("about")'], "else": ['answer("home")']}
        policy.reset(make_task(branch), 0, PRIMITIVES)
        assert policy.act(app.see()) == Action.answer(expected)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ('click("@button Gone")', "there is no @button Gone at /"),
        ('click("@heading ~Saved")', "nothing one can act on"),
        (
            {"until": "@heading Never", "do": ['click("@button Save")'], "max": 2},
            "2 rounds did not lead to @heading Never",
        ),
        ({"save": {"a": "@heading ~Saved"}, "pattern": "#(.*)"}, "is not in"),
        ('answer("{saved.nothing}")', "there is no 'nothing'"),
    ],
)
def test_a_stuck_oracle_says_why(step: Any, reason: str) -> None:
    app, policy = Counter(), OraclePolicy()
    policy.reset(make_task(step), 0, PRIMITIVES)
    assert play(policy, app.see(), app.act)[-1] == Action.answer()
    assert reason in policy.stuck


def test_oracle_answers_at_the_end_of_its_steps_and_needs_a_task() -> None:
    policy = OraclePolicy()
    policy.reset(make_task("noop()"), 0, [])
    assert [policy.act(Observation()).to_call() for _ in range(2)] == ["noop()", "answer()"]
    with pytest.raises(ContentError, match="needs a task"):
        policy.reset(None, 0, [])


def test_oracle_over_tools_uses_earlier_results() -> None:
    calls: list[Action] = []

    def act(action: Action) -> Observation:
        calls.append(action)
        if len(calls) < 3:
            return Observation(error="503: try again")
        return Observation(result=json.dumps({"id": 7, "lines": [{"sku": "a"}]}))

    policy = OraclePolicy()
    policy.reset(
        make_task(
            {"until": "result.id", "do": ['create(qty="{qty}")'], "max": 4},
            {"save": {"id": "result.id", "sku": "result.lines[0].sku"}},
            'confirm(id="{saved.id}", note="{saved.sku}-{qty}")',
            qty=2,
        ),
        0, [],
    )  # fmt: skip
    actions = play(policy, Observation(), act)
    assert actions[:3] == [Action.call("create", qty=2)] * 3
    assert actions[3] == Action.call("confirm", id=7, note="a-2")


def test_oracle_asks_its_user_until_it_knows() -> None:
    ask = 'send_msg_to_user("Which order?")'
    save = {"save": {"number": "message"}, "pattern": r"\b(\d{4})\b", "optional": True}
    policy = OraclePolicy()
    policy.reset(
        make_task({"until": "saved.number", "do": [ask, save], "max": 3}, 'answer("{saved.number} of {saved.said}")')
        .model_copy(update={"oracle": (
            {"until": "saved.number", "do": [ask, save], "max": 3},
            {"save": {"said": "length(heard)"}},
            'answer("{saved.number} of {saved.said}")',
        )}), 0, [],
    )  # fmt: skip

    def hear(text: str) -> Observation:
        return Observation(messages=(Message(role="user", text=text), Message(role="system", text="9999")))

    assert policy.act(hear("I want to cancel an order.")) == Action.say("Which order?")
    assert policy.act(hear("The one with the kettle.")) == Action.say("Which order?")
    assert policy.act(hear("It is 1042.")) == Action.answer("1042 of 3")
    assert policy.stuck == ""


def test_noisy_oracle_slips_and_recovers() -> None:
    done = 0
    for seed in range(20):
        app, policy = Counter(), NoisyPolicy(0.4)
        policy.reset(make_task(*SAVE, value="9"), seed, PRIMITIVES)
        actions = play(policy, app.see(), app.act)
        done += actions[-1] == Action.answer("9")
        assert len(actions) > 3
    assert done >= 12


def test_noise_of_zero_is_the_oracle() -> None:
    app, policy = Counter(), NoisyPolicy(0.0)
    policy.reset(make_task(*SAVE, value="9"), 0, PRIMITIVES)
    assert len(play(policy, app.see(), app.act)) == 5


def test_random_acts_on_what_is_there_and_repeats_by_seed() -> None:
    def run(seed: int) -> list[str]:
        app, policy = Counter(), RandomPolicy()
        policy.reset(None, seed, PRIMITIVES)
        return [action.to_call() for action in play(policy, app.see(), app.act)]

    assert run(3) == run(3)
    assert run(3) != run(4)
    refs = {line.ref for url in ("/", "/about") for line in _lines(url) if line.role in INTERACTIVE}
    used = [Action.parse(call).arguments.get("bid") for seed in range(10) for call in run(seed)]
    known = [bid for bid in used if bid in refs]
    assert len(known) > 0.8 * len([bid for bid in used if bid])
    assert set(known) == refs


def _lines(url: str) -> list[Line]:
    app = Counter()
    app.url = url
    return parse_lines(app.see().page)


CHECKOUT = format_lines(
    assign_refs(
        [
            Line("link", "Home", url="/"),
            Line("text", "Use the code WELCOME10."),
            Line("form", "Shipping"),
            Line("radio", "By post", 1, states={"checked": ""}),
            Line("radio", "By bike", 1),
            Line("combobox", "Day", 1, value="Monday", states={"options": "Monday | Tuesday"}),
            Line("textbox", "Coupon code", 1, states={"required": ""}),
            Line("textbox", "Street address", 1, states={"required": ""}),
            Line("spinbutton", "Quantity", 1, value="1", states={"required": ""}),
            Line("button", "Continue", 1),
        ]
    )
)


def test_explorer_fills_in_a_form_sensibly_and_sends_it() -> None:
    """What is typed fits its label, every choice is made some time, and the last thing pressed is the button."""
    page = Observation(url="/checkout", page=CHECKOUT)
    names = {line.ref: line.name for line in parse_lines(CHECKOUT)}
    typed: dict[str, set[str]] = {}
    pressed: set[str] = set()
    for seed in range(40):
        policy = ExplorerPolicy(submit=1.0, stop=0.0)
        policy.reset(None, seed, PRIMITIVES)
        actions = [policy.act(page) for _ in range(12)]
        again = ExplorerPolicy(submit=1.0, stop=0.0)
        again.reset(None, seed, PRIMITIVES)
        assert [again.act(page) for _ in range(12)] == actions
        sent = next(i for i, action in enumerate(actions) if names[action.arguments["bid"]] == "Continue")
        for action in actions[:sent]:
            name = names[action.arguments["bid"]]
            pressed |= {name} if action.name == "click" else set()
            typed.setdefault(name, set()).add(str(action.arguments.get("value", action.arguments.get("options"))))
        assert {"Coupon code", "Street address"} <= {names[a.arguments["bid"]] for a in actions[:sent]}
    assert {"By post", "By bike"} <= pressed
    assert typed["Day"] == {"Monday", "Tuesday"}
    assert "WELCOME10" in typed["Coupon code"]
    assert len(typed["Coupon code"]) > 1
    assert all(value[0].isdigit() for value in typed["Street address"])
    assert all(value.isdigit() for value in typed["Quantity"])


def test_explorer_begins_as_the_oracle_would_with_wishes_of_its_own() -> None:
    """On the oracle's way, but by bike where the oracle ships by post."""
    goal = make_task('click("@radio By post")', 'click("@button Continue")')
    names = {line.ref: line.name for line in parse_lines(CHECKOUT)}
    chosen = set()
    for seed in range(30):
        policy = ExplorerPolicy(guided=1.0, leave=0.0, aside=0.0)
        policy.reset(goal, seed, PRIMITIVES)
        actions = [policy.act(Observation(url="/checkout", page=CHECKOUT)) for _ in range(2)]
        chosen.add(names[actions[0].arguments["bid"]])
    assert chosen == {"By post", "By bike"}


def test_random_tool_calls_fit_their_schema() -> None:
    tool = {
        "name": "order",
        "parameters": {
            "type": "object",
            "required": ["sku", "qty", "how"],
            "properties": {
                "sku": {"type": "string"},
                "qty": {"type": "integer", "minimum": 1, "maximum": 3},
                "how": {"enum": ["slow", "fast"]},
                "gift": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
                "lines": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "number"}}}},
            },
        },
    }
    policy = RandomPolicy(stop=0.0)
    policy.reset(None, 1, [tool])
    seen: set[str] = set()
    for _ in range(80):
        action = policy.act(Observation(result='{"sku": "A-1", "nested": [{"sku": "A-2"}]}'))
        assert action.name == "order"
        assert {"sku", "qty", "how"} <= action.arguments.keys()
        assert action.arguments["how"] in ("slow", "fast")
        assert isinstance(action.arguments["qty"], int)
        assert action.arguments.get("gift") in (None, True, False)
        seen.add(str(action.arguments["sku"]))
    assert {"A-1", "A-2"} <= seen


def test_scripted_plays_its_lines_then_answers(tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text('click("eaaaa")\n\n{"kind": "say", "text": "hi"}\n')
    for policy in (get_policy(f"scripted:{script}"), ScriptedPolicy(['click("eaaaa")', Action.say("hi")])):
        for _ in range(2):
            policy.reset(None, 0, [])
            calls = [policy.act(Observation()).to_call() for _ in range(3)]
            assert calls == ['click(bid="eaaaa")', 'send_msg_to_user("hi")', "answer()"]


@pytest.mark.parametrize("name", ["null", "random", "explorer", "oracle", "noisy", "noisy:0.5"])
def test_policies_by_name(name: str) -> None:
    assert isinstance(get_policy(name), Policy)


@pytest.mark.parametrize("name", ["", "best", "noisy:2", "noisy:x", "null:1", "scripted:", "scripted:/nowhere"])
def test_unknown_policies_say_what_there_is(name: str) -> None:
    with pytest.raises(ContentError):
        get_policy(name)


def test_after_a_slip_the_noisy_oracle_clears_the_page_and_fills_in_again() -> None:
    policy = NoisyPolicy(1.0)
    policy.reset(make_task('fill("@textbox Value", "9")', 'click("@button Save")'), 0, PRIMITIVES)
    form = Counter().see()
    policy.act(form)
    covered = Observation(
        url="/",
        page=format_lines(assign_refs([Line("dialog", "News"), Line("button", "Yes", 1), Line("button", "No", 1)])),
    )
    no = next(line.ref for line in parse_lines(covered.page) if line.name == "No")
    assert policy.act(covered) == Action.call("click", bid=no)
    assert policy.act(Observation(url="/x", page='heading "This page isn\'t working"')) == Action.call("goto", url="/x")
    assert policy.act(form) == Action.call("goto", url="/")


def test_a_slip_of_a_tool_call_does_not_hide_the_oracles_own_result() -> None:
    policy = NoisyPolicy(1.0)
    mine, other = Observation(result='{"id": 7}'), Observation(result='{"id": 8}')
    oracle = {"save": {"id": "result.id"}}
    policy.reset(make_task(oracle, 'find(id="{saved.id}")'), 0, [{"name": "other", "parameters": {"type": "object"}}])
    assert policy.act(mine).name == "other"
    assert policy.act(other).name == "other"
    policy._epsilon = 0.0
    assert policy.act(other) == Action.call("find", id=7)


def test_what_the_user_says_during_a_slip_is_still_heard() -> None:
    policy = NoisyPolicy(1.0)
    find = 'find(id="{saved.id}")'
    heard = {"save": {"id": "message"}, "pattern": r"(\d+)"}
    policy.reset(make_task(heard, find, heard, find), 0, [{"name": "other", "parameters": {"type": "object"}}])
    policy.act(Observation(messages=(Message(role="user", text="It is 41."),)))
    policy.act(Observation(messages=(Message(role="user", text="No, 42."),)))
    policy._epsilon = 0.0
    assert policy.act(Observation(result="{}")) == Action.call("find", id="42")
    # Heard once: what is said later comes after it.
    assert policy.act(Observation(messages=(Message(role="user", text="Or 43."),))) == Action.call("find", id="43")
