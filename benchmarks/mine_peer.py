"""Negatives of the same pairs by sentence-transformers' `mine_hard_negatives`, on vectors that are encoded once."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.mined_case import WINDOW, Case
from curate.stage import content_id

Matrix = npt.NDArray[np.float32]


def encode(model: str, case: Case, cache: Path) -> dict[str, Matrix]:
    """Text → unit vector, for all anchors and passages; kept in `cache`."""
    wanted = sorted({*case.anchors.values(), *case.passages.values()})
    known: dict[str, Matrix] = {}
    if cache.is_file():
        with np.load(cache, allow_pickle=False) as stored:
            known = dict(zip(stored["names"].tolist(), stored["vectors"], strict=True))
    names = {text: content_id(model, text) for text in wanted}
    missing = [text for text in wanted if names[text] not in known]
    if missing:
        from sentence_transformers import SentenceTransformer

        loaded = SentenceTransformer(model, device="cpu")
        print(f"encode {len(missing)} texts", file=sys.stderr, flush=True)
        found = loaded.encode(missing, normalize_embeddings=True, show_progress_bar=False)
        known |= dict(zip((names[text] for text in missing), found, strict=True))
        np.savez(cache, names=np.array(list(known)), vectors=np.stack(list(known.values())))
    return {text: known[name] for text, name in names.items()}


class Remembered:
    """Stands for a model whose vectors are known already, as far as the peer's miner asks."""

    def __init__(self, model: str, vectors: Mapping[str, Matrix]) -> None:
        from sentence_transformers import util

        self.vectors, self.device = vectors, "cpu"
        self.similarity, self.similarity_pairwise = util.cos_sim, util.pairwise_cos_sim
        self.name = model

    def encode_document(self, texts: Sequence[str], **_: Any) -> Matrix:
        """Vectors of these texts."""
        return np.stack([self.vectors[text] for text in texts])

    encode_query = encode_document


def mine_peer(model: str, case: Case, vectors: Mapping[str, Matrix], k: int) -> dict[str, list[str]]:
    """What sentence-transformers' miner takes from the same passages for the same pairs."""
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    pairs = sorted(case.anchors)
    rows = [(case.anchors[pair], case.passages[case.positives[pair]]) for pair in pairs]
    mined = mine_hard_negatives(
        Dataset.from_dict({"anchor": [a for a, _ in rows], "positive": [p for _, p in rows]}),
        Remembered(model, vectors),  # type: ignore[arg-type]
        corpus=[case.passages[name] for name in sorted(case.passages)],
        range_max=WINDOW,
        relative_margin=0.05,
        num_negatives=k,
        output_format="triplet",
        verbose=False,
    )
    taken: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in mined:
        taken[row["anchor"], row["positive"]].append(row["negative"])
    chunks: dict[str, str] = {}
    for name in sorted(case.passages):
        chunks.setdefault(case.passages[name], name)
    return {pair: list(dict.fromkeys(chunks[text] for text in taken[row])) for pair, row in zip(pairs, rows, strict=True)}
