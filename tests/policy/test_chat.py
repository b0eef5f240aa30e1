"""The chat policy against a real HTTP server that speaks the chat completions API."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from envsim.errors import ContentError, PrerequisiteError, missing_extra
from envsim.policy import get_policy
from envsim.policy.chat import ChatPolicy
from envsim.types import Action, Message, Observation

TOOLS: list[dict[str, Any]] = [{"name": "click", "description": "", "parameters": {"type": "object"}}]


class Server(ThreadingHTTPServer):
    """Answers with the scripted (status, body) pairs and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[tuple[int, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.hung_up = threading.Semaphore(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"  # keeps connections open for as long as the client does

    def handle(self) -> None:
        super().handle()
        self.server.hung_up.release()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append({"path": self.path, **body})
        self.server.headers.append(dict(self.headers))
        status, answer = self.server.script.pop(0)
        data = json.dumps(answer).encode() if not isinstance(answer, bytes) else answer
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def say(text: str) -> tuple[int, Any]:
    return 200, {"choices": [{"message": {"role": "assistant", "content": text}}]}


def call(name: str, arguments: str, *, number: int = 1) -> tuple[int, Any]:
    one = {"id": f"c{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
    return 200, {"choices": [{"message": {"role": "assistant", "content": None, "tool_calls": [one, one]}}]}


def policy(server: Server, **options: Any) -> ChatPolicy:
    made = ChatPolicy("tiny", base_url=server.url, api_key="secret", sleep=lambda _: None, **options)
    made.reset(None, 5, TOOLS)
    return made


def test_a_conversation(server: Server) -> None:
    server.script = [
        call("click", '{"bid": "eaaaa"}'), say("Which size?"), call("send_msg_to_user", '{"text": "Hello"}'),
        call("answer", '{"value": "$5"}'),
    ]  # fmt: skip
    agent = policy(server)
    assert agent.act(Observation(goal="Buy it", url="/", page='button "Buy" [eaaaa]')) == Action.call(
        "click", bid="eaaaa"
    )
    assert agent.act(Observation(goal="Buy it", url="/cart", error="nope")) == Action.say("Which size?")
    assert agent.act(Observation(messages=(Message(role="user", text="Large"),))) == Action.say("Hello")
    assert agent.act(Observation(messages=(Message(role="user", text="Hi"),))) == Action.answer("$5")

    first, second, third, fourth = server.asked
    assert (first["path"], first["model"], first["seed"]) == ("/v1/chat/completions", "tiny", 5)
    assert {tool["function"]["name"] for tool in first["tools"]} >= {"click", "answer", "report_infeasible"}
    assert first["messages"][1] == {"role": "user", "content": 'Goal: Buy it\nurl: /\nbutton "Buy" [eaaaa]'}
    assert second["messages"][3] == {"role": "tool", "tool_call_id": "c1", "content": "error: nope"}
    assert len(second["messages"][2]["tool_calls"]) == 1
    assert third["messages"][-1] == {"role": "user", "content": "user: Large"}
    assert fourth["messages"][-1]["content"] == "user: Hi"
    assert server.headers[0]["authorization"] == "Bearer secret"


def test_earlier_views_are_left_out(server: Server) -> None:
    server.script = [call("click", '{"bid": "eaaaa"}', number=n) for n in range(5)]
    agent = policy(server, keep=2)
    for n in range(5):
        agent.act(Observation(result=f"view {n}"))
    views = [message["content"] for message in server.asked[-1]["messages"] if message["role"] == "tool"]
    assert views == ["(an earlier view, left out)"] * 2 + ["view 3", "view 4"]


def test_an_unreadable_call_is_explained_to_the_model(server: Server) -> None:
    server.script = [call("click", "{broken"), call("click", '{"bid": "eaaaa"}')]
    assert policy(server).act(Observation()) == Action.call("click", bid="eaaaa")
    assert server.asked[1]["messages"][-1]["role"] == "tool"
    assert server.asked[1]["messages"][-1]["content"].startswith("error: ")


def test_a_model_that_never_makes_sense_gives_up(server: Server) -> None:
    server.script = [call("click", "{broken")] * 3
    assert policy(server).act(Observation()) == Action.answer()
    assert server.script == []


def test_an_ending_with_arguments_nobody_declared_is_explained_too(server: Server) -> None:
    server.script = [call("answer", '{"result": "$5"}'), call("answer", '{"value": "$5"}')]
    assert policy(server).act(Observation()) == Action.answer("$5")
    assert "it takes 'value' only" in server.asked[1]["messages"][-1]["content"]


def test_an_overloaded_endpoint_is_asked_again(server: Server) -> None:
    server.script = [(429, {}), (503, {}), say("hi")]
    assert policy(server).act(Observation()) == Action.say("hi")


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ([(401, {"error": "bad key"})], "answered HTTP 401"),
        ([(200, b"<html>")], "answered HTTP 200: <html>"),
        ([(200, {"choices": []})], "answered HTTP 200"),
        ([(200, {"choices": [{"message": "hi"}]})], "answered without a message"),
        ([(500, {})] * 2, "did not answer in 2 attempts (HTTP 500)"),
    ],
)
def test_an_unusable_endpoint_says_what_to_do(server: Server, script: list[Any], sentence: str) -> None:
    server.script = list(script)
    with pytest.raises(PrerequisiteError) as caught:
        policy(server, attempts=2).act(Observation())
    assert sentence in str(caught.value)
    assert "OPENAI_BASE_URL" in str(caught.value)


def test_no_endpoint_at_all() -> None:
    agent = ChatPolicy("tiny", base_url="http://127.0.0.1:9", attempts=1)
    agent.reset(None, 0, [])
    with pytest.raises(PrerequisiteError, match="did not answer in 1 attempts"):
        agent.act(Observation())


def test_no_connection_outlives_its_reply(server: Server) -> None:
    server.script = [say("hi"), say("again")]
    agent = policy(server)
    agent.act(Observation())
    agent.act(Observation())
    for _ in range(2):
        assert server.hung_up.acquire(timeout=5)


def test_by_name(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    server.script = [say("hi")]
    agent = get_policy("chat:tiny")
    agent.reset(None, 0, TOOLS)
    assert agent.act(Observation()) == Action.say("hi")
    with pytest.raises(ContentError, match="chat:MODEL"):
        get_policy("chat")


def test_what_a_worker_process_raises_reaches_its_parent() -> None:
    error = missing_extra("torch", "worldmodel")
    # What a process pool does to an exception on its way home.
    rebuilt = copy.copy(error)
    assert (type(rebuilt), str(rebuilt), rebuilt.command) == (type(error), str(error), error.command)


def test_a_result_is_shown_once_and_not_again_with_what_the_user_answers(server: Server) -> None:
    server.script = [call("find", "{}"), say("Which one?"), call("answer", "{}")]
    asking = policy(server)
    asking.reset(None, 0, TOOLS)
    asking.act(Observation(goal="Help.", messages=(Message(role="user", text="Hello."),)))
    asking.act(Observation(result='{"orders": [1042]}'))
    asking.act(Observation(result='{"orders": [1042]}', messages=(Message(role="user", text="The latest."),)))
    told = [message["content"] for message in server.asked[-1]["messages"]]
    assert sum("1042" in (text or "") for text in told) == 1
    assert told[-1] == "user: The latest."


def test_a_conversation_beyond_the_context_fails_this_episode_alone(server: Server) -> None:
    server.script = [(400, {"error": {"message": "maximum context length is 4096 tokens"}}), say("Hi.")]
    talking = policy(server)
    talking.reset(None, 0, TOOLS)
    assert talking.act(Observation(goal="Help.")) == Action.answer()
    talking.reset(None, 1, TOOLS)
    assert talking.act(Observation(goal="Help.")) == Action.say("Hi.")


def test_a_call_without_an_id_gets_one_that_its_result_names(server: Server) -> None:
    bare = {"type": "function", "function": {"name": "click", "arguments": "{}"}}
    server.script = [(200, {"choices": [{"message": {"role": "assistant", "tool_calls": [bare]}}]}), say("Hi.")]
    calling = policy(server)
    calling.reset(None, 0, TOOLS)
    calling.act(Observation(goal="Help."))
    calling.act(Observation())
    _, _, asked, told = server.asked[-1]["messages"]
    assert asked["tool_calls"][0]["id"] == told["tool_call_id"] != ""
