"""The plan as text for people and as values for machines."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from curate.llm.prices import dollars
from pipelines.costs import Plan
from pipelines.estimate import Estimate


def plan_values(plan: Plan) -> dict[str, Any]:
    """The plan for `--json`."""
    return {
        "stages": [{"stage": name, "reasons": list(reasons)} for name, reasons in plan.stages],
        "documents": plan.documents,
        "chunks": plan.chunks,
        "llm": [asdict(estimate) for estimate in plan.estimates],
        "notes": list(plan.notes),
    }


def plan_lines(plan: Plan) -> list[str]:
    """The plan in lines."""
    lines = [f"{name:<13} {', '.join(reasons) if reasons else 'unchanged'}" for name, reasons in plan.stages]
    lines.append("")
    if plan.documents is not None and plan.chunks is not None:
        lines.append(f"{plan.documents:,} documents, {plan.chunks:,} chunks")
    for estimate in plan.estimates:
        lines += _estimate_lines(estimate)
    return lines + [f"note: {note}" for note in plan.notes]


def _estimate_lines(found: Estimate) -> list[str]:
    if found.reason:
        return [f"{found.role}: no calls, as {found.reason}"]
    most = "at most " if found.bound else ""
    lines = [
        f"{found.role} {found.model}, stage {found.stage}: {most}{found.calls:,} calls to make, {found.stored:,} answers in the store"
    ]
    if found.under_way:
        lines[0] += f", {found.under_way:,} under way in batches"
    if not found.calls:
        return lines
    if found.repeats:
        share = found.repeats / found.calls
        lines[0] += f"; about {found.repeats:,} more to repeat unusable answers ({share:.1%} so far)"
    basis = (
        f"corrected by the usage of {found.known:,} answers" if found.known else "estimated; the first answers will correct it"
    )
    lines.append(f"  tokens  {found.prompt_tokens:,} prompt + {found.completion_tokens:,} completion ({basis})")
    lines.append(f"  cost    {dollars(found.money)} ({_price(found)})")
    lines.append(f"  time    {_time(found)}")
    if found.affordable is not None:
        lines.append(
            f"  limit   about {found.affordable:,} of these calls are within llm.budget and llm.max_calls; the rest would not be made"
        )
    return lines


def _price(found: Estimate) -> str:
    if found.money is not None:
        return found.price
    return f"""the price of {found.model} is not known: --set 'llm.prices."{found.model}".prompt=…' and .completion"""


def _time(found: Estimate) -> str:
    if found.channel == "batch":
        return "as the batch API pleases, usually within a day"
    if found.seconds is None:
        return "unknown before the first calls"
    return f"about {duration(found.seconds)} at the observed rate"


def duration(seconds: float) -> str:
    """ "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
