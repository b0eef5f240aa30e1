"""Faults before a sandbox that is kept up: a client of anybody's own meets them on the wire."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from envsim.page.transport import Request, Response
from envsim.sandbox.faults import FaultProfile
from envsim.sandbox.faults_serve import FaultServer, read_fault_log


class Echo:
    """Answers with what it was asked."""

    def __init__(self) -> None:
        self.got: list[Request] = []

    def send(self, request: Request) -> Response:
        self.got.append(request)
        headers = (("content-type", "text/html"), ("location", "http://app.test/there"), ("set-cookie", "a=1"))
        return Response(200, headers, b"<main>hello</main>" + request.body)

    def close(self) -> None:
        pass


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Any]:
    servers = []

    def start(patience_s: float = 0.2, **rates: float) -> tuple[Echo, str]:
        app = Echo()
        profile = FaultProfile({name.replace("_", "-"): rate for name, rate in rates.items()}, patience_s=patience_s)
        servers.append(FaultServer(app, profile, 0, tmp_path))
        return app, servers[-1].url

    yield start
    for server in servers:
        server.close()
        server.close()


def ask(url: str, method: str = "GET", target: str = "/x?y=1", body: bytes | None = None, **headers: str) -> Any:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_without_a_fault_an_app_is_what_it_is(serve: Any) -> None:
    app, url = serve(modal=0.0)
    status, headers, body = ask(url, "POST", body=b"k=v", Origin=url, Cookie="a=1")
    assert (status, body, headers["location"], headers["set-cookie"]) == (
        200,
        b"<main>hello</main>k=v",
        f"{url}/there",
        "a=1",
    )
    (request,) = app.got
    assert (request.method, request.target, request.body) == ("POST", "/x?y=1", b"k=v")
    assert {("origin", "http://app.test"), ("cookie", "a=1")} <= set(request.headers)
    assert ask(url, "HEAD")[2] == b""


def test_broken_exchanges_break_on_the_wire(serve: Any, tmp_path: Path) -> None:
    _, url = serve(connection_reset=1.0)
    with pytest.raises(ConnectionResetError):
        ask(url)
    _, url = serve(truncated_body=1.0)
    with pytest.raises(http.client.IncompleteRead):
        ask(url)
    app, url = serve(timeout_after_commit=1.0)
    started = time.monotonic()
    with pytest.raises(http.client.RemoteDisconnected):
        ask(url)
    assert time.monotonic() - started >= 0.2
    assert len(app.got) == 1
    told = [json.loads(line) for line in read_fault_log(tmp_path).splitlines()]
    assert [line["id"] for line in told] == ["connection-reset", "truncated-body", "timeout-after-commit"]
    assert {line["request"] for line in told} == {"GET /x?y=1"}


def test_a_page_meets_ui_faults_and_a_style_none(serve: Any) -> None:
    _, url = serve(modal=1.0)
    assert b"aria-modal" in ask(url, **{"Sec-Fetch-Dest": "document"})[2]
    assert b"aria-modal" not in ask(url, **{"Sec-Fetch-Dest": "style"})[2]


def test_what_is_no_request_for_the_app_is_refused(serve: Any) -> None:
    app, url = serve(modal=1.0)
    assert ask(url, target="http://elsewhere.test/")[0] == 400
    assert app.got == []


def test_up_with_faults(cli: Any, user_root: Path, tmp_path: Path) -> None:
    for folder in ("seeds", "guest", "wheels"):
        (user_root / folder).mkdir(exist_ok=True)
        (tmp_path / folder).symlink_to(user_root / folder)
    env = {"ENVSIM_CACHE": str(tmp_path)}
    up = cli("sandbox", "up", "notes", "--faults", "server-error=1", "--json", env=env)
    try:
        assert up.returncode == 0, up.stderr
        (record,) = json.loads(up.stdout)
        assert ask(record["url"], target="/")[0] >= 500
        told = cli("sandbox", "logs", record["name"], "--faults", env=env)
        assert [json.loads(line)["id"] for line in told.stdout.splitlines()] == ["server-error"]
    finally:
        assert cli("sandbox", "down", "--all", env=env).returncode == 0
    refused = cli("sandbox", "up", "notes", "--faults", "storm", env=env)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
