"""Variants: one app in several versions, and the real bugs that lie between them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envsim.content import find_app, list_templates, split_app
from envsim.errors import ContentError
from envsim.sandbox.bundle import all_requirements
from envsim.sandbox.declared import BugVariants
from envsim.sandbox.image import build_context
from envsim.sandbox.inprocess import InProcessRuntime
from envsim.sandbox.oracle import prove_bugs, run_oracle
from envsim.sandbox.process import ProcessRuntime, ProcessSandbox
from envsim.sandbox.runtime import get_runtime
from envsim.sandbox.seed import guest_spec
from envsim.sandbox.spec import SandboxSpec, find_spec, load_spec
from envsim.worlds import open_world

BODY = """
name = "two"
title = "Two"
description = "d"
seed = "seed:build"
requirements = ["six"]
state = {}
"""
HOSTED = '[hosted]\nkind = "wsgi"\napp = "control:create"\ndatabase = "sqlite:app.db"\n'
VARIANTS = '[variants."1.0"]\nrequirements = ["a==1"]\n[variants."2.0"]\nrequirements = ["a==2"]\n'
BUG = (
    '[[bugs]]\nid = "b"\ntitle = "t"\nlayer = "app"\nclass = "encoding"\ntrigger = "x"\nsymptom = "x"\nsource = "x"\n'
    'oracle = "oracles:b"\nvariants = {buggy = "1.0", fixed = "2.0"}\n'
)
SWITCHED = BUG.split("variants", maxsplit=1)[0]


def write(folder: Path, *parts: str) -> Path:
    path = folder / "sandbox.toml"
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """An app in two versions with one real bug."""
    return write(tmp_path, BODY, 'default_variant = "2.0"', VARIANTS, HOSTED, BUG)


def test_a_variant_adds_its_requirements_to_the_common_ones(two: Path) -> None:
    default, old = load_spec(two), load_spec(two, "1.0")
    assert (default.variant, default.ref, default.requirements) == ("2.0", "two@2.0", ("six", "a==2"))
    assert (old.variant, old.ref, old.requirements) == ("1.0", "two@1.0", ("six", "a==1"))
    assert old.with_variant(None) == default
    assert default.with_variant("1.0") == old
    assert guest_spec(old).variant == "1.0"
    assert any(line.startswith("time-machine") for line in all_requirements(old))
    with pytest.raises(ContentError, match=r"no variant '3'.*1.0, 2.0"):
        load_spec(two, "3")


def test_an_app_without_variants_has_no_ref_but_its_name(notes: SandboxSpec) -> None:
    assert (notes.ref, notes.variant, notes.with_variant(None)) == ("notes", None, notes)
    with pytest.raises(ContentError, match="has only one"):
        find_spec("notes@1")


def test_a_name_with_a_variant_goes_wherever_a_name_goes() -> None:
    assert split_app("ledger@4.2.0") == ("ledger", "4.2.0")
    assert split_app("ledger") == ("ledger", None)
    assert find_app("ledger@4.2.0") == find_app("ledger")
    assert list_templates("shop@x") == list_templates("shop") != {}
    assert find_spec("ledger@4.2.0") == find_spec("ledger", "4.2.0") == find_spec("ledger@4.2.0", "4.2.0")
    assert find_spec("ledger").variant == "4.4.0"
    with pytest.raises(ContentError, match="Name one of the two"):
        find_spec("ledger@4.2.0", "4.4.0")


def test_each_variant_has_an_image_of_its_own() -> None:
    old, new = (build_context(find_spec("ledger", variant)) for variant in ("4.2.0", "4.4.0"))
    differing = {name for name in old if old[name] != new[name]}
    assert differing == {"requirements.txt", "guest/guest.json"}
    assert b"humanize==4.2.0" in old["requirements.txt"]
    assert not any(name.startswith("app/oracles") for name in old)


def test_a_link_carries_no_file_of_this_machine_into_an_image(tmp_path: Path) -> None:
    shutil.copytree(find_app("notes"), tmp_path / "notes")
    (tmp_path / "key").write_text("secret", encoding="utf-8")
    (tmp_path / "notes" / "twin.py").symlink_to("app.py")
    files = build_context(load_spec(tmp_path / "notes" / "sandbox.toml"))
    assert files["app/twin.py"] == files["app/app.py"]
    (tmp_path / "notes" / "readable").symlink_to(tmp_path / "key")
    with pytest.raises(ContentError, match="readable is a link that leads out of the app's folder"):
        build_context(load_spec(tmp_path / "notes" / "sandbox.toml"))


def test_a_real_bug_cannot_be_switched(two: Path) -> None:
    spec = load_spec(two)
    for words in ("production", "none", "all", ""):
        assert spec.select_bugs(words) == {}
    for named in ("b", ["b"]):
        with pytest.raises(ContentError, match=r"choose a variant.*two@1.0 has it, two@2.0 has not"):
            spec.select_bugs(named)
    assert [bug.id for bug in spec.choose_bugs("all")] == ["b"]
    with pytest.raises(ContentError, match="no bug 'c'"):
        spec.choose_bugs("c")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((BODY,), "give either app"),
        ((BODY, 'app = "a:b"', HOSTED), "give either app"),
        ((BODY, VARIANTS, HOSTED), "default_variant"),
        ((BODY, 'default_variant = "3"', VARIANTS, HOSTED), "'3' is not among the variants"),
        ((BODY, 'default_variant = "1.0"', VARIANTS, HOSTED, BUG.replace("2.0", "9")), "unknown variant '9'"),
        ((BODY, 'default_variant = "1.0"', 'production = ["b"]', VARIANTS, HOSTED, BUG), "is real"),
        ((BODY, 'default_variant = "1.0"', VARIANTS, HOSTED, BUG, "rate = 0.5"), "is real"),
        ((BODY, 'variant = "1.0"', HOSTED), "found out, not declared"),
        ((BODY, HOSTED.replace("sqlite:", "oracle:")), "hosted.database"),
        ((BODY, HOSTED.replace("app =", "# app =")), "needs app"),
        (
            (
                BODY,
                HOSTED.replace("control:", "seed:"),
                SWITCHED.replace("oracles:", "seed:"),
            ),
            "oracles",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(tmp_path: Path, parts: tuple[str, ...], message: str) -> None:
    with pytest.raises(ContentError, match=message) as refused:
        load_spec(write(tmp_path, *parts))
    assert "\n" not in str(refused.value)


@pytest.fixture
def broken_seed(tmp_path: Path, ledger_python: Path) -> SandboxSpec:
    """The ledger with a seed entry that raises."""
    spec = find_spec("ledger")
    folder = tmp_path / "ledger"
    folder.mkdir()
    for path in spec.root.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    (folder / "seed.py").write_text("def build(data):\n    raise RuntimeError('no such thing as a seed')\n")
    return load_spec(folder / "sandbox.toml")


def test_a_seed_that_fails_says_why(broken_seed: SandboxSpec) -> None:
    with pytest.raises(ContentError, match=r"(?s)ledger@4.4.0 cannot be built.*no such thing as a seed"):
        ProcessRuntime().start(broken_seed)


def test_a_real_bug_is_proven_in_both_variants(ledger_python: Path) -> None:
    spec = find_spec("ledger")
    looked: list[tuple[str, str]] = []
    audited: list[str] = []
    verdicts = prove_bugs(
        spec,
        spec.bugs,
        ProcessRuntime(),
        also=lambda sandbox: audited.append(sandbox.spec.ref),
        watch=lambda bug, where: looked.append((bug, where)),
    )
    assert verdicts == [{"id": "amount-500", "buggy": True, "fixed": True}]
    assert looked == [("amount-500", "ledger@4.4.0"), ("amount-500", "ledger@4.2.0")]
    assert audited == ["ledger@4.4.0"]
    swapped = spec.bugs[0].model_copy(update={"variants": BugVariants(buggy="4.4.0", fixed="4.2.0")})
    assert prove_bugs(spec, [swapped], ProcessRuntime()) == [{"id": "amount-500", "buggy": False, "fixed": False}]


def test_check_says_where_a_real_bug_was_looked_for(cli: Callable[..., Any], ledger_python: Path) -> None:
    found = cli("sandbox", "check", "ledger", "--json")
    assert found.returncode == 0, found.stderr
    pair = {"buggy": "4.2.0", "fixed": "4.4.0"}
    assert json.loads(found.stdout)["bugs"] == [{"id": "amount-500", "buggy": True, "fixed": True, "variants": pair}]


def test_a_switchless_bug_needs_both_its_variants(ledger: ProcessSandbox) -> None:
    with pytest.raises(ContentError, match="real bug"):
        run_oracle(ledger, ledger.spec.bugs[0])


def test_an_environment_takes_a_variant(ledger_python: Path) -> None:
    world = open_world("sandbox", "ledger@4.2.0")
    try:
        assert world.spec.ref == "ledger@4.2.0"
    finally:
        world.close()
    assert type(get_runtime("auto", find_spec("ledger"))) is ProcessRuntime
    assert type(get_runtime("auto", find_spec("notes"))) is InProcessRuntime
    with pytest.raises(ContentError, match="no runtime 'auto'"):
        get_runtime("auto")


def test_specs_are_read_back_as_json() -> None:
    text = guest_spec(find_spec("ledger")).to_json()
    assert json.loads(text)["hosted"]["database"] == "sqlite:ledger.db"
