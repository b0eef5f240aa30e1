"""Public conformance kits: hold your own worlds, sandboxes and tasks to the contracts ours are held to."""

from envsim.testing.chat import ChatServer, HttpReply, serve_chat
from envsim.testing.faults import failures, provoking, try_failure
from envsim.testing.sandbox import check_sandbox
from envsim.testing.task import check_task
from envsim.testing.user import check_user
from envsim.testing.world import FakeWorld, NonConformance, check_world

__all__ = [
    "ChatServer",
    "FakeWorld",
    "HttpReply",
    "NonConformance",
    "check_sandbox",
    "check_task",
    "check_user",
    "check_world",
    "failures",
    "provoking",
    "serve_chat",
    "try_failure",
]
