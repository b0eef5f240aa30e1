"""What is quick must be exact: work that is left out, shared or kept changes no answer."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from envsim.page.lines import Line, assign_refs, format_lines, parse_line
from envsim.state import StateView, canonical
from envsim.trace import write_blob
from worldmodel import calibrate as calibration
from worldmodel import dataset
from worldmodel.calibrate import calibrate
from worldmodel.checkpoint import Model, load_model
from worldmodel.dataset import HELD_OUT, Dataset
from worldmodel.decode import Answer, room, write
from worldmodel.document import Lines, page_text
from worldmodel.examples import ACCEPT_ALL, MAX_ANSWER, Draft, choose_draft, read_answer
from worldmodel.index import StateIndex
from worldmodel.model import Config, WorldModel
from worldmodel.predict import answer_batch
from worldmodel.render import KINDS, Vocabulary
from worldmodel.requests import Request
from worldmodel.retrieval import MAX_RANKED, Memory, context_of
from worldmodel.rules.programs import Outcome
from worldmodel.session import Situation, relevant_facts
from worldmodel.support import FEATURES, Support
from worldmodel.trees import Trees, together
from worldmodel.trust import Answered, Trust

NONE = dict.fromkeys(KINDS, 1.0)
"""Thresholds that accept no edit."""


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return load_model(tiny_model, device="cpu")


@pytest.fixture(scope="module")
def talkative(model: Model) -> tuple[WorldModel, Vocabulary]:
    """A network that was never trained: it edits everything, and any outcome may be its first word."""
    known = model.vocabulary
    vocabulary = Vocabulary(known.bpe, known.lexicon, ["ok", "bug:slow-reviews", "error"])
    torch.manual_seed(3)
    network = type(model.network)(Config(vocabulary.size, 32, 1, 2)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return network, vocabulary


def drafts_of(model: Model) -> tuple[list[Situation], list[Draft]]:
    """Situations with drafts; of every third it is not known what happens."""
    situations = [sample.situation for sample in model.data.samples if sample.index][:30]
    drafts = [choose_draft(situation, model.memory) for situation in situations]
    assert all(draft.outcome is not None for draft in drafts)
    return situations, [replace(d, outcome=None) if i % 3 == 0 else d for i, d in enumerate(drafts)]


# -- leaving the network out ---------------------------------------------------------------------------


@pytest.mark.parametrize("drawn", [False, True])
def test_answers_are_the_same_with_and_without_what_cannot_matter(
    model: Model, talkative: tuple[WorldModel, Vocabulary], drawn: bool
) -> None:
    network, vocabulary = talkative
    situations, drafts = drafts_of(model)
    keys = [(1, "outcome", i) for i in range(len(drafts))] if drawn else None
    whole = write(network, vocabulary, situations, drafts, model.stable, {}, keys)
    short = write(network, vocabulary, situations, drafts, model.stable, NONE, keys)
    assert min(len(answer.tokens) for _, answer in whole) > 1
    assert [len(answer.tokens) for _, answer in short] == [int(draft.outcome is None) for draft in drafts]
    read = [
        [read_answer(vocabulary, context, answer.tokens, answer.logprobs, NONE)[1] for context, answer in written]
        for written in (whole, short)
    ]
    assert read[0] == read[1]
    assert any("@event" in line for lines in read[0] for line in lines), "no outcome was told by its first word"
    kept = [answer.first(room(draft, NONE)) for draft, (_, answer) in zip(drafts, whole, strict=True)]
    for (_, answer), cut in zip(short, kept, strict=True):
        assert answer.tokens == cut.tokens
        assert answer.logprobs == pytest.approx(cut.logprobs, abs=1e-4)
        assert answer.entropy == pytest.approx(cut.entropy, abs=1e-4)


def test_the_network_is_asked_where_an_edit_may_be_accepted(
    model: Model, talkative: tuple[WorldModel, Vocabulary]
) -> None:
    network, vocabulary = talkative
    situations, drafts = drafts_of(model)
    for threshold in (ACCEPT_ALL, -0.04, 0.0):
        assert {room(draft, dict.fromkeys(KINDS, threshold)) for draft in drafts} == {MAX_ANSWER}
    some = {**NONE, drafts[1].kind: -0.04}
    written = write(network, vocabulary, situations, drafts, model.stable, some)
    for draft, (_, answer) in zip(drafts, written, strict=True):
        assert (len(answer.tokens) > 1) == (draft.kind == drafts[1].kind)


def test_a_batch_that_needs_no_network_runs_none(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    sure = replace(model, accept=NONE)
    situations = [sample.situation for sample in model.data.samples if sample.index][:8]
    answered = answer_batch(model, situations, [(i, "x") for i in range(8)])

    def broken(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(type(model.network), "hidden", broken)
    again = answer_batch(sure, situations, [(i, "x") for i in range(8)])
    if model.accept == NONE:
        assert [a.observation for a in again] == [a.observation for a in answered]
    with pytest.raises(AssertionError, match="was asked"):
        answer_batch(replace(model, accept=dict.fromkeys(KINDS, -0.1)), situations, None)


def test_an_answer_tells_the_odds_of_what_chance_did_in_it(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a bug at a known rate; one that fires always is no chance, and neither changes the trust in the rest."""
    situations = [sample.situation for sample in model.data.samples if sample.index][:8]
    known = type(model.memory.rules).outcomes

    def chancy(rules: Any, situation: Situation) -> tuple[Outcome, ...]:
        first = known(rules, situation)[0]
        fired = replace(first, events=(*first.events, "bug:now-and-then"), p=0.3)
        return (replace(first, p=0.6), fired, replace(first, branch="/elsewhere", p=0.1))

    monkeypatch.setattr(type(model.memory.rules), "outcomes", chancy)
    for rates, odds in (({"now-and-then": 0.25}, (0.3, 0.7)), ({"now-and-then": 1.0}, (1.0, 1.0))):
        support = Support(model.memory, model.support.record, rates)
        answers = answer_batch(replace(model, support=support), situations * 5, [(i, "odds") for i in range(40)])
        fell = [any(event.id == "now-and-then" for event in answer.events) for answer in answers]
        assert {True, False} == {*fell}
        assert [answer.odds for answer in answers] == [pytest.approx(odds[not fired]) for fired in fell]


def test_a_bug_of_known_rate_is_no_doubt_about_the_rest(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it takes from an outcome's probability is told by the odds; what another kind of answer takes is a doubt."""
    situation = next(sample.situation for sample in model.data.samples if sample.index)
    own = choose_draft(situation, model.memory)
    assert own.outcome is not None
    meant = replace(own.outcome, p=0.6, sure=0.42)
    following = (meant, replace(meant, events=("bug:now-and-then",), p=0.3), replace(meant, branch="/elsewhere", p=0.1))
    monkeypatch.setattr(type(model.memory.rules), "outcomes", lambda *_: following)
    told = {}
    for rate in (0.25, 1.0):
        support = Support(model.memory, model.support.record, {"now-and-then": rate})
        draft = replace(own, outcome=meant)
        row = support.features(situation, draft, Answer(), draft.lines)
        told[rate] = [row[FEATURES.index(name)] for name in ("probable", "branch_sure")]
    assert told == {0.25: pytest.approx([0.6 / 0.7, 0.42 / 0.7]), 1.0: pytest.approx([0.6, 0.42])}


def test_trust_is_fitted_on_what_it_is_served_with(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the network will not be asked, calibration must not let it speak either."""
    seen: list[Answered] = []
    fit = Trust.fit

    def watched(answered: Answered, *rest: Any, **options: Any) -> Any:
        seen.append(answered)
        return fit(answered, *rest, **options)

    monkeypatch.setattr(Trust, "fit", watched)
    monkeypatch.setattr(calibration, "_threshold", lambda *_: 1.0)
    held_out = [sample for sample in model.data.part(HELD_OUT) if sample.index]
    fitted = calibrate(model.network, model.vocabulary, model.support, model.stable, held_out, {})
    assert fitted.accept == NONE
    by_network = [FEATURES.index(name) for name in ("mean_logprob", "least_logprob", "entropy", "written")]
    assert len(seen[0].rows) == len(held_out)
    assert all(row[i] == 0.0 for row in seen[0].rows for i in by_network)
    served: list[list[float]] = []
    features = model.support.features
    monkeypatch.setattr(model.support, "features", lambda *given: served.append(features(*given)) or served[-1])
    answer_batch(replace(model, accept=NONE), [sample.situation for sample in held_out], None)
    assert served == seen[0].rows


# -- finding records -----------------------------------------------------------------------------------


def ranked(memory: Memory, situation: Situation, without: str | None) -> list[tuple[str, int]]:
    """(session, index) of records in the order that `Memory.nearest` documents, found by comparing with all."""
    key, shape, mine = situation.request.key, memory.shape(situation), context_of(situation)
    total = len(memory.samples) + 1
    often = Counter(line for sample in memory.samples for line in context_of(sample.situation))
    page = key.partition('"')[2].partition('"')[0] if key.startswith('get "') and "?" not in key else ""

    def weight(line: str) -> float:
        return math.log(total / often[line]) if often[line] else math.log(total)

    found = []
    for at, sample in enumerate(memory.samples):
        theirs = context_of(sample.situation)
        either = math.fsum(map(weight, mine | theirs))
        score = math.fsum(map(weight, mine & theirs)) / either if either else 1.0
        url = next((line[6:-1] for line in sample.target if line.startswith('@url "')), "").partition("?")[0]
        kind = (sample.situation.request.key == key, page == url != "", memory.shape(sample.situation) == shape)
        if sample.group != without and kind[0]:
            found.append((kind, round(score, 6), at))
    found = sorted(found, key=lambda one: -one[2])[:MAX_RANKED]
    found.sort(key=lambda one: (*(-part for part in one[0]), -one[1]))
    return [(memory.samples[at].session, memory.samples[at].index) for *_, at in found]


def test_the_nearest_records_are_those_a_search_of_all_of_them_finds(model: Model) -> None:
    compared = 0
    for sample in model.data.samples[::7]:
        for without in (None, sample.group):
            wanted = ranked(model.memory, sample.situation, without)
            if len(wanted) >= 4:
                hits = model.memory.nearest(sample.situation, 4, without=without)
                assert [(hit.sample.session, hit.sample.index) for hit in hits] == wanted[:4]
                compared += 1
    assert compared > 20


def test_records_of_other_requests_come_by_the_words_they_share(model: Model) -> None:
    by_key = {sample.situation.request.key: sample for sample in model.data.samples if sample.index}
    for key, sample in by_key.items():
        if not key.startswith("click"):
            continue
        asked = replace(sample.situation, request=replace(sample.situation.request, lines=(key + " anew",)))
        hits = model.memory.nearest(asked, 3)
        assert len({id(hit.sample) for hit in hits}) == 3
        assert key in {hit.sample.situation.request.key for hit in hits}
        break
    else:
        pytest.fail("no click was recorded")


SCORES = """
from worldmodel.render import Lexicon
from worldmodel.requests import Request
from worldmodel.retrieval import Memory
from worldmodel.session import Sample, Situation

def of(n, count):
    return Situation("browser", Request((f'get "/p/{n}"',)), tuple(f"text {n * k % 17} of {k}" for k in range(count)))

found = [Sample(f"s{n}", f"g{n}", 1, of(n % 5, 30 + n), ('@url "/p"',)) for n in range(40)]
memory = Memory(found, Lexicon(frozenset()))
print([hit.score.hex() for n in range(5) for hit in memory.nearest(of(n, 33), 8)])
"""


def test_scores_are_the_same_bytes_in_every_process() -> None:
    """Strings hash otherwise in each: a sum over a set would have another last digit."""
    said = [
        subprocess.run(
            [sys.executable, "-c", SCORES], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert said[0] == said[1]
    assert said[0].count("0x") == 40


# -- what is kept --------------------------------------------------------------------------------------

NAMES = st.text('abc "\\é', max_size=4)
LINE = st.builds(
    Line, st.sampled_from(["link", "button", "text", "main"]), NAMES, st.integers(0, 2), st.just(""),
    st.sampled_from(["", "/a"]),
)  # fmt: skip


@given(st.lists(LINE.map(Line.format) | st.sampled_from(["", " main", "link [eabcd]", "no line?"]), max_size=8))
def test_a_page_is_put_together_from_known_lines_as_from_new_ones(lines: list[str]) -> None:
    def parsed(line: str) -> list[Line]:
        try:
            return [parse_line(line)]
        except ValueError:
            return []

    assert page_text(lines) == format_lines(assign_refs([one for line in lines for one in parsed(line)]))


def test_views_share_what_is_equal_and_only_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "MAX_VIEWS", 2)
    usual = {"a": {"1": {"n": 1}}, "b": {"1": {"n": 1}}, "c": {}}
    others = [{"a": {"1": {"n": 1}}, "b": {"1": {"n": 1.0}}, "d": None}, {"a": {}}, {"c": {}, "a": {"2": True}}]
    digests = [write_blob(tmp_path, view) for view in (usual, *others)]
    data = Dataset(tmp_path, {"seed_view": digests[0]}, [], [])
    for digest, view in [*zip(digests, (usual, *others), strict=True)] * 2:
        assert canonical(data.view(digest)) == canonical(view)
        assert data.view(digest) is data.view(digest)
    first, again = data.view(digests[0]), data.view(digests[1])
    assert again["a"] is first["a"]
    assert again["b"] is not first["b"]
    assert data.view("") == {}


def test_what_was_found_of_a_state_is_of_that_state(monkeypatch: pytest.MonkeyPatch) -> None:
    index, one = StateIndex(), {"a": {}}
    index.of(one)["x"] = 1
    assert index.of(one) == {"x": 1}
    assert index.of({"a": {}}) == {}
    for _ in range(2000):
        index.of({"a": {}})
    assert index.of(one) == {}, "it was let go of"


def rendered(state: StateView, request: Request, touched: tuple[str, ...], login: str) -> Lines:
    """`relevant_facts` by looking at every row of every table."""
    words = {part for text in re.findall(r'"([^"]*)"', request.key) for part in (text, *re.split(r"[/?&=]", text))}
    rows = {path: path for path in reversed(touched)}
    for wanted in (words, {login}):
        for collection, table in state.items():
            for key, row in sorted(table.items()):
                texts = {key, *(value for value in row.values() if isinstance(value, str))}
                if any(word in texts for word in wanted if len(word) > 2):
                    rows.setdefault(f"{collection}/{key}", "")
    return tuple(rows)


ROW = st.fixed_dictionaries({"name": st.sampled_from(["oak", "Oak pan", "x"])})
ROWS = st.dictionaries(st.sampled_from(["oak", "pan-1", "pan-2"]), ROW)


@given(st.dictionaries(st.sampled_from("abcd"), ROWS), st.lists(st.sampled_from(["/p/oak", "Oak pan", "x=pan-1"])))
def test_rows_that_are_named_are_found_as_by_reading_all_of_them(state: StateView, said: list[str]) -> None:
    request = Request(tuple(f'get "{text}"' for text in said) or ("get",))
    touched = tuple(f"{name}/{key}" for name, table in state.items() for key in table)[:1]
    index = StateIndex()
    for _ in range(2):  # anew, and as known
        lines = relevant_facts(state, request, touched, "pan-2", index)
        assert lines[0] == 'login "pan-2"'
        assert [line.partition('" ')[0][1:] for line in lines[1:]] == list(rendered(state, request, touched, "pan-2"))
        for line in lines[1:]:
            collection, key = line.partition('" ')[0][1:].split("/")
            assert json.loads(line.partition('" ')[2]) == state[collection][key]


@pytest.mark.parametrize("sizes", [(3, 3, 3), (2, 0, 1), (0, 0)])
def test_trees_say_together_what_they_say_alone(sizes: tuple[int, ...]) -> None:
    numbers = np.random.default_rng(5)

    def trees(count: int) -> Trees:
        return Trees(
            numbers.integers(0, 4, (count, 3)), numbers.normal(size=(count, 3)), numbers.normal(size=(count, 4))
        )

    forests = tuple(map(trees, sizes))
    for rows in (numbers.normal(size=(1, 4)), numbers.normal(size=(9, 4))):
        assert np.array_equal(together(forests, rows), np.stack([forest(rows) for forest in forests]))
