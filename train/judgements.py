"""What evaluations said of a trained model: kept beside it in `evaluation.json`, and told in its model card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from schemas.errors import TrainingError
from schemas.evaluation import EvaluateSettings, VerdictSettings
from train.evaluate import Evaluation
from train.metrics import CHIEF
from train.model_card import quoted
from train.model_folder import RECORD, read_record
from train.verdict import Outcome, Verdict

FILE = "evaluation.json"
CARD = "README.md"
_START, _END = "<!-- verdict -->", "<!-- /verdict -->"


def keep(
    folder: Path,
    judged: tuple[Evaluation, Verdict],
    dataset_manifest_sha256: str,
    settings: EvaluateSettings,
    rules: VerdictSettings,
) -> bool:
    """Write a verdict into the folder of a model that `curate train` made; False for any other folder, which stays as it is.

    One verdict stands for each test, the newest. Single queries and their texts are left out: they stay with those who evaluated. Raises
    TrainingError when the folder cannot be written.
    """
    record = read_record(folder) if (folder / RECORD).is_file() else None
    if record is None:
        return False
    evaluation, verdict = judged
    found = read(folder, record)
    found[evaluation.eval_set] = {
        "dataset_manifest_sha256": dataset_manifest_sha256,
        "verdict": asdict(verdict),
        "evaluation": {name: value for name, value in asdict(evaluation).items() if name != "changed"},
        "settings": settings.model_dump(mode="json", exclude={"hosted_base_url", "hosted_api_key_env", "hosted_folder"}),
        "rules": rules.model_dump(mode="json"),
    }
    whole = {"weights_sha256": record["weights_sha256"], "evaluations": dict(sorted(found.items()))}
    try:
        _replace(folder / FILE, json.dumps(whole, ensure_ascii=False, indent=2) + "\n")
        card = folder / CARD
        if card.is_file():
            _replace(card, _with_section(card.read_text(encoding="utf-8"), section(whole["evaluations"])))
    except OSError as error:
        raise TrainingError(
            f"the verdict cannot be written: {error}", where=str(folder), next_step="make the folder writable, or use --no-record"
        ) from error
    return True


def read(folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Test → what its evaluation said, of these very weights; empty where nothing was kept, or of other weights."""
    try:
        kept = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(kept, dict) or kept.get("weights_sha256") != record.get("weights_sha256"):
        return {}
    found = kept.get("evaluations")
    return {name: one for name, one in found.items() if _is_whole(one)} if isinstance(found, dict) else {}


def outcomes(folder: Path, record: Mapping[str, Any]) -> dict[str, tuple[Outcome, bool]]:
    """Test → its outcome, and whether it was on the dataset that the model was trained on."""
    return {
        name: (Outcome(one["verdict"]["outcome"]), one["dataset_manifest_sha256"] == record["dataset_manifest_sha256"])
        for name, one in read(folder, record).items()
    }


def section(evaluations: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown for the model card: of each test the verdict, its reasons and the table of systems."""
    lines = ["## Verdict"]
    for name, kept in evaluations.items():
        verdict, evaluation = kept["verdict"], kept["evaluation"]
        facts = f"{evaluation['queries']} queries ({evaluation['real_queries']} of people), {evaluation['passages']} passages"
        lines += ["", f"**{verdict['headline']}** on {quoted(name)}: {facts}.", ""]
        lines += [f"- {text}" for text in (*verdict["reasons"], *verdict["missing"])]
        lines += ["", "| | " + " | ".join(CHIEF) + " |", "|---|" + "---|" * len(CHIEF)]
        lines += [
            f"| {quoted(system['name'])} | " + " | ".join(f"{system['metrics'][metric]:.4f}" for metric in CHIEF) + " |"
            for system in evaluation["systems"]
        ]
    return "\n".join(lines)


def _is_whole(kept: Any) -> bool:
    """Whether an entry is one of ours: people may have edited the file."""
    parts = [kept.get(name) if isinstance(kept, dict) else None for name in ("verdict", "evaluation")]
    verdict = parts[0]
    known = isinstance(verdict, dict) and verdict.get("outcome") in list(Outcome)
    return known and isinstance(parts[1], dict) and isinstance(kept.get("dataset_manifest_sha256"), str)


def _with_section(card: str, text: str) -> str:
    before, start, rest = card.partition(_START)
    after = rest.partition(_END)[2] if start else ""
    return f"{before.rstrip()}\n\n{_START}\n{text}\n{_END}\n\n{after.lstrip()}".rstrip() + "\n"


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
