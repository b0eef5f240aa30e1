"""What speaks for an answer: where its lines are from, and how often lines and pages like these were right."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from worldmodel.calibrate import crossed
from worldmodel.decode import Answer
from worldmodel.examples import Draft
from worldmodel.pages.pages import Pages
from worldmodel.render import Lexicon
from worldmodel.requests import Request
from worldmodel.retrieval import Memory
from worldmodel.rules.known import Known
from worldmodel.rules.relations import Relations
from worldmodel.session import Sample, Situation
from worldmodel.support import FEATURES, Support, kinds_of, origins, track_record

PEOPLE = ("Ann Berg", "Bo Lind", "Cy Moe", "Di Falk", "Ed Strand", "Flo Dahl", "Gus Ek", "Hal Roth")
LEXICON = Lexicon(frozenset(("Balance", "Name", "Address book")))


def page(number: int, balance: int) -> tuple[str, ...]:
    return (f'@url "/people/{number}"', 'heading "Address book"', f'row "Name | {PEOPLE[number]}"',
            f'row "Balance | ${balance}.00"')  # fmt: skip


def sample(number: int, balance: int, group: str) -> Sample:
    situation = Situation("browser", Request((f'get "/people/{number}"',)))
    return Sample(group, group, 1, situation, page(number, balance))


SEEN = [sample(n, 100 + n, f"g{n}") for n in range(6)]
TWICE = [*SEEN, *(sample(n, 100 + n, f"h{n}") for n in range(6))]


def draft(number: int, balance: int) -> Draft:
    return Draft(page(number, balance), "near")


@pytest.fixture(scope="module")
def support() -> Support:
    """Drafts had names that others had seen, always right, and balances that were either seen or made up and wrong."""
    memory = Memory(TWICE, LEXICON)
    pairs = [(draft(n % 6, 100 + n % 6 if n % 3 == 0 else 7), TWICE[n]) for n in range(12)]
    return Support(memory, track_record(pairs, memory))


def features(support: Support, number: int, balance: int, past: tuple[tuple[str, tuple[str, ...]], ...] = ()):
    situation = Situation("browser", Request((f'get "/people/{number}"',)), past=past)
    own = draft(number, balance)
    row = support.features(situation, own, Answer(), own.lines)
    assert len(row) == len(FEATURES)
    assert all(math.isfinite(value) for value in row)
    return dict(zip(FEATURES, row, strict=True))


def test_lines_were_shown_or_recorded_or_made() -> None:
    memory = Memory(SEEN, LEXICON)
    seen = (("get", ('row "Name | Ann Berg"',)),)
    situation = Situation("browser", Request(('get "/people/1"',)), past=seen)
    lines = ('@url "/people/1"', 'row "Name | Ann Berg"', *page(1, 101)[2:], 'row "Balance | $9.00"')
    assert [origin for _, origin in origins(lines, situation, memory)] == ["shown", "recorded", "recorded", "made"]
    hidden = origins(lines, situation, memory, without="g1")
    assert [origin for _, origin in hidden] == ["shown", "made", "made", "made"]


def test_lines_on_screen_are_not_brought_in() -> None:
    memory = Memory(SEEN, LEXICON)
    situation = Situation("browser", Request(('get "/people/1"',)), current=page(1, 101)[:3])
    kinds = kinds_of(origins(page(1, 7), situation, memory), situation, memory)
    assert [line for line, _ in kinds.values()] == ['row "Balance | $7.00"']


def test_a_kind_of_line_that_was_often_wrong_costs_trust(support: Support) -> None:
    """It is a kind of line, not a line: of somebody who was never recorded as well."""
    known, made, new = features(support, 0, 100), features(support, 0, 55), features(support, 7, 55)
    assert known["least_line"] > made["least_line"]
    assert known["all_lines"] > made["all_lines"]
    assert (known["made_lines"], made["made_lines"]) == (0.0, math.log(2.0))
    assert new["made_lines"] == math.log(4.0)
    assert new["least_line"] == pytest.approx(made["least_line"])


def test_wording_that_was_never_written_counts(support: Support) -> None:
    situation = Situation("browser", Request(('get "/people/2"',)))
    lines = (*page(2, 102), 'alert "The book is closed."')
    row = dict(zip(FEATURES, support.features(situation, Draft(lines, "near"), Answer(), lines), strict=True))
    assert row["new_wording"] > features(support, 2, 102)["new_wording"]


def test_kinds_of_answers_have_a_record() -> None:
    """By page: where drafts were always right trust is higher than where they never were."""
    memory = Memory(SEEN, LEXICON)
    good, bad = (track_record([(draft(n, 100 + n - off), SEEN[n]) for n in range(6)], memory) for off in (0, 1))
    assert features(Support(memory, good), 0, 100)["page_record"] > 0
    assert features(Support(memory, bad), 0, 100)["page_record"] < 0


def test_what_a_session_changed_counts(support: Support) -> None:
    past = (("click", ('! "people/1/city" = "Oslo"', '! "people/2" = {}', '@url "/people"')),)
    assert features(support, 1, 101)["changes"] == 0.0
    assert features(support, 1, 101, past)["changes"] == pytest.approx(math.log(3.0))


def test_another_draft_that_says_otherwise_is_a_doubt(support: Support) -> None:
    situation = Situation("browser", Request(('get "/people/1"',)))
    alone, agreed, not_agreed = (
        dict(zip(FEATURES, support.features(situation, Draft(page(1, 101), "rules", rival=rival), Answer(),
                                            page(1, 101)), strict=True))
        for rival in (None, 0, 4)
    )  # fmt: skip
    assert (alone["alone"], agreed["alone"]) == (1.0, 0.0)
    assert not_agreed["rival"] > agreed["rival"] == 0.0


# -- training tasks as if they were new ------------------------------------------------------------------


def test_a_task_does_not_speak_for_itself() -> None:
    situation = Situation("browser", Request(('click "Zoe" on "/people"',)))
    zoe = Sample("g3", "g3", 1, situation, page(3, 103))
    support, own = Support(Memory([*SEEN, zoe], LEXICON), {}), draft(3, 103)
    known, hidden = (
        dict(zip(FEATURES, support.features(situation, own, Answer(), own.lines, group), strict=True))
        for group in (None, "g3")
    )
    assert (known["same_request"] > 0, known["equal_answers"], known["new_entities"]) == (True, 1.0, 0.0)
    assert (hidden["same_request"], hidden["equal_answers"]) == (0.0, 0.0)
    assert hidden["new_entities"] > 0.0
    also = Support(Memory([*SEEN, zoe, replace(zoe, group="h3")], LEXICON), {})
    others = also.features(situation, own, Answer(), own.lines, "g3")
    assert dict(zip(FEATURES, others, strict=True))["equal_answers"] == 1.0


def test_a_record_less_what_a_task_told() -> None:
    support = Support(Memory(SEEN, LEXICON), {"a": [3, 4], "b": [1, 1]})
    assert support.less({"a": [1, 2], "b": [1, 1], "c": [0, 1]}).record == {"a": (2, 2), "b": (0, 0), "c": (0, 0)}
    assert support.record == {"a": [3, 4], "b": [1, 1]}


def with_secrets(found: list[Sample]) -> Support:
    memory = Memory(found, LEXICON)
    memory.pages = Pages(Relations.learn({}), Known.learn({}, ()))
    memory.pages.tried["people"] = list(range(len(found)))
    return Support(memory, track_record([(draft(0, 100), found[0])], memory))


def test_training_tasks_are_answered_as_if_they_had_never_been_recorded() -> None:
    # Every task was told another balance: what another was told is wrong, and only its own records know better.
    secrets = [*SEEN, *(sample(n, 500 + n, f"h{n}") for n in range(6))]
    found = crossed(with_secrets(secrets), secrets, {})
    assert found.right == [False] * 12
    assert sorted(found.sessions) == sorted(one.session for one in secrets)
    equal = FEATURES.index("equal_answers")
    assert {row[equal] for row in found.rows} == {1.0}, "it says what the other task was told"
    known = crossed(with_secrets(TWICE), TWICE, {})
    assert known.right == [True] * 12
    assert crossed(with_secrets(TWICE), (), {}).rows == []


def test_what_chance_parts_is_left_out_of_training_tasks_too() -> None:
    slow = [replace(one, target=('@event "bug:slow"', *one.target)) for one in SEEN[:2]]
    found = [*slow, *TWICE[2:]]
    assert len(crossed(with_secrets(found), found, {"slow": 0.3}).rows) == 10
    assert len(crossed(with_secrets(found), found, {"slow": 1.0}).rows) == 12
