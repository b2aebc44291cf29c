"""Hosted embeddings as rows of an evaluation: `openai:NAME`, with their vectors kept on disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from curate.llm.hosted import HostedModel, hosted_vectors
from curate.verify.kept import Kept, text_sha256
from schemas.errors import SettingsError
from schemas.evaluation import EvaluateSettings
from train.encoder import Done, Encoder, Kind
from train.models import Embeddings

PREFIX = "openai:"


def hosted_encoder(name: str, settings: EvaluateSettings, folder: Path) -> Encoder | None:
    """What embeds for `openai:NAME`; None for any other name. Vectors are kept in a file of `folder`."""
    if not name.startswith(PREFIX):
        return None
    model = name.removeprefix(PREFIX).strip()
    if not model:
        raise SettingsError("names no model", where=name, next_step="write it like openai:text-embedding-3-small")
    hosted = HostedModel(
        model=model,
        base_url=settings.hosted_base_url,
        api_key_env=settings.hosted_api_key_env,
        dimensions=settings.hosted_dimensions,
        batch=settings.hosted_batch,
        timeout_s=settings.hosted_timeout_s,
        retries=settings.hosted_retries,
    )

    def encode(texts: Sequence[str], kind: Kind, done: Done) -> Embeddings:
        del kind
        with Kept(folder) as kept:
            return hosted_vectors(hosted, texts, kept, text_sha256, done)

    return encode


def kept_folder(dataset: Path, settings: EvaluateSettings) -> Path:
    """Where vectors that were paid for are kept: as set, else in the build that the dataset lies in, else in the user's cache."""
    if settings.hosted_folder is not None:
        return Path(settings.hosted_folder).expanduser()
    build = dataset.absolute().parent
    if (build / "curate.duckdb").is_file():
        return build
    cache = os.environ.get("XDG_CACHE_HOME", "").strip()
    return (Path(cache) if cache else Path.home() / ".cache") / "curate"
