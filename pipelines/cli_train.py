"""The command `train`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pipelines.cli_look import FILE, FOLDER

SHAPES = ["auto", "pairs", "triplets", "labeled", "scored", "distilled", "multi_positive", "nli"]


@click.command()
@click.argument("sources", type=click.Path(path_type=Path), metavar="[SOURCE]...", nargs=-1)
@click.option("--out", type=FOLDER, required=True, metavar="MODEL", help="Model folder to write.")
@click.option("--model", metavar="NAME_OR_PATH", help="Base model: hub id or local folder.")
@click.option(
    "--task", type=click.Choice(["embedder", "checker", "reranker"]), default="embedder", show_default=True, help="What to train."
)
@click.option(
    "--labelled",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="Checker: questions with passage and label (squad v2 JSON, or JSONL, CSV, TSV, Parquet).",
)
@click.option(
    "--format",
    "data",
    type=click.Choice(SHAPES),
    help="Embedder: the kind of rows to train on, and with it the loss (auto: triplets, else pairs; of a file what its columns say).",
)
@click.option(
    "--sweep", is_flag=True, help="Embedder: try several epochs and learning rates (sweep_…), keep the best by dev nDCG@10."
)
@click.option(
    "--refit",
    type=FOLDER,
    metavar="MODEL",
    help="Embedder: the final model. Train anew on all splits, as MODEL was, whose verdict is SHIP (no --model).",
)
@click.option("--strict", is_flag=True, help="Embedder: refuse to train where a warning about the rows stands.")
@click.option(
    "--report-to",
    type=click.Choice(["tensorboard", "wandb"]),
    multiple=True,
    help="Embedder: log losses and dev metrics there, too.",
)
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="One training setting, e.g. epochs=3.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
def train(sources: tuple[Path, ...], out: Path, model: str | None, as_json: bool, **options: Any) -> None:
    """Train a model; run it again to go on. An embedder learns from one dataset folder, keeping the best checkpoint by dev nDCG@10, or from
    a plain file (JSONL, CSV, TSV, Parquet) whose columns tell what its rows are; a checker (does the passage answer the question?) learns
    from build folders, with planted faults, and from labelled files; a reranker, which orders what a search found, from the labelled rows of a
    dataset folder.
    """
    if (model is None) == (options["refit"] is None):
        raise click.UsageError("give --model (what to tune), or --refit (what to train anew on all splits), and not both")
    if options["refit"] is not None:
        _refit(sources, (out, options["refit"]), as_json, options)
    elif model is None:
        raise AssertionError("one of the two was given")
    elif options["task"] != "embedder":
        _cross_encoder(sources, (out, model), as_json, options)
    else:
        _embedder(sources, (out, model), as_json, options)


def _refit(sources: tuple[Path, ...], named: tuple[Path, Path], as_json: bool, options: dict[str, Any]) -> None:
    from dataclasses import asdict

    from pipelines.console import StepConsole, train_lines
    from pipelines.look import as_json as to_json
    from train import processes
    from train.evaluate import quiet
    from train.refit import refit

    given = [name for name in ("labelled", "data", "sweep", "strict", "report_to", "sets") if options[name]]
    if len(sources) != 1 or given or options["task"] != "embedder":
        raise click.UsageError("--refit takes one DATASET and --out alone: all settings are those of MODEL")
    with StepConsole() as console:
        result = refit(sources[0], *named, console.step if processes.writes() else quiet)
    if processes.writes():
        lines = train_lines(result, str(sources[0]), str(named[0]))
        click.echo(to_json(asdict(result)) if as_json else "\n".join(lines))


def _cross_encoder(sources: tuple[Path, ...], named: tuple[Path, str], as_json: bool, options: dict[str, Any]) -> None:
    from dataclasses import asdict

    from pipelines.checker_rows import train_on_sources
    from pipelines.console import StepConsole, checker_lines
    from pipelines.look import as_json as to_json
    from schemas.settings.loading import section_from_sets
    from schemas.training import CheckerSettings
    from train.reranker import train_reranker

    for option in ("data", "sweep", "strict", "report_to"):
        if options[option]:
            name = "format" if option == "data" else option.replace("_", "-")
            raise click.UsageError(f"--{name} is for embedders")
    reranker = options["task"] == "reranker"
    if reranker and (len(sources) != 1 or options["labelled"]):
        raise click.UsageError("a reranker is trained on one DATASET folder; build folders and --labelled are for --task checker")
    with StepConsole() as console:
        if reranker:
            settings = section_from_sets(CheckerSettings, options["sets"])
            made = train_reranker(sources[0], *named, settings, console.step)
        else:
            made = train_on_sources((sources, options["labelled"]), named, options["sets"], console.step)
    click.echo(to_json(asdict(made)) if as_json else "\n".join(checker_lines(made, str(named[0]))))


def _embedder(sources: tuple[Path, ...], named: tuple[Path, str], as_json: bool, options: dict[str, Any]) -> None:
    from dataclasses import asdict

    from pipelines.console import StepConsole, sweep_lines, train_lines
    from pipelines.look import as_json as to_json
    from schemas.settings.loading import section_from_sets
    from schemas.training import TrainSettings
    from train import processes
    from train.evaluate import quiet
    from train.sweep import train_sweep
    from train.trainer import train_model

    if len(sources) != 1 or options["labelled"]:
        raise click.UsageError(
            "an embedder is trained on one DATASET folder or file of rows; build folders and --labelled are for --task checker"
        )
    settings = section_from_sets(TrainSettings, (*options["sets"], *_as_sets(options)))
    with StepConsole() as console:
        progress = console.step if processes.writes() else quiet
        sweep = None
        if options["sweep"]:
            result, sweep = train_sweep(sources[0], named[0], named[1], settings, progress)
        else:
            result = train_model(sources[0], named[0], named[1], settings, progress)
    if not processes.writes():
        return
    if as_json:
        click.echo(to_json(asdict(result) | ({} if sweep is None else {"sweep": asdict(sweep)})))
        return
    lines = [] if sweep is None else sweep_lines(sweep)
    click.echo("\n".join([*lines, *train_lines(result, str(sources[0]), str(named[0]))]))


def _as_sets(options: dict[str, Any]) -> Sequence[str]:
    """Options that are settings, as `key=value`."""
    found = [f"data={options['data']}"] if options["data"] else []
    if options["strict"]:
        found.append("strict=true")
    if options["report_to"]:
        found.append(f"report_to={list(options['report_to'])!r}")
    return found
