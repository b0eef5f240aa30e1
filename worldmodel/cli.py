"""The `worldmodel` console script: train, update, eval, coverage, info."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from envsim.cli.common import JsonFlag, new_app, note, print_json, print_table, progress, run
from envsim.errors import ModelError, load_optional
from envsim.trace import TraceReader
from worldmodel.curves import PICTURE

app = new_app("Train and measure small neural world models of web applications, from their traces.")

BROWSER_COLUMNS = ("exact", "exact_changed", "exact_unchanged", "precision", "recall", "f1", "f1_changed",
                   "delta", "delta_changed", "outcome", "answered")  # fmt: skip
TRUST_COLUMNS = ("steps", "accuracy", "auroc", "accuracy_at_80", "ece", "threshold", "coverage", "inside")
SHOWN = 30
"""Regions in a table; JSON and the HTML report hold all."""
TOOLS_COLUMNS = ("exact", "exact_changed", "f1", "delta", "delta_changed", "outcome", "answered")


@app.command("train")
def train_command(
    traces: Annotated[Path, typer.Argument(help="Directory of traces, all of one app.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Model directory; an interrupted run there is resumed.")],
    epochs: Annotated[float, typer.Option(help="Passes over the training samples.")] = 6.0,
    steps: Annotated[int, typer.Option(help="Most optimiser steps; 0: no limit.")] = 0,
    minutes: Annotated[float, typer.Option(help="Most minutes of optimisation; 0: no limit.")] = 0.0,
    batch_tokens: Annotated[int, typer.Option(help="Tokens per step, padding included.")] = 2048,
    lr: Annotated[float, typer.Option(help="Peak learning rate; 0: 2e-3, with --base 2e-4, with --lora 1e-3.")] = 0.0,
    width: Annotated[int, typer.Option(help="Model width.")] = 160,
    layers: Annotated[int, typer.Option(help="Transformer blocks.")] = 4,
    heads: Annotated[int, typer.Option(help="Query heads.")] = 5,
    kv_heads: Annotated[int, typer.Option(help="Key-value heads.")] = 1,
    base: Annotated[
        Path | None,
        typer.Option(help="Start from this causal language model: a Hugging Face directory, or a .gguf file."),
    ] = None,
    lora: Annotated[int, typer.Option(help="With --base: train adapters of this rank; 0: all weights.")] = 0,
    engine: Annotated[
        str, typer.Option(help="Train no network; ask this model, served at $OPENAI_BASE_URL, about every draft.")
    ] = "",
    held_out: Annotated[float, typer.Option(help="Share of tasks kept from training, for calibration.")] = 0.1,
    alpha: Annotated[float, typer.Option(help="Share of wrong answers the trust region may hold.")] = 0.05,
    balance: Annotated[float, typer.Option(help="Draw examples evenly by size of change: 0 not, 1 wholly.")] = 0.0,
    relearn: Annotated[
        bool, typer.Option("--relearn", help="In the end learn programs again, from half of the held-out tasks too.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    checkpoint_s: Annotated[float, typer.Option(help="Seconds between checkpoints.")] = 60.0,
    rollouts: Annotated[int, typer.Option(min=0, help="Then learn from so many sessions on its own answers.")] = 0,
    reinforce: Annotated[int, typer.Option(min=0, help="Then so many policy-gradient steps on changed elements.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Train a world model on TRACES. Resumes after a kill; does nothing where it is already done."""
    given = locals()
    training = _load("train")
    args = training.Args(**{field.name: given[field.name] for field in fields(training.Args)})
    training.train(args)
    if _load("team").is_main():
        _print_info(out, as_json)


@app.command("update")
def update_command(
    model: Annotated[Path, typer.Argument(help="Model directory; updated in its place.")],
    traces: Annotated[Path | None, typer.Argument(help="New traces; sessions the model has are left out.")] = None,
    mix: Annotated[float, typer.Option(help="Weight of the updated network beside the base's.")] = 0.7,
    epochs: Annotated[float, typer.Option(help="Passes over the new samples, and as many old ones.")] = 2.0,
    steps: Annotated[int, typer.Option(help="Most optimiser steps; 0: no limit.")] = 0,
    minutes: Annotated[float, typer.Option(help="Most minutes of optimisation; 0: no limit.")] = 0.0,
    lr: Annotated[float, typer.Option(help="Peak learning rate.")] = 5e-4,
    held_out: Annotated[float, typer.Option(help="Share of the new tasks kept for measuring.")] = 0.25,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    rollback: Annotated[bool, typer.Option("--rollback", help="Return to the model before the last update.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Continue from MODEL with new TRACES as production drifts; the base is kept for --rollback."""
    updating = _load("update")
    if rollback:
        if traces is not None:
            raise ModelError("--rollback takes no traces. Leave them out, or leave out --rollback.")
        updating.roll_back(model)
        note(f"{model} is the model again that it was before its last update.")
        return
    if traces is None:
        raise ModelError(f"No traces were given. Try: worldmodel update {model} TRACES, or --rollback")
    report = updating.update(
        updating.Args(
            model, traces, epochs=epochs, steps=steps, minutes=minutes, lr=lr, mix=mix, held_out=held_out, seed=seed,
            device=device,
        )
    )  # fmt: skip
    if as_json:
        print_json(report)
        return
    sides = [[name, report["before"][name], report["after"][name]] for name in ("old", "new")]
    title = f"{model}: {report['sessions']} new sessions, {report['samples']} new requests"
    print_table(("held-out sessions", "right before", "right after"), sides, title=title)
    rows = [[p["mix"], p["old"], p["new"]] for p in report["curve"]]
    print_table(("mix", "loss on old", "loss on new"), rows, title="nats per answer token, held-out")


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
            kept: list[Any] = []
            results[name] = {k: m.summary() for k, m in predict.evaluate(predictor, sessions, kept.append).items()}
            if name == "model":
                results[name]["trust"] = predict.trust_figures(loaded, kept)
            advance(1)
    if as_json:
        print_json(results)
        return
    for interface in sorted({kind for result in results.values() for kind in result} - {"trust"}):
        columns = BROWSER_COLUMNS if interface == "browser" else TOOLS_COLUMNS
        rows = [[name, *(_share(r[interface][c]) for c in columns)] for name, r in results.items() if interface in r]
        steps = next(r[interface]["steps"] for r in results.values() if interface in r)
        print_table(("predictor", *columns), rows, title=f"{interface}: {steps} requests in {len(sessions)} sessions")
    print_table(TRUST_COLUMNS, [[results["model"]["trust"][c] for c in TRUST_COLUMNS]], title="trust of the model")


@app.command("coverage")
def coverage_command(
    model: Annotated[Path, typer.Argument(help="Model directory; it holds its training traces.")],
    traces: Annotated[list[Path] | None, typer.Argument(help="Further traces: what they ask for comes first.")] = None,
    app_name: Annotated[str | None, typer.Option("--app", help="Refuse a model of another app.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="HTML report with a map.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Which pages and actions the training traces never or hardly covered, worst first, and what to record next."""
    mapping = _load("coverage")
    if out is not None:
        _check_file(out)
    loaded = _load("checkpoint").load_model(model, app=app_name)
    with progress("mapping"):
        found = mapping.coverage(loaded, (trace for path in traces or () for trace in TraceReader(path)))
    if out is not None:
        out.write_text(mapping.render_html(found), encoding="utf-8")
        note(f"The map is in {out}.")
    if as_json:
        print_json(found.to_json())
        return
    worst = [region for region in found.regions if region.state != "covered"]
    rows = [[r.page, r.action, r.done, r.offered, r.asked, r.trust, r.command] for r in worst[:SHOWN]]
    counts = f"{found.count('never')} never, {found.count('hardly')} hardly recorded"
    columns = ("page", "action", "recorded", "offered", "asked", "trust", "record next")
    print_table(columns, rows, title=f"{found.app}: of {len(found.regions)} regions {counts}")
    if len(worst) > SHOWN:
        note(f"{len(worst) - SHOWN} more with --json or -o report.html")
    if found.command:
        note(f"To cover what is hardly covered: {found.command}")


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
        **({"curves": str(model / PICTURE)} if (model / PICTURE).exists() else {}),
        "training": config["training"],
        "calibration": config["calibration"],
        "args": config["args"],
    }
    if as_json:
        print_json(facts)
        return
    # One row a figure: what is nested would be one unreadable line.
    nested = {"training", "calibration", "args"}
    rows = [row for key, value in facts.items() if key not in nested for row in [(key, value)]]
    rows += [row for key in sorted(nested) for row in _flat(key, facts[key])]
    print_table(("", ""), rows, title=str(model))


def _flat(name: str, value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        return [(name, value)]
    return [row for key, child in value.items() for row in _flat(f"{name}.{key}", child)]


def _check_file(path: Path) -> None:
    """Refuse a file that cannot be written, before the work for it."""
    if path.is_dir() or any(p.exists() and not p.is_dir() for p in path.parents):
        raise ModelError(f"{path} cannot be a file. Give the report a name in a folder: -o report.html")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        known = path.exists()
        path.open("a", encoding="utf-8").close()
        if not known:
            path.unlink()
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror}. Choose another with -o.") from None


def _share(value: float | None) -> str | None:
    return None if value is None else f"{100 * value:.1f}%"


def _load(module: str) -> Any:
    """A module of this package that needs torch, or the error that says how to install it."""
    return load_optional(f"worldmodel.{module}", "worldmodel")


def main() -> None:
    """Entry point."""
    run(app, "worldmodel")
