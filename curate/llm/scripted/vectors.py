"""Embeddings without a model: texts that share words get vectors that are alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from curate.llm.scripted.replies import Reply, json_reply

DIMENSIONS = 64


def scripted_vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """How often words of each hash stand in the text, and a little of everything so that no vector is zero; of no fixed length."""
    vector = [0.01] * dimensions
    for word in re.findall(r"\w+", text.lower()):
        vector[int.from_bytes(sha256(word.encode()).digest()[:4], "big") % dimensions] += 1.0
    return vector


def vectors_reply(body: Mapping[str, Any]) -> Reply:
    """The answer to a request for embeddings."""
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    wanted = int(body.get("dimensions") or DIMENSIONS)
    rows = [
        {"object": "embedding", "index": index, "embedding": scripted_vector(text, wanted)} for index, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 7 * len(texts), "total_tokens": 7 * len(texts)}
    return json_reply({"object": "list", "data": rows, "model": body.get("model"), "usage": usage})
