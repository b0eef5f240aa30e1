"""The documentation runs: every bash and python block of a page, in order, in one new folder.

Bash blocks are processes of their own; python blocks share their names, as a reader's session would.

A block fenced as ``text`` (or with ``noexec`` after its language) is not run. Console scripts are those
of this environment; sandboxes they start are known to this page's own cache only.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PAGES = [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(?P<language>\w+)(?P<flags>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)")
LANGUAGES = ("bash", "python")

# Runs the files it is told, one after another, under the names the earlier ones left.
SESSION = """
import runpy, sys
names = {}
for line in sys.stdin:
    names = runpy.run_path(line.strip(), {k: v for k, v in names.items() if not k.startswith("__")})
    print("\\0", flush=True)
"""

# What a page says tells what it needs.
DOCKER = re.compile(r"--runtime docker|runtime=\"docker\"")
BROWSER = re.compile(r"--driver chromium|driver=\"chromium\"|rgb_array|headless=True")


@dataclass(frozen=True)
class Block:
    """One fenced block that is run."""

    language: str
    code: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for match in FENCE.finditer(text):
        if match["language"] in LANGUAGES and "noexec" not in match["flags"]:
            yield Block(match["language"], match["code"], text[: match.start()].count("\n") + 2)


def parameter(page: Path) -> object:
    code = "".join(block.code for block in blocks(page))
    marks = [pytest.mark.docker] if DOCKER.search(code) else []
    marks += [pytest.mark.browser] if BROWSER.search(code) else []
    return pytest.param(page, id=page.relative_to(REPO).as_posix(), marks=marks)


class Session:
    """Runs the blocks of one page."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.work.mkdir()
        self.env = {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "ENVSIM_CACHE": str(folder / "cache"),
            "NO_COLOR": "1",
        }
        self._scratch = folder
        self._python: subprocess.Popen[str] | None = None

    def run(self, block: Block) -> str:
        """Why the block failed; empty if it did not."""
        return self._run_bash(block) if block.language == "bash" else self._run_python(block)

    def close(self) -> None:
        if self._python is not None:
            with self._python as python:
                python.kill()
        # A page that fails half-way must not leave its sandboxes behind.
        down = [Path(sys.executable).with_name("sandbox"), "down", "--all"]
        subprocess.run(down, env=self.env, capture_output=True, check=False)

    def _run_bash(self, block: Block) -> str:
        command = ["bash", "-euo", "pipefail", "-c", block.code]
        result = subprocess.run(
            command, cwd=self.work, env=self.env, capture_output=True, text=True, timeout=240, check=False
        )
        return "" if result.returncode == 0 else f"{result.stdout[-2000:]}\n{result.stderr[-2000:]}\nexit code not 0"

    def _run_python(self, block: Block) -> str:
        if self._python is None:
            self._python = subprocess.Popen(
                [sys.executable, "-W", "error", "-c", SESSION],
                cwd=self.work,
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        assert self._python.stdin is not None
        assert self._python.stdout is not None
        path = self._scratch / f"line_{block.line}.py"
        path.write_text(block.code, "utf-8")
        print(path, file=self._python.stdin, flush=True)
        output: list[str] = []
        for line in self._python.stdout:
            if line == "\0\n":
                return ""
            output.append(line)
        return "".join(output)[-4000:]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", [parameter(page) for page in PAGES if list(blocks(page))])
def test_every_block_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    session = Session(tmp_path)
    try:
        for block in blocks(page):
            failure = session.run(block)
            assert not failure, f"{page.relative_to(REPO)}:{block.line}\n{block.code}\n{failure}"
    finally:
        session.close()


@pytest.mark.parametrize("page", [*PAGES, REPO / "CONTRIBUTING.md", REPO / "CHANGELOG.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text("utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("script", ["envsim", "sandbox", "worldmodel"])
def test_every_console_script_has_a_how_to(script: str) -> None:
    used = {
        line.split()[0]
        for page in PAGES[1:]
        for block in blocks(page)
        for line in block.code.splitlines()
        if line.strip()
    }
    assert script in used
