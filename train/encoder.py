"""What turns texts into vectors in an evaluation: a loaded model, a hosted one, or a stand-in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from train.models import Embeddings, embed

Kind = Literal["query", "document"]
Done = Callable[[int], None]


class Encoder(Protocol):
    """Texts → unit vectors [texts, dimensions] in float32; calls `done` with the number of different texts embedded so far."""

    def __call__(self, texts: Sequence[str], kind: Kind, done: Done) -> Embeddings: ...


def model_encoder(model: Any, batch_size: int) -> Encoder:
    """A loaded SentenceTransformer as an Encoder, with its own prompts for queries and documents."""

    def encode(texts: Sequence[str], kind: Kind, done: Done) -> Embeddings:
        return embed(model, texts, kind, batch_size, done)

    return encode
