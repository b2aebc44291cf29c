"""List prices of well-known language models, each with the date on which it was found; settings override them.

Only names that one vendor sells under are here. Sources: public price lists of those dates, compared with one another, and OpenAI's own
pages for its nano models. Discounts for repeated prompts are left out, so a bill can be lower; prompts are below 200,000 tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens; `batch` is the share of it that the batch API asks; `as_of` is None where nobody dated it."""

    prompt: float
    completion: float
    batch: float = 0.5
    as_of: date | None = None


_JUNE_2026 = date(2026, 6, 21)
_MARCH_2026 = date(2026, 3, 1)
_LATE_MARCH_2026 = date(2026, 3, 21)

LIST_PRICES: dict[str, Price] = {
    "gpt-4.1": Price(2.00, 8.00, as_of=_JUNE_2026),
    "gpt-4.1-mini": Price(0.40, 1.60, as_of=_JUNE_2026),
    "gpt-4.1-nano": Price(0.10, 0.40, as_of=_MARCH_2026),
    "gpt-4o": Price(2.50, 10.00, as_of=_MARCH_2026),
    "gpt-4o-mini": Price(0.15, 0.60, as_of=_MARCH_2026),
    "gpt-5": Price(1.25, 10.00, as_of=_MARCH_2026),
    "gpt-5-mini": Price(0.25, 2.00, as_of=_MARCH_2026),
    "gpt-5-nano": Price(0.05, 0.40, as_of=_MARCH_2026),
    "gpt-5.1": Price(1.25, 10.00, as_of=_MARCH_2026),
    "gpt-5.4": Price(2.50, 15.00, as_of=_MARCH_2026),
    "gpt-5.4-mini": Price(0.75, 4.50, as_of=_MARCH_2026),
    "gpt-5.4-nano": Price(0.20, 1.25, as_of=_MARCH_2026),
    "gemini-2.5-pro": Price(1.25, 10.00, as_of=_MARCH_2026),
    "gemini-2.5-flash": Price(0.30, 2.50, as_of=_MARCH_2026),
    "gemini-2.5-flash-lite": Price(0.10, 0.40, as_of=_MARCH_2026),
    "claude-haiku-4-5": Price(1.00, 5.00, as_of=_LATE_MARCH_2026),
    "claude-sonnet-4-5": Price(3.00, 15.00, as_of=_LATE_MARCH_2026),
    "claude-sonnet-4-6": Price(3.00, 15.00, as_of=_LATE_MARCH_2026),
    "claude-opus-4-5": Price(5.00, 25.00, as_of=_LATE_MARCH_2026),
    "claude-opus-4-6": Price(5.00, 25.00, as_of=_LATE_MARCH_2026),
}
