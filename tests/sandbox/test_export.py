"""States that leave a sandbox as bytes and go on in another one, whatever runtime either is in."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.errors import ContentError
from envsim.guest import statefile
from envsim.guest.folder import Folder
from envsim.page.transport import Request
from envsim.sandbox.runtime import ResetRequest, Sandbox, get_runtime
from envsim.sandbox.spec import SandboxSpec

ANN = "ann@example.test"
NAMES = st.text(max_size=8)
META = st.dictionaries(NAMES, st.one_of(st.none(), st.integers(), NAMES, st.lists(st.booleans())), max_size=4)
PARTS = st.dictionaries(NAMES, st.binary(max_size=64), max_size=4)


@given(meta=META, parts=PARTS)
def test_a_state_is_read_back_as_it_was_written(meta: dict[str, object], parts: dict[str, bytes]) -> None:
    assert statefile.unpack(statefile.pack("notes", "v", meta, parts), "notes", "v") == (meta, parts)


@given(parts=PARTS, data=st.data())
def test_one_wrong_byte_or_a_missing_end_is_noticed(parts: dict[str, bytes], data: st.DataObject) -> None:
    whole = statefile.pack("notes", "v", {"a": 1}, parts)
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytes([whole[at] ^ data.draw(st.integers(1, 255))])
    for damaged in (whole[:at], whole[:at] + flipped + whole[at + 1 :], whole + b"x"):
        with pytest.raises(ContentError):
            statefile.unpack(damaged, "notes", "v")


@given(st.binary(max_size=200))
def test_other_bytes_are_refused_in_a_sentence(noise: bytes) -> None:
    for data in (noise, b"envsim-state 1\n" + noise, b"envsim-state " + noise):
        with pytest.raises(ContentError, match=r"\.$"):
            statefile.unpack(data, "notes", "v")


@pytest.mark.parametrize(
    ("app", "spec", "words"), [("shop", "v", "from app 'notes'"), ("notes", "w", "another version of notes")]
)
def test_a_state_of_something_else_is_refused(app: str, spec: str, words: str) -> None:
    with pytest.raises(ContentError, match=words):
        statefile.unpack(statefile.pack("notes", "v", {}, {}), app, spec)


def test_a_state_of_another_version_is_refused() -> None:
    data = statefile.pack("notes", "v", {}, {}).replace(b"envsim-state 1", b"envsim-state 2", 1)
    with pytest.raises(ContentError, match="version 2, and version 1 is read here"):
        statefile.unpack(data, "notes", "v")


def sealed(header: str, rest: bytes = b"") -> bytes:
    """What somebody could make who knows the format."""
    body = header.encode() + b"\n" + rest
    return b"envsim-state 1\n" + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


HEADERS = [
    "", "{", "[]", "{}", "[" * 100_000,
    '{"app": "notes", "spec": "v", "meta": {}}',
    '{"app": "notes", "spec": "v", "meta": {}, "parts": [["db", -1], ["db", 5]]}',
    '{"app": "notes", "spec": "v", "meta": {}, "parts": [["db", 5]]}',
    '{"app": "notes", "spec": "v", "meta": {}, "parts": [["db", true]]}',
    '{"app": "notes", "spec": "v", "meta": {}, "parts": [[7, 4]]}',
    '{"app": "notes", "spec": "v", "meta": [], "parts": [["db", 4]]}',
    '{"spec": "v", "meta": {}, "parts": [["db", 4]]}',
]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS)
def test_a_forged_header_is_refused_in_a_sentence(header: str) -> None:
    with pytest.raises(ContentError, match="damaged"):
        statefile.unpack(sealed(header, b"abcd"), "notes", "v")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "seed" / "media").mkdir(parents=True)
    (tmp_path / "seed" / "media" / "a.txt").write_text("a", encoding="utf-8")
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    found = Folder(tmp_path / "seed", tmp_path / "data", ["app.db"])
    found.reset()
    return found


@pytest.mark.parametrize(
    "path", ["../mine", "media/../../mine", "{tmp}/mine", "", ".", "app.db", "app.db/x", "a\0b", "a//b"]
)
@pytest.mark.parametrize("kind", ["times", "folders", "links", "gone"])
def test_a_forged_state_reaches_no_file_but_the_apps(folder: Folder, tmp_path: Path, kind: str, path: str) -> None:
    path = path.replace("{tmp}", str(tmp_path))
    kept = folder.dump()
    index = json.loads(kept["folder"])
    index[kind] = [path] if kind == "gone" else index[kind] | {path: "/etc" if kind == "links" else 1}
    with pytest.raises(ContentError, match="not those of the app's data folder"):
        folder.load({**kept, "folder": json.dumps(index).encode(), f"file:{path}": b"theirs"})
    assert (tmp_path / "mine").read_text(encoding="utf-8") == "mine"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["data", "mine", "seed"]
    assert folder.dump() == kept


def ask(sandbox: Sandbox, method: str, path: str, cookies: dict[str, str], body: object = None) -> bytes:
    headers = (("cookie", f"session={cookies['session']}"), ("content-type", "application/json"))
    transport = sandbox.transport()
    try:
        return transport.send(Request(method, path, headers, json.dumps(body).encode())).body
    finally:
        transport.close()


def go_on(sandbox: Sandbox, cookies: dict[str, str]) -> tuple[list[bytes], object, str]:
    pages = [ask(sandbox, "PUT", "/api/notes/1", cookies, {"text": f"again {i}"}) for i in range(4)]
    pages += [ask(sandbox, "GET", "/", cookies), ask(sandbox, "POST", "/api/notes", cookies, {"text": "new"})]
    return pages, sandbox.control.changes(), sandbox.control.hash()


@pytest.mark.parametrize("runtime", ["inprocess", "process", pytest.param("docker", marks=pytest.mark.docker)])
def test_an_episode_goes_on_in_another_sandbox(notes: SandboxSpec, runtime: str) -> None:
    here, there = get_runtime("inprocess").start(notes), get_runtime(runtime).start(notes)
    try:
        cookies = here.control.reset(ResetRequest(seed=5, bugs=notes.select_bugs("all"), login=ANN))
        there.control.reset(ResetRequest(seed=6, clock="2031-01-01T00:00:00Z"))
        for text in ("one", "two", "three"):
            ask(here, "POST", "/api/notes", cookies, {"text": text})
        here.control.changes()
        data = here.control.export()
        there.control.load(data)
        assert there.control.state() == here.control.state()
        assert there.control.hash() == here.control.hash()
        # Whose it was goes on untouched, and both go on alike: clock, draws, bugs, session.
        assert go_on(there, cookies) == go_on(here, cookies)
    finally:
        here.close()
        there.close()


def test_a_state_of_another_app_leaves_the_sandbox_as_it_was(notes: SandboxSpec) -> None:
    sandbox = get_runtime("process").start(notes)
    other = get_runtime("inprocess").start(notes.model_copy(update={"tools": "/other.json"}))
    try:
        before = sandbox.control.hash()
        with pytest.raises(ContentError, match="another version of notes"):
            sandbox.control.load(other.control.export())
        assert sandbox.control.hash() == before
    finally:
        sandbox.close()
        other.close()
