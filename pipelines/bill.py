"""What language models have cost a build folder: `curate llm`, and the `llm` section of a build's report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from curate.llm import AnswerStore
from curate.llm.answers import STORE_NAME
from curate.llm.batch import Batch, pending_batches
from curate.llm.exchange import export_answers, import_answers
from curate.llm.prices import dollars, price_of
from curate.llm.usage import Spent, correction, last_answer, money_of, runs, spent, tokens_of, usage
from curate.store import DATABASE_NAME, open_store
from curate.text import counted
from schemas.errors import InputError, StoreError
from schemas.settings import LlmSettings

RUNS_SHOWN = 20


def bill(folder: Path, settings: LlmSettings) -> dict[str, Any]:
    """Answers by stage, role, model and channel with tokens and money; runs with hits; what failed. Raises StoreError where no model was asked."""
    with AnswerStore(folder, read_only=True) as store:
        return {
            "answers": [_usage_row(store, row, settings) for row in usage(store)],
            "total": _total(spent(store, settings)),
            "runs": [asdict(run) for run in runs(store)],
            "pending": [_batch_row(batch) for batch in pending_batches(store)],
            "failed": _failed(folder),
        }


def _usage_row(store: AnswerStore, row: Any, settings: LlmSettings) -> dict[str, Any]:
    tokens = tokens_of(row, correction(store, row.role, row.model))
    price = price_of(settings, row.model, row.channel)
    return {
        "stage": row.stage,
        "role": row.role,
        "model": row.model,
        "channel": row.channel,
        "imported": row.imported,
        "answers": row.answers,
        "prompt_tokens": tokens[0],
        "completion_tokens": tokens[1],
        "tokens_estimated": row.uncounted,
        "usd": money_of(row, settings, tokens),
        "price_as_of": str(price.as_of) if price and price.as_of else None,
    }


def _batch_row(batch: Batch) -> dict[str, Any]:
    return {name: getattr(batch, name) for name in ("created", "stage", "role", "model", "requests", "state", "batch_id")}


def _total(total: Spent) -> dict[str, Any]:
    return {
        "calls": total.calls,
        "prompt_tokens": total.prompt_tokens,
        "completion_tokens": total.completion_tokens,
        "usd": None if total.unpriced else total.money,
        "usd_of_priced": total.money,
        "unpriced": list(total.unpriced),
    }


def _failed(folder: Path) -> list[dict[str, Any]] | None:
    """Answers that gave no question, and questions that were left without a verdict, by reason; None while a build holds the database."""
    if not (folder / DATABASE_NAME).is_file():
        return []
    sql = (
        "SELECT stage, state, reason, count(*) AS requests FROM rejected "
        "WHERE (starts_with(reason, 'answer_') AND stage = 'generate') OR reason IN ('judge_unknown', 'judge_missing', 'judge_not_asked') "
        "GROUP BY ALL ORDER BY stage, state, reason"
    )
    try:
        with open_store(folder, read_only=True) as store:
            return store.rows(sql) if "rejected" in store.tables() else []
    except StoreError:
        return None


def bookmark(folder: Path) -> int:
    """Where the answers of a folder end now; `section` counts from there."""
    if not (folder / STORE_NAME).is_file():
        return 0
    with AnswerStore(folder, read_only=True) as store:
        return last_answer(store)


def section(folder: Path, settings: LlmSettings, after: int) -> dict[str, Any] | None:
    """The `llm` section of a report: what this build cost (answers after the bookmark) and all builds; None where no model was asked."""
    if not (folder / STORE_NAME).is_file():
        return None
    with AnswerStore(folder, read_only=True) as store:
        return {
            "this_build": _total(spent(store, settings, after)),
            "all_builds": _total(spent(store, settings)),
            "imported": sum(row.answers for row in usage(store) if row.imported),
            "budget": settings.budget,
            "max_calls": settings.max_calls,
        }


def section_line(found: Mapping[str, Any]) -> str:
    """The section in a line for people."""
    now, whole = found["this_build"], found["all_builds"]
    before = "" if now == whole else f"; this folder in all: {_spent_text(whole)}"
    return f"language models: {_spent_text(now)}{before}"


def _spent_text(total: Mapping[str, Any]) -> str:
    calls = counted(total["calls"], "call")
    if not total["calls"]:
        return calls
    return f"{calls}, {total['prompt_tokens']:,} prompt + {total['completion_tokens']:,} completion tokens, {_money_text(total)}"


def _money_text(total: Mapping[str, Any]) -> str:
    if not total["unpriced"]:
        return dollars(total["usd"])
    known = f"{dollars(total['usd_of_priced'])} and an unknown sum" if total["usd_of_priced"] else "cost unknown"
    return f"{known} (no price for {', '.join(total['unpriced'])})"


def bill_lines(found: Mapping[str, Any]) -> list[str]:
    """The bill in lines for people."""
    lines = [f"{'stage':<10} {'role':<10} {'channel':<8} {'answers':>9} {'prompt':>13} {'completion':>12} {'cost':>10}  model"]
    for row in found["answers"]:
        money = "imported" if row["imported"] else dollars(row["usd"])
        lines.append(
            f"{row['stage']:<10} {row['role']:<10} {row['channel']:<8} {row['answers']:>9,} {row['prompt_tokens']:>13,} "
            f"{row['completion_tokens']:>12,} {money:>10}  {row['model']}"
        )
    lines.append(f"paid here: {_spent_text(found['total'])}")
    uncounted = sum(row["tokens_estimated"] for row in found["answers"])
    if uncounted:
        lines.append(f"the server told no usage for {uncounted:,} answers: their tokens are estimated")
    dates = sorted({row["price_as_of"] for row in found["answers"] if row["price_as_of"]})
    if dates:
        lines.append(f"prices as of {', '.join(dates)}; `[llm.prices]` in the settings overrides them")
    return [*lines, *_run_lines(found["runs"]), *_batch_lines(found["pending"]), *_failed_lines(found["failed"])]


def _batch_lines(found: list[dict[str, Any]]) -> list[str]:
    lines = ["batches that are not collected yet (the next build looks at them):"] * bool(found)
    return lines + [
        f"  {batch['created']}  {batch['requests']:,} requests, {batch['state']}, {batch['model']}" for batch in found
    ]


def _run_lines(found: list[dict[str, Any]]) -> list[str]:
    lines = [f"runs ({len(found):,}, the last {RUNS_SHOWN} shown):" if len(found) > RUNS_SHOWN else "runs:"] if found else []
    for run in found[-RUNS_SHOWN:]:
        lines.append(
            f"  {run['started']}  {run['stage']} {run['role']} {run['channel']}: {counted(run['calls'], 'call')} made, {run['hits']:,} from the store, "
            f"{run['failed']:,} unanswered, {run['seconds']:,.0f} s, {run['model']}"
        )
    return lines


def _failed_lines(found: list[dict[str, Any]] | None) -> list[str]:
    if found is None:
        return ["answers that gave no question or verdict: a build is at work, ask again when it is done"]
    return ["answers that gave no question or verdict:"] * bool(found) + [
        f"  {row['requests']:,} {row['reason']} ({row['state']})" for row in found
    ]


def exchange(folder: Path, export_file: Path | None, import_file: Path | None) -> dict[str, int]:
    """Import, then export; what was done, as counts of answers. An import makes the folder where there is none."""
    done: dict[str, int] = {}
    if import_file is not None:
        if not import_file.is_file():
            raise InputError("no such file", where=str(import_file), next_step="`curate llm DIR --export FILE` writes one")
        with AnswerStore(folder) as store:
            taken = import_answers(store, import_file)
        done |= {"imported": taken.new, "already here": taken.known}
    if export_file is not None:
        with AnswerStore(folder, read_only=True) as store:
            done["exported"] = export_answers(store, export_file)
    return done


def with_prices_of_build(folder: Path, settings: LlmSettings) -> LlmSettings:
    """Settings with the prices of the folder's last build below their own, so that a bill needs no settings file."""
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        known = LlmSettings.model_validate({"prices": report["settings"]["llm"]["prices"]}).prices
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return settings
    return settings.model_copy(update={"prices": {**known, **settings.prices}})
