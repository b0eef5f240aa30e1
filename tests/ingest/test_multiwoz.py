"""MultiWOZ files as traces: goals, acts, text and what a damaged file does."""

from __future__ import annotations

import json
import os
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from envsim.errors import TraceError
from envsim.ingest import multiwoz
from envsim.ingest.pipeline import ingest
from envsim.ingest.redact import Redactor
from envsim.trace import TraceReader
from envsim.user.sessions import sessions

REAL = Path(os.environ.get("ENVSIM_DATA", Path(__file__).parents[3] / "shared" / "data")) / "multiwoz" / "val.json.zip"


def dialogue() -> dict[str, Any]:
    """A dialogue as the corpus has them: tokenised, the user first, the assistant last."""
    return {
        "goal": {
            "taxi": {},
            "train": {"info": {"day": "monday", "leaveAt": "09:00"}, "reqt": ["train id"], "fail_info": {}},
            "restaurant": {
                "info": {"food": "chinese", "area": "centre"},
                "fail_info": {"food": "french", "area": "centre"},
                "book": {"people": "3", "invalid": False},
                "fail_book": {},
            },
            "message": ["You want a <span class='emphasis'>place to dine</span>", "You also need a train"],
        },
        "log": [
            {
                "text": "I 'd like french food , please .",
                "metadata": {},
                "dialog_act": {"Restaurant-Inform": [["Food", "french"]]},
                "span_info": [["Restaurant-Inform", "Food", "french", 3, 3]],
            },
            {
                "text": "There is none . Which area ?",
                "metadata": {"belief": 1},
                "dialog_act": {"Restaurant-NoOffer": [["none", "none"]], "Restaurant-Request": [["Area", "?"]]},
            },
            {
                "text": "No , I do n't care . What is the post code ?",
                "metadata": {},
                "dialog_act": {"Restaurant-Inform": [["Area", "dontcare"]], "Restaurant-Request": [["Post", "?"]]},
            },
            {"text": "Goodbye .", "metadata": {"belief": 1}, "dialog_act": {"general-bye": [["none", "none"]]}},
        ],
    }


def corpus(path: Path, dialogues: dict[str, Any]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("val.json", json.dumps(dialogues, indent=2))
    else:
        path.write_text(json.dumps(dialogues, indent=2))
    return path


@pytest.mark.parametrize("name", ["val.json", "val.json.zip"])
def test_a_file_is_recognised_and_becomes_traces(tmp_path: Path, name: str) -> None:
    report = ingest([corpus(tmp_path / name, {"SNG1": dialogue()})], tmp_path / "out", redactor=None)
    assert report.sources == {str(tmp_path / name): "multiwoz"}
    assert (report.written, report.steps, report.lost) == (1, 2, {"belief states": 1})
    (trace,) = TraceReader(tmp_path / "out")
    assert [step.observation.messages[0].text for step in trace.steps] == [
        "I'd like french food, please.",
        "No, I don't care. What is the post code?",
    ]
    assert trace.steps[1].action is not None
    assert trace.steps[1].action.text == "There is none. Which area?"
    assert [step.user.done for step in trace.steps if step.user] == [False, True]


def test_acts_are_in_our_vocabulary() -> None:
    trace = multiwoz.to_trace("SNG1", dialogue(), app="mw", losses=Counter())
    first, second = (step.user for step in trace.steps)
    assert first is not None
    assert second is not None
    assert first.acts == ("inform:restaurant_food",)
    assert second.acts == ("deny", "dontcare:restaurant_area", "request:restaurant_postcode")
    assert trace.header.meta["agent_acts"] == [[], ["nooffer:restaurant", "request:restaurant_area"]]
    assert trace.header.meta["said"] == [[["restaurant_food", "french"]], []]


def test_the_goal_keeps_order_second_choices_and_what_is_to_be_found_out() -> None:
    goal = multiwoz.goal_of(dialogue()["goal"], Counter())
    assert [item.id for item in goal.items] == ["restaurant", "train"], "the order of the instructions"
    assert goal.facts["restaurant_food"].value == "french"
    assert [(change.fact, change.value) for change in goal.changes] == [("restaurant_food", "chinese")]
    restaurant, train = goal.items
    assert restaurant.tells == ("restaurant_food", "restaurant_area")
    assert restaurant.needs == ("restaurant_people",)
    assert restaurant.learns == ("restaurant_reference",)
    assert train.learns == ("train_trainid",) or train.learns == ("train_train_id",)
    assert goal.scenario == "You want a place to dine. You also need a train"


def test_a_turn_nobody_annotated_is_other() -> None:
    acts, said = multiwoz.user_acts({"text": "Hmm ."})
    assert (acts, said) == (("other",), [])


def test_redaction_reaches_what_the_user_said(tmp_path: Path) -> None:
    spoken = dialogue()
    spoken["log"][0]["text"] = "Write to sara.miller@example.org , please ."
    ingest([corpus(tmp_path / "val.json", {"SNG1": spoken})], tmp_path / "out", redactor=Redactor(b"k" * 32))
    (trace,) = TraceReader(tmp_path / "out")
    assert trace.steps[0].user is not None
    assert "sara.miller" not in trace.steps[0].user.text
    assert trace.steps[0].user.text == trace.steps[0].observation.messages[0].text


def test_one_broken_dialogue_does_not_cost_the_others(tmp_path: Path) -> None:
    broken = {"goal": {}, "log": []}
    report = ingest([corpus(tmp_path / "val.json", {"A": broken, "B": dialogue()})], tmp_path / "out", redactor=None)
    assert (report.written, report.unreadable) == (1, 1)
    assert "dialogue A" in report.errors[0]


@pytest.mark.parametrize("content", [b"PK\x03\x04 not a zip", b"{\n not json", b'{\n "a": {"goal": 1}}'])
def test_what_is_no_corpus_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "val.json").write_bytes(content)
    with pytest.raises(TraceError, match="holds no session that can be read"):
        ingest([tmp_path / "val.json"], tmp_path / "out", redactor=None)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} is not here")
def test_the_real_corpus_is_read_whole(tmp_path: Path) -> None:
    report = ingest([REAL], tmp_path / "out", redactor=None)
    assert (report.written, report.unreadable) == (999, 0)
    found = sessions(TraceReader(tmp_path / "out"))
    assert all(session.goal is not None and session.goal.facts for session in found)
    assert sum(len(session.turns) for session in found) == report.steps
