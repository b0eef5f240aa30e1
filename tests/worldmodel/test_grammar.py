"""The patch grammar: exact round trips, and no weights that can write what does not parse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from envsim.page.lines import parse_lines
from worldmodel import dataset, render
from worldmodel.decode import decode
from worldmodel.document import to_transition
from worldmodel.examples import Draft, choose_draft, read_answer, write_answer, write_context
from worldmodel.model import Config, Transformer
from worldmodel.render import Lexicon, Slots, Vocabulary, apply_patch, patch
from worldmodel.retrieval import Memory
from worldmodel.rules.programs import Outcome
from worldmodel.session import Sample
from worldmodel.train import learn_vocabulary

LINES = st.lists(st.sampled_from(["main", "  a", "  b", "text 1", ""]) | st.text(max_size=12), max_size=20)


@given(LINES, LINES)
def test_a_patch_turns_one_document_into_the_other(a: list[str], b: list[str]) -> None:
    assert apply_patch(a, patch(a, b)) == tuple(b)


@given(st.text(max_size=60))
def test_pieces_are_the_line_again(line: str) -> None:
    lexicon = Lexicon(frozenset({"Home"}))
    assert "".join(text for _, text in lexicon.pieces(line)) == line


@pytest.fixture(scope="module")
def learned(tiny_traces: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Vocabulary, Memory, list[Sample]]:
    data = dataset.build(tiny_traces, tmp_path_factory.mktemp("ds"))
    vocabulary, memory = learn_vocabulary(data)
    return vocabulary, memory, data.samples


def test_written_answers_read_back_exactly(learned: tuple[Vocabulary, Memory, list[Sample]]) -> None:
    vocabulary, memory, found = learned
    written = 0
    for sample in found:
        draft = choose_draft(sample.situation, memory, without=sample.group)
        context = write_context(vocabulary, sample.situation, draft, frozenset())
        tokens = write_answer(vocabulary, context, sample.target)
        if tokens is not None:
            written += 1
            assert read_answer(vocabulary, context, tokens) == ("ok", sample.target)
    assert written > 0.95 * len(found)


@given(
    st.lists(st.text(max_size=20).filter(lambda t: "\n" not in t), max_size=6),
    st.lists(st.text(max_size=20), max_size=6),
)
def test_any_text_can_be_written(
    learned: tuple[Vocabulary, Memory, list[Sample]], draft: list[str], target: list[str]
) -> None:
    vocabulary, _, found = learned
    target = [line.replace("\n", " ") for line in target]
    context = write_context(vocabulary, found[0].situation, Draft(tuple(draft), "near"), frozenset())
    tokens = write_answer(vocabulary, context, tuple(target))
    if tokens is not None:
        assert read_answer(vocabulary, context, tokens)[1] == tuple(target)


def _runs(tokens: list[int], vocabulary: Vocabulary) -> list[int]:
    """Places of line marks that words follow."""
    marks = range(vocabulary.line0, vocabulary.text0)
    return [at for at, token in enumerate(tokens[:-2]) if token in marks and tokens[at + 1] not in (*marks, render.OUT)]


@given(
    st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8),
    st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8),
    st.booleans(),
)
def test_every_place_that_an_edit_names_is_marked_in_the_context(
    learned: tuple[Vocabulary, Memory, list[Sample]], draft: list[str], target: list[str], shown_before: bool
) -> None:
    """Also of lines that were on screen before: they may have to go, or have something put beside them."""
    vocabulary, _, found = learned
    lines, wanted = tuple(f'text "Line {name}"' for name in draft), tuple(f'text "Line {name}"' for name in target)
    past = (("get /", lines),) if shown_before else ()
    situation = replace(found[0].situation, past=past, current=lines if shown_before else ())
    edits = patch(lines, wanted)
    # What goes, or stands beside what is put in; the others are what always survives.
    touched = {n for i, j, _ in edits for n in (range(i, j) if j > i else range(max(i - 1, 0), i + 1))}
    stable = frozenset(line for n, line in enumerate(lines) if n not in touched)
    context = write_context(vocabulary, situation, Draft(lines, "near"), stable)
    for i, j, _ in edits:
        assert {vocabulary.line0 + i, vocabulary.line0 + j} <= set(context.tokens)
    for line in set(lines) - stable:
        written = [vocabulary.line0 + lines.index(line), *vocabulary.line(line, context.slots, False)]
        at = context.tokens.index(written[0])
        assert context.tokens[at : at + len(written)] == written
    draft_tokens = context.tokens[context.tokens.index(render.DRAFT) :]
    assert len(_runs(draft_tokens, vocabulary)) == len(set(lines) - stable), "what survives is not spelt out"


def test_entities_become_slots_and_wording_does_not(learned: tuple[Vocabulary, Memory, list[Sample]]) -> None:
    vocabulary, _, _ = learned
    slots = Slots()
    tokens = vocabulary.line('  link "Copper kettle" -> /p/copper-kettle', slots, True)
    assert slots.texts == ["Copper kettle", "copper-kettle"]
    assert sum(vocabulary.slot0 <= t < vocabulary.line0 for t in tokens) == 2
    vocabulary.line('    button "Add to cart"', slots, True)
    assert "Add to cart" not in slots.texts


@settings(max_examples=12)
@given(seed=st.integers(0, 2**31), size=st.integers(1, 3))
def test_random_weights_always_write_a_document(
    learned: tuple[Vocabulary, Memory, list[Sample]], seed: int, size: int
) -> None:
    vocabulary, memory, found = learned
    torch.manual_seed(seed)
    network = Transformer(Config(vocabulary.size, width=16, layers=1, heads=2)).eval()
    torch.nn.init.normal_(network.embed.weight, std=2.0)
    chosen = [found[(seed + i * 7) % len(found)] for i in range(size)]
    contexts = [write_context(vocabulary, s.situation, choose_draft(s.situation, memory), frozenset()) for s in chosen]
    answers = decode(network, vocabulary, contexts, [(seed, i) for i in range(size)])
    for context, answer in zip(contexts, answers, strict=True):
        outcome, lines = read_answer(vocabulary, context, answer.tokens)
        assert outcome in vocabulary.outcomes
        parse_lines(to_transition(lines, "browser").observation.page)


def test_batching_does_not_change_answers(learned: tuple[Vocabulary, Memory, list[Sample]]) -> None:
    vocabulary, memory, found = learned
    torch.manual_seed(0)
    network = Transformer(Config(vocabulary.size, width=32, layers=2, heads=2)).eval()
    contexts = [
        write_context(vocabulary, s.situation, choose_draft(s.situation, memory), frozenset()) for s in found[:4]
    ]
    together = decode(network, vocabulary, contexts, [None] * 4)
    alone = [decode(network, vocabulary, [c], [None])[0] for c in contexts]
    assert [a.tokens for a in together] == [a.tokens for a in alone]


def test_an_unfinished_answer_leaves_the_draft(learned: tuple[Vocabulary, Memory, list[Sample]]) -> None:
    vocabulary, _, found = learned
    context = write_context(vocabulary, found[0].situation, Draft(("a", "b"), "near"), frozenset())
    tokens = [vocabulary.outcome0, render.EDIT, vocabulary.line0, vocabulary.line0 + 2]
    assert read_answer(vocabulary, context, tokens)[1] == ("a", "b")


def test_an_edit_is_judged_by_how_sure_the_need_of_it_is(learned: tuple[Vocabulary, Memory, list[Sample]]) -> None:
    """Not by its words: a draft that is wrong here is wrong also where what should stand there is open."""
    vocabulary, _, found = learned
    context = write_context(vocabulary, found[0].situation, Draft(("a", "b", "c"), "near"), frozenset())
    line = vocabulary.line0
    tokens = [vocabulary.outcome0, render.EDIT, line, line + 1, line + 1, render.EDIT, line + 2, line + 3, render.END]
    needed = [0.0, -0.01, -2.0, -2.0, -2.0, -0.5, 0.0, 0.0, 0.0]
    accept = dict.fromkeys(render.KINDS, -0.1)
    assert read_answer(vocabulary, context, tokens, needed, accept)[1] == ("b", "b", "c")
    assert read_answer(vocabulary, context, tokens, [0.0] * 9, accept)[1] == ("b", "b")
    assert read_answer(vocabulary, context, tokens, needed, dict.fromkeys(render.KINDS, 1.0))[1] == ("a", "b", "c")


def test_the_network_cannot_contradict_what_the_rules_have_drawn(
    learned: tuple[Vocabulary, Memory, list[Sample]],
) -> None:
    """Whatever its weights: the token is the settled one where there is such a token, the events always are."""
    known, _, found = learned
    vocabulary = Vocabulary(known.bpe, known.lexicon, ["ok", "error", "bug:a"])
    events = [(), ("bug:a",), ("bug:a", "bug:b")]
    drafts = [Draft(('! "x" = 1', "main"), "near", outcome=Outcome("/", None, 1.0, 0.3, one)) for one in events]
    contexts = [write_context(vocabulary, found[0].situation, draft, frozenset()) for draft in drafts]
    for seed in range(6):
        torch.manual_seed(seed)
        network = Transformer(Config(vocabulary.size, width=16, layers=1, heads=2)).eval()
        torch.nn.init.normal_(network.embed.weight, std=2.0)
        answers = decode(network, vocabulary, contexts, [(seed, i) for i in range(3)])
        read = [read_answer(vocabulary, c, a.tokens, [], None) for c, a in zip(contexts, answers, strict=True)]
        assert [name for name, _ in read][:2] == ["ok", "bug:a"]
        for one, (_, lines) in zip(events, read, strict=True):
            assert [event.id for event in to_transition(lines, "browser").events] == [name[4:] for name in one]
