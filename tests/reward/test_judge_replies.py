"""Judges that answer in every wrong way we know of, over HTTP: nothing is made of such a reply."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from envsim.chat import ChatEndpoint
from envsim.errors import PrerequisiteError
from envsim.reward.judge import ChatJudge
from envsim.reward.ruler import Ruler
from envsim.testing import HttpReply, serve_chat

# -- judges that do not ------------------------------------------------------------------------------


def broken(bench: Any, request: dict[str, Any], change: Callable[[list[dict[str, Any]]], Any]) -> str:
    """A reply spoilt by `change`, unless the judge has just been told what was wrong: then the right one."""
    filled = bench.entries(request, bench.quality)
    return json.dumps({"scores": filled if len(request["messages"]) > 2 else change(filled)})


def with_score(value: Any) -> Callable[[list[dict[str, Any]]], Any]:
    return lambda filled: [{**filled[0], "score": value}, *filled[1:]]


SPOILT: dict[str, tuple[Callable[[list[dict[str, Any]]], Any], str]] = {
    "duplicate": (lambda filled: [filled[0], *filled], "is scored twice"),
    "one id for all": (
        lambda filled: [{**one, "trajectory_id": filled[0]["trajectory_id"]} for one in filled],
        "twice",
    ),
    "missing": (lambda filled: filled[1:], "no score for trajectory"),
    "empty": (lambda filled: [], "no score for trajectory"),
    "invented": (
        lambda filled: [*filled, {"trajectory_id": "zzzzzz", "score": 0.5}],
        "there is no trajectory 'zzzzzz'",
    ),
    "by number": (lambda filled: [{**one, "trajectory_id": n} for n, one in enumerate(filled, 1)], "no trajectory '1'"),
    "no id": (lambda filled: [{"score": 0.5}] * len(filled), "there is no trajectory"),
    "above": (with_score(7.0), "7.0, not between 0 and 1"),
    "below": (with_score(-3.0), "-3.0, not between 0 and 1"),
    "nan": (with_score(float("nan")), "nan, not between 0 and 1"),
    "infinite": (with_score(float("inf")), "inf, not between 0 and 1"),
    "boolean": (with_score(True), "is not a number"),
    "text": (with_score("0.5"), "is not a number"),
    "null": (with_score(None), "is not a number"),
    "not a list": (lambda filled: {"a": 1}, "is not a list of objects"),
    "list of numbers": (lambda filled: [0.1, 0.2], "is not a list of objects"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_reply_is_sent_back_with_what_is_wrong(bench: Any, name: str) -> None:
    change, sentence = SPOILT[name]
    with bench.judged_by(lambda request: broken(bench, request, change), threads=1) as (ruler, server):
        judged = ruler.judge_group(bench.group(0.9, 0.2))
    assert bench.scores(judged) == pytest.approx([0.9, 0.2])
    assert len(server.asked) == 8
    told = server.asked[1]["messages"]
    assert told[2]["role"] == "assistant"
    assert sentence in told[3]["content"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "I would rather not.",
        lambda text: "",
        lambda text: text.replace('"scores"', '"results"'),
        lambda text: f"First I thought {text} but then {text}",
        lambda text: text.replace('"score": 0.9', '"score": 0.1, "score": 0.9'),
        lambda text: '{"scores": ' + "[" * 100_000,
        lambda text: text.replace("0.9", "9" * 5000),
    ],
)
def test_what_is_not_one_json_object_is_sent_back(bench: Any, spoil: Callable[[str], str]) -> None:
    def answer(request: dict[str, Any]) -> str:
        return bench.honest(request) if len(request["messages"]) > 2 else spoil(bench.honest(request))

    with bench.judged_by(answer, threads=1) as (ruler, server):
        assert bench.scores(ruler.judge_group(bench.group(0.9, 0.2))) == pytest.approx([0.9, 0.2])
    assert len(server.asked) == 8


@pytest.mark.parametrize(
    "around", ["Sure! {} Hope that helps.", "```json\n{}\n```", "<think>{{x}} {{0}}</think>{}", "Scores {{a, b}}: {}"]
)
def test_prose_around_the_json_is_passed_over(bench: Any, around: str) -> None:
    with bench.judged_by(lambda request: around.format(bench.honest(request))) as (ruler, server):
        assert bench.scores(ruler.judge_group(bench.group(0.9, 0.2))) == pytest.approx([0.9, 0.2])
    assert len(server.asked) == 4


def test_scores_in_another_order_are_still_matched_by_id(bench: Any) -> None:
    """As published, RULER pairs scores by place: with this judge it would give each the other's."""

    def backwards(request: dict[str, Any]) -> str:
        return json.dumps({"scores": bench.entries(request, bench.quality)[::-1]})

    with bench.judged_by(backwards) as (ruler, _):
        assert bench.scores(ruler.judge_group(bench.group(0.9, 0.5, 0.1))) == pytest.approx([0.9, 0.5, 0.1])


def test_a_judge_that_never_makes_sense_is_refused_and_nothing_made_up(bench: Any) -> None:
    with bench.judged_by(lambda request: "7/10 for everybody", threads=1) as (ruler, server):
        judged = ruler.judge_group(bench.group(0.9, 0.2))
    assert judged.status == "refused"
    assert bench.scores(judged) == [None, None]
    assert "gave no usable scores in 3 replies" in judged.reason
    assert len(server.asked) == 6  # three replies, twice, and no further order after that


def test_another_sheet_helps_a_judge_that_is_stuck(bench: Any) -> None:
    def stubborn(request: dict[str, Any]) -> str:
        known = bench.shown(request)[0][0]
        first.setdefault("id", known)
        return "no" if known == first["id"] else bench.honest(request)

    first: dict[str, str] = {}
    with bench.judged_by(stubborn, threads=1) as (ruler, _):
        assert bench.scores(ruler.judge_group(bench.group(0.9, 0.2))) == pytest.approx([0.9, 0.2])


def test_an_overloaded_judge_is_asked_again_and_a_dead_one_ends_the_run(bench: Any) -> None:
    trouble = [HttpReply(429, headers={"retry-after": "1"}), HttpReply(500), HttpReply(delay_s=0.4)]
    with serve_chat(lambda request: trouble.pop(0) if trouble else bench.honest(request)) as server:
        chat = ChatEndpoint("judge", base_url=server.url, timeout_s=0.2, sleep=lambda _: None)
        ruler = Ruler(ChatJudge(chat), threads=1)
        assert bench.scores(ruler.judge_group(bench.group(0.9, 0.2))) == pytest.approx([0.9, 0.2])
    with (
        bench.judged_by(lambda request: HttpReply(500)) as (ruler, _),
        pytest.raises(PrerequisiteError, match="HTTP 500"),
    ):
        ruler.judge_group(bench.group(0.9, 0.2))


def test_a_group_too_long_for_the_judge_is_refused_and_the_others_judged(bench: Any) -> None:
    def small(request: dict[str, Any]) -> Any:
        body = {"error": {"message": "This model's maximum context length is 4096 tokens."}}
        return HttpReply(400, body) if "quality 0.77" in request["messages"][1]["content"] else bench.honest(request)

    with bench.judged_by(small) as (ruler, _):
        long, short = ruler.judge_group(bench.group(0.77, 0.2)), ruler.judge_group(bench.group(0.9, 0.2))
    assert (long.status, bench.scores(long)) == ("refused", [None, None])
    assert "too long" in long.reason
    assert bench.scores(short) == pytest.approx([0.9, 0.2])
