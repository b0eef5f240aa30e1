"""A chat completions endpoint on this machine whose replies are yours: for tests of whatever asks a chat model.

with serve_chat(lambda request: "Hello.") as server:
    ChatEndpoint("any", base_url=server.url).reply([...])
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class HttpReply:
    """An answer that is not simply a message.

    Attributes:
        status: Of HTTP.
        body: Sent as it is; JSON where it is no bytes.
        headers: Beside the content's length.
        delay_s: Seconds before any of it is sent.
    """

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0


Answer = Callable[[dict[str, Any]], "str | dict[str, Any] | HttpReply"]
"""From the body of a request to the content of the reply, a whole message, or any other HTTP reply."""


class ChatServer(ThreadingHTTPServer):
    """Serves `answer` on a free port of this machine.

    Attributes:
        asked: Bodies of the requests so far, in the order they came.
    """

    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.asked: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        """What ``OPENAI_BASE_URL`` should be."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, *args: Any) -> None:
        """A client that gave up waiting is not worth a traceback."""


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body)
        answer = self.server.answer(body)
        if not isinstance(answer, HttpReply):
            message = {"role": "assistant", "content": answer} if isinstance(answer, str) else answer
            answer = HttpReply(body={"choices": [{"index": 0, "message": message}]})
        time.sleep(answer.delay_s)
        data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {"content-type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """Nothing: what was asked is in `ChatServer.asked`."""


@contextlib.contextmanager
def serve_chat(answer: Answer) -> Iterator[ChatServer]:
    """A `ChatServer` for as long as the block runs."""
    server = ChatServer(answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
