"""`report.json`: what a build did, for people and machines; written last, through a temporary name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curate import __version__
from curate.store import open_store
from pipelines.bill import section
from pipelines.look import status
from schemas.manifest import MANIFEST_NAME, read_manifest
from schemas.settings import Settings


def build_report(folder: Path, settings: Settings, answers_before: int = 0) -> dict[str, Any]:
    """Stages, audits, dataset counts, what language models cost, and settings of a build folder.

    `answers_before` is the `bookmark` taken before the build: what came after it is this build's.
    """
    stages = status(folder)
    with open_store(folder, read_only=True) as store:
        audits = store.rows("SELECT * FROM audit_results ORDER BY claim") if "audit_results" in store.tables() else []
    dataset = folder / "dataset"
    counts = read_manifest(dataset, verify_hashes=False).counts if (dataset / MANIFEST_NAME).is_file() else {}
    return {
        "curate_version": __version__,
        "stages": stages,
        "audits": audits,
        "dataset": counts,
        "llm": section(folder, settings.llm, answers_before),
        "settings": settings.model_dump(mode="json", by_alias=True),
    }


def write_report(
    folder: Path, settings: Settings, answers_before: int = 0, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write `report.json`, with `more` keys, into the build folder and return it."""
    report = build_report(folder, settings, answers_before) | dict(more or {})
    temporary = folder / "report.json.tmp"
    temporary.write_text(json.dumps(report, ensure_ascii=False, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(folder / "report.json")
    return report
