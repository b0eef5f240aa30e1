"""Pretrained causal language models from a path: local files only, no code that comes with them, no pickle.

Needs torch and transformers, so whoever uses it is itself reached by name only.
"""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError

from envsim.errors import ModelError, missing_extra


def load_pretrained(path: Path) -> tuple[Any, Any]:
    """Tokenizer and model, the model in eval mode with 32-bit weights.

    Args:
        path: A directory with ``config.json``, a tokenizer and safetensors weights, or one ``.gguf`` file.

    Raises:
        ModelError: There is no usable model at `path`.
        PrerequisiteError: A GGUF needs packages that are not installed.
    """
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    folder = path
    if path.suffix == ".gguf" and path.is_file():
        folder, options = path.parent, {**options, "gguf_file": path.name}
    elif not (path / "config.json").is_file():
        raise ModelError(f"There is no model at {path}. Give a directory with config.json, or a .gguf file.")
    elif (path / "adapter_config.json").exists():
        # The library would put it on unasked, from a pickle if need be.
        raise ModelError(f"{path} holds an adapter. Merge it into the weights it is for, and give those.")
    elif _names_code((path / "config.json").read_text(encoding="utf-8", errors="replace")):
        raise ModelError(
            f"{path}/config.json names kernels to download and run. Remove its *_implementation, and try again."
        )
    try:
        # The library draws progress bars on stderr that no setting of its own turns off for a GGUF.
        with contextlib.redirect_stderr(io.StringIO()):
            tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), **options)
            if folder == path:
                options["use_safetensors"] = True  # the older format is a pickle, which executes
            model: Any = transformers.AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32, **options)
    except ImportError as error:
        if folder != path:
            # transformers names what a GGUF lacks in a paragraph of its own.
            raise missing_extra("gguf and accelerate", "local") from None
        why = next(iter(str(error).strip().splitlines()), "")
        raise ModelError(f"Cannot load {path}: {why[:300]} Give a model that needs nothing else.") from None
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"Cannot load {path}: {str(error)[:300]}. Give another model.") from None
    return tokenizer, model.eval()


def _names_code(config: str) -> bool:
    """Whether a configuration tells which code to compute with, by more than the name of what the library has."""

    def named(entry: dict[str, Any]) -> dict[str, Any]:
        found.extend(value for key, value in entry.items() if "_implementation" in key)
        return entry

    found: list[Any] = []
    with contextlib.suppress(ValueError):  # the library says what is wrong with it
        json.loads(config, object_hook=named)
    return any(value not in (None, "sdpa", "eager") for value in found)
