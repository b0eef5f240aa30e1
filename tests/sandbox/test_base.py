"""An app that is another app's other side: what it inherits, what it says itself, and what runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from envsim.errors import ContentError
from envsim.sandbox.docker import DockerRuntime
from envsim.sandbox.image import build_context
from envsim.sandbox.inprocess import InProcessRuntime
from envsim.sandbox.seed import guest_spec, seed_database
from envsim.sandbox.spec import SandboxSpec, find_spec, load_spec

SIDE = 'base = "notes"\nname = "side"\n'


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    content = Path(__file__).parent / "content"
    monkeypatch.setenv("ENVSIM_PATH", f"{tmp_path}:{content}")
    return tmp_path


def _write(root: Path, name: str, text: str) -> Path:
    folder = root / "sandboxes" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sandbox.toml").write_text(text, encoding="utf-8")
    return folder / "sandbox.toml"


def test_what_is_not_said_is_inherited(root: Path) -> None:
    _write(root, "side", SIDE + 'title = "Another side"\nproduction = []\n')
    side, notes = find_spec("side"), find_spec("notes")
    assert (side.name, side.title, side.base, side.production) == ("side", "Another side", "notes", ())
    for name in SandboxSpec.model_fields.keys() - {"name", "title", "base", "production", "folders", "inherited"}:
        assert getattr(side, name) == getattr(notes, name), name
    assert side.folders == (root / "sandboxes" / "side", notes.root)
    assert side.select_bugs("all") == notes.select_bugs("all")


def test_what_runs_is_the_base(root: Path) -> None:
    _write(root, "side", SIDE + 'tools = "/other.json"\nuser_tools = "/user.json"\n')
    _write(root, "far", 'base = "side"\nname = "far"\n')
    notes = find_spec("notes")
    for name in ("side", "far"):
        spec = find_spec(name)
        assert spec.origin == notes
        assert spec.tools == "/other.json"
        assert guest_spec(spec) == guest_spec(notes)
        assert seed_database(spec) == seed_database(notes)
        assert build_context(spec.origin) == build_context(notes)
    assert notes.origin is notes
    sandbox = InProcessRuntime().start(find_spec("far"))
    try:
        assert sandbox.name.startswith("far-")
        assert sandbox.control.health()["app"] == "notes"
    finally:
        sandbox.close()


def test_a_policy_is_its_own_or_its_bases(root: Path) -> None:
    path = _write(root, "side", SIDE + 'policy = "policy.md"\n')
    path.with_name("policy.md").write_text("Be kind.\n", encoding="utf-8")
    _write(root, "far", 'base = "side"\nname = "far"\n')
    assert find_spec("side").read_policy() == find_spec("far").read_policy() == "Be kind."
    assert find_spec("notes").read_policy() == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('base = "nots"\nname = "side"\n', ("base", "no app 'nots'", "notes")),
        (SIDE + 'app = "app:create"\n', ("app", "Correct or remove")),
        (SIDE + 'seed = "seed:build"\n', ("seed",)),
        (SIDE + "[[bugs]]\nid = 'x'\n", ("bugs",)),
        ('base = "notes"\n', ("name", "required")),
        ('base = "side"\nname = "side"\n', ("base", "side -> side", "in a circle")),
        (SIDE + 'production = ["no-such-bug"]\n', ("no-such-bug",)),
        (SIDE + 'policy = "rules.md"\n', ("policy", "'rules.md'")),
        (SIDE + 'policy = "../notes/sandbox.toml"\n', ("policy", "beside it")),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(root: Path, text: str, said: tuple[str, ...]) -> None:
    path = _write(root, "side", text)
    with pytest.raises(ContentError) as caught:
        load_spec(path)
    for part in (str(path), *said):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_circle_of_bases_names_the_way_round(root: Path) -> None:
    for name, base in (("a", "b"), ("b", "c"), ("c", "a")):
        _write(root, name, f'base = "{base}"\nname = "{name}"\n')
    with pytest.raises(ContentError, match="a -> b -> c -> a leads in a circle"):
        find_spec("a")


def test_a_base_of_the_same_name_in_a_hidden_root_is_a_circle(root: Path) -> None:
    _write(root, "notes", 'base = "notes"\nname = "notes"\n')
    with pytest.raises(ContentError, match="leads in a circle"):
        find_spec("notes")


def test_the_desk_runs_from_the_shops_image() -> None:
    desk, shop = find_spec("desk"), find_spec("shop")
    assert build_context(desk.origin) == build_context(shop)
    assert guest_spec(desk) == guest_spec(shop)
    assert not any(name.startswith("app/policy") for name in build_context(desk.origin))


@pytest.mark.docker
def test_one_image_serves_an_app_and_what_is_based_on_it(root: Path) -> None:
    _write(root, "side", SIDE)
    runtime = DockerRuntime()
    assert runtime.prepare(find_spec("side")) == runtime.prepare(find_spec("notes"))
