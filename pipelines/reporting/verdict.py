"""The first line of a report: what there is, and what to do first."""

from __future__ import annotations

from pipelines.reporting.findings import Facts
from schemas.report import Finding, Verdict


def verdict(facts: Facts, found: tuple[Finding, ...]) -> Verdict:
    """The first line: what there is, and what to do first."""
    pairs = facts.dataset.get("pairs", {}).get("train", 0)
    first = next((finding for finding in found if finding.severity != "note"), None)
    documents = facts.corpus.documents if facts.corpus else 0
    if first is None:
        judged, step = _model(facts)
        text = f"{pairs:,} training pairs from {documents:,} documents, nothing to fix."
        return Verdict(state="ready", headline=f"{text} {judged}" if judged else text, next_step=step)
    others = sum(finding.severity != "note" for finding in found) - 1
    more = f" (and {others} more below)" if others else ""
    if first.severity == "stop":
        return Verdict(state="stop", headline=f"Do not train on this: {first.text}{more}", next_step=first.next_step)
    text = f"{pairs:,} training pairs from {documents:,} documents. First: {first.text}{more}"
    return Verdict(state="fix", headline=text, next_step=first.next_step)


def _model(facts: Facts) -> tuple[str | None, str]:
    """What was said of the first model, and the next step on the way to one that can be shipped."""
    data = f"{facts.folder}/dataset"
    if not facts.evaluations:
        return None, f"curate train {data} --out model --model sentence-transformers/all-MiniLM-L6-v2"
    one = facts.evaluations[0]
    steps = {
        "SHIP": f"curate train {data} --out final --refit {one['model']}",
        "NOT PROVEN": f"curate evaluate {one['model']} {data} --queries FILE --general FILE",
    }
    return one["verdict"]["headline"], steps.get(one["verdict"]["outcome"], "")
