"""House rules no linter knows: import direction, lazy extras, file size, nothing that executes its input."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
CODE = sorted([*(REPO / "envsim").rglob("*.py"), *(REPO / "worldmodel").rglob("*.py")])
ALL = sorted(
    path
    for tree in ("envsim", "worldmodel", "sandboxes", "tasks", "benchmarks", "tests")
    for path in (REPO / tree).rglob("*.py")
)

LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "rng", "state", "linear", "plot"),
    ("types", "content", "expressions", "toml", "chat", "pretrained"),
    ("chat_local",),
    ("goal", "trace", "spaces"),
    ("task", "goal_template"),
    ("world",),
    ("guest",),
    ("page",),
    ("reward",),
    ("sandbox", "user", "policy", "ingest"),
    ("worlds", "task_template", "recorder"),
    ("source", "conversation", "episode"),
    ("fork",),
    ("env",),
    ("vector",),
    ("registration",),
    ("rollout",),
    ("fidelity", "audit"),
    ("testing",),
    ("integrations",),
    ("demo",),
    ("cli",),
)
"""Modules and packages of envsim, lowest first. A layer imports the ones before it, and itself within a package."""
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}

WORLDMODEL_MAY_USE = {
    "errors", "types", "trace", "world", "task", "rng", "state", "page", "reward", "plot", "cli", "chat", "pretrained",
}  # fmt: skip
"""The values, the protocol, the page grammar, what its console script shares with the others, and how a language
model is read or asked."""

OPTIONAL = {
    "torch", "safetensors", "tokenizers", "transformers", "gguf", "accelerate", "peft", "docker", "playwright", "PIL",
    "inspect_ai", "inspect_evals",
}  # fmt: skip
"""Packages of the extras."""

LAZY = {*OPTIONAL, "envsim.page.chromium"}
"""All that a function may import: the extras, and our own modules that are of no use without one."""


def modules_imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Absolute names of imported modules, with lines; imports for type checkers only are left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                continue  # content: its modules import each other, see envsim.content.load_entry
            if node.module in ("envsim", "worldmodel"):
                yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
            elif node.module is not None:
                yield node.module, node.lineno
        else:
            yield from modules_imported(node)


def relative(path: Path) -> str:
    return path.relative_to(REPO).as_posix()


def layer_of(path: Path) -> str:
    """``"trace"`` for envsim/trace.py, ``"page"`` for envsim/page/http.py, ``""`` for envsim/__init__.py."""
    first, second, *_ = path.relative_to(REPO).parts
    return first if first == "worldmodel" else second.removesuffix(".py").replace("__init__", "")


def wrong_imports(path: Path) -> Iterator[str]:
    own = layer_of(path)
    for module, line in modules_imported(ast.parse(path.read_text("utf-8"))):
        package, _, rest = module.partition(".")
        target = rest.partition(".")[0]
        if own == "worldmodel":
            if package == "envsim" and target and target not in WORLDMODEL_MAY_USE:
                yield f"{relative(path)}:{line} imports {module}"
        elif package == "worldmodel":
            yield f"{relative(path)}:{line} imports {module}; envsim reaches worldmodel by a string entry point only"
        elif package == "envsim" and target and own and target != own and RANK.get(target, -1) >= RANK.get(own, 99):
            yield f"{relative(path)}:{line} imports {module}"


def test_imports_run_downward_only() -> None:
    assert [wrong for path in CODE for wrong in wrong_imports(path)] == []


def test_every_module_has_its_layer() -> None:
    assert {layer_of(path) for path in CODE} - {"", "worldmodel"} - RANK.keys() == set()


def module_graph() -> dict[str, set[str]]:
    names = {".".join(path.relative_to(REPO).with_suffix("").parts).removesuffix(".__init__"): path for path in CODE}
    graph: dict[str, set[str]] = {}
    for name, path in names.items():
        found = {module for module, _ in modules_imported(ast.parse(path.read_text("utf-8")))}
        graph[name] = {m if m in names else m.rpartition(".")[0] for m in found} & names.keys() - {name}
    return graph


def test_no_import_cycles() -> None:
    graph = module_graph()
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_functions_import_optional_packages_only() -> None:
    inside = [
        f"{relative(path)}:{line} imports {module}"
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for module, line in modules_imported(node)
        if not {module, module.partition(".")[0]} & LAZY
    ]
    assert inside == []


def test_packages_are_imported_absolutely() -> None:
    relatives = [
        f"{relative(path)}:{node.lineno}"
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relatives == []


def test_no_file_is_over_400_lines() -> None:
    lines = {relative(path): len(path.read_text("utf-8").splitlines()) for path in ALL}
    assert {path: count for path, count in lines.items() if count > 400} == {}


def calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


BANNED_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "random"}
BANNED_CALLS = {"eval", "exec", "compile", "os.system", "torch.load", "numpy.random.seed", "np.random.seed"}

SEEDED = {"envsim/guest/frozen.py", "tests/sandbox/content/sandboxes/ledger/ledger.py"}
"""What seeds `random` for apps that are not ours, and the app that proves it."""


def executes_or_draws(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    for module, line in modules_imported(tree):
        if module.partition(".")[0] in BANNED_MODULES and not (module == "random" and relative(path) in SEEDED):
            yield f"{relative(path)}:{line} imports {module}"
    for name, line in calls(tree):
        if name in BANNED_CALLS:
            yield f"{relative(path)}:{line} calls {name}()"
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "shell" and ast.unparse(node.value) == "True":
            yield f"{relative(path)}:{node.lineno} runs a shell"


def test_nothing_executes_its_input_or_draws_from_a_global() -> None:
    assert [found for path in ALL for found in executes_or_draws(path)] == []


def loaded_by(statement: str) -> set[str]:
    code = (
        f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(json.loads(out))


@pytest.mark.parametrize("statement", ["import envsim", "import envsim.env, envsim.vector", "import envsim.cli.main"])
def test_importing_envsim_loads_no_optional_package(statement: str) -> None:
    assert loaded_by(statement) & OPTIONAL == set()


def test_importing_envsim_does_not_import_worldmodel_or_content() -> None:
    loaded = loaded_by("import envsim")
    assert "worldmodel" not in loaded
    assert not any(name.startswith("_envsim_content") for name in loaded)


@pytest.mark.parametrize("package", ["envsim", "worldmodel"])
def test_packages_are_marked_as_typed(package: str) -> None:
    assert (REPO / package / "py.typed").is_file()


def test_content_trees_are_not_packages() -> None:
    """A user's own ``tasks`` package must neither shadow ours nor be shadowed by it."""
    assert not (REPO / "sandboxes" / "__init__.py").exists()
    assert not (REPO / "tasks" / "__init__.py").exists()
