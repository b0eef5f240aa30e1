"""Relative judging by judges that work: over HTTP, by filling a form, and a real small model."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

from envsim.errors import ContentError, JudgeError
from envsim.reward.groups import Group, LeftOut
from envsim.reward.judge import ChatJudge, FormJudge, Sheet, read_scores
from envsim.reward.rubric import RULER, Criterion, Rubric
from envsim.reward.ruler import Ruler

# -- a judge that works --------------------------------------------------------------------------------


def test_a_good_judge_is_believed_and_its_opinion_marked(bench: Any) -> None:
    with bench.judged_by(bench.honest) as (ruler, server):
        judged = ruler.judge_group(bench.group(0.9, 0.2, 0.5))
    assert (judged.status, judged.reason) == ("scored", "")
    assert bench.scores(judged) == pytest.approx([0.9, 0.2, 0.5])
    assert [one.session for one in judged.judged] == ["s0", "s1", "s2"]
    assert (judged.agreement, judged.noise) == (1.0, 0.0)
    dumped = judged.model_dump(mode="json")
    assert {dumped["kind"], *(one["kind"] for one in dumped["judged"])} == {"judge"}
    assert len(server.asked) == 4
    assert server.asked[0]["response_format"]["type"] == "json_schema"


def test_what_all_share_is_sent_once(bench: Any) -> None:
    with bench.judged_by(bench.honest) as (ruler, server):
        ruler.judge_group(bench.group(0.9, 0.2, 0.5))
    for request in server.asked:
        text = request["messages"][1]["content"]
        assert text.count("Buy a kettle") == text.count("/shop") == 1
        assert text.index("Buy a kettle") < text.index("</context>") < text.index("<trajectory ")


def test_orders_come_with_their_reverse_and_ids_are_never_used_twice(bench: Any) -> None:
    with bench.judged_by(bench.honest, threads=1) as (ruler, server):
        ruler.judge_group(bench.group(0.1, 0.2, 0.3, 0.4))
    orders = [[bench.quality(text) for _, text in bench.shown(request)] for request in server.asked]
    assert orders[1] == orders[0][::-1]
    assert orders[3] == orders[2][::-1]
    assert orders[0] != orders[2]
    assert sorted(orders[0]) == [0.1, 0.2, 0.3, 0.4]
    ids = [name for request in server.asked for name, _ in bench.shown(request)]
    assert len(set(ids)) == len(ids) == 16


def test_same_seed_same_requests_and_judgement_whatever_the_threads(bench: Any) -> None:
    runs = []
    for threads, seed in ((1, 7), (4, 7), (1, 8)):
        with bench.judged_by(bench.honest, threads=threads, seed=seed) as (ruler, server):
            judged = ruler.judge_group(bench.group(0.9, 0.2))
        runs.append((judged.model_dump_json(), sorted(json.dumps(request) for request in server.asked)))
    assert runs[0] == runs[1]
    assert runs[0][1] != runs[2][1]


def test_equal_trajectories_are_shown_once_and_share_their_score(bench: Any) -> None:
    same = Group(
        key="g",
        trajectories=(
            bench.attempt("a", "quality 0.90"),
            bench.attempt("b", "quality 0.10"),
            bench.attempt("c", "quality 0.90"),
        ),
    )
    with bench.judged_by(bench.honest) as (ruler, server):
        judged = ruler.judge_group(same)
        alike = ruler.judge_group(Group(key="g", trajectories=same.trajectories[::2]))
    assert bench.scores(judged) == pytest.approx([0.9, 0.1, 0.9])
    assert all(len(bench.shown(request)) == 2 for request in server.asked[:4])
    assert (alike.status, alike.reason) == ("tied", "all trajectories read the same")
    assert bench.scores(alike) == pytest.approx([0.9, 0.9])


def test_criteria_are_weighed_here_and_not_by_the_judge(bench: Any) -> None:
    rubric = Rubric(
        name="two", criteria=(Criterion(name="goal", text="reached", weight=3), Criterion(name="tone", text="kind"))
    )

    def answer(request: dict[str, Any]) -> str:
        filled = [
            {"trajectory_id": name, "goal": bench.quality(text), "tone": 0.2} for name, text in bench.shown(request)
        ]
        return json.dumps({"scores": filled})

    with bench.judged_by(answer, rubric=rubric) as (ruler, server):
        judged = ruler.judge_group(bench.group(1.0, 0.0))
    assert bench.scores(judged) == pytest.approx([0.8, 0.05])
    assert "reached" in server.asked[0]["messages"][0]["content"]
    assert judged.rubric == f"two@{rubric.digest}"


def test_everything_else_in_a_group_survives(bench: Any) -> None:
    before = {
        "trajectories": [
            {
                "messages": [{"role": "user", "content": "go"}, {"role": "assistant", "content": f"quality {value}"}],
                "reward": 0.25, "metrics": {"steps": 3}, "logs": ["x"], "metadata": {"seed": 1},
            }
            for value in (0.8, 0.1)
        ],
        "exceptions": ["boom"], "metadata": {"scenario": 7},
    }  # fmt: skip
    untouched = json.dumps(before)
    with bench.judged_by(bench.honest) as (ruler, _):
        after = ruler.judge_messages(before)
    assert json.dumps(before) == untouched
    assert after["judge"]["status"] == "scored"
    assert [one["judge"]["score"] for one in after["trajectories"]] == pytest.approx([0.8, 0.1])
    assert {one["judge"]["kind"] for one in after["trajectories"]} == {"judge"}
    for one in [after, *after["trajectories"]]:
        del one["judge"]
    assert json.dumps(after) == untouched


def test_choices_stand_for_their_messages(bench: Any) -> None:
    choices = [
        {"messages_and_choices": [{"role": "user", "content": "go"}, {"finish_reason": "stop", "message": message}]}
        for message in (
            {"role": "assistant", "content": "quality 0.7"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"function": {"name": "quality 0.2", "arguments": 1}}],
            },
        )
    ]
    with bench.judged_by(bench.honest) as (ruler, _):
        after = ruler.judge_messages({"trajectories": choices, "key": "half \ud83d"})
    assert (after["key"], after["judge"]["key"]) == ("half \ud83d", "half ?")
    assert [one["judge"]["score"] for one in after["trajectories"]] == pytest.approx([0.7, 0.2])


@pytest.mark.parametrize("wrong", [{}, {"trajectories": 1}, {"trajectories": [1]}, {"trajectories": [{"messages": 1}]}])
def test_a_group_that_is_none_is_refused(bench: Any, wrong: dict[str, Any]) -> None:
    with bench.judged_by(bench.honest) as (ruler, server), pytest.raises(ContentError):
        ruler.judge_messages(wrong)
    assert server.asked == []


def test_one_trajectory_cannot_be_compared(bench: Any) -> None:
    lonely = Group(
        key="g", trajectories=bench.group(0.5).trajectories, left_out=(LeftOut(session="x", reason="infra: lost"),)
    )
    with bench.judged_by(bench.honest) as (ruler, server):
        judged = ruler.judge_group(lonely)
    assert (judged.status, bench.scores(judged), server.asked) == ("single", [None], [])
    assert judged.left_out == lonely.left_out


@pytest.mark.parametrize("options", [{"orders": 3}, {"orders": 0}, {"level": 0.0}, {"level": 1.5}])
def test_designs_that_prove_nothing_are_refused(bench: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ContentError), bench.judged_by(bench.honest, **options):
        pass


# -- a judge that fills a form -----------------------------------------------------------------------


class Filler:
    """A model that is sure of the digit its trajectory's text holds, or torn between two."""

    name = "local:filler"

    def __init__(self, bench: Any) -> None:
        self._bench = bench
        self.replies: list[str] = []

    def fill(
        self, messages: Sequence[dict[str, Any]], form: Sequence[str], options: Sequence[str]
    ) -> list[list[float]]:
        blocks = dict(self._bench.BLOCK.findall(messages[1]["content"]))
        self.replies.append("0".join(form))
        found = []
        for slot in range(len(form) - 1):
            name = re.findall(r'"trajectory_id": "(\w+)"', "".join(form[: slot + 1]))[-1]
            sure = round(9 * self._bench.quality(blocks[name]))
            found.append([0.75 if n == sure else 0.25 if n == sure - 1 else 0.0 for n in range(len(options))])
        return found


TWO = Rubric(name="two", criteria=(Criterion(name="a", text="x"), Criterion(name="b", text="y")))


@pytest.mark.parametrize("rubric", [RULER, TWO])
def test_a_form_is_a_reply_of_the_same_shape_with_finer_scores(bench: Any, rubric: Rubric) -> None:
    model = Filler(bench)
    judged = Ruler(FormJudge(model), rubric=rubric).judge_group(bench.group(1.0, 0.34, 0.67))
    assert judged.status == "scored"
    assert bench.scores(judged) == pytest.approx([8.75 / 9, 2.75 / 9, 5.75 / 9])
    for reply in model.replies:
        assert {frozenset(one) - {"trajectory_id"} for one in json.loads(reply)["scores"]} == {frozenset(rubric.slots)}


def test_read_scores_by_hand() -> None:
    sheet = Sheet(RULER, "", (("aa", "[]"), ("bb", "[]")))
    good = '{"scores": [{"trajectory_id": "bb", "score": 1}, {"trajectory_id": "aa", "score": 0.0, "extra": [true]}]}'
    assert read_scores(good, sheet) == {"aa": 0.0, "bb": 1.0}


# -- a real small model --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("smollm2")
def test_a_real_small_model_judges_from_end_to_end(bench: Any, small_chat: Any) -> None:
    """It is a poor judge; what it says is typed, repeatable, and believed only as far as it agrees with itself."""
    pair = Group(
        key="support/refund",
        trajectories=(
            bench.attempt("good", "refund_order(order=1001)", "The kettle is refunded, the money arrives tomorrow."),
            bench.attempt("bad", "noop()", "I do not know."),
        ),
    )
    filled = Ruler(FormJudge(small_chat), seed=1).judge_group(pair)
    again = Ruler(FormJudge(small_chat), seed=1, orders=2).judge_group(pair)
    assert filled.status in ("scored", "tied")
    for one, other in zip(filled.judged, again.judged, strict=True):
        assert len(one.scores) == 4
        assert len(set(one.scores)) > 1  # another order, other ids: another opinion
        assert one.scores[:2] == other.scores
        assert one.score is not None
        assert 0 < one.score < 1
    sheet = Sheet(RULER, "", (("bcdfgh", "[]"), ("jkmnpq", "[]")))
    try:
        written = ChatJudge(small_chat).score(sheet, 1)
    except JudgeError as error:
        assert "gave no usable scores in 3 replies" in str(error)  # noqa: PT017 - either way is typed
    else:
        assert written.keys() == {"bcdfgh", "jkmnpq"}
