"""The `worldmodel` console script: train, eval, info."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from envsim.cli.common import JsonFlag, new_app, note, print_json, print_table, progress, run
from envsim.errors import load_optional
from envsim.trace import TraceReader

app = new_app("Train and measure small neural world models of web applications, from their traces.")

BROWSER_COLUMNS = ("exact", "exact_changed", "exact_unchanged", "precision", "recall", "f1", "f1_changed",
                   "delta", "delta_changed", "outcome", "answered")  # fmt: skip
TOOLS_COLUMNS = ("exact", "exact_changed", "f1", "delta", "delta_changed", "outcome", "answered")


@app.command("train")
def train_command(
    traces: Annotated[Path, typer.Argument(help="Directory of traces, all of one app.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Model directory; an interrupted run there is resumed.")],
    epochs: Annotated[float, typer.Option(help="Passes over the training samples.")] = 6.0,
    steps: Annotated[int, typer.Option(help="Most optimiser steps; 0: no limit.")] = 0,
    minutes: Annotated[float, typer.Option(help="Most minutes of optimisation; 0: no limit.")] = 0.0,
    batch_tokens: Annotated[int, typer.Option(help="Tokens per step, padding included.")] = 2048,
    lr: Annotated[float, typer.Option(help="Peak learning rate.")] = 2e-3,
    width: Annotated[int, typer.Option(help="Model width.")] = 160,
    layers: Annotated[int, typer.Option(help="Transformer blocks.")] = 4,
    heads: Annotated[int, typer.Option(help="Query heads.")] = 5,
    kv_heads: Annotated[int, typer.Option(help="Key-value heads.")] = 1,
    held_out: Annotated[float, typer.Option(help="Share of tasks kept from training, for calibration.")] = 0.1,
    alpha: Annotated[float, typer.Option(help="Share of wrong answers the trust region may hold.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    checkpoint_s: Annotated[float, typer.Option(help="Seconds between checkpoints.")] = 60.0,
    as_json: JsonFlag = False,
) -> None:
    """Train a world model on TRACES. Resumes after a kill; does nothing where it is already done."""
    given = locals()
    training = _load("train")
    args = training.Args(**{field.name: given[field.name] for field in fields(training.Args)})
    training.train(args)
    _print_info(out, as_json)


@app.command("eval")
def eval_command(
    model: Annotated[Path, typer.Argument(help="Model directory.")],
    traces: Annotated[Path, typer.Argument(help="Traces to predict; use sessions the model was not trained on.")],
    as_json: JsonFlag = False,
) -> None:
    """One-step accuracy on real sessions, beside replay, copy-previous and nearest-neighbour."""
    predict = _load("predict")
    sessions = list(TraceReader(traces))
    loaded = _load("checkpoint").load_model(model)
    trained_on = {s.session for s in loaded.memory.samples}
    if overlap := sum(trace.header.session in trained_on for trace in sessions):
        note(f"warning: {overlap} of {len(sessions)} sessions were trained on; these figures flatter the model")
    found = predict.predictors(loaded)
    results: dict[str, dict[str, Any]] = {}
    with progress("evaluating", len(found)) as advance:
        for name, predictor in found.items():
            advance(0, f"evaluating {name}")
            results[name] = {k: m.summary() for k, m in predict.evaluate(predictor, sessions).items()}
            advance(1)
    if as_json:
        print_json(results)
        return
    for interface in sorted({kind for result in results.values() for kind in result}):
        columns = BROWSER_COLUMNS if interface == "browser" else TOOLS_COLUMNS
        rows = [[name, *(_share(r[interface][c]) for c in columns)] for name, r in results.items() if interface in r]
        steps = next(r[interface]["steps"] for r in results.values() if interface in r)
        print_table(("predictor", *columns), rows, title=f"{interface}: {steps} requests in {len(sessions)} sessions")


@app.command("info")
def info_command(
    model: Annotated[Path, typer.Argument(help="Model directory.")],
    as_json: JsonFlag = False,
) -> None:
    """What a model directory holds."""
    _print_info(model, as_json)


def _print_info(model: Path, as_json: bool) -> None:
    loaded = _load("checkpoint").load_model(model)
    config, manifest = loaded.config, loaded.data.manifest
    facts = {
        "app": config["app"],
        "interfaces": config["interfaces"],
        "parameters": config["parameters"],
        "sessions": manifest["sessions"],
        "samples": manifest["samples"],
        "training": config["training"],
        "calibration": config["calibration"],
        "args": config["args"],
    }
    if as_json:
        print_json(facts)
    else:
        print_table(("", ""), list(facts.items()), title=str(model))


def _share(value: float | None) -> str | None:
    return None if value is None else f"{100 * value:.1f}%"


def _load(module: str) -> Any:
    """A module of this package that needs torch, or the error that says how to install it."""
    return load_optional(f"worldmodel.{module}", "worldmodel")


def main() -> None:
    """Entry point."""
    run(app, "worldmodel")
