"""The command `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.cli_look import FILE


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="[MODEL] DATASET")
@click.option("--base", metavar="NAME_OR_PATH", help="Base model to compare with (else the one MODEL was trained from).")
@click.option(
    "--compare",
    "others",
    multiple=True,
    metavar="MODEL",
    help="A further row: name or folder of a model, or openai:NAME at an endpoint (hosted_base_url).",
)
@click.option("--reranker", metavar="NAME_OR_PATH", help="Cross-encoder: each row stands a second time with it on top.")
@click.option("--split", type=click.Choice(["test", "dev"]), default="test", show_default=True, help="Synthetic queries to use.")
@click.option("--queries", type=FILE, help="Your own queries: BEIR, or questions with document and answer (no --qrels then).")
@click.option("--qrels", type=FILE, help="Judgements of your own queries (BEIR; chunk or document ids).")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="One evaluation setting, e.g. draws=5000.")
@click.option("--all-metrics", is_flag=True, help="Show hit rate and recall at all ranks, and intervals of every metric.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON on stdout: everything, with the texts of what got worse or better."
)
def evaluate(paths: tuple[str, ...], sets: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """BM25, base, tuned MODEL and their fusion side by side on a DATASET folder's test queries or on your own, with a verdict.

    Without MODEL the rows of --compare stand alone: choose a base before tuning.
    """
    from dataclasses import asdict
    from functools import partial

    from pipelines.console import StepConsole
    from pipelines.evaluation import Contest, Test, compare
    from pipelines.evaluation_text import evaluation_lines
    from pipelines.hosted import hosted_encoder, kept_folder
    from pipelines.look import as_json as to_json
    from schemas.training import EvaluateSettings, section_from_sets

    if len(paths) > 2:
        raise click.UsageError("give MODEL and DATASET, further models with --compare")
    reranker = [f"reranker={options['reranker']}"] if options["reranker"] else []
    settings = section_from_sets(EvaluateSettings, (*sets, *reranker))
    contest = Contest(paths[0] if len(paths) == 2 else None, options["base"], options["others"])
    dataset = Path(paths[-1])
    eval_set = Test(options["split"], options["queries"], options["qrels"]).load(dataset)
    hosted = partial(hosted_encoder, settings=settings, folder=kept_folder(dataset, settings))
    with StepConsole() as console:
        evaluation, verdict = compare(contest, eval_set, settings, console.step, hosted)
    if as_json:
        said = None if verdict is None else asdict(verdict)
        click.echo(to_json({"verdict": said, "evaluation": asdict(evaluation)}))
    else:
        click.echo("\n".join(evaluation_lines(evaluation, verdict, all_metrics=options["all_metrics"])))
