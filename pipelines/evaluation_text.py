"""An evaluation in lines for people, at most 100 columns wide where names allow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipelines.console import printable
from train.bootstrap import Interval
from train.changes import Change, Passage
from train.evaluate import Comparison, Evaluation
from train.metrics import CHIEF, CUTS, PRIMARY
from train.pair_tasks import METRICS, PairScores
from train.verdict import Verdict

EXAMPLES = 3
"""Regressions whose texts are shown; the others are in --json."""
_NAME = 30
_TEXT = 76


def evaluation_lines(
    evaluation: Evaluation, verdict: Verdict | None, pairs: Iterable[str] = (), *, all_metrics: bool = False
) -> Sequence[str]:
    """Verdict first, then systems, intervals, styles, cosines, single queries, notes.

    `pairs` are lines of tasks without a search. Cosines: of a query with the passages that answer it, with the best-ranked one that does not, and of any two passages.
    """
    lines = [verdict.headline, ""] if verdict is not None else []
    lines += _table(evaluation, CHIEF)
    if all_metrics:
        lines += [
            "",
            *_table(evaluation, [f"hit@{cut}" for cut in CUTS]),
            "",
            *_table(evaluation, [f"recall@{cut}" for cut in CUTS]),
        ]
    lines += ["", f"{evaluation.queries:,} queries ({evaluation.eval_set}), {evaluation.passages:,} passages, {evaluation.clusters:,} clusters"]  # fmt: skip
    lines += _differences([item for item in evaluation.comparisons if all_metrics or item.metric == PRIMARY])
    lines += _styles(evaluation)
    lines += _similarities(evaluation)
    lines += _forgotten(evaluation)
    lines += pairs
    lines += _changes(evaluation)
    said = (*verdict.reasons, *verdict.missing) if verdict is not None else ()
    notes = [f"- {printable(text)}" for text in (*said, *evaluation.notes)]
    notes += [f"- {count:,} queries not judged: {reason}" for reason, count in evaluation.unmapped.items()]
    return [*lines, "", *notes] if notes else lines


def task_lines(evaluations: Sequence[Evaluation], means: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Tasks by systems in the primary metric, their mean, then all chief metrics as means over the tasks."""
    names = [short(evaluation.eval_set, _NAME) for evaluation in evaluations]
    width = max(len(name) for name in (*names, "mean")) + 1
    heads = [short(name, 16) for name in means]
    lines = [f"{PRIMARY} of {len(names):,} tasks", " " * width + "".join(f"{head:>{max(9, len(head) + 1)}}" for head in heads)]
    rows = [(name, [system.metrics[PRIMARY] for system in item.systems]) for name, item in zip(names, evaluations, strict=True)]
    for name, values in (*rows, ("mean", [metrics[PRIMARY] for metrics in means.values()])):
        cells = "".join(f"{value:>{max(9, len(head) + 1)}.4f}" for value, head in zip(values, heads, strict=True))
        lines.append(f"{name:<{width}}{cells}")
    return [*lines, "", "mean over the tasks", *_grid({name: means[name] for name in means}, CHIEF)]


def pair_lines(found: Sequence[PairScores]) -> Iterator[str]:
    """Tasks without a search: a line for each system and task."""
    for scores in found:
        if not scores.systems:
            continue
        yield from ("", f"{scores.task} ({scores.judged}, {scores.rows:,} rows)")
        names = METRICS[scores.judged]
        width = max(8, *(len(short(name, _NAME)) for name in scores.systems)) + 1
        yield " " * width + "".join(f"{name:>19}" for name in names)
        for system, values in scores.systems.items():
            yield f"{short(system, _NAME):<{width}}" + "".join(f"{values[name]:>19.4f}" for name in names)


def mteb_lines(found: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """A line a task of MTEB with the main score of each model."""
    for task, systems in found.items():
        yield from (
            "",
            f"MTEB {short(task, _NAME)}: " + ", ".join(f"{short(name, _NAME)} {value:.4f}" for name, value in systems.items()),
        )


def bounds(interval: Interval) -> str:
    """ "+0.0123 [-0.0010 … +0.0240]"."""
    if interval.low is None or interval.high is None:
        return f"{interval.mean:+.4f}  [too few clusters]"
    return f"{interval.mean:+.4f}  [{interval.low:+.4f} … {interval.high:+.4f}]"


def short(text: str, limit: int) -> str:
    """One line of at most `limit` printable characters."""
    text = " ".join(printable(text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _table(evaluation: Evaluation, metrics: Sequence[str]) -> list[str]:
    return _grid({system.name: system.metrics for system in evaluation.systems}, metrics)


def _grid(rows: Mapping[str, Mapping[str, float]], metrics: Sequence[str]) -> list[str]:
    width = max(8, *(len(short(name, _NAME)) for name in rows)) + 1
    lines = [" " * width + "".join(f"{name:>{max(9, len(name) + 1)}}" for name in metrics)]
    for name, values in rows.items():
        cells = "".join(f"{values[metric]:>{max(9, len(metric) + 1)}.4f}" for metric in metrics)
        lines.append(f"{short(name, _NAME):<{width}}{cells}")
    return lines


def _width(evaluation: Evaluation) -> int:
    return max(8, *(len(short(system.name, _NAME)) for system in evaluation.systems)) + 1


def _differences(comparisons: Sequence[Comparison]) -> Iterator[str]:
    if comparisons:
        yield from ("", "difference, 95% interval (paired bootstrap by document cluster)")
    for item in comparisons:
        group = " on real queries" if item.queries == "real" else ""
        names = f"{short(item.system, _NAME)} − {short(item.against, _NAME)}"
        yield f"  {names:<24}  {item.metric:<10} {bounds(item.difference)}{group}"


def _styles(evaluation: Evaluation) -> Iterator[str]:
    if len(evaluation.styles) < 2:
        return
    width = max(len(style) + len(f" ({count:,})") for style, count in evaluation.styles.items())
    yield from ("", f"{PRIMARY} by style")
    for style, count in evaluation.styles.items():
        scores = ", ".join(
            f"{short(system.name, _NAME)} {system.by_style[style][PRIMARY]:.4f}"
            for system in evaluation.systems
            if style in system.by_style
        )
        yield f"  {f'{style} ({count:,})':<{width}}  {scores}"


def _similarities(evaluation: Evaluation) -> Iterator[str]:
    measured = [system for system in evaluation.systems if system.similarity is not None]
    if not measured:
        return
    width = max(_width(evaluation), len("mean cosine"))
    yield from ("", f"{'mean cosine':<{width}}{'right':>9}{'wrong':>9}{'any two':>9}")
    for system in measured:
        values = (system.similarity.right, system.similarity.wrong, system.passage_similarity) if system.similarity else ()
        cells = "".join(f"{'–' if value is None else f'{value:.4f}':>9}" for value in values)
        yield f"{short(system.name, _NAME):<{width}}{cells}"


def _forgotten(evaluation: Evaluation) -> Iterator[str]:
    lost = evaluation.forgetting
    if lost is not None:
        yield from ("", f"general similarity, Spearman with people's ratings of {lost.pairs:,} pairs of texts")
        yield f"  base {lost.base:.4f}, tuned {lost.tuned:.4f}: lost {lost.loss:+.4f}  [{lost.low:+.4f} … {lost.high:+.4f}]"


def _changes(evaluation: Evaluation) -> Iterator[str]:
    changed = evaluation.changed
    if changed is None:
        return
    same = evaluation.queries - changed.worse - changed.better
    yield from ("", f"tuned against base: {changed.better:,} queries better, {changed.worse:,} worse, {same:,} the same")
    if changed.regressions:
        yield f"the worst ({PRIMARY} before → after; all that are kept, and the best gains, are in --json):"
    for change in changed.regressions[:EXAMPLES]:
        yield from _change(change)


def _change(change: Change) -> Iterator[str]:
    yield f"  {change.before:.3f} → {change.after:.3f}  {short(change.query, _TEXT)}"
    yield f"    right, {_places(change.right)}"
    yield f"      {short(change.right.text, _TEXT)}"
    if change.first is not None:
        yield f"    ranked first now, {_places(change.first)}"
        yield f"      {short(change.first.text, _TEXT)}"


def _places(passage: Passage) -> str:
    ranks = " → ".join("not found" if rank is None else str(rank) for rank in (passage.rank_before, passage.rank_after))
    if passage.cosine_before is None or passage.cosine_after is None:
        return f"rank {ranks}"
    return f"rank {ranks}, cosine {passage.cosine_before:.3f} → {passage.cosine_after:.3f}"
