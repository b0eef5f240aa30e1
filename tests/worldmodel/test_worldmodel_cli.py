"""The console script as people and programs use it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Cli = Callable[..., "CompletedProcess[str]"]


@pytest.fixture(scope="module")
def model(cli: Cli, tiny_traces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "model"
    done = cli(
        "worldmodel", "train", str(tiny_traces), "-o", str(out), "--steps", "12", "--width", "32", "--heads", "2",
        "--layers", "1", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["training"]["steps"] == 12
    return out


def test_eval_prints_every_baseline(cli: Cli, model: Path, tiny_held_out: Path) -> None:
    done = cli("worldmodel", "eval", str(model), str(tiny_held_out), "--json")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert set(results) == {"model", "draft", "nearest-neighbour", "copy-previous", "replay"}
    assert all(0 <= r["browser"]["exact"] <= 1 for r in results.values())
    assert "trained on" not in done.stderr
    trust = results["model"]["trust"]
    assert trust["steps"] + trust["chance"] == results["model"]["browser"]["steps"]
    assert 0 <= trust["ece"] <= 1


def test_eval_warns_about_sessions_it_was_trained_on(cli: Cli, model: Path, tiny_traces: Path) -> None:
    done = cli("worldmodel", "eval", str(model), str(tiny_traces))
    assert done.returncode == 0, done.stderr
    assert "flatter the model" in done.stderr
    assert "nearest-neighbour" in done.stdout


def test_info_names_the_app_and_the_picture_of_the_run(cli: Cli, model: Path) -> None:
    told = json.loads(cli("worldmodel", "info", str(model), "--json").stdout)
    assert told["app"] == "tiny"
    assert told["training"]["held_out"] > 0
    assert Path(told["curves"]).read_text().startswith("<svg xmlns=")
    table = cli("worldmodel", "info", str(model)).stdout
    assert "calibration.accept.rules " in table
    assert "{" not in table, "one row a figure"


BAD = (
    "no traces", "corrupt trace", "no model", "corrupt model", "no sizes", "huge", "no record",
    "another run's dataset", "no place",
)  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_exit_code_2(
    cli: Cli, model: Path, tiny_held_out: Path, tmp_path: Path, case: str
) -> None:
    bad_traces, bad_model = tmp_path / "traces", tmp_path / "model"
    bad_traces.mkdir()
    (bad_traces / "s.jsonl").write_text("not a trace\n")
    shutil.copytree(model, bad_model)
    if case == "corrupt model":
        (bad_model / "model.safetensors").write_bytes(b"\x00" * 64)
    config = json.loads((bad_model / "config.json").read_text())
    config["sizes"]["heads"] *= case != "no sizes"
    # Memory for these would be taken before weights of another shape are refused.
    config["sizes"]["layers"] = 10**9 if case == "huge" else config["sizes"]["layers"]
    config["record"] = None if case == "no record" else config["record"]
    config["data"] += "0" * (case == "another run's dataset")
    (bad_model / "config.json").write_text(json.dumps(config))
    arguments = {
        "no traces": ("train", str(tmp_path / "nowhere"), "-o", str(tmp_path / "m")),
        "corrupt trace": ("train", str(bad_traces), "-o", str(tmp_path / "m")),
        "no model": ("eval", str(tmp_path / "nowhere"), str(tiny_held_out)),
        "corrupt model": ("info", str(bad_model)),
        "no sizes": ("info", str(bad_model)),
        "huge": ("info", str(bad_model)),
        "no record": ("info", str(bad_model)),
        "another run's dataset": ("info", str(bad_model)),
        "no place": ("coverage", str(model), "-o", "/proc/nowhere/map.html"),
    }[case]
    done = cli("worldmodel", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") == 0
