"""Hosted embedding models: vectors of texts from any endpoint that speaks OpenAI's /embeddings, each paid for once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from curate.llm.client import OPENAI_HOST
from curate.llm.faults import is_timeout, message, shown_url, status_code
from schemas.errors import ProviderError, SettingsError

Vectors = npt.NDArray[np.float32]

WHERE = "hosted_base_url"
_AT_ONCE = 4
"""Calls under way together."""
_REFUSING_CODES = (400, 413, 422)


class VectorStore(Protocol):
    """Keeps vectors on disk by a model's key and text."""

    def vectors(self, model_key: str, texts: Sequence[str]) -> dict[str, Vectors]:
        """Key of a text → its vector, for those that are known."""

    def put_vectors(self, model_key: str, texts: Sequence[str], vectors: Vectors) -> None:
        """Keep one vector a text."""


@dataclass(frozen=True)
class HostedModel:
    """A model behind an endpoint; the key is in the environment variable `api_key_env` and nowhere else."""

    model: str
    base_url: str
    api_key_env: str = "OPENAI_API_KEY"
    dimensions: int | None = None
    batch: int = 128
    timeout_s: float = 60.0
    retries: int = 5

    @property
    def key(self) -> str:
        """Under which its vectors are kept: endpoint, model and dimensions."""
        asked = "" if self.dimensions is None else f" {self.dimensions}"
        return f"hosted {shown_url(self.base_url).rstrip('/')} {self.model}{asked}"


def hosted_vectors(
    hosted: HostedModel,
    texts: Sequence[str],
    store: VectorStore,
    text_key: Callable[[str], str],
    done: Callable[[int], None] = lambda _: None,
) -> Vectors:
    """Unit vectors [texts, dimensions], from `store` or else from the endpoint; equal texts are asked for once.

    What a call brings is kept when it arrives, so a run that breaks off goes on from there. Calls are tried again for time-outs, rate
    limits and faults of the server, with growing pauses. `done` is called with the number of different texts that have a vector.
    Raises SettingsError without a key where one is needed, ProviderError when the endpoint refuses or sends something else.
    """
    unique = list(dict.fromkeys(texts))
    known = store.vectors(hosted.key, unique)
    missing = [text for text in unique if text_key(text) not in known]
    ready = len(unique) - len(missing)
    done(ready)
    for batch, found in _asked(hosted, missing):
        store.put_vectors(hosted.key, batch, found)
        known |= {text_key(text): vector for text, vector in zip(batch, found, strict=True)}
        ready += len(batch)
        done(ready)
    return _stacked([known[text_key(text)] for text in texts], hosted)


def _asked(hosted: HostedModel, texts: Sequence[str]) -> Iterator[tuple[Sequence[str], Vectors]]:
    """Batches with their vectors, in order; some calls are under way at once."""
    if not texts:
        return
    batches = [texts[start : start + hosted.batch] for start in range(0, len(texts), hosted.batch)]
    client = _client(hosted)
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            # In rounds: what is not used yet does not pile up, and after a fault few calls are still made.
            for start in range(0, len(batches), _AT_ONCE):
                some = batches[start : start + _AT_ONCE]
                yield from zip(some, pool.map(partial(_embed, client, hosted), some), strict=True)
    finally:
        client.close()


def _client(hosted: HostedModel) -> Any:
    import openai  # 0.4 s to load

    key = os.environ.get(hosted.api_key_env, "").strip()
    if not key and OPENAI_HOST in hosted.base_url:
        raise SettingsError(
            f"the environment variable {hosted.api_key_env} is not set, and {shown_url(hosted.base_url)} needs a key",
            where="hosted_api_key_env",
            next_step=f"set {hosted.api_key_env}, or hosted_base_url for another server",
        )
    try:
        return openai.OpenAI(
            api_key=key or "none", base_url=hosted.base_url, timeout=hosted.timeout_s, max_retries=hosted.retries
        )
    except Exception as error:
        raise SettingsError(
            f"cannot use {shown_url(hosted.base_url)} as an endpoint: {message(error)}",
            where=WHERE,
            next_step="write it like http://127.0.0.1:8000/v1",
        ) from error


def _embed(client: Any, hosted: HostedModel, texts: Sequence[str]) -> Vectors:
    """One call; a batch that is refused is tried in halves, as a single text may be to blame or the batch too large."""
    import openai

    asked: dict[str, Any] = {} if hosted.dimensions is None else {"dimensions": hosted.dimensions}
    try:
        # Several servers know no base64, the library's own choice.
        reply = client.embeddings.create(model=hosted.model, input=list(texts), encoding_format="float", **asked)
        return _checked(reply, len(texts), hosted)
    except (openai.OpenAIError, OSError) as error:
        if status_code(error) in _REFUSING_CODES and len(texts) > 1:
            middle = len(texts) // 2
            halves = [_embed(client, hosted, part) for part in (texts[:middle], texts[middle:])]
            return np.concatenate(halves)
        raise _provider_error(error, hosted, texts) from error


def _checked(reply: Any, count: int, hosted: HostedModel) -> Vectors:
    try:
        rows = sorted(reply.data, key=lambda row: row.index)
        vectors = np.asarray([row.embedding for row in rows], dtype=np.float32)
        whole = [row.index for row in rows] == list(range(count)) and vectors.ndim == 2 and vectors.shape[1] > 0
        whole = whole and bool(np.isfinite(vectors).all())
    except (AttributeError, TypeError, ValueError):
        whole = False
    if not whole:
        raise ProviderError(
            f"{shown_url(hosted.base_url)} did not send one vector of numbers for each of {count} texts",
            where=WHERE,
            next_step="check that it speaks OpenAI's /embeddings",
        )
    return vectors


def _stacked(vectors: Sequence[Vectors], hosted: HostedModel) -> Vectors:
    if len({len(vector) for vector in vectors}) > 1:
        raise ProviderError(
            f"{hosted.model} gave vectors of different lengths",
            where=WHERE,
            next_step="the model behind this name has changed: set hosted_folder to a new folder",
        )
    found = np.stack(vectors)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    unit: Vectors = (found / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit


def _provider_error(error: Exception, hosted: HostedModel, texts: Sequence[str]) -> ProviderError:
    url, code = shown_url(hosted.base_url), status_code(error)
    if code in (401, 403):
        # What the server says is left out here: some repeat the key.
        what = f"{url} refused the key in {hosted.api_key_env} ({code})"
        step = f"put a valid key into the environment variable {hosted.api_key_env}"
    elif code == 404:
        what = f"{url} has no model {hosted.model!r} or no /embeddings (404: {message(error)})"
        step = f"check the name after openai: and {WHERE} (it usually ends in /v1)"
    elif code in (402, 429):
        what = f"{url} says that there are too many requests or no quota is left ({code}: {message(error)})"
        step = "wait or raise the quota, then run the same command again; vectors already paid for are kept"
    elif code in _REFUSING_CODES:
        what = f"{url} refuses a text of {len(texts[0]):,} characters ({code}: {message(error)})"
        step = "it may be longer than the model reads: cut shorter passages (chunk.max_tokens); or check hosted_dimensions"
    elif is_timeout(error):
        what = f"{url} gives no answer in {hosted.timeout_s:g} s"
        step = "lower hosted_batch or raise hosted_timeout_s, then run the same command again; vectors already paid for are kept"
    else:
        what = f"{url} does not answer ({message(error)})"
        step = f"start the server or set {WHERE}, then run the same command again; vectors already paid for are kept"
    return ProviderError(what, where=WHERE, next_step=step)
