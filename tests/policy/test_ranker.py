"""The policy that learns: what it may do, that imitation and reinforcement move it, and that a file of it is data."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envsim.errors import ContentError
from envsim.page.lines import Line, assign_refs, format_lines
from envsim.policy import get_policy
from envsim.policy.candidates import candidates, spans
from envsim.policy.features import Reader
from envsim.policy.ranker import RankerPolicy, load_ranker, probabilities
from envsim.policy.training import Played, Progress, Trial, decisions, imitate, reinforce
from envsim.trace import Header, Step, Trace
from envsim.types import Action, Observation

GOAL = "Please set the Copper Kettle to 3, and pay with the coupon SPRING25 before 4 June 2026."
LINES = assign_refs(
    [
        Line("heading", "Cart"),
        Line("link", "Copper Kettle", url="/p/copper-kettle"),
        Line("spinbutton", "Quantity", value="1"),
        Line("link", "Iron Pan", url="/p/iron-pan"),
        Line("combobox", "Delivery", value="Standard", states={"options": "Standard | Express"}),
        Line("textbox", "Coupon"),
        Line("text", "Total $48.00"),
        Line("button", "Save"),
        Line("button", "Gone", states={"disabled": ""}),
    ]
)
PAGE = Observation(url="/cart", page=format_lines(LINES), goal=GOAL)


def test_values_of_a_goal() -> None:
    found = {span.text: (span.kind, span.before) for span in spans(GOAL)}
    assert found["Copper Kettle"] == ("name", "set the")
    assert found["3"] == ("number", "* to")
    assert found["SPRING25"] == ("code", "the coupon")
    assert found["2026-06-04"] == ("date", "* before")
    assert "Please" not in found
    assert [span.text for span in spans("Title: 'Not bad', for $1,250.50")] == ["Not bad", "1250.50"]
    assert [span.text for span in spans("until June 5, 2026, $15.00 off")] == ["2026-06-05", "15.00", "15"]
    # A run of words and its parts begin at one place, so only their kinds tell which of them a field takes.
    found = {span.text: (span.kind, span.before) for span in spans("it should be in OR 97201 from now on")}
    assert found["OR 97201"] == ("code and number", "be in")
    assert found["OR"] == ("code", "be in")
    assert found["97201"] == ("number", "be in")


@settings(max_examples=40)
@given(st.text(max_size=80))
def test_any_goal_is_read_and_each_value_given_once(goal: str) -> None:
    texts = [span.text for span in spans(goal)]
    assert len(texts) == len(set(texts))
    assert all(texts)


def test_what_can_be_done() -> None:
    done = [option.action.to_call() for option in candidates(LINES, spans(GOAL))]
    ref = {line.name: line.ref for line in LINES}
    assert Action.call("fill", bid=ref["Coupon"], value="SPRING25").to_call() in done
    assert Action.call("fill", bid=ref["Quantity"], value="3").to_call() in done
    assert Action.call("select_option", bid=ref["Delivery"], options="Express").to_call() in done
    assert Action.answer("$48.00").to_call() in done
    # Numbers alone go where numbers go, what is chosen already is no option, and what is disabled cannot be done.
    assert not any("SPRING25" in call and ref["Quantity"] in call for call in done)
    assert not any('options="Standard"' in call or ref["Gone"] in call for call in done)
    assert len(done) == len(set(done))


def test_a_new_product_is_treated_like_the_one_it_learned_on() -> None:
    first = RankerPolicy()
    shown = _demonstration("Copper Kettle", "Iron Pan", 1)
    imitate(first, decisions(shown), epochs=20)
    for name, other, position in (("Oak Lamp", "Iron Pan", 1), ("Iron Pan", "Oak Lamp", 3)):
        first.reset(None, 0, [])
        page = _shelf(*((name, other) if position == 1 else (other, name)), goal=f"Open the {name}.")
        wanted = next(line.ref for line in _lines(page) if line.name == name)
        assert first.act(page) == Action.call("click", bid=wanted)


def test_imitation_raises_the_probability_of_what_was_done_and_skips_what_it_cannot_do() -> None:
    shown = _demonstration("Copper Kettle", "Iron Pan", 1)
    policy = RankerPolicy()
    before = imitate(policy, decisions(shown), epochs=1)
    assert imitate(policy, decisions(shown), epochs=5) > before
    foreign = shown.steps[1].model_copy(update={"action": Action.call("fill", bid="e2222", value="own words")})
    assert decisions(Trace(shown.header, (shown.steps[0], foreign), None)) == []


def test_reinforcement_finds_the_rewarded_button_and_is_repeatable() -> None:
    buttons = [Line("button", name) for name in ("A", "B", "C", "D")]
    page = Observation(url="/", page=format_lines(assign_refs(buttons)), goal="Press the right one.")
    right = Action.call("click", bid=assign_refs(buttons)[2].ref)

    def play(policy: RankerPolicy, trials: Sequence[Trial]) -> list[Played]:
        out = []
        for trial in trials:
            policy.reset(None, trial.seed, [])
            action = policy.act(page)
            out.append(Played(None if action.name == "go_back" else float(action == right), 1, policy.taken))
        return out

    heard: list[Progress] = []
    found = []
    for _ in range(2):
        policy = RankerPolicy()
        steps = reinforce(policy, play, ["t"], iterations=30, groups=4, group=6, told=heard.append)
        found.append(policy.weights)
        assert steps == 30 * 4 * 6
        policy.reset(None, 0, [])
        assert policy.act(page) == right
        assert policy.temperature == 0.0
    assert np.array_equal(*found)
    assert heard[29].reward > 0.8 > heard[0].reward
    assert heard[0].unscored > 0, "an episode nobody can score teaches nothing and is counted"


def test_failures_alone_teach_nothing_and_what_was_shown_is_rehearsed() -> None:
    def play(policy: RankerPolicy, trials: Sequence[Trial]) -> list[Played]:
        out = []
        for trial in trials:
            policy.reset(None, trial.seed, [])
            policy.act(PAGE)
            out.append(Played(0.0, 1, policy.taken))
        return out

    policy = RankerPolicy()
    reinforce(policy, play, ["t"], iterations=2, groups=2, group=3)
    assert not policy.weights.any()
    shown = decisions(_demonstration("Copper Kettle", "Iron Pan", 1))
    reinforce(policy, play, ["t"], {"t": shown}, iterations=2, groups=2, group=3)
    ((choice, number),) = shown
    assert choice.scores(policy.weights).argmax() == number


def test_a_task_that_is_solved_is_passed_over_once() -> None:
    asked: list[set[str]] = []

    def play(policy: RankerPolicy, trials: Sequence[Trial]) -> list[Played]:
        asked.append({trial.task for trial in trials})
        return [Played(float(trial.task == "easy"), 1) for trial in trials]

    steps = reinforce(RankerPolicy(), play, ["easy", "hard"], iterations=4, groups=2, group=3)
    assert asked == [{"easy", "hard"}, {"hard"}] * 2
    assert steps == 6 + 3 + 6 + 3
    asked.clear()
    reinforce(RankerPolicy(), play, ["easy"], iterations=2, groups=1, group=3)
    assert asked == [{"easy"}] * 2, "where nothing else is left, it is played"


def test_from_the_page_of_one_value_leads_a_way_to_that_of_another() -> None:
    goal = spans("Add these two: Copper Kettle, Oak Lamp.")
    made = {option.action.arguments.get("url") for option in candidates([], goal, "/p/copper-kettle?notice=added")}
    assert "/p/oak-lamp" in made
    assert "/p/copper-kettle" not in made
    assert all(option.span is None for option in candidates([], goal, "/p/iron-pan"))


def test_from_a_page_that_links_to_one_value_leads_a_way_to_one_it_does_not_show() -> None:
    goal = spans("Add these three: Copper Kettle, Oak Lamp, Iron Pan.")
    made = {option.action.arguments.get("url") for option in candidates(LINES, goal, "/wishlist")}
    assert "/p/oak-lamp" in made
    assert not made & {"/p/copper-kettle", "/p/iron-pan"}, "a link leads there"
    assert "/p/oak-lamp" not in {o.action.arguments.get("url") for o in candidates(LINES[2:3], goal, "/wishlist")}


def test_who_went_straight_back_had_slipped() -> None:
    shelf = _shelf("Copper Kettle", "Iron Pan", goal="Open the Copper Kettle.")
    right, wrong = (Action.call("click", bid=line.ref) for line in _lines(shelf))
    there = Observation(url="/p/x", goal=shelf.goal)

    def taught(*steps: tuple[Action, Observation]) -> list[Action]:
        done = [Step(index=n, action=action, observation=then) for n, (action, then) in enumerate(steps, 1)]
        header = Header(session="s", app="x", source="rollout", interface="browser")
        trace = Trace(header, (Step(index=0, observation=shelf), *done), None)
        return [choice.options[number].action for choice, number in decisions(trace)]

    back = Action.call("goto", url=shelf.url)
    assert taught((wrong, there), (back, shelf), (right, there)) == [right]
    assert taught((wrong, there), (right, there)) == [wrong], "only who went back thought better of it"
    reload = Action.call("goto", url=there.url)
    assert taught((right, there), (reload, there)) == [right, reload], "who loads a page again had meant to come there"


def test_signs_of_a_goal_are_read_out() -> None:
    box = Line("combobox", "Kind", value="None", states={"options": "None | Percent off | Dollars off"})
    page = format_lines(assign_refs([box]))
    for goal, named in (("Take 12% off.", "Percent off"), ("Take $5.00 off.", "Dollars off")):
        choice = Reader(goal).choice(Observation(url="/", page=page, goal=goal))
        best = zlib.crc32(b"select_option combobox Kind option best True True")
        marked = {choice.options[owner].value for owner in choice.owner[choice.own == best]}
        assert marked == {named}


def test_who_typed_the_address_of_a_link_followed_it() -> None:
    shown = _demonstration("Copper Kettle", "Iron Pan", 1)
    ((choice, number),) = decisions(shown)
    typed = shown.steps[1].model_copy(update={"action": Action.call("goto", url="/p/copper-kettle")})
    ((same, found),) = decisions(Trace(shown.header, (shown.steps[0], typed), None))
    assert same.options[found] == choice.options[number]


def test_copies_learn_alone_and_twins_together() -> None:
    policy = RankerPolicy()
    copy, twin = policy.copy(), policy.twin()
    imitate(policy, decisions(_demonstration("Copper Kettle", "Iron Pan", 1)))
    assert not copy.weights.any()
    assert np.array_equal(twin.weights, policy.weights)
    assert not np.array_equal(copy.squares, policy.squares)


def test_saved_and_loaded(tmp_path: Path) -> None:
    policy = RankerPolicy()
    imitate(policy, decisions(_demonstration("Copper Kettle", "Iron Pan", 1)), epochs=3)
    policy.save(tmp_path / "p.npz")
    assert np.array_equal(load_ranker(tmp_path / "p.npz").weights, policy.weights)
    named = get_policy(f"ranker:{tmp_path / 'p.npz'}")
    named.reset(None, 0, [])
    policy.reset(None, 0, [])
    assert named.act(PAGE) == policy.act(PAGE)


@pytest.mark.parametrize("held", [b"", b"PK\x03\x04", b"no numbers"])
def test_what_is_no_policy_is_refused(tmp_path: Path, held: bytes) -> None:
    (tmp_path / "p.npz").write_bytes(held)
    with pytest.raises(ContentError, match="holds no trained policy"):
        load_ranker(tmp_path / "p.npz")


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    held = {"version": np.array(1), "columns": np.array([{"a": 1}], object), "weights": np.array([1.0])}
    np.savez(tmp_path / "p.npz", **held)
    with pytest.raises(ContentError, match="holds no trained policy"):
        get_policy(f"ranker:{tmp_path / 'p.npz'}")


@given(st.lists(st.floats(-500, 500), min_size=1, max_size=8))
def test_probabilities(scores: list[float]) -> None:
    found = probabilities(np.array(scores))
    assert found.sum() == pytest.approx(1.0)
    assert found[np.argmax(scores)] == found.max()


def test_features_do_not_name_values() -> None:
    found = []
    for name in ("Copper Kettle", "Oak Lamp"):
        goal = f"Open the {name}."
        choice = Reader(goal).choice(_shelf(name, "Iron Pan", goal=goal))
        wanted = next(n for n, option in enumerate(choice.options) if option.line == 0)
        other = next(n for n, option in enumerate(choice.options) if option.line == 1)
        own = [choice.own[choice.owner == n].tolist() for n in (wanted, other)]
        assert own[0] != own[1]
        found.append((choice.signs[wanted], choice.moment.tolist(), own))
    assert found[0] == found[1]


def test_what_was_done_is_a_feature_of_what_could_be_done_again() -> None:
    reader = Reader(GOAL)
    first = reader.choice(PAGE)
    number = next(n for n, option in enumerate(first.options) if option.line == 1)
    reader.took(number)
    second = reader.choice(PAGE)
    for n in range(len(first.options)):
        before, after = (set(choice.own[choice.owner == n].tolist()) for choice in (first, second))
        assert before <= after
        assert (before < after) == (n == number)
    assert set(first.moment.tolist()) != set(second.moment.tolist())


def test_dates_and_amounts_are_found_as_pages_write_them() -> None:
    found = {span.text: span for span in spans("my order of 28 February 2026 over $1,250.50, number 7")}
    assert found["2026-02-28"].within("100241 | 28 Feb 2026 | processing")
    assert found["1250.50"].within("Total $1,250.50")
    assert not found["7"].within("7 products")


def _shelf(*names: str, goal: str) -> Observation:
    links = [Line("link", name, url=f"/p/{name.lower().replace(' ', '-')}") for name in names]
    return Observation(url="/c/all", page=format_lines(assign_refs(links)), goal=goal)


def _lines(page: Observation) -> list[Line]:
    return assign_refs([Line("link", line.split('"')[1], url=line.split("-> ")[1]) for line in page.page.split("\n")])


def _demonstration(name: str, other: str, position: int) -> Trace:
    page = _shelf(*((name, other) if position == 1 else (other, name)), goal=f"Open the {name}.")
    wanted = next(line.ref for line in _lines(page) if line.name == name)
    there = Observation(url="/p/x", goal=page.goal)
    steps = (Step(index=0, observation=page), Step(index=1, action=Action.call("click", bid=wanted), observation=there))
    return Trace(Header(session="s", app="x", source="rollout", interface="browser"), steps, None)
