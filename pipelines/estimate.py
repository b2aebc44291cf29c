"""What asking stages will cost: calls, tokens, money and time, from their own requests and the answers there are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from curate import generate
from curate.generate.parse import is_usable
from curate.generate.turns import requests_in_turn
from curate.llm import ATTEMPTS, AnswerStore, answer_key, shown_model, stored_answer
from curate.llm.answers import STORE_NAME
from curate.llm.asking import estimated_prompt_tokens
from curate.llm.prices import channel_of, cost, price_line, price_of
from curate.llm.spending import expected_completion
from curate.llm.usage import Correction, correction, keys_under_way, seconds_per_call, spent
from curate.stage import Context
from curate.store import Store
from pipelines.engine import ProcessEngine
from pipelines.runner import Build, Listener
from schemas.settings import Settings

NO_JUDGE = "no stage asks the judge yet"
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


def estimates(build: Build, store: Store, hears: Listener) -> tuple[Estimate, ...]:
    """One estimate a stage that asks a model. The answers are looked up in the build's folder, the rows in `store`."""
    with ExitStack() as stack:
        answers = None
        if (build.folder / STORE_NAME).is_file():
            answers = stack.enter_context(AnswerStore(build.folder, read_only=True))
        return (*(of_stage(build, store, answers, hears) for of_stage in ASKING), *_judge(build.settings))


def nothing_asked(settings: Settings, reason: str) -> tuple[Estimate, ...]:
    """The estimates of a build that asks no model."""
    role = settings.llm.generator
    return (Estimate("generate", "generator", shown_model(role), channel_of(role), reason=reason), *_judge(settings))


def _generator(build: Build, store: Store, answers: AnswerStore | None, hears: Listener) -> Estimate:
    """Exact in calls: every request of stage `generate` is made and looked up."""
    role = build.settings.llm.generator
    stored = under_way = calls = prompt_tokens = completion_tokens = 0
    handed_in = keys_under_way(answers) if answers is not None and channel_of(role) == "batch" else frozenset()
    with ProcessEngine(1) as engine:
        context = Context(
            settings=build.settings,
            reader=store.reader(generate.STAGE.reads),
            engine=engine,
            progress=hears.progress,
            note=lambda _: None,
            folder=str(build.folder),
        )
        hears.stage_started("counting calls", ())
        for request in requests_in_turn(context):
            if answers is not None and stored_answer(answers, role, request, is_usable) is not None:
                stored += 1
            elif handed_in and any(answer_key(role, request, attempt) in handed_in for attempt in range(ATTEMPTS)):
                under_way += 1
            else:
                calls += 1
                prompt_tokens += estimated_prompt_tokens(request)
                completion_tokens += expected_completion(role, request)
            if (stored + under_way + calls) % PROGRESS_EVERY == 0:
                hears.progress(stored + under_way + calls, None)
    counted = Estimate(
        generate.STAGE.name,
        "generator",
        shown_model(role),
        channel_of(role),
        stored,
        calls,
        under_way,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
    )
    return _corrected(build.settings, answers, counted)


def _corrected(settings: Settings, answers: AnswerStore | None, raw: Estimate) -> Estimate:
    """The estimate with real usage taken into account, and with money, time and limits."""
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
        affordable=_affordable(settings, answers, whole, money),
    )


def _affordable(settings: Settings, answers: AnswerStore | None, calls: int, money: float | None) -> int | None:
    """How many of the calls the limits leave; None when all of them."""
    llm = settings.llm
    before = spent(answers, llm) if answers is not None else None
    left = calls
    if llm.max_calls is not None:
        left = min(left, max(0, llm.max_calls - (before.calls if before else 0)))
    if llm.budget is not None and money and calls:
        unspent = max(0.0, llm.budget - (before.money if before else 0.0))
        left = min(left, int(unspent / (money / calls) + 1e-9))
    return left if left < calls else None


def _judge(settings: Settings) -> tuple[Estimate, ...]:
    role = settings.llm.judge
    return (Estimate("", "judge", shown_model(role), channel_of(role), bound=True, reason=NO_JUDGE),) if role.model else ()


ASKING: tuple[Callable[[Build, Store, AnswerStore | None, Listener], Estimate], ...] = (_generator,)
"""One function a stage that asks a model; one that asks the judge gives an upper bound (`bound`) and takes the place of `_judge`."""
