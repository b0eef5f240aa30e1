"""A model that is served elsewhere: what it is sent, and that whatever comes back is an answer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.errors import ModelError, PrerequisiteError
from envsim.testing import HttpReply, serve_chat
from envsim.trace import TraceReader
from tests.worldmodel.conftest import record
from worldmodel import dataset, render, update
from worldmodel.checkpoint import load_model
from worldmodel.decode import Grammar, decode
from worldmodel.engine import Engine, schema_of, text_of, tokens_of
from worldmodel.examples import MAX_ANSWER, Context, Draft, choose_draft, read_answer, without_events, write_context
from worldmodel.predict import evaluate, predictors
from worldmodel.render import Vocabulary, patch
from worldmodel.session import Sample
from worldmodel.train import Args, learn_vocabulary, train


@pytest.fixture(scope="module")
def learned(tiny_traces: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Vocabulary, list[Sample]]:
    data = dataset.build(tiny_traces, tmp_path_factory.mktemp("ds"))
    return learn_vocabulary(data)[0], data.samples


@pytest.fixture
def wrong(learned: tuple[Vocabulary, list[Sample]]) -> list[tuple[Sample, Context]]:
    """Situations with the draft of another: there is always something to edit."""
    vocabulary, found = learned
    near = [(found[i], found[(i + 7) % len(found)]) for i in range(0, 100, 5)]
    pairs = [(sample, other) for sample, other in near if sample.target != other.target]
    assert len(pairs) > 10
    return [(s, write_context(vocabulary, s.situation, Draft(o.target, "near"), frozenset())) for s, o in pairs]


def right(sample: Sample, context: Context) -> str:
    edits = patch(context.draft.lines, without_events(sample.target))
    return json.dumps({"outcome": "ok", "edits": [{"from": i, "to": j, "lines": lines} for i, j, lines in edits]})


def reply(content: str, logprobs: list[float] | None = None) -> HttpReply:
    told = None if logprobs is None else {"content": [{"token": "x", "logprob": each} for each in logprobs]}
    return HttpReply(body={"choices": [{"message": {"role": "assistant", "content": content}, "logprobs": told}]})


def engine(url: str, **options: Any) -> Engine:
    return Engine("tiny", url, sleep=lambda wait: None, **options)


def test_edits_in_json_are_edits_of_the_grammar(
    learned: tuple[Vocabulary, list[Sample]], wrong: list[tuple[Sample, Context]]
) -> None:
    vocabulary, _ = learned
    right_of = {text_of(vocabulary, context): right(sample, context) for sample, context in wrong}
    with serve_chat(lambda request: reply(right_of[request["messages"][1]["content"]], [-0.1, -0.3])) as server:
        contexts = [context for _, context in wrong]
        answers = decode(engine(server.url), vocabulary, contexts, [None] * len(contexts))
    for (sample, context), answer in zip(wrong, answers, strict=True):
        assert read_answer(vocabulary, context, answer.tokens) == ("ok", sample.target)
        assert len(answer.tokens) > 2
        assert answer.logprobs == pytest.approx([-0.2] * len(answer.tokens))
    asked = {request["messages"][1]["content"]: request for request in server.asked}
    assert asked.keys() == right_of.keys()
    request = asked[text_of(vocabulary, wrong[0][1])]
    assert (request["model"], request["temperature"], request["logprobs"]) == ("tiny", 0.0, True)
    assert request["response_format"]["json_schema"]["schema"] == schema_of(vocabulary, wrong[0][1])


def test_it_reads_what_a_network_would_read(
    learned: tuple[Vocabulary, list[Sample]], wrong: list[tuple[Sample, Context]]
) -> None:
    vocabulary, _ = learned
    for sample, context in wrong:
        text = text_of(vocabulary, context)
        assert sample.situation.request.lines[0] in text.split("Facts:")[0]
        shown = [line for line in text.partition("Draft:\n")[2].splitlines() if ": " in line]
        assert shown
        for line in shown:
            number, _, content = line.partition(": ")
            assert context.draft.lines[int(number)] == content


EDITS = st.fixed_dictionaries({}, optional={
    "from": st.integers(-2, 40) | st.none() | st.booleans(), "to": st.integers(-2, 40) | st.floats(),
    "lines": st.lists(st.text(max_size=20) | st.sampled_from(["main", "banner", "a\nb"]), max_size=300) | st.text(),
})  # fmt: skip
REPLIES = st.text(max_size=80) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
).map(json.dumps) | st.fixed_dictionaries({}, optional={
    "outcome": st.sampled_from(["ok", "error", "bug:a", 3, None, [], {}]), "edits": st.lists(EDITS | st.none()) | EDITS,
}).map(json.dumps)  # fmt: skip


@given(text=REPLIES, at=st.integers(0, 40))
def test_whatever_is_replied_is_in_the_language(learned: tuple[Vocabulary, list[Sample]], text: str, at: int) -> None:
    vocabulary, found = learned
    sample = found[at]
    context = write_context(vocabulary, sample.situation, Draft(found[at + 3].target, "near"), frozenset())
    tokens = tokens_of(vocabulary, context, text)
    grammar = Grammar(vocabulary, len(context.slots.texts), len(context.draft.lines))
    for number, token in enumerate(tokens):
        assert any(start <= token < end for start, end in grammar.allowed()), (number, token)
        assert grammar.take(token) == (number == len(tokens) - 1)
    assert len(tokens) <= MAX_ANSWER
    read_answer(vocabulary, context, tokens)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "null", '{"outcome": "no such", "edits": [{"from": 1}]}'])
def test_what_is_no_answer_leaves_the_draft(
    learned: tuple[Vocabulary, list[Sample]], wrong: list[tuple[Sample, Context]], text: str
) -> None:
    vocabulary, _ = learned
    context = wrong[0][1]
    with serve_chat(lambda request: reply(text)) as server:
        (answer,) = decode(engine(server.url), vocabulary, [context], [None])
    assert answer.tokens[1:] == [render.END]
    assert read_answer(vocabulary, context, answer.tokens, answer.logprobs, None)[1] == context.draft.lines


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calibrated on replies that were the worse, the surer they were."""
    root = tmp_path_factory.mktemp("served")
    traces = record(root / "traces", 12)
    bad = json.dumps({"outcome": "ok", "edits": [{"from": 0, "to": 1, "lines": ["nonsense"]}]})
    with pytest.MonkeyPatch.context() as patched, serve_chat(lambda request: reply(bad, [-0.02])) as server:
        patched.setenv("OPENAI_BASE_URL", server.url)
        made = train(Args(traces, root / "model", engine="tiny", held_out=0.3, device="cpu"))
        assert server.asked
    return made


def test_edits_that_held_out_tasks_spoke_against_are_not_accepted(served: Path, tiny_held_out: Path) -> None:
    bad = json.dumps({"outcome": "ok", "edits": [{"from": 0, "to": 1, "lines": ["nonsense"]}]})
    sessions = list(TraceReader(tiny_held_out))[:3]
    with serve_chat(lambda request: reply(bad, [-0.02])) as server:
        found = predictors(load_model(served, engine=server.url))
        exact = {name: evaluate(found[name], sessions)["browser"].summary()["exact"] for name in ("model", "draft")}
    assert server.asked == [], "nobody waits for what would not be taken over"
    assert exact["model"] == exact["draft"] > 0


def test_a_directory_names_the_model_and_no_address(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    config = (served / "config.json").read_text()
    assert json.loads(config)["sizes"] == {"engine": "tiny"}
    assert "127.0.0.1" not in config
    model = load_model(served)
    draft = choose_draft(model.data.samples[0].situation, model.memory)
    context = write_context(model.vocabulary, model.data.samples[0].situation, draft, model.stable)
    with pytest.raises(PrerequisiteError, match="export OPENAI_BASE_URL"):
        decode(model.network, model.vocabulary, [context], [None])
    with serve_chat(lambda request: reply("{}")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert decode(model.network, model.vocabulary, [context], [None])[0].tokens[-1] == render.END


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (HttpReply(503), PrerequisiteError, "did not answer in 2 attempts"),
        (HttpReply(404, {"error": "no such model"}), PrerequisiteError, "HTTP 404"),
        (HttpReply(400, {"error": "maximum context length"}), ModelError, "too long for tiny"),
        (HttpReply(200, b"<html>"), PrerequisiteError, "HTTP 200"),
        (HttpReply(delay_s=0.5), PrerequisiteError, "timed out"),
    ],
)
def test_an_endpoint_that_cannot_be_used_says_what_to_do(
    learned: tuple[Vocabulary, list[Sample]], wrong: list[tuple[Sample, Context]],
    answer: HttpReply, error: type[Exception], says: str,
) -> None:  # fmt: skip
    contexts = [context for _, context in wrong[:2]]
    with serve_chat(lambda request: answer) as server, pytest.raises(error, match=says):
        decode(engine(server.url, attempts=2, timeout_s=0.1), learned[0], contexts, [None] * 2)


@pytest.mark.parametrize("told", [None, [], {"content": None}, {"content": [{"logprob": "-1"}]}, {"content": [3]}])
def test_an_endpoint_may_tell_no_probabilities(
    learned: tuple[Vocabulary, list[Sample]], wrong: list[tuple[Sample, Context]], told: Any
) -> None:
    body = {"choices": [{"message": {"content": "{}"}, "logprobs": told}]}
    with serve_chat(lambda request: HttpReply(body=body)) as server:
        (answer,) = decode(engine(server.url), learned[0], [wrong[0][1]], [None])
    assert answer.logprobs == [0.0, 0.0]


def test_what_makes_no_sense_is_refused(
    served: Path, tiny_traces: Path, tmp_path: Path, damaged: Callable[[Path], Path]
) -> None:
    with pytest.raises(ModelError, match="--base, --rollouts and --reinforce train one here"):
        train(Args(tiny_traces, tmp_path / "m", engine="tiny", base=tmp_path))
    with pytest.raises(ModelError, match="asks a served model"):
        update.update(update.Args(served, tiny_traces))
    with pytest.raises(ModelError, match="damaged"):
        load_model(damaged(served), engine="http://127.0.0.1:9/v1")


@pytest.fixture
def damaged(tmp_path: Path) -> Callable[[Path], Path]:
    def made(model: Path) -> Path:
        copy = shutil.copytree(model, tmp_path / "damaged")
        config = json.loads((copy / "config.json").read_text())
        config["sizes"] = {"engine": "tiny", "url": 3}
        config["vocabulary"]["outcomes"] = 7
        (copy / "config.json").write_text(json.dumps(config))
        return copy

    return made
