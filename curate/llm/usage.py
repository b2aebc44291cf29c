"""What the answers in a store have cost: tokens by stage, model and channel, and how far the estimates were off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from curate.llm.answers import AnswerStore, Run
from curate.llm.prices import cost, price_of
from schemas.settings import LlmSettings

PRIOR_CALLS = 5
"""The estimate as it stands counts as much as so many calls: one odd answer does not turn a plan upside down."""
RUNS_FOR_RATE = 5
_USAGE = """SELECT stage, role, model, channel, imported, count(*),
coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0),
coalesce(sum(CASE WHEN prompt_tokens IS NULL THEN prompt_estimate END), 0),
coalesce(sum(CASE WHEN completion_tokens IS NULL THEN completion_estimate END), 0),
coalesce(sum(prompt_tokens IS NULL OR completion_tokens IS NULL), 0), sum(seconds)
FROM answers WHERE rowid > ? GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"""
_RATIOS = """SELECT count(*), coalesce(sum(attempt > 0), 0),
coalesce(sum(CASE WHEN prompt_tokens > 0 AND prompt_estimate > 0 THEN prompt_tokens END), 0),
coalesce(sum(CASE WHEN prompt_tokens > 0 AND prompt_estimate > 0 THEN prompt_estimate END), 0),
coalesce(sum(prompt_tokens > 0 AND prompt_estimate > 0), 0),
coalesce(sum(CASE WHEN completion_tokens > 0 AND completion_estimate > 0 THEN completion_tokens END), 0),
coalesce(sum(CASE WHEN completion_tokens > 0 AND completion_estimate > 0 THEN completion_estimate END), 0),
coalesce(sum(completion_tokens > 0 AND completion_estimate > 0), 0)
FROM answers WHERE model = ? AND role = ?"""


@dataclass(frozen=True)
class Usage:
    """Answers of one stage, role, model and channel. Tokens as counted by the server, and estimates for those it did not count."""

    stage: str
    role: str
    model: str
    channel: str
    imported: bool
    answers: int
    prompt_tokens: int
    completion_tokens: int
    prompt_estimate: int
    completion_estimate: int
    uncounted: int
    """Answers for which the server told no usage."""
    seconds: float


@dataclass(frozen=True)
class Correction:
    """By what to multiply the estimates for a model, from `known` answers; `repeats` is the share of requests asked a second time."""

    prompt: float = 1.0
    completion: float = 1.0
    repeats: float = 0.0
    known: int = 0


@dataclass(frozen=True)
class Spent:
    """What answers cost here in all. `money` leaves out the models named in `unpriced`."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    money: float = 0.0
    unpriced: tuple[str, ...] = ()


def usage(store: AnswerStore, after: int = 0) -> list[Usage]:
    """One row a stage, role, model and channel; `after` is a `last_answer` to count from."""
    return [_usage(row) for row in store.rows(_USAGE, (after,))]


def _usage(row: tuple[Any, ...]) -> Usage:
    stage, role, model, channel, imported, *counts = row
    return Usage(stage, role, model, channel, bool(imported), *counts)


def last_answer(store: AnswerStore) -> int:
    """A number that grows with each answer."""
    return int(store.rows("SELECT coalesce(max(rowid), 0) FROM answers")[0][0])


def correction(store: AnswerStore, role: str, model: str) -> Correction:
    """How real usage compares with the estimates stored beside the answers of this model; usage that was not told counts for nothing."""
    answers, repeated, *sums = store.rows(_RATIOS, (model, role))[0]
    repeats = repeated / (answers - repeated) if answers > repeated else 0.0
    return Correction(_ratio(*sums[:3]), _ratio(*sums[3:]), repeats, answers)


def _ratio(real: int, estimated: int, calls: int) -> float:
    if not calls:
        return 1.0
    prior = PRIOR_CALLS * estimated / calls
    return (real + prior) / (estimated + prior)


def tokens_of(row: Usage, known: Correction) -> tuple[int, int]:
    """Prompt and completion tokens of a row, those not counted by the server from their corrected estimates."""
    return (
        row.prompt_tokens + round(row.prompt_estimate * known.prompt),
        row.completion_tokens + round(row.completion_estimate * known.completion),
    )


def money_of(row: Usage, settings: LlmSettings, tokens: tuple[int, int]) -> float | None:
    """US dollars of a row: nothing for imported answers, None where the model has no price."""
    if row.imported:
        return 0.0
    price = price_of(settings, row.model, row.channel)
    return None if price is None else cost(price, row.channel, *tokens)


def spent(store: AnswerStore, settings: LlmSettings, after: int = 0) -> Spent:
    """All that was paid for here; imported answers are not in it."""
    total = Spent()
    for row in usage(store, after):
        if row.imported:
            continue
        tokens = tokens_of(row, correction(store, row.role, row.model))
        money = money_of(row, settings, tokens)
        total = Spent(
            total.calls + row.answers,
            total.prompt_tokens + tokens[0],
            total.completion_tokens + tokens[1],
            total.money + (money or 0.0),
            total.unpriced if money is not None else tuple(sorted({*total.unpriced, row.model})),
        )
    return total


def keys_under_way(store: AnswerStore) -> frozenset[str]:
    """Keys of the requests in batches that were handed in and not collected yet."""
    if not store.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'batch_requests'"):
        return frozenset()
    sql = (
        "SELECT r.key FROM batch_requests r JOIN batches b ON b.nonce = r.nonce "
        "WHERE b.state IN ('intended', 'submitted') AND r.refusal IS NULL"
    )
    return frozenset(row[0] for row in store.rows(sql))


def runs(store: AnswerStore) -> list[Run]:
    """All runs that ended, oldest first."""
    found = store.rows("SELECT stage, role, model, channel, calls, hits, failed, seconds, started FROM runs ORDER BY run")
    return [Run(*row) for row in found]


def seconds_per_call(store: AnswerStore, role: str, model: str, channel: str, concurrency: int) -> float | None:
    """Wall-clock seconds a call: over the last runs that made calls, else the answers' own seconds shared by the calls at a time.

    None before any call, and for the batch API, whose answers come when it pleases.
    """
    if channel == "batch":
        return None
    same = [
        run for run in runs(store) if (run.role, run.model, run.channel) == (role, model, channel) and run.calls and run.seconds
    ]
    if same:
        last = same[-RUNS_FOR_RATE:]
        return sum(run.seconds for run in last) / sum(run.calls for run in last)
    sql = "SELECT avg(seconds) FROM answers WHERE role = ? AND model = ? AND channel = ? AND seconds > 0"
    mean = store.rows(sql, (role, model, channel))[0][0]
    return None if mean is None else mean / (1 if channel == "local" else concurrency)
