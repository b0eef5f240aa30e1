"""What a comparison keeps, and what it takes out of the model's directory."""

import json

import pytest

from envsim.errors import ContentError
from envsim.fidelity.episodes import folder, play, replay_all, sandbox_share, set_aside
from envsim.fidelity.stages import Stages
from envsim.rollout import Job, plan
from envsim.trace import Header, Step, Trace, TraceReader, TraceWriter
from envsim.types import Event, Observation

HEADER = Header(session="s", app="shop", source="fallback", interface="tools", task="t@7", seed=7)


def test_a_report_cannot_be_in_a_file(tmp_path):
    (tmp_path / "file").write_text("mine")
    jobs = plan({"app": "shop"}, ["null"], 1, 0)
    with pytest.raises(ContentError, match="not a directory"):
        play({}, jobs, tmp_path / "file" / "held-out", lambda: None)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_stage_is_made_once_per_input(tmp_path):
    made = []
    stages = Stages(tmp_path / "stages")

    def make() -> list[int]:
        made.append(1)
        return [len(made)]

    assert stages.keep("x", ["a", 1], make) == [1]
    assert stages.keep("x", ["a", 1], make) == [1]
    assert stages.keep("x", ["a", 2], make) == [2]
    assert stages.keep("y", ["a", 2], make) == [3]
    for torn in ("{", "[]", '{"value": 1}'):
        (tmp_path / "stages" / "x.json").write_text(torn)
        before = len(made)
        assert stages.keep("x", ["a", 2], make) == [before + 1]
    with pytest.raises(ZeroDivisionError):
        stages.keep("x", "other", lambda: 1 / 0)
    assert stages.keep("x", ["a", 2], make) == [len(made)]  # a stage that broke off left the old one alone


def test_episodes_of_an_earlier_model_are_removed(tmp_path):
    old, other = folder(tmp_path, "model", "a" * 64), folder(tmp_path, "replay", "a" * 64)
    for path in (old, other):
        path.mkdir(parents=True)
    assert folder(tmp_path, "model", "a" * 64) == old
    assert old.exists()
    new = folder(tmp_path, "model", "b" * 64)
    assert not old.exists()
    assert other.exists()
    assert new.name == "model-bbbbbbbbbb"


def test_steps_left_to_the_sandbox_are_those_from_the_fallback_on():
    fallback = (Event(kind="fallback", id="sandbox"),)

    def trace(*fell: bool) -> Trace:
        steps = [Step(index=i, observation=Observation(), events=fallback * there) for i, there in enumerate(fell)]
        return Trace(HEADER, tuple(steps), None)

    found = sandbox_share([trace(False, False, True, False, False), trace(False, False), trace(True, False, False)])
    assert (found.value, found.n) == (pytest.approx(5 / 7), 7)
    assert sandbox_share([]).n == 0


def test_fallbacks_of_held_out_tasks_leave_the_training_data(tmp_path):
    fallbacks, aside = tmp_path / "model" / "fallbacks", tmp_path / "report" / "fallbacks"
    for seed in (7, 8):
        header = HEADER.model_copy(update={"session": f"s{seed}", "seed": seed})
        writer = TraceWriter(fallbacks, header, state={"carts": {}})
        writer.write(Step(index=0, observation=Observation(result="{}")))
        writer.finish(None)
    (fallbacks / "torn.jsonl").write_text("{")
    set_aside(fallbacks, [Job("oracle", 0, 7, "session")], aside)
    assert sorted(path.name for path in fallbacks.glob("*.jsonl")) == ["s8.jsonl", "torn.jsonl"]
    (moved,) = TraceReader(aside)
    assert (moved.header.seed, moved.state) == (7, {"carts": {}})
    set_aside(tmp_path / "none", [Job("oracle", 0, 7, "session")], aside)
    assert json.loads((aside / "s7.jsonl").read_text().splitlines()[0])["session"] == "s7"


@pytest.mark.slow
def test_episodes_and_replays_do_not_depend_on_the_number_of_processes(tmp_path):
    options = {"app": "shop", "split": "train", "interface": "tools", "world": "sandbox"}
    jobs = plan(options, ["null", "hasty:0.2"], 6, 0)
    ticks: list[int] = []
    played = play(options, jobs, tmp_path, lambda: ticks.append(1))
    assert len(ticks) == 12
    assert play(options, jobs, tmp_path, lambda: None) == played
    recordings = played.traces()
    one, two = (replay_all(options, recordings, lambda: ticks.append(1), workers=workers) for workers in (1, 2))
    assert len(ticks) == 36
    assert one == two
    assert [session.session for session in one] == [job.session for job in jobs]
    assert {session.reason for session in one} == {""}  # the sandbox makes its own sessions again
