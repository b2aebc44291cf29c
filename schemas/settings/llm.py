"""The section of language models: the two roles, limits, prices."""

from __future__ import annotations

from datetime import date
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from schemas.prices import LIST_PRICES
from schemas.settings.section import HOW, PLACE, PRIVATE, Section


class RoleSettings(Section):
    """A language model: behind an OpenAI-compatible endpoint, asked live or through its batch API, or in this process."""

    provider: Literal["endpoint", "batch", "transformers"] = Field(
        "endpoint",
        description=(
            "endpoint (live calls), batch (the endpoint's batch API: cheaper, answers within a day), or transformers "
            "(in this process, no server; needs the train extra)."
        ),
    )
    model: str | None = Field(
        None,
        min_length=1,
        description="Model name (transformers: hub id, local folder or GGUF file); unset: this role is not used.",
        json_schema_extra=PLACE,
    )
    base_url: str = Field("https://api.openai.com/v1", description="Endpoint.", json_schema_extra=PRIVATE)
    alias: str | None = Field(
        None, description="Name under which answers are stored instead of the endpoint, to share them between endpoints."
    )
    api_key_env: str = Field(
        "OPENAI_API_KEY", description="Environment variable that holds the key; never the key itself.", json_schema_extra=HOW
    )
    temperature: float = Field(0.7, ge=0, description="Sampling temperature.")
    max_output_tokens: int = Field(700, ge=16, description="Longest answer.")
    timeout_s: float = Field(120.0, gt=0, description="Time-out of one call in seconds.", json_schema_extra=HOW)
    retries: int = Field(
        4, ge=0, description="Tries after the first for passing errors; rate limits are waited for apart.", json_schema_extra=HOW
    )
    concurrency: int = Field(
        8,
        ge=1,
        description="Calls at the same time, at most; fewer while the endpoint says it is too many.",
        json_schema_extra=HOW,
    )
    batch_wait_s: float = Field(
        60.0, ge=0, description="Seconds a build waits for a batch before it goes on without.", json_schema_extra=HOW
    )
    batch_poll_s: float = Field(10.0, gt=0, description="Seconds between two looks at a batch.", json_schema_extra=HOW)
    batch_requests: int = Field(
        50_000,
        ge=1,
        le=50_000,
        description="Requests in one batch, at most; fewer where the endpoint limits the tokens that wait.",
        json_schema_extra=HOW,
    )
    local_batch: int = Field(
        16, ge=1, description="Passages at a time in this process; halved when memory runs out.", json_schema_extra=HOW
    )

    @field_validator("base_url")
    @classmethod
    def address_holds_no_secret(cls, value: str) -> str:
        """An address stands in the ledger and in the manifest of datasets, which are handed on."""
        try:
            parts = urlsplit(value)
            secret = parts.username is not None or parts.password is not None or bool(parts.query)
        except ValueError:
            return value
        if secret:
            raise ValueError("an address with a user name, password or query would be written down; keys come from api_key_env")
        return value


class JudgeSettings(RoleSettings):
    """The judge: the same question shall get the same verdict."""

    temperature: float = Field(0.0, ge=0, description="Sampling temperature.")


class PriceSettings(Section):
    """What a model costs. For a model with a built-in price, what is unset stays as it is there."""

    prompt: float | None = Field(None, ge=0, allow_inf_nan=False, description="US dollars per million prompt tokens.")
    completion: float | None = Field(None, ge=0, allow_inf_nan=False, description="US dollars per million completion tokens.")
    batch: float | None = Field(None, ge=0, le=1, description="Share of the price that the batch API asks (else 0.5).")
    as_of: date | None = Field(None, description="Day on which you found this price, like 2026-06-21.")


class LlmSettings(Section):
    """The two roles, and what they may cost."""

    generator: RoleSettings = Field(RoleSettings(), description="Writes questions.")
    judge: JudgeSettings = Field(JudgeSettings(), description="Judges questions; better another model than the generator.")
    budget: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="US dollars that a build folder may pay in all; unset: no limit.",
        json_schema_extra=HOW,
    )
    max_calls: int | None = Field(
        None, ge=0, description="Calls that a build folder may pay for in all; unset: no limit.", json_schema_extra=HOW
    )
    prices: dict[str, PriceSettings] = Field(
        {},
        description="Prices by model name, over the built-in ones; a model in neither has no known price.",
        json_schema_extra=HOW,
    )

    @model_validator(mode="after")
    def prices_are_whole(self) -> LlmSettings:
        """Half a price would make every total too low."""
        for name, price in self.prices.items():
            for part in ("prompt", "completion"):
                if getattr(price, part) is None and name not in LIST_PRICES:
                    raise ValueError(f'prices."{name}".{part} is missing')
        return self
