"""What the tests of judging share: trajectories with a known quality, and judges behind a real HTTP server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from envsim.chat import ChatEndpoint
from envsim.reward.groups import Group, Trajectory
from envsim.reward.judge import ChatJudge
from envsim.reward.ruler import JudgedGroup, Ruler
from envsim.reward.transcript import Line
from envsim.testing import ChatServer, serve_chat

BLOCK = re.compile(r'<trajectory id="(\w+)">\n(.*?)\n</trajectory>', re.DOTALL)
Scorer = Callable[[str, int, int], float]
"""From a trajectory's text, its place and how many there are, to a score."""


class Bench:
    """Names for what a test of a judge needs."""

    BLOCK = BLOCK

    @staticmethod
    def shown(request: dict[str, Any]) -> list[tuple[str, str]]:
        """Ids and texts as a judge sees them: by the delimiters, wherever they come from."""
        return BLOCK.findall(request["messages"][1]["content"])

    @staticmethod
    def entries(request: dict[str, Any], scorer: Scorer) -> list[dict[str, Any]]:
        blocks = Bench.shown(request)
        return [
            {"trajectory_id": name, "explanation": "", "score": scorer(text, place, len(blocks))}
            for place, (name, text) in enumerate(blocks)
        ]

    @staticmethod
    def quality(text: str, place: int = 0, of: int = 0) -> float:
        """What an honest judge sees in a trajectory of these tests."""
        return float(re.findall(r"quality (\d\.\d+)", text)[-1])

    @staticmethod
    def honest(request: dict[str, Any]) -> str:
        return json.dumps({"scores": Bench.entries(request, Bench.quality)})

    @staticmethod
    @contextmanager
    def judged_by(answer: Any, **options: Any) -> Iterator[tuple[Ruler, ChatServer]]:
        with serve_chat(answer) as server:
            chat = ChatEndpoint("judge", base_url=server.url, attempts=3, timeout_s=5, sleep=lambda _: None)
            yield Ruler(ChatJudge(chat), **options), server

    @staticmethod
    def attempt(session: str, *said: str, checked: float | None = None) -> Trajectory:
        lines: list[Line] = [{"role": "goal", "content": "Buy a kettle"}, {"role": "environment", "content": "/shop"}]
        lines += [{"role": "agent", "content": text} for text in said]
        return Trajectory(session=session, lines=tuple(lines), checked=checked)

    @staticmethod
    def group(*qualities: float) -> Group:
        return Group(
            key="shop/buy@1",
            trajectories=tuple(
                Bench.attempt(f"s{n}", f"quality {value:.2f} of {n}") for n, value in enumerate(qualities)
            ),
        )

    @staticmethod
    def scores(judged: JudgedGroup) -> list[float | None]:
        return [one.score for one in judged.judged]


@pytest.fixture(scope="session")
def bench() -> type[Bench]:
    """`Bench`; tests cannot import each other."""
    return Bench
