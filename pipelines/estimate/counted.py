"""What one stage will ask of one role: calls, tokens, money and time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from curate.llm import ATTEMPTS, Acceptable, AnswerStore, Request, answer_key, shown_model, stored_answer
from curate.llm.asking import estimated_prompt_tokens
from curate.llm.prices import channel_of, cost, price_line, price_of
from curate.llm.spending import expected_completion
from curate.llm.usage import Correction, Spent, correction, keys_under_way, seconds_per_call, spent
from pipelines.runner import Listener
from schemas.settings import RoleSettings, Settings

PROGRESS_EVERY = 200


@dataclass(frozen=True)
class Estimate:
    """What one stage asks of one role. `calls` are requests whose answer the store lacks, `stored` those it holds."""

    stage: str
    role: str
    model: str
    channel: str
    stored: int = 0
    calls: int = 0
    under_way: int = 0
    """Requests in batches that were handed in and not collected yet; their tokens and money are not in this estimate."""
    bound: bool = False
    """`calls` is an upper bound, not exact."""
    repeats: int = 0
    """Further calls, by the share so far, for answers that turn out unusable; tokens, money and time include them."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    money: float | None = 0.0
    """US dollars; None where the price is unknown."""
    seconds: float | None = 0.0
    """None before the first calls, and for the batch API."""
    price: str = ""
    known: int = 0
    """Answers of this model that the tokens are corrected by."""
    affordable: int | None = None
    """Calls that the budget or `llm.max_calls` leaves, where that is fewer; by estimate."""
    reason: str = ""
    """Why nothing is asked."""


@dataclass(frozen=True)
class Looking:
    """How requests of a role are looked up: in which answers, what counts as one, how often they are made."""

    role: str
    stage: str
    settings: RoleSettings
    answers: AnswerStore | None
    acceptable: Acceptable
    attempts: int = ATTEMPTS


def counted(looking: Looking, requests: Iterable[Request], hears: Listener) -> Estimate:
    """Every request looked up among the answers; tokens are those of the calls to make, by the built-in estimate."""
    role, answers, attempts = looking.settings, looking.answers, looking.attempts
    stored = under_way = calls = prompt_tokens = completion_tokens = 0
    handed_in = keys_under_way(answers) if answers is not None and channel_of(role) == "batch" else frozenset()
    for request in requests:
        if answers is not None and stored_answer(answers, role, request, looking.acceptable, attempts) is not None:
            stored += 1
        elif handed_in and any(answer_key(role, request, attempt) in handed_in for attempt in range(attempts)):
            under_way += 1
        else:
            calls += 1
            prompt_tokens += estimated_prompt_tokens(request)
            completion_tokens += expected_completion(role, request)
        if (stored + under_way + calls) % PROGRESS_EVERY == 0:
            hears.progress(stored + under_way + calls, None)
    return Estimate(
        looking.stage,
        looking.role,
        shown_model(role),
        channel_of(role),
        stored,
        calls,
        under_way,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
    )


def corrected(settings: Settings, answers: AnswerStore | None, raw: Estimate, first: Estimate | None = None) -> Estimate:
    """The estimate with real usage taken into account, and with money, time and limits, of which `first` has its share before."""
    llm = settings.llm
    known, rate = Correction(), None
    if answers is not None:
        known = correction(answers, raw.role, raw.model)
        concurrency = getattr(llm, raw.role).concurrency
        rate = seconds_per_call(answers, raw.role, raw.model, raw.channel, concurrency)
    repeats = round(raw.calls * known.repeats)
    prompt_tokens = round(raw.prompt_tokens * known.prompt * (1 + known.repeats))
    completion_tokens = round(raw.completion_tokens * known.completion * (1 + known.repeats))
    price = price_of(llm, raw.model, raw.channel)
    money = None if price is None else cost(price, raw.channel, prompt_tokens, completion_tokens)
    whole = raw.calls + repeats
    return replace(
        raw,
        repeats=repeats,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        money=money,
        seconds=None if rate is None and whole else whole * (rate or 0.0),
        price=price_line(price, raw.channel),
        known=known.known,
        affordable=_affordable(settings, answers, (whole, money), first),
    )


def _affordable(
    settings: Settings, answers: AnswerStore | None, wanted: tuple[int, float | None], first: Estimate | None
) -> int | None:
    """How many of the wanted calls the limits leave; None when all of them."""
    llm, (calls, money) = settings.llm, wanted
    before = spent(answers, llm) if answers is not None else Spent()
    left = calls
    if llm.max_calls is not None:
        left = min(left, max(0, llm.max_calls - before.calls - (first.calls + first.repeats if first else 0)))
    if llm.budget is not None and money and calls:
        unspent = max(0.0, llm.budget - before.money - ((first.money or 0.0) if first else 0.0))
        left = min(left, int(unspent / (money / calls) + 1e-9))
    return left if left < calls else None
