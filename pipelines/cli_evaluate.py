"""The command `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.cli_look import FILE, FOLDER

if TYPE_CHECKING:
    from pipelines.console import StepConsole
    from pipelines.evaluation import Contest, Hosted
    from schemas.evaluation import EvaluateSettings
    from train.verdict import Outcome


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
@click.option(
    "--pairs",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="Rows of texts to judge by: sentence1/sentence2/score, anchor/positive/negative, or anchor/passage/label.",
)
@click.option(
    "--general",
    type=FILE,
    metavar="FILE",
    help="Texts of elsewhere that people rated (sentence1/sentence2/score, as STS-B): what the tuned model forgot.",
)
@click.option(
    "--require",
    type=click.Choice(["ship", "not-proven"]),
    help="Exit with code 9 when the verdict is worse than this.",
)
@click.option("--mteb", multiple=True, metavar="TASK", help="A task of MTEB for each model too (extra: mteb).")
@click.option("--mteb-data", type=FOLDER, metavar="FOLDER", help="Read FOLDER/TASK instead of the hub.")
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="KEY=VALUE",
    help="One setting, e.g. draws=5000, or a bound of the verdict: verdict.min_gain=0.02.",
)
@click.option(
    "--record/--no-record",
    default=True,
    help="Write the verdict into MODEL's folder and card, if `curate train` made it, and for the report of the build (default).",
)
@click.option("--all-metrics", is_flag=True, help="Show hit rate and recall at all ranks, and intervals of every metric.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON on stdout: everything, with the texts of what got worse or better."
)
def evaluate(paths: tuple[str, ...], sets: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """BM25, base, tuned MODEL and their fusion side by side on a DATASET folder's test queries or on your own, with a verdict.

    Without MODEL the rows of --compare stand alone: choose a base before tuning. DATASET may also be a retrieval task in BEIR's layout, or
    a folder of several (as NanoBEIR): then means over the tasks are told.
    """
    from functools import partial

    from pipelines.console import StepConsole
    from pipelines.evaluation import Contest, check_required, task_folders
    from pipelines.hosted import hosted_encoder, kept_folder
    from schemas.evaluation import evaluation_from_sets
    from train.forgetting import read_rated

    if len(paths) > 2:
        raise click.UsageError("give MODEL and DATASET, further models with --compare")
    reranker = [f"reranker={options['reranker']}"] if options["reranker"] else []
    settings, rules = evaluation_from_sets((*sets, *reranker))
    general = tuple(read_rated(options["general"])) if options["general"] else ()
    contest = Contest(paths[0] if len(paths) == 2 else None, options["base"], options["others"], general, rules)
    dataset = Path(paths[-1])
    hosted = partial(hosted_encoder, settings=settings, folder=kept_folder(dataset, settings))
    folders = task_folders(dataset)
    with StepConsole() as console:
        if len(folders) > 1:
            if any(options[name] for name in ("queries", "qrels", "pairs", "mteb", "general", "require")):
                raise click.UsageError(
                    "--queries, --qrels, --pairs, --mteb, --general and --require are for one dataset, not for a folder of tasks"
                )
            outcome = None
            text = _tasks((contest, folders), settings, console, hosted, as_json)
        else:
            text, outcome = _one((contest, dataset), settings, console, hosted, {**options, "as_json": as_json})
    click.echo(text)
    if options["require"]:
        check_required(options["require"], outcome, str(dataset))


def _one(
    what: tuple[Contest, Path], settings: EvaluateSettings, console: StepConsole, hosted: Hosted, options: Any
) -> tuple[str, Outcome | None]:
    from dataclasses import asdict

    from pipelines.evaluation import Test, compare
    from pipelines.evaluation_record import record
    from pipelines.evaluation_text import evaluation_lines, mteb_lines, pair_lines
    from pipelines.look import as_json as to_json
    from schemas.evaluation import VerdictSettings
    from train.judgements import keep
    from train.mteb_tasks import mteb_scores
    from train.pair_tasks import dataset_pairs, evaluate_pairs, read_pairs

    contest, dataset = what
    eval_set = Test(options["split"], options["queries"], options["qrels"]).load(dataset)
    tasks = [*dataset_pairs(dataset, options["split"], settings.pair_rows), *map(read_pairs, options["pairs"])]
    evaluation, verdict = compare(contest, eval_set, settings, console.step, hosted)
    outcome = verdict.outcome if verdict is not None else None
    if verdict is not None and options["record"]:
        keep(
            Path(contest.model or ""),
            (evaluation, verdict),
            eval_set.manifest_sha256,
            settings,
            contest.rules or VerdictSettings(),
        )
        record(dataset, contest, (evaluation, verdict), eval_set, (settings, console.step))
    pairs = evaluate_pairs(contest.systems(hosted), tasks, settings, console.step)
    mteb = mteb_scores(contest.systems(hosted), options["mteb"], options["mteb_data"], settings, console.step)
    if options["as_json"]:
        said = None if verdict is None else asdict(verdict)
        judged = [asdict(item) for item in pairs]
        return to_json({"verdict": said, "evaluation": asdict(evaluation), "pairs": judged, "mteb": mteb}), outcome
    extra = [*pair_lines(pairs), *mteb_lines(mteb)]
    return "\n".join(evaluation_lines(evaluation, verdict, extra, all_metrics=options["all_metrics"])), outcome


def _tasks(
    what: tuple[Contest, list[Path]], settings: EvaluateSettings, console: StepConsole, hosted: Hosted, as_json: bool
) -> str:
    from dataclasses import asdict

    from pipelines.evaluation import compare_tasks, mean_over_tasks
    from pipelines.evaluation_text import task_lines
    from pipelines.look import as_json as to_json

    evaluations = compare_tasks(*what, settings, console.step, hosted)
    means = mean_over_tasks(evaluations)
    if as_json:
        return to_json({"mean": means, "tasks": [asdict(evaluation) for evaluation in evaluations]})
    return "\n".join(task_lines(evaluations, means))
