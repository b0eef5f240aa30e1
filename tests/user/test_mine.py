"""Mining: moves, privacy, rates, groups, and a user that plays what was mined."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.errors import ContentError, TraceError
from envsim.rng import Rng
from envsim.trace import End, Header, Step, Trace
from envsim.types import Action, Message, Observation
from envsim.user.agenda import AgendaUser
from envsim.user.behaviour import SLOT, Behaviour, allowed
from envsim.user.ear import fit_ear
from envsim.user.mine import mine, write
from envsim.user.mine_balance import balanced
from envsim.user.mine_moves import Account, mine_moves, same_value
from envsim.user.mine_rates import clusters, groups, posterior, prior, rates, tallies
from envsim.user.mined import MinedUser
from envsim.user.persona import Population, read_population
from envsim.user.progress import Progress
from envsim.user.sessions import Exchange, Session, sessions
from tests.user.conversations import goal, many, session


@pytest.fixture(scope="module")
def population() -> Population:
    return mine(many(40), rounds=1).population


# -- moves -----------------------------------------------------------------------------------------


def test_values_become_places_and_situations_are_kept() -> None:
    moves = {move.text: move for move in mine_moves(many(40), {}, Account())}
    both = moves["Hi there! Is there a {restaurant_food} place in the {restaurant_area} of town?"]
    assert both.acts == ("inform:restaurant_area", "inform:restaurant_food")
    assert both.opens == ("restaurant",)
    assert both.situation[0] == 0
    asked = moves["for {restaurant_people}."]
    assert asked.heard == ("request:people",)
    assert not asked.last
    assert moves["bye"].last
    assert not any(value in move.text for move in moves.values() for value in ("thai", "indian", "french"))


def test_number_words_are_the_number() -> None:
    assert same_value("Three", "3")
    assert not same_value("thirty", "3")


def rare(text: str, name: str = "odd") -> Session:
    first, *rest = session(3, chatty=True).turns
    return Session(name, name, (Exchange("", (), text, ("other",)), first, *rest), goal(3), task=name)


@pytest.mark.parametrize(
    "text",
    [
        "My friend Brunhilde told me of you.",
        "Call me on 0799 123.",
        "Mail sara@example.org about it.",
        "I live at Elm Street.",
    ],
)
def test_what_is_one_persons_own_is_dropped(text: str) -> None:
    account = Account()
    moves = mine_moves([*many(20), rare(text)], {}, account)
    assert text not in {move.text for move in moves}
    assert account.dropped["rare, with names or numbers left"] == 1


def test_a_plain_sentence_is_kept_even_if_said_once() -> None:
    text = "could you help me out with something"
    assert text in {move.text for move in mine_moves([*many(20), rare(text)], {}, Account())}


def test_a_value_nobody_could_know_is_dropped() -> None:
    first, *rest = session(3, chatty=False).turns
    invented = Exchange("", (), "at eleven", ("inform:restaurant_time",), (("restaurant_time", "eleven"),))
    account = Account()
    moves = mine_moves([Session("x", "x", (first, invented, *rest), goal(3))], {}, account)
    assert "at eleven" not in {move.text for move in moves}
    assert account.dropped["a value that is neither in the goal nor was heard"] == 1


@given(seed=st.integers(0, 10_000), steps=st.integers(0, 6))
def test_a_chosen_move_is_allowed_and_its_values_are_the_goals(seed: int, steps: int) -> None:
    behaviour = _behaviour()
    progress = Progress(goal(seed))
    for step in range(steps + 1):
        heard = ("request:people",) if step else ()
        progress.hear(heard)
        moves = behaviour.choose(progress, heard, Rng(seed, step))
        for move in moves:
            text = behaviour.realise(move, progress, Rng(seed, step))
            assert not SLOT.search(text)
            for match in SLOT.finditer(move.text):
                assert str(progress.values[match[1]]).lower() in text.lower()
        if moves:
            assert allowed(moves[0], progress)
            progress.say([act for move in moves for act in move.acts], moves[0].announced)


def _behaviour(cache: list[Behaviour] = []) -> Behaviour:  # noqa: B006 - hypothesis calls the test often
    if not cache:
        cache.append(Behaviour(moves=mine_moves(many(30), {}, Account())))
    return cache[0]


def test_facts_that_must_be_asked_for_are_not_told_before() -> None:
    wanted = goal(1)
    hidden = {name: fact.model_copy(update={"reveal": "asked"}) for name, fact in wanted.facts.items()}
    progress = Progress(wanted.model_copy(update={"facts": hidden}))
    assert not any(act.startswith("inform") for move in _behaviour().choose(progress, (), Rng(1)) for act in move.acts)


def test_balancing_lowers_what_is_drawn_too_often() -> None:
    found = many(30)
    account = Account()
    behaviour = Behaviour(moves=mine_moves(found, {}, account))
    after = balanced(behaviour, found, {}, account.texts, rounds=1)
    weights = {move.text: move.weight for move in after.moves}
    assert len(after.moves) == len(behaviour.moves)
    assert min(weights.values()) < 1 < max(weights.values())
    assert after == balanced(behaviour, found, {}, account.texts, rounds=1), "the same for the same seed"


def test_an_ear_hears_what_it_was_taught() -> None:
    taught = [(turn.heard, turn.heard_acts) for each in many(40) for turn in each.turns]
    ear = fit_ear(taught)
    assert ear.hear("How many people will come?") == ("request:restaurant_people",)
    assert ear.hear("zebra") == ()


# -- rates -----------------------------------------------------------------------------------------


def test_a_prior_is_strong_where_users_are_alike_and_weak_where_they_differ() -> None:
    alike = prior([(2, 4), (2, 4), (2, 4), (2, 4)])
    apart = prior([(0, 20), (20, 20), (0, 20), (20, 20)])
    assert sum(alike) > 100
    assert sum(apart) < 2
    assert alike[0] / sum(alike) == pytest.approx(0.5)


def test_a_posterior_is_pooled_and_its_interval_narrows() -> None:
    few, much = posterior(3, 3, (2.0, 2.0)), posterior(300, 300, (2.0, 2.0))
    assert few.mean == pytest.approx(5 / 7)
    assert 0 < few.low < few.mean < few.high < 1
    assert much.high - much.low < 0.1 < few.high - few.low
    # Beta(5, 2): quantiles 0.3588 and 0.9567 (R: qbeta).
    assert few.low == pytest.approx(0.3588, abs=0.01)
    assert few.high == pytest.approx(0.9567, abs=0.01)


def test_rates_are_those_of_the_transcripts() -> None:
    chatty = tallies(many(20, chatty=True))
    terse = tallies(many(20, chatty=False))
    assert sum(tally.counts["greet"][0] for tally in chatty.values()) == 20
    assert sum(tally.counts["greet"][0] for tally in terse.values()) == 0
    assert all(tally.counts["bye"] == [1, 1] for tally in chatty.values())
    assert all(rate["greet"].mean > 0.9 for rate in rates(chatty).values())
    assert all(sum(tally.first) == 2 for tally in chatty.values())


def test_users_of_different_kinds_share_no_group() -> None:
    mixed = [*many(30, chatty=True), *many(30, start=100, chatty=False)]
    found = groups(tallies(mixed))
    assert not {found[each.user] for each in mixed[:30]} & {found[each.user] for each in mixed[30:]}
    assert found == groups(tallies(mixed[::-1])), "whatever the order of reading"


@pytest.mark.parametrize("centres", [(0.0,), (0.0, 8.0), (-9.0, 0.0, 9.0)])
def test_there_are_as_many_clusters_as_there_are(centres: tuple[float, ...]) -> None:
    draws = np.random.default_rng(3).normal(size=(40 * len(centres), 4))
    table = draws + np.repeat(centres, 40)[:, None]
    found = clusters(table)
    assert len(set(found.tolist())) == len(centres)
    assert all(len(set(found[40 * k : 40 * k + 40].tolist())) == 1 for k in range(len(centres)))


# -- the population, and a user that plays it ------------------------------------------------------


def test_a_population_survives_disk(tmp_path: Path, population: Population) -> None:
    mined = mine(many(40), rounds=1)
    source = tmp_path / "trace.jsonl"
    source.write_text("x")
    write(mined, tmp_path / "people", [source])
    assert read_population(tmp_path / "people") == mined.population
    manifest = json.loads((tmp_path / "people" / "manifest.json").read_text())
    assert manifest["inputs"]["trace.jsonl"].startswith("2d711642")
    assert manifest["users"] == 40
    kind = mined.population.kinds[0]
    assert kind.users > 0
    assert all(0 <= low <= high <= 1 for low, high in kind.interval.values())
    assert population == mined.population


def test_too_few_users_are_refused() -> None:
    with pytest.raises(ContentError, match="at least 5"):
        mine(many(3))


def test_traces_without_a_user_are_refused() -> None:
    header = Header(session="s", app="shop", source="har", interface="tools")
    with pytest.raises(TraceError, match="has a user who speaks"):
        sessions([Trace(header, (), End(steps=0))])


def talk(user: MinedUser, seed: int) -> list[tuple[str, tuple[str, ...], bool, str]]:
    turn = user.reset(goal(seed), seed)
    out = [(turn.text, turn.acts, turn.done, turn.fault)]
    for said in ("Which part of town?", "How many people?", "It is booked.", "It is 01223 5.") * 6:
        if turn.done:
            break
        turn = user.hear(said)
        out.append((turn.text, turn.acts, turn.done, turn.fault))
    return out


def test_a_mined_user_reaches_its_end_without_faults(population: Population) -> None:
    user = MinedUser(population)
    for seed in range(40):
        turns = talk(user, seed)
        assert turns[-1][2], "it leaves"
        assert not any(fault for *_, fault in turns)
        told = {act for _, acts, *_ in turns for act in acts}
        assert "inform:restaurant_people" in told


def test_a_mined_user_goes_on_from_a_snapshot_as_it_did(population: Population) -> None:
    user = MinedUser(population)
    user.reset(goal(5), 5)
    token = user.snapshot()
    first = [user.hear("Which part of town?"), user.hear("How many people?")]
    user.restore(token)
    assert [user.hear("Which part of town?"), user.hear("How many people?")] == first
    with pytest.raises(ContentError, match="no snapshot"):
        user.restore("x")


def test_a_goal_of_another_world_is_refused(population: Population) -> None:
    with pytest.raises(ContentError, match="never talked about"):
        MinedUser(population).reset(goal(1).model_validate({"items": [{"id": "return", "want": "return it"}]}), 1)
    with pytest.raises(ContentError, match="no behaviour tables"):
        MinedUser(read_population("default"))


def recorded(seed: int) -> Trace:
    """An episode of the agenda user as our recorder writes it: the goal in `meta`, the agent's acts nowhere."""
    user = AgendaUser(read_population("default"))
    turns = [user.reset(goal(seed), seed)]
    lines = (
        "Which area would you like?",
        "What kind of food?",
        "How many people?",
        "I have booked the restaurant.",
    ) * 5
    for line in lines:
        if not turns[-1].done:
            turns.append(user.hear(line))
    steps = [
        Step(
            index=index,
            action=Action.say(lines[index - 1]) if index else None,
            observation=Observation(messages=(Message(role="user", text=turn.text),)),
            user=turn,
        )
        for index, turn in enumerate(turns)
    ]
    meta = {"user": {"goal": goal(seed).model_dump(mode="json", exclude_defaults=True)}}
    header = Header(session=f"s{seed}", app="x", source="rollout", interface="tools", meta=meta)
    return Trace(header, tuple(steps), None)


def test_our_own_episodes_can_be_mined_and_played() -> None:
    found = sessions([recorded(seed) for seed in range(30)])
    assert found[0].goal == goal(0)
    assert any(act.startswith("claim") for session in found for turn in session.turns for act in turn.heard_acts)
    user = MinedUser(mine(found, rounds=0).population)
    turn = user.reset(goal(90), 90)
    assert "wish:restaurant" in turn.acts
    assert not turn.fault


SCRIPT = """
import sys; sys.path[:0] = [{folder!r}]
from tests.user.conversations import goal, many
from envsim.user.mine import mine
from envsim.user.mined import MinedUser
people = mine(many(30), rounds=1).population
user = MinedUser(people)
import hashlib
print(hashlib.sha256((people.model_dump_json() + user.reset(goal(1), 1).text).encode()).hexdigest())
"""


@pytest.mark.slow
def test_mining_is_the_same_in_a_new_process() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT.format(folder=str(Path(__file__).parents[2]))],
            capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed, "PATH": ""},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(outputs) == 1
