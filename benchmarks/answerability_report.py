"""What the systems of the benchmark of answerability are worth: three measures, intervals by group, gains over the best baseline, and their table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.answerability_systems import BOTH, COMBINED, SENTENCES, System
from benchmarks.folds import Bench, Index, Scores
from train.binary import average_precision, f1_at, roc_auc

_TRAINING = ("epochs", "batch_size", "learning_rate", "max_seq_length", "sentences", "limit", "seed", "device", "precision")


def report_of(bench: Bench, systems: Mapping[str, System], plain: Collection[str]) -> dict[str, Any]:
    """Measures of each system with 95% intervals by group, and the gains over the best of the plain ones."""
    labels = bench.labels
    drawn = [
        rows
        for rows in draws_by_group(bench.groups, bench.options.draws, bench.options.seed)
        if 0 < labels[rows].sum() < len(rows)
    ]
    resampled = {
        name: np.asarray([roc_auc(labels[rows], system.scores[rows]) for rows in drawn]) for name, system in systems.items()
    }
    table = {
        name: measured(system, labels) | dict(zip(("low", "high"), _interval(resampled[name]), strict=True))
        for name, system in systems.items()
    }
    best = max((name for name in systems if name in plain), key=lambda name: table[name]["roc_auc"])
    gains = {
        name: {"mean": table[name]["roc_auc"] - table[best]["roc_auc"]}
        | dict(zip(("low", "high"), _interval(resampled[name] - resampled[best]), strict=True))
        for name in ("gates", SENTENCES, BOTH, "cross-encoder", "gates + cross-encoder", COMBINED)
        if name in systems
    }
    return {
        "set": bench.name,
        "rows": len(labels),
        "answerable": int(labels.sum()),
        "groups": len(set(bench.groups)),
        "folds": bench.options.folds,
        "model": Path(bench.options.model).name,
        "training": {name: getattr(bench.options, name) for name in _TRAINING},
        "systems": table,
        "best_baseline": best,
        "gains": gains,
    }


def measured(system: System, labels: Index) -> dict[str, float]:
    """ROC-AUC, average precision, F1 of the answerable at the thresholds of the other folds."""
    return {
        "roc_auc": roc_auc(labels, system.scores),
        "average_precision": average_precision(labels, system.scores),
        "f1": f1_at(labels, system.scores - system.thresholds, 0.0),
    }


def draws_by_group(groups: npt.NDArray[np.str_], draws: int, seed: int) -> list[Index]:
    """Rows of whole groups drawn with replacement."""
    names, index = np.unique(groups, return_inverse=True)
    rows = [np.flatnonzero(index == number) for number in range(len(names))]
    generator = np.random.default_rng(seed)
    return [np.concatenate([rows[n] for n in generator.integers(len(names), size=len(names))]) for _ in range(draws)]


def _interval(values: Scores) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def print_table(report: Mapping[str, Any]) -> None:
    """Systems by metrics, then the gains over the best baseline."""
    print(
        f"{report['set']}: {report['rows']} rows, {report['answerable']} answerable, {report['groups']} groups, {report['folds']} folds"
    )
    print(f"{'':<30}{'ROC-AUC':>9}{'95% by group':>18}{'AP':>9}{'F1':>9}")
    for name, row in report["systems"].items():
        bounds = f"{row['low']:.3f} to {row['high']:.3f}"
        print(f"{name:<30}{row['roc_auc']:>9.4f}{bounds:>18}{row['average_precision']:>9.4f}{row['f1']:>9.4f}")
    for name, gain in report["gains"].items():
        print(
            f"{name} minus {report['best_baseline']}: {gain['mean']:+.4f} ROC-AUC (95%: {gain['low']:+.4f} to {gain['high']:+.4f})"
        )
    if "judged" in report:
        judged = report["judged"]
        print(f"on {judged['rows']} rows, {judged['unknown']} of them unknown to the judge, ROC-AUC:")
        for name in ("judge", report["best_baseline"], *report["gains"]):
            print(f"{name:<30}{judged['roc_auc'][name]:>9.4f}")
