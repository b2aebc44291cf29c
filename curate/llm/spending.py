"""What may yet be spent on language models: calls and money, over everything the store of a build folder has paid for."""

from __future__ import annotations

from curate.llm.answers import AnswerStore, StoredAnswer
from curate.llm.asking import estimated_prompt_tokens, shown_model
from curate.llm.prices import channel_of, cost, dollars, price_of
from curate.llm.usage import PRIOR_CALLS, Correction, correction, spent
from curate.llm.wire import Request
from schemas.errors import SettingsError
from schemas.settings import LlmSettings, RoleSettings

Call = Request | tuple[int, int]
"""A request, or the tokens that its prompt and its answer were estimated to have."""


class Spending:
    """Counts against `llm.max_calls` and `llm.budget`: what was paid, and what the calls under way will cost by estimate.

    Each call is reserved by `take` and ends in one `paid` or `give_back`. Not for several threads at once.
    Raises SettingsError when there is a budget and no price to count with.
    """

    def __init__(self, settings: LlmSettings, store: AnswerStore, role: str = "generator") -> None:
        self._settings = settings
        self._role: RoleSettings = getattr(settings, role)
        self._channel = channel_of(self._role)
        check_budget(settings)
        before = spent(store, settings)
        if settings.budget is not None and before.unpriced:
            raise _unpriced(before.unpriced[0], "has answers in this folder, but no known price")
        self._price = price_of(settings, self._role.model or "", self._channel)
        self._calls, self._money = before.calls, before.money
        self._known = correction(store, role, shown_model(self._role))
        self._under_way = self._prompt_under_way = self._completion_under_way = 0

    def take(self, request: Call) -> str:
        """Reserve one call: "" when it may be made, else why not."""
        settings = self._settings
        if settings.max_calls is not None and self._calls + self._under_way >= settings.max_calls:
            return f"llm.max_calls = {settings.max_calls:,} is reached"
        if settings.budget is not None and self._money + self._reserved(request) > settings.budget:
            return f"llm.budget = {dollars(settings.budget)} is used up"
        self.hold(request)
        return ""

    def hold(self, request: Call) -> None:
        """Reserve a call that was made in an earlier run and is not answered yet: a job of the batch API."""
        prompt, completion = self._expected(request)
        self._under_way += 1
        self._prompt_under_way += prompt
        self._completion_under_way += completion

    def paid(self, request: Call, stored: StoredAnswer) -> None:
        """A reserved call was answered, and so paid for; without usage its estimate counts."""
        prompt, completion = self._expected(request)
        self.give_back(request)
        self._calls += 1
        if self._price is None or self._settings.budget is None:
            return
        real_prompt = stored.prompt_tokens if stored.prompt_tokens is not None else prompt * self._known.prompt
        real_completion = (
            stored.completion_tokens if stored.completion_tokens is not None else completion * self._known.completion
        )
        self._money += cost(self._price, self._channel, real_prompt, real_completion)
        self._known = _learned(self._known, (prompt, completion), (real_prompt, real_completion))

    def give_back(self, request: Call) -> None:
        """A reserved call came to nothing."""
        prompt, completion = self._expected(request)
        self._under_way -= 1
        self._prompt_under_way -= prompt
        self._completion_under_way -= completion

    def _reserved(self, request: Call) -> float:
        """What the calls under way and this one will cost."""
        if self._price is None:
            return 0.0
        prompt, completion = self._expected(request)
        return cost(
            self._price,
            self._channel,
            self._known.prompt * (self._prompt_under_way + prompt),
            self._known.completion * (self._completion_under_way + completion),
        )

    def _expected(self, request: Call) -> tuple[int, int]:
        # Reading a prompt takes time, so only where money is counted.
        if self._settings.budget is None:
            return 0, 0
        if isinstance(request, tuple):
            return request
        return estimated_prompt_tokens(request), expected_completion(self._role, request)


def expected_completion(settings: RoleSettings, request: Request) -> int:
    """Tokens the answer is expected to have; where the stage said nothing, the most it may have."""
    return min(request.expected_tokens, settings.max_output_tokens) if request.expected_tokens else settings.max_output_tokens


def check_budget(settings: LlmSettings) -> None:
    """Raises SettingsError when money is limited and a model in use has no known price."""
    if settings.budget is None:
        return
    for role in (settings.generator, settings.judge):
        if role.model is not None and price_of(settings, role.model, channel_of(role)) is None:
            raise _unpriced(role.model, "has no known price, so a budget in dollars cannot be kept")


def stop_note(settings: LlmSettings, store: AnswerStore, unasked: int) -> str:
    """One sentence for a build that stopped asking: how far the money went, and how to go on."""
    total = spent(store, settings)
    by_money = settings.budget is not None and (settings.max_calls is None or total.calls < settings.max_calls)
    limit = f"llm.budget = {dollars(settings.budget)}" if by_money else f"llm.max_calls = {settings.max_calls or 0:,}"
    more = "--budget" if by_money else "--max-calls"
    money = f" for {dollars(total.money)}" if not total.unpriced else ""
    calls = "1 call was" if total.calls == 1 else f"{total.calls:,} calls were"
    requests = "1 request was" if unasked == 1 else f"{unasked:,} requests were"
    return (
        f"{limit} is used up: {calls} paid{money} in all, and {requests} not made; "
        f"run the same command with a larger {more} to go on from here."
    )


def _learned(known: Correction, estimated: tuple[float, float], real: tuple[float, float]) -> Correction:
    """The correction after one more answer: a running mean that weighs the built-in estimate as `PRIOR_CALLS` answers."""
    weight = 1 / (known.known + PRIOR_CALLS + 1)

    def moved(ratio: float, guess: float, true: float) -> float:
        return ratio if not guess else ratio + weight * (true / guess - ratio)

    return Correction(
        moved(known.prompt, estimated[0], real[0]),
        moved(known.completion, estimated[1], real[1]),
        known.repeats,
        known.known + 1,
    )


def _unpriced(model: str, what: str) -> SettingsError:
    return SettingsError(
        f"{model!r} {what}",
        where="llm.budget",
        next_step=f"""set its price, --set 'llm.prices."{model}".prompt=…' and .completion (US dollars per million tokens), or limit calls with --max-calls""",
    )
