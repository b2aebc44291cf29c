"""Settings of evaluation and the verdict; apart from `Settings`, so that they never touch a build's fingerprint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from schemas.settings.loading import section_from_sets
from schemas.settings.section import Section


class EvaluateSettings(Section):
    """Runs and models in, metrics and intervals out."""

    depth: int = Field(100, ge=10, description="Ranks kept of each query.")
    draws: int = Field(2000, ge=100, description="Bootstrap draws.")
    seed: int = Field(13, ge=0, description="Seed of the bootstrap and of the sampled passage pairs.")
    max_seq_length: int | None = Field(None, ge=8, description="Tokens of a text that are read; unset: each model's own limit.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="Where to embed.")
    encode_batch_size: int = Field(64, ge=1, description="Texts embedded at once.")
    fusion: Literal["scores", "ranks"] = Field(
        "scores",
        description=(
            "How the hybrid row joins BM25 and the tuned model: the weighted sum of their scores, each brought to 0 … 1 (Bruch et al. 2023), or "
            "reciprocal ranks (Cormack et al. 2009)."
        ),
    )
    fusion_weight: float = Field(0.6, ge=0, le=1, description="Share of the tuned model in that sum.")
    fusion_k: int = Field(60, ge=1, description="k of reciprocal rank fusion: the larger, the less the first ranks weigh.")
    reranker: str | None = Field(None, description="Cross-encoder to put on top of every system (--reranker).")
    rerank_depth: int = Field(50, ge=1, description="Passages of each query that the reranker reads.")
    rerank_batch_size: int = Field(32, ge=1, description="Pairs the reranker reads at once.")
    examples: int = Field(
        10, ge=0, description="Worst regressions and best gains that are told with their texts, of each so many."
    )
    pair_rows: int = Field(
        2000,
        ge=0,
        description="Rows of each of the dataset's formats triplets, scored and labeled that are judged, chosen by hash.",
    )
    hosted_base_url: str = Field(
        "https://api.openai.com/v1", description="Endpoint of `openai:NAME`, anything that speaks OpenAI's /embeddings."
    )
    hosted_api_key_env: str = Field(
        "OPENAI_API_KEY", description="Environment variable that holds its key; never the key itself."
    )
    hosted_dimensions: int | None = Field(None, ge=1, description="Dimensions to ask for; unset: all that the model has.")
    hosted_batch: int = Field(128, ge=1, le=2048, description="Texts in one call.")
    hosted_timeout_s: float = Field(60.0, gt=0, description="Time-out of one call in seconds.")
    hosted_retries: int = Field(5, ge=0, description="Tries after the first for passing errors and rate limits.")
    hosted_folder: str | None = Field(
        None,
        description="Folder of the vectors that were paid for; unset: the build that the dataset lies in, else the user's cache.",
    )

    @field_validator("hosted_base_url")
    @classmethod
    def address_holds_no_secret(cls, value: str) -> str:
        """An address is shown and stands for the model in the file of vectors."""
        parts = urlsplit(value)
        if parts.username is not None or parts.password is not None or parts.query:
            raise ValueError(
                "an address with a user name, password or query would be written down; keys come from hosted_api_key_env"
            )
        return value


class VerdictSettings(Section):
    """Bounds of the verdict."""

    min_gain: float = Field(0.01, ge=0, description="Least mean gain in nDCG@10 over the untuned model that is worth shipping.")
    max_forgetting: float = Field(0.03, ge=0, description="Largest loss in Spearman correlation on general similarity.")
    max_similarity_rise: float = Field(
        0.2, gt=0, description="Largest rise of the mean cosine of random passage pairs; more means the embeddings collapse."
    )
    min_rank_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Least share of the base model's effective rank that the tuned one must keep; less means the embeddings collapse.",
    )
    min_real_queries: int = Field(50, ge=1, description="Real queries below which nothing is proven.")
    min_clusters: int = Field(10, ge=2, description="Document clusters below which a bootstrap interval is too narrow to trust.")


def evaluation_from_sets(sets: Sequence[str]) -> tuple[EvaluateSettings, VerdictSettings]:
    """How to evaluate, and the bounds of the verdict: those written `verdict.KEY=VALUE`. Raises as `section_from_sets`."""
    prefix = "verdict."
    rules = [item.removeprefix(prefix) for item in sets if item.startswith(prefix)]
    settings = section_from_sets(EvaluateSettings, [item for item in sets if not item.startswith(prefix)])
    return settings, section_from_sets(VerdictSettings, rules)
