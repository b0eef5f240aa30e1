"""Where clones and tasks are found: user roots, then the wheel's own content, then the repository.

A root is a folder with ``sandboxes/`` and ``tasks/`` in it. `ENVSIM_PATH` names user roots,
separated like ``PATH``; an app found in an earlier root hides one of the same name in a later.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from envsim.errors import ContentError
from envsim.state import state_hash

PACKAGE = Path(__file__).resolve().parent


def roots() -> list[Path]:
    """Every root, in the order it is searched."""
    user = [Path(part).expanduser() for part in os.environ.get("ENVSIM_PATH", "").split(os.pathsep) if part]
    return [*user, PACKAGE / "_content", PACKAGE.parent]


def list_apps() -> dict[str, Path]:
    """App name -> folder with its sandbox.toml."""
    found: dict[str, Path] = {}
    for root in roots():
        for path in sorted(root.glob("sandboxes/*/sandbox.toml")):
            found.setdefault(path.parent.name, path.parent)
    return found


def split_app(name: str) -> tuple[str, str | None]:
    """App and variant of a name such as ``oscar@3.2``; None where it names no variant."""
    app, at, variant = name.partition("@")
    return app, variant if at else None


def find_app(name: str) -> Path:
    """The folder of app `name`; that of its variants too.

    Raises:
        ContentError: There is none; names every place looked at and the apps that exist.
    """
    apps, (name, _) = list_apps(), split_app(name)
    if name not in apps:
        raise ContentError(
            f"There is no app {name!r}. Known apps: {', '.join(sorted(apps)) or 'none'}. {_looked('sandboxes')}"
        )
    return apps[name]


def list_templates(app: str) -> dict[str, Path]:
    """Task template id -> toml file, for `app`; its variants share them."""
    found: dict[str, Path] = {}
    app, _ = split_app(app)
    for root in roots():
        for path in sorted(root.glob(f"tasks/{app}/*.toml")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def load_entry(folder: Path, entry: str) -> object:
    """The object `module:name` below `folder`, imported under a private name.

    Content is never on `sys.path`: its modules can neither hide a user's nor be hidden by them.
    Modules of one folder may import each other relatively (``from .pages import ...``).

    Raises:
        ContentError: No such module or name.
    """
    module_name, _, attribute = entry.partition(":")
    package = _package_of(folder)
    try:
        module = importlib.import_module(f"{package}.{module_name}")
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith(package):
            raise ContentError(f"{folder} has no module {module_name!r}. Correct {entry!r} in its toml.") from None
        raise ContentError(
            f"{folder.name} needs the Python package {error.name!r}. Install the requirements in its sandbox.toml."
        ) from None
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise ContentError(f"{folder}/{module_name} has no {attribute!r}. Correct {entry!r} in its toml.") from None


def _package_of(folder: Path) -> str:
    folder = folder.resolve()
    name = f"_envsim_content_{folder.name.replace('-', '_')}_{state_hash(str(folder))[:8]}"
    if name not in sys.modules:
        module = ModuleType(name)
        module.__path__ = [str(folder)]
        module.__spec__ = importlib.util.spec_from_loader(name, loader=None, is_package=True)
        sys.modules[name] = module
    return name


def _looked(tree: str) -> str:
    return "Looked in: " + ", ".join(str(root / tree) for root in roots()) + ". Set ENVSIM_PATH to add a root."
