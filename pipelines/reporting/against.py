"""What differs between two builds: settings, figures, pairs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from curate.store import open_store
from schemas.errors import InputError
from schemas.report import Against, Change


def compare(folder: Path, earlier: Path, now: Mapping[str, Any]) -> Against:
    """The build in `folder`, whose report is `now`, against the one in `earlier`. Raises InputError where that is no build with a report."""
    try:
        before = json.loads((earlier / "report.json").read_text(encoding="utf-8"))
        settings, stages = dict(before["settings"]), {row["stage"]: row for row in before["stages"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "no report.json of a build here", where=str(earlier), next_step="name a folder that `curate build` made"
        ) from error
    here, there = _pairs(folder), _pairs(earlier)
    return Against(
        folder=earlier.name,
        settings=tuple(_changes(_flat(settings), _flat(dict(now["settings"])))),
        figures=tuple(_changes(_figures(stages, before), _figures({row["stage"]: row for row in now["stages"]}, now))),
        pairs_new=len(here - there),
        pairs_gone=len(there - here),
        pairs_same=len(here & there),
    )


def _pairs(folder: Path) -> frozenset[str]:
    with open_store(folder, read_only=True) as store:
        return (
            frozenset(row["pair_id"] for row in store.rows("SELECT pair_id FROM pairs"))
            if "pairs" in store.tables()
            else frozenset()
        )


def _figures(stages: Mapping[str, Any], report: Mapping[str, Any]) -> dict[str, Any]:
    found = {f"{stage}: {table}": count for stage, row in stages.items() for table, count in row["kept"].items()}
    found |= {f"{stage}: {reason}": count for stage, row in stages.items() for reason, count in row["reasons"].items()}
    return found | {
        f"dataset: {name}, {split}": count for name, counts in report["dataset"].items() for split, count in counts.items()
    }


def _flat(tree: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value
    return found


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield Change(name=name, before=before.get(name), after=after.get(name))
