"""What a call costs: the settings' prices over the built-in list; a model in neither has no known price, and none is guessed."""

from __future__ import annotations

from typing import Literal

from schemas.prices import LIST_PRICES, Price
from schemas.settings import LlmSettings, RoleSettings

Channel = Literal["live", "batch", "local"]
_CHANNELS: dict[str, Channel] = {"endpoint": "live", "batch": "batch", "transformers": "local"}
_MILLION = 1_000_000


def channel_of(settings: RoleSettings) -> Channel:
    """How the role's provider answers; "local" is a model in this process."""
    return _CHANNELS[settings.provider]


def price_of(settings: LlmSettings, model: str, channel: str = "live") -> Price | None:
    """US dollars per million tokens, or None when nobody said. What is answered on this machine costs nothing.

    A server on this machine may pass calls on to one that is paid, so its price, too, must be said.
    """
    if channel == "local":
        return Price(0.0, 0.0)
    known, own = LIST_PRICES.get(model), settings.prices.get(model)
    if own is None:
        return known
    prompt = own.prompt if own.prompt is not None else getattr(known, "prompt", None)
    completion = own.completion if own.completion is not None else getattr(known, "completion", None)
    if prompt is None or completion is None:
        return None
    batch = own.batch if own.batch is not None else (known.batch if known else 0.5)
    return Price(prompt, completion, batch, own.as_of)


def cost(price: Price, channel: str, prompt_tokens: float, completion_tokens: float) -> float:
    """US dollars for so many tokens."""
    share = price.batch if channel == "batch" else 1.0
    return share * (prompt_tokens * price.prompt + completion_tokens * price.completion) / _MILLION


def dollars(amount: float | None) -> str:
    """An amount for people: in cents, with more digits where that would hide it."""
    if amount is None:
        return "unknown"
    if amount >= 1 or amount == round(amount, 2):
        return f"${amount:,.2f}"
    return f"${amount:.3g}" if amount >= 0.0001 else f"${amount:.7f}".rstrip("0").rstrip(".")


def price_line(price: Price | None, channel: str) -> str:
    """Where a price comes from, for people."""
    if channel == "local":
        return "on this machine, so it costs nothing"
    if price is None:
        return "price unknown"
    age = f"as of {price.as_of.isoformat()}" if price.as_of else "undated, from your settings"
    share = f", the batch API asks {price.batch:.0%} of it" if channel == "batch" else ""
    return f"{dollars(price.prompt)} + {dollars(price.completion)} per million prompt and completion tokens, {age}{share}"
