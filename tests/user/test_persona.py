"""Personas, populations on disk, decisions by key, and words by template."""

import json
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from envsim.errors import ContentError
from envsim.user.agenda import ORDER
from envsim.user.decisions import Decisions
from envsim.user.factory import get_user
from envsim.user.persona import (
    DECISIONS,
    Kind,
    Persona,
    Population,
    Style,
    builtin_populations,
    read_population,
)
from envsim.user.utter import Say, TemplateBank, builtin_bank, readable, render, utter
from envsim.user.values import keys


def test_there_are_enough_decision_points_and_each_says_what_it_is():
    assert len(DECISIONS) >= 15
    assert all(field.description for name, field in Persona.model_fields.items() if name not in ("id", "style"))


@pytest.mark.parametrize("name", builtin_populations())
def test_built_in_populations_are_read_and_saved_alike(name, tmp_path):
    population = read_population(name)
    assert population.name == name
    population.save(tmp_path / "mine")
    assert read_population(tmp_path / "mine") == population


def test_three_populations_differ_beside_the_default():
    assert {"default", "hasty", "muddled", "patient"} == set(builtin_populations())
    patient, hasty, muddled = (read_population(n).kinds[0].persona for n in ("patient", "hasty", "muddled"))
    assert hasty.push_back > 2 * patient.push_back
    assert muddled.misremember > 2 * max(hasty.misremember, patient.misremember)
    assert patient.give_up_after > 2 * hasty.give_up_after


def test_templates_and_behaviour_travel_with_a_population(tmp_path):
    bank = TemplateBank(
        templates={"greet": {"any": ("Ahoy.",)}, "inform:area+inform:food": {"any": ("{food} in {area}",)}}
    )
    population = Population(name="sea", kinds=(Kind(persona=Persona()),), templates=bank, behaviour={"moves": [1, 2]})
    population.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["behaviour.json", "population.json", "templates.json"]
    assert read_population(tmp_path) == population
    assert read_population(tmp_path).bank.texts("greet", "formal") == ("Ahoy.",)


def test_an_unknown_population_names_those_that_exist(tmp_path):
    for wrong in ("angry", tmp_path / "none", ""):
        with pytest.raises(ContentError, match="default, hasty, muddled, patient"):
            read_population(wrong)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "Cannot read"),
        ("[]", "not a JSON object"),
        ("{}", "not of the format"),
        ('{"format": "envsim-population/1", "name": "x", "kinds": []}', "kinds"),
        (
            '{"format": "envsim-population/1", "name": "x", "kinds": [{"persona": {"greet": 2}}]}',
            "kinds.0.persona.greet",
        ),
        ('{"format": "envsim-population/1", "name": "x", "kinds": [{"persona": {"greed": 1}}]}', "greed"),
        ('{"format": "envsim-population/1", "name": "x", "kinds": [{"persona": {"disclose": []}}]}', "disclose"),
    ],
)
def test_a_malformed_population_is_refused_in_one_sentence(text, said, tmp_path):
    (tmp_path / "population.json").write_text(text)
    with pytest.raises(ContentError, match=said) as caught:
        read_population(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_population_is_drawn_from_by_weight():
    kinds = (Kind(persona=Persona(id="a"), weight=3), Kind(persona=Persona(id="b"), weight=1))
    drawn = Counter(Population(name="p", kinds=kinds).pick(seed).id for seed in range(2000))
    assert 0.7 < drawn["a"] / 2000 < 0.8


def test_users_by_name():
    assert get_user("agenda", "hasty").population.name == "hasty"
    assert get_user("agenda", Population(name="p", kinds=(Kind(persona=Persona()),))).population.name == "p"
    for wrong in ("agent", "", "chat:", "chat"):
        with pytest.raises(ContentError, match=r"agenda, .*chat:MODEL"):
            get_user(wrong)


def test_decisions_come_at_their_rate_and_depend_on_their_key_alone():
    persona = Persona(drift=0.3)
    drawn = [Decisions(persona, seed, turn).chance("drift") for seed in range(100) for turn in range(20)]
    assert 0.26 < sum(drawn) / len(drawn) < 0.34
    one, other = Decisions(persona, 1, 2), Decisions(persona, 1, 2)
    other.chance("greet")
    other.count("disclose")
    assert [one.chance("drift", item) for item in "abc"] == [other.chance("drift", item) for item in "abc"]
    assert other.fired[-len(one.fired) :] == one.fired
    assert len({tuple(Decisions(persona, seed, 0).chance("drift", item) for item in "ab") for seed in range(40)}) == 4


def test_counts_come_by_their_weights():
    persona = Persona(disclose=(1, 0, 3))
    drawn = Counter(Decisions(persona, seed, 0).count("disclose") for seed in range(2000))
    assert set(drawn) == {0, 2}
    assert 0.7 < drawn[2] / 2000 < 0.8


def test_what_fires_is_recorded():
    decide = Decisions(Persona(greet=1, bye=0), 0, 0)
    decide.chance("greet")
    decide.chance("bye")
    decide.chance("thank", "x", probability=1.0)
    decide.note("give_up")
    assert decide.fired == ["greet", "thank:x", "give_up"]


@pytest.mark.parametrize("manner", ["formal", "casual", "terse", "chatty"])
def test_every_act_has_several_words_in_every_manner(manner):
    bank = builtin_bank()
    own = {"change", "did"}  # worded by the goal's author
    for act in set(ORDER) - own:
        assert bank.texts(act, manner), act
    varied = [act for act in set(ORDER) - own if len(bank.texts(act, manner)) > 1]
    assert len(varied) > 0.8 * len(ORDER)


def test_the_built_in_templates_hold_no_values():
    texts = [text for manners in builtin_bank().templates.values() for texts in manners.values() for text in texts]
    assert [text for text in texts if keys(re.sub(r"\{\w+\}", "this", text))] == []


@pytest.mark.parametrize("text", ["", "  ", "{", "a } b", "{Value}", "{va lue}", "x" * 601])
def test_a_malformed_template_is_refused(text):
    with pytest.raises(ValidationError):
        TemplateBank(templates={"inform": {"any": (text,)}})


@pytest.mark.parametrize("key", ["", "Inform", "inform:", "inform+", "in form"])
def test_a_malformed_key_is_refused(key):
    with pytest.raises(ValidationError):
        TemplateBank(templates={key: {"any": ("x",)}})


def test_a_manner_that_does_not_exist_is_refused():
    with pytest.raises(ValidationError, match="there is no manner"):
        TemplateBank(templates={"inform": {"rude": ("x",)}})


def say(says, bank=None, style=None, seed=0):
    return utter(says, bank or builtin_bank(), style or Style(), Decisions(Persona(), seed, 1))


def test_the_named_key_wins_and_several_acts_share_a_template():
    bank = TemplateBank(
        templates={
            "inform": {"any": ("It is {value}.",)},
            "inform:area": {"any": ("In the {value}.",), "terse": ("{area}",)},
            "inform:area+inform:food": {"any": ("Some {food} place in the {area}.",)},
        }
    )
    area, food = Say("inform", "area", {"value": "north"}), Say("inform", "food", {"value": "thai"})
    assert say([area], bank) == "In the north."
    assert say([food], bank) == "It is thai."
    assert say([area], bank, Style(manner="terse")) == "north"
    assert {say([area, food], bank, seed=seed) for seed in range(20)} == {
        "Some thai place in the north.", "In the north. It is thai.",
    }  # fmt: skip


VALUES = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="{}"), min_size=1, max_size=30).map(str.strip)


@given(VALUES.filter(bool), st.integers(0, 200))
def test_no_style_touches_a_value(value, seed):
    wild = Style(manner="chatty", lower=1, no_stop=1, exclaim=1, typos=1)
    assert value in say([Say("wish", "x", {"want": value}), Say("drift")], style=wild, seed=seed)


def test_styles_show():
    greeting = [Say("greet"), Say("wish", "x", {"want": "Eat"})]
    plain = [say(greeting, seed=seed) for seed in range(30)]
    assert len(set(plain)) > 10
    assert all(
        text.replace("Eat", "").islower() for text in (say(greeting, style=Style(lower=1), seed=s) for s in range(9))
    )
    assert not any(say(greeting, style=Style(no_stop=1), seed=seed).endswith(".") for seed in range(9))
    assert [say(greeting, style=Style(typos=1), seed=seed) for seed in range(9)] != plain[:9]


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (34.5, "money", "$34.50"),
        (-1200, "money", "-$1,200"),
        ("$3", "money", "$3"),
        (3, "number", "3"),
        ("2026-03-02", "date", "2026-03-02"),
        (True, "boolean", "yes"),
        (["a", "b", "c"], "text", "a, b and c"),
        (["a"], "text", "a"),
    ],
)
def test_values_are_written_as_people_write_them(value, kind, text):
    assert render(value, kind) == text


def test_dates_may_be_long():
    assert render("2026-03-02", "date", long_dates=True) == "March 2, 2026"
    assert render("soon", "date", long_dates=True) == "soon"


def test_names_are_read_aloud():
    assert readable("order_number") == "order number"


def test_a_population_is_plain_json(tmp_path):
    read_population("hasty").save(tmp_path)
    assert json.loads((tmp_path / "population.json").read_text())["format"] == "envsim-population/1"
