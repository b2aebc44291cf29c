"""A build's report from its folder: facts, findings, verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from curate import __version__
from curate.store import open_store
from pipelines.ledger import read_ledger
from pipelines.look import status
from pipelines.reporting.against import compare
from pipelines.reporting.contents import audits, corpus, negatives, questions, splits
from pipelines.reporting.findings import Facts, findings
from pipelines.reporting.funnel import funnel
from pipelines.reporting.gates import gates, scores
from pipelines.reporting.samples import samples
from pipelines.reporting.verdict import verdict
from schemas.manifest import MANIFEST_NAME, read_manifest
from schemas.report import Report, Sample
from schemas.settings import Settings

EVALUATIONS = "evaluations"
"""Folder in a build folder: what `curate evaluate` said of models, a file each."""


def gather(
    folder: Path, settings: Settings, llm: dict[str, Any] | None, against: Path | None = None
) -> tuple[Report, tuple[Sample, ...]]:
    """The report of a build folder and rows to read. Raises what `open_store` and `compare` raise."""
    dataset = folder / "dataset"
    counts = read_manifest(dataset, verify_hashes=False).counts if (dataset / MANIFEST_NAME).is_file() else {}
    stages = tuple(status(folder))
    with open_store(folder, read_only=True) as store:
        ledger = read_ledger(store)
        known = negatives(store, settings.mine.negatives)
        facts = Facts(
            folder=folder.resolve().name,
            settings=settings,
            stages=stages,
            funnel=funnel(ledger, None if known is None else known.pairs - known.short),
            corpus=corpus(store),
            questions=questions(store, settings),
            gates=gates(folder, ledger),
            negatives=known,
            splits=splits(store),
            audits=audits(store),
            dataset=counts,
            evaluations=evaluations(folder),
        )
        charts, rows = scores(store), samples(store)
    found = findings(facts)
    tree = settings.model_dump(mode="json", by_alias=True)
    return Report(
        curate_version=__version__,
        verdict=verdict(facts, found),
        findings=found,
        stages=stages,
        funnel=facts.funnel,
        corpus=facts.corpus,
        questions=facts.questions,
        gates=facts.gates,
        scores=charts,
        negatives=facts.negatives,
        splits=facts.splits,
        audits=facts.audits,
        dataset=counts,
        llm=llm,
        evaluations=facts.evaluations,
        against=None if against is None else compare(folder, against, {"settings": tree, "stages": stages, "dataset": counts}),
        settings=tree,
    ), rows


def evaluations(folder: Path) -> tuple[dict[str, Any], ...]:
    """What was said of models, by the names of their files; a file that is none of ours is left out."""
    found = []
    for path in sorted((folder / EVALUATIONS).glob("*.json")):
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(kept["verdict"]["outcome"], str) and isinstance(kept["evaluation"]["systems"], list):
                found.append({**kept, "model": str(kept["model"])})
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
    return tuple(found)
