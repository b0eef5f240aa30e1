"""What may follow a request: bugs by their condition or rate, told of by traces or not, and the app's clock."""

import json
import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.rng import Rng, uniform
from envsim.state import apply
from worldmodel.document import delta_lines
from worldmodel.requests import Request
from worldmodel.rules.clock import Clock, fit
from worldmodel.rules.effects import Effects, explains, learn, variants
from worldmodel.rules.expressions import Combine, Const, Fresh, Read, evaluate, opaque
from worldmodel.rules.history import history
from worldmodel.rules.known import Known
from worldmodel.rules.programs import Outcome, Programs, draw
from worldmodel.rules.relations import Relations
from worldmodel.rules.scope import Scope
from worldmodel.rules.search import explain, key_candidates
from worldmodel.rules.times import read_time, write_time
from worldmodel.rules.trees import Tree, grow
from worldmodel.rules.twists import families
from worldmodel.session import Sample, Situation

NAMES = ("Ann Berg", "Bo Lind", "Cy Moe", "Di Falk", "Ed Strand", "Flo Dahl")
DATA = {"people": {f"P{n}00": {"name": name, "city": "Oslo"} for n, name in enumerate(NAMES)}, "notes": {}}
RATE = 0.3
START = 1_772_442_000.0
LYING, POPUP, LOST, LATE = "bug:lying-save", "bug:popup", "bug:lost", "bug:late"


class Desk:
    """An address book that lies about every third save, has a popup from the third page on, and fails to take notes."""

    def __init__(self, seed: int, told: bool) -> None:
        self.rng, self.told, self.name = Rng("desk", seed), told, f"s{seed}"
        self.state = json.loads(json.dumps(DATA))
        self.past: list[tuple[str, tuple[str, ...]]] = []
        self.ticks = 0
        self.views: int | None = 0
        self.samples: list[Sample] = []

    def ask(self, lines, delta, url, shown=(), events=(), ticks=1):
        heard = tuple(f'@event "{event}"' for event in events) if self.told else ()
        target = (*delta_lines(delta), *heard, f'@url "{url}"', *shown, "main")
        situation = Situation("browser", Request(lines), (), tuple(self.past), ('login "ann"',), self.state)
        self.samples.append(Sample(self.name, self.name, len(self.past), situation, target))
        self.past.append((situation.request.key, target))
        self.state, self.ticks = apply(self.state, delta), self.ticks + ticks

    def look(self):
        who = self.rng.choice(sorted(DATA["people"]))
        if self.views is not None:
            self.views += 1
        fires = self.views is not None and self.views >= 3
        self.ask((f'get "/p/{who}"',), (), f"/p/{who}", ('dialog "News"',) * fires, (POPUP,) * fires)

    def dismiss(self):
        if self.views is not None and self.views >= 3:
            self.ask(('click button "No" on "/p/P100"', 'in "News"'), (), "/p/P100")
            self.views = None

    def save(self):
        who, city = (
            self.rng.choice(sorted(DATA["people"])),
            f"{self.rng.choice(('Vik', 'Hamar', 'Moss'))} {len(self.past)}",
        )
        lies = self.rng.chance(RATE)
        delta = () if lies else ((f"people/{who}/city", city),)
        lines = (f'click button "Save" on "/p/{who}"', 'in "Address"', f'"City" = "{city}"')
        self.ask(lines, delta, "/people?notice=saved", ('status "Saved."',), (LYING,) * lies, ticks=2)

    def note(self):
        """Fails half of the time, and of the rest is late with its answer half of the time: never both."""
        lost = self.rng.chance(0.5)
        late = not lost and self.rng.chance(0.5)
        key = f"N-{1 + len(self.state['notes'])}"
        row = {"text": f"note {len(self.past)}", "at": write_time(START + 7 * (self.ticks + 1), "%Y-%m-%dT%H:%M:%SZ")}
        lines = ('click button "Add" on "/notes"', 'in "Note"', f'"Text" = "{row["text"]}"')
        delta = () if lost else ((f"notes/{key}", row),)
        failed = lost or late
        url = "/failed" if failed else "/notes?notice=added"
        shown = ('alert "We cannot say whether it was added."',) * failed
        self.ask(lines, delta, url, shown, (LOST,) * lost + (LATE,) * late, ticks=1 + (not failed))


def sessions(count, first=0, *, told=True):
    out = []
    for seed in range(first, first + count):
        desk = Desk(seed, told)
        desk.ask(('open "/"', 'login "ann"'), (), "/")
        for _ in range(8):
            step = desk.rng.choice(("look", "look", "dismiss", "save", "note"))
            getattr(desk, step)()
        out += desk.samples
    return out


@pytest.fixture(scope="module")
def told():
    return Programs.learn(DATA, sessions(120))


@pytest.fixture(scope="module")
def untold():
    return Programs.learn(DATA, sessions(120, told=False))


def asked(found, word):
    return [sample for sample in found if word in sample.situation.request.lines[0]]


def chance(outcomes, event):
    return sum(outcome.p for outcome in outcomes if event in outcome.events)


def interval(rate, count):
    """95 in 100 shares of `count` draws at `rate` lie so near to it; with room for the rate's own estimate."""
    return 2 * 1.96 * math.sqrt(rate * (1 - rate) / count)


def test_outcomes_are_a_distribution_that_begins_with_the_most_probable(told):
    for sample in sessions(10, 500):
        if sample.index:
            found = told.outcomes(sample.situation)
            assert sum(outcome.p for outcome in found) == pytest.approx(1)
            assert [o.p for o in found] == sorted((o.p for o in found), reverse=True)
            assert told.outcome(sample.situation) == found[0]
    assert told.outcomes(Situation("browser", Request(('click button "Burn" on "/p/P100"',)))) == ()


def test_a_random_bug_fires_at_its_rate_and_does_what_it_does(told):
    held = asked(sessions(60, 500), '"Save"')
    near = interval(RATE, len(asked(sessions(120), '"Save"')))
    for sample in held:
        assert abs(chance(told.outcomes(sample.situation), LYING) - RATE) < near
        meant, lied = told.outcomes(sample.situation)
        city = sample.situation.request.lines[2].partition(" = ")[2].strip('"')
        assert (meant.events, lied.events, lied.delta) == ((), (LYING,), ())
        assert [change[1] for change in meant.delta] == [city]
        assert meant.branch == lied.branch


def test_bugs_that_exclude_each_other_never_fire_together(told):
    for sample in asked(sessions(20, 500), '"Add"'):
        found = {outcome.events: outcome for outcome in told.outcomes(sample.situation)}
        assert set(found) == {(), (LOST,), (LATE,)}
        assert 0.35 < found[LOST,].p < 0.65
        assert 0.12 < found[LATE,].p < 0.38
        assert found[LOST,].delta == ()
        assert found[LATE,].delta == found[()].delta != ()
        assert found[LATE,].branch.startswith("/failed alert")


def test_a_bug_with_a_condition_fires_where_it_holds_and_only_there(told):
    held = asked(sessions(40, 500), "get ")
    fired = [f'@event "{POPUP}"' in sample.target for sample in held]
    assert 20 < sum(fired) < len(held) - 20
    rates = [chance(told.outcomes(sample.situation), POPUP) for sample in held]
    assert all((rate > 0.9) == fires and (rate < 0.05) != fires for rate, fires in zip(rates, fired, strict=True))


def test_no_bug_is_invented(told):
    """Not at operations where none was recorded, nor one of another operation."""
    where = {LYING: '"Save"', POPUP: "get ", LOST: '"Add"', LATE: '"Add"'}
    for sample in sessions(20, 500):
        for outcome in told.outcomes(sample.situation) if sample.index else ():
            assert all(where[event] in sample.situation.request.lines[0] for event in outcome.events)


def test_where_no_trace_tells_of_bugs_their_outcomes_are_still_there(untold):
    for sample in asked(sessions(20, 500), '"Save"'):
        meant, lied = untold.outcomes(sample.situation)
        assert (meant.events, lied.events, lied.delta) == ((), (), ())
        assert len(meant.delta) == 1
        assert lied.p == pytest.approx(RATE, abs=0.12)
    for sample in asked(sessions(20, 500), '"Add"'):
        found = untold.outcomes(sample.situation)
        failed = sum(o.p for o in found if o.branch.startswith("/failed"))
        assert failed == pytest.approx(0.75, abs=0.12)
    for sample in asked(sessions(40, 500), "get "):
        shown = any(line.startswith("dialog") for line in sample.target)
        p = sum(o.p for o in untold.outcomes(sample.situation) if "dialog" in o.branch)
        assert (p > 0.9) if shown else (p < 0.1)


def test_what_was_learned_comes_back_from_json(told):
    text = json.dumps(told.to_json())
    again = Programs.empty(DATA, sessions(120))
    again.read(json.loads(text))
    assert again == told
    assert json.dumps(again.to_json()) == text


# -- drawing -------------------------------------------------------------------------------------------


def test_a_drawn_outcome_comes_as_often_as_its_probability_says():
    found = (Outcome("a", (), 1.0, 0.6), Outcome("b", (), 1.0, 0.3), Outcome("c", (), 1.0, 0.1))
    drawn = [draw(found, uniform(7, "outcome", step)).branch for step in range(2000)]
    assert {name: round(drawn.count(name) / 2000, 1) for name in "abc"} == {"a": 0.6, "b": 0.3, "c": 0.1}
    assert draw(found, None) == found[0]
    assert draw((), 0.5) is None


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=5), st.floats(0, 1, exclude_max=True))
def test_any_point_draws_an_outcome(weights, point):
    found = tuple(Outcome(str(i), (), 1.0, weight / sum(weights)) for i, weight in enumerate(weights))
    assert draw(found, point) in found


# -- time and keys -------------------------------------------------------------------------------------


def test_the_clock_is_found_and_tells_the_time_of_new_rows(told):
    assert len(told.clock) == 1
    assert told.clock[0].tick == 7.0
    held = [s for s in asked(sessions(40, 900), '"Add"') if any(line.startswith("! ") for line in s.target)]
    assert len(held) > 20
    for sample in held:
        outcome = next(o for o in told.outcomes(sample.situation) if not o.events)
        assert delta_lines(outcome.delta) == tuple(line for line in sample.target if line.startswith("! "))


def test_a_session_that_says_when_it_began_is_believed(told):
    sample = asked(sessions(20, 900), '"Add"')[0]
    opened = ('open "/"\nlogin "ann"\nclock "2030-01-01T00:00:00Z"', sample.situation.past[0][1])
    moved = replace(sample.situation, past=(opened, *sample.situation.past[1:]))
    there, here = told.clock[0].now(moved), told.clock[0].now(sample.situation)
    assert write_time(there, "%Y-%m-%d") == "2030-01-01"
    assert there - here == read_time("2030-01-01T00:00:00Z")[0] - told.clock[0].start


def test_times_without_a_pattern_make_no_clock():
    def at(number):
        row = {"at": write_time(START + uniform(1, number) * 10**6, "%Y-%m-%dT%H:%M:%SZ")}
        return Situation("browser", Request(("get x",))), ((f"notes/{number}", row),)

    assert fit([at(number) for number in range(30)]) is None
    assert fit([]) is None


@pytest.mark.parametrize("damaged", [1, [], [1, 2], ["x", 1, []], [float("nan"), 1, []], [1e300, 1, []], [0, 1, [1]]])
def test_made_up_clocks_are_refused(damaged):
    with pytest.raises(ValueError, match="no clock"):
        Clock.from_json(damaged)


def test_keys_count_on_behind_their_prefix_and_as_wide():
    state = {"orders": {"ORD-0099": {}, "ORD-0100": {}, "X-7": {}}, "carts": {"guest-12": {}}}
    scope = Scope({}, state, Relations.learn(state))
    assert Fresh("orders", "ORD-") in key_candidates("ORD-0101", "orders", scope)
    assert evaluate(Fresh("orders", "ORD-"), scope.making("orders", 1)) == "ORD-0102"
    assert evaluate(Fresh("orders", "X-"), scope) == "X-8"
    assert evaluate(Fresh("carts", "guest-"), scope) == "guest-13"


def test_what_only_dice_know_is_a_placeholder_that_is_never_sure():
    """A token: of the right shape, another one for each row, the same every time; no outcome that holds it is sure."""
    relations = Relations.learn({"tokens": {}})

    def example(number):
        token = "".join(format(int(uniform(3, number, i) * 16), "x") for i in range(24))
        state = {"tokens": {f"t{i}": {"code": "x"} for i in range(number)}}
        scope = Scope({"who": f"t{number}"}, state, relations)
        return scope, ((f"tokens/t{number}", {"code": token}),)

    effects = learn([example(number) for number in range(12)])
    assert effects.sure == 0
    assert Effects.from_json(json.loads(json.dumps(effects.to_json()))) == effects
    written = []
    for number in (20, 21):
        scope, _ = example(number)
        (path, row), *_ = effects.delta(scope)
        assert path == f"tokens/t{number}"
        assert re.fullmatch("[0-9a-f]{24}", row["code"])
        assert effects.delta(scope) == ((path, row),)
        written.append(row["code"])
    assert written[0] != written[1]
    assert opaque("Damaged on arrival") is None
    assert opaque("processing") is None


# -- parts ---------------------------------------------------------------------------------------------


def test_chance_is_left_in_the_leaf():
    """With many questions to ask, some agree with a coin; none of them is believed."""
    rng = Rng("coin")
    relations = Relations.learn({})
    seen = [
        (Scope({f"n{i}": rng.integer(4) for i in range(60)}, {}, relations), str(rng.chance(RATE))) for _ in range(150)
    ]
    tree = grow(seen, Known.learn({}))
    assert tree.test is None
    shares = dict(tree.shares(seen[0][0]))
    assert shares["True"] == pytest.approx(RATE, abs=interval(RATE, 150))


def test_a_condition_is_found_among_many_questions():
    rng = Rng("rule")
    relations = Relations.learn({})
    scopes = [Scope({f"n{i}": rng.integer(9) for i in range(60)}, {}, relations) for _ in range(80)]
    tree = grow([(scope, str(scope.value("n7") >= 6)) for scope in scopes], Known.learn({}))
    assert tree.test is not None
    assert (tree.test.name, tree.test.how, tree.test.value) == ("n7", "over", 6)


def test_wrong_rounding_is_told_from_right():
    """A bug that rounds on every piece fires where that differs, which the amounts on the page show."""
    rng, relations, seen = Rng("rounding"), Relations.learn({}), []
    for _ in range(80):
        pieces, cents = 2 + rng.integer(4), 100 + rng.integer(5000)
        right, wrong = (pieces * cents * 15 + 50) // 100, pieces * ((cents * 15 + 50) // 100)
        shown = {"page row Sum": f"${pieces * cents / 100:,.2f}", "page row Off": f"${wrong / 100:,.2f}",
                 "login>coupon.value": 15}  # fmt: skip
        seen.append((Scope(shown, {}, relations), "bug" if right != wrong else ""))
    tree = grow(seen, Known.learn({}), doubt=3.0)
    again = Tree.from_json(json.loads(json.dumps(tree.to_json())))
    assert all(again.decide(scope)[0] == label for scope, label in seen)
    assert {label for _, label in seen} == {"", "bug"}


def test_smoothing_gives_nothing_to_what_never_followed():
    scope = Scope({}, {}, Relations.learn({}))
    assert Tree((("a", 3), ("b", 0))).shares(scope) == [("a", 1.0)]
    assert Tree((("a", 3), ("b", 1))).shares(scope) == [("a", pytest.approx(0.7)), ("b", pytest.approx(0.3))]


def test_bugs_are_one_family_if_one_keeps_the_other_from_firing():
    free = [("op", frozenset(x for x, on in (("a", i % 2), ("b", i % 3 == 0)) if on)) for i in range(60)]
    apart = [("op", frozenset("a" if i % 3 == 0 else "b" if i % 3 == 1 else ())) for i in range(60)]
    assert families(free) == [frozenset("a"), frozenset("b")]
    assert families(apart) == [frozenset("ab")]


def test_a_second_set_of_rules_must_explain_what_the_first_does_not():
    relations = Relations.learn({"t": {}})
    rows = [(Scope({"x": str(i), "who": "k"}, {"t": {"k": {"v": "z"}}}, relations), i) for i in range(20)]
    clean = [(scope, (("t/k/v", str(i)),) if i % 4 else ()) for scope, i in rows]
    assert [len(members) for _, members in variants(clean)] == [15, 5]
    noise = [(scope, (("t/k/v", str(i) if i % 4 else f"{i * i * 37}?"),)) for scope, i in rows]
    assert [len(members) for _, members in variants(noise)] == [20]


def test_what_the_session_added_last_has_a_name():
    """So that a guest's cart, and the thing before this one, can be spoken of."""
    state = {"carts": {"guest-4": {"coupon": None}}}
    lines = ('! "carts/guest-4" = {"coupon": null}', '! "notes/N-1/text" = "x"', '@url "/cart"')
    found = history('get "/"', [('get "/"', ('@url "/"',)), ('click button "Add" on "/p"', lines)], Known.learn({}))
    assert found["made.carts"] == "guest-4"
    assert "made.notes" not in found, "a row that was changed was there before"
    scope = Scope(found, state, Relations.learn(state))
    assert ("made.carts", "as is") in scope.named("guest-4")
    assert not scope.named(2), "how many requests there were is nothing to read"


def test_a_list_of_what_was_recorded_is_no_rule():
    """Eight things with a price each, seen twice: to know them is no rule for a ninth."""
    relations = Relations.learn({})
    seen = [(Scope({"x": f"thing {i}"}, {}, relations), 3 * i * i + 50) for i in range(8) for _ in range(2)]
    found = explain(seen)
    assert found is None or found[1] < 0.5
    few = [(Scope({"x": f"way {i}"}, {}, relations), 3 * i * i + 50) for i in range(3) for _ in range(4)]
    assert explain(few)[1] == 1.0


def test_one_more_is_one_more():
    """Not whatever happens to be 1 in most examples."""
    relations = Relations.learn({})
    seen = [(Scope({"row.count": 3 + i % 7, "x": int(i > 1), "y": int(i != 5)}, {}, relations), 4 + i % 7)
            for i in range(12)]  # fmt: skip
    assert explain(seen) == (Combine("+", Read("row.count"), Const(1)), 1.0)


def test_rules_that_explain_the_rest_and_all_are_the_only_ones():
    goods = {
        f"G{i}": {"product": f"thing-{i // 4}", "label": ("red", "blue", "grey", "green")[i % 4]} for i in range(20)
    }
    who = "ann@x.test"
    state = {"goods": goods, "lines": {f"{who} {sku}": {"qty": 1} for sku in goods}}
    relations = Relations.learn(state)
    # In most sessions the row that is changed is the one that was made last, and that is plainer to say.
    seen = [
        (Scope({"login": who, "made.lines": f"{who} {sku if i % 3 else 'G0'}", "n": i + 2, **row}, state, relations),
         ((f"lines/{who} {sku}/qty", i + 2),))
        for i, (sku, row) in enumerate(goods.items())
    ]  # fmt: skip
    ((only, members),) = variants(seen)
    assert len(members) == 20
    assert all(explains(only, scope, delta) for scope, delta in seen)
