"""What every console script shares, run as one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from envsim.cli.common import new_app, print_json, print_table, progress, run
from envsim.errors import ContentError, GateError

app = new_app("A script.")

@app.command()
def work(what: str) -> None:
    if what == "bad":
        raise ContentError("This [bold]file[/bold]\\nis odd. Correct it.")
    if what == "gate":
        raise GateError("0.90 is below 0.95.")
    if what == "interrupt":
        raise KeyboardInterrupt
    if what == "defect":
        raise ZeroDivisionError("ours")
    if what == "flood":
        for i in range(100_000):
            print(i)
    with progress("working", 2) as advance:
        advance(1, "still")
    print_json({"é": [1]})
    print_table(["a", "b"], [[None, True], ["[red]x[/red]", "w" * 150]])

run(app, "script", sys.argv[1:])
"""


def script(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", SCRIPT, *args], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("what", "code", "stderr"),
    [
        ("bad", 2, "error: This [bold]file[/bold] is odd. Correct it.\n"),
        ("gate", 1, "error: 0.90 is below 0.95.\n"),
        ("interrupt", 130, ""),
    ],
)
def test_errors_are_one_sentence_and_an_exit_code(what: str, code: int, stderr: str) -> None:
    result = script(what)
    assert (result.returncode, result.stdout, result.stderr) == (code, "", stderr)


def test_a_defect_of_ours_keeps_its_traceback() -> None:
    result = script("defect")
    assert result.returncode == 1
    assert "ZeroDivisionError: ours" in result.stderr


def test_piped_output_is_plain() -> None:
    result = script("fine")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith('{\n  "é": [\n    1\n  ]\n}\n')
    rows = result.stdout.splitlines()[-2:]
    assert rows[0].split() == ["-", "yes"]
    assert rows[1].split() == ["[red]x[/red]", "w" * 150]


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    result = subprocess.run(
        ["bash", "-c", f"{sys.executable} {path} flood | head -n 1"], capture_output=True, text=True, check=False
    )
    assert (result.stdout, result.stderr) == ("0\n", "")


def test_usage_errors_exit_with_2() -> None:
    result = script()
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_the_base_image_script_names_what_is_missing(repo: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        ["/bin/sh", repo / "scripts" / "base-image.sh"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr == "error: docker is not installed. Run: apt-get install -y docker.io\n"
