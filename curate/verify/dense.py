"""Search with an embedding model: where each question's own chunk stands among all chunks, exactly."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from curate.verify.kept import Kept, Vectors, text_sha256
from curate.verify.models import free_memory, load_model, out_of_memory, weights_id
from schemas.errors import ContractError, SettingsError, StoreError
from schemas.settings import VerifySettings

WHERE = "verify.dense_model"
_DECIMALS = 4
_STEPS = 10**_DECIMALS
"""Cosines are compared to four decimals: the last bits depend on what else was in a batch. Measured with all-MiniLM-L6-v2, batches
of 32 against 8: of six decimals 1.6% differ, of five 0.2%, of four 0.01%."""
_PASSAGES_AT_ONCE = 16_384
_PLACES = 2**40
_QUESTIONS_AT_ONCE = 512
_TEXTS_A_COMMIT = 256
"""What a kill may lose: some seconds of a small model on a CPU."""

Kind = Literal["query", "document"]
Numbers = npt.NDArray[np.int64]
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Own:
    """A question's own chunk by its place in the index; `passage`: a text in place of the chunk's (a planted fault)."""

    position: int
    passage: str | None = None


@dataclass(frozen=True)
class DensePlace:
    """Where a question's chunk stands: rank from 1 of it or its best near-copy, its own cosine, and its lead over the best other.

    With an altered passage rank and cosine are those of the altered text, and the chunk's near-copies stand aside.
    `margin` is None when all chunks are near-copies of the own one.
    """

    rank: int
    score: float
    margin: float | None


class Dense:
    """An embedding model and the vectors of all chunks. Vectors are kept by text, so the model is loaded when one is missing.

    The vectors of the corpus lie in a file without a name in the build folder, not in memory.
    """

    def __init__(self, settings: VerifySettings, kept: Kept, where: str = WHERE) -> None:
        self._settings, self._kept, self._where = settings, kept, where
        self._weights = weights_id(settings.dense_model or "", where)
        self._model: Any = None
        self._vectors: Vectors = np.empty((0, 0), dtype=np.float32)
        self._clusters: Numbers = np.empty(0, dtype=np.int64)
        self._by_cluster: Numbers = self._clusters
        self._sorted: Numbers = self._clusters

    def close(self) -> None:
        """Give back the memory, on the GPU too."""
        self._vectors = np.empty((0, 0), dtype=np.float32)
        if self._model is not None:
            self._model = None
            free_memory()

    def index(self, passages: Iterable[list[str]], clusters: Numbers, progress: Progress = lambda *_: None) -> None:
        """Embed all passages, list by list; `clusters` holds the number of each one's near-duplicate cluster, in the same order."""
        done, total, width = 0, len(clusters), 0
        with tempfile.TemporaryFile(dir=self._kept.path.parent) as file:
            for texts in passages:
                vectors = self.embedded("document", texts, partial(_told, progress, done, total))
                width = self._same_width(width, vectors)
                try:
                    file.write(vectors.tobytes())
                    file.flush()
                except OSError as error:
                    raise StoreError(f"no room for the vectors: {error}", where=str(self._kept.path.parent)) from error
                done += len(texts)
                progress(done, total)
            if done != total:
                raise ContractError(f"{done} passages for {total} clusters", where=self._where)
            self._vectors = np.memmap(file, dtype=np.float32, mode="r", shape=(total, width)) if done else self._vectors
        self._clusters = clusters
        self._by_cluster = np.argsort(clusters, kind="stable")
        self._sorted = clusters[self._by_cluster]

    def places(self, questions: Sequence[str], own: Sequence[Own]) -> list[DensePlace]:
        """One place a question; each question has its own chunk, or the altered text of it."""
        found: list[DensePlace] = []
        for start in range(0, len(questions), _QUESTIONS_AT_ONCE):
            part = slice(start, start + _QUESTIONS_AT_ONCE)
            found += self._places(questions[part], own[part])
        return found

    def top(self, questions: Sequence[str], k: int) -> tuple[Numbers, npt.NDArray[np.float64]]:
        """The best k passages of each question: positions [n, k] and cosines [n, k] to four decimals, the earlier passage first of equal ones.

        With fewer than k passages the rest is filled with position -1 and 0. Exact; the corpus is read in blocks.
        """
        ids = np.full((len(questions), k), -1, dtype=np.int64)
        scores = np.zeros((len(questions), k), dtype=np.float64)
        width = min(k, len(self._vectors))
        for start in range(0, len(questions), _QUESTIONS_AT_ONCE):
            part = slice(start, start + _QUESTIONS_AT_ONCE)
            ids[part, :width], scores[part, :width] = self._top(self.embedded("query", questions[part]), width)
        return ids, scores

    def _top(self, queries: Vectors, k: int) -> tuple[Numbers, npt.NDArray[np.float64]]:
        best = np.empty((len(queries), 0), dtype=np.int64)
        for start in range(0, len(self._vectors), _PASSAGES_AT_ONCE):
            block = _steps(queries @ self._vectors[start : start + _PASSAGES_AT_ONCE].T).astype(np.int64)
            # One number that sorts by cosine, then by place: both fit into 63 bits.
            keys = (block + _STEPS) * _PLACES + (_PLACES - 1 - np.arange(start, start + block.shape[1]))
            best = np.concatenate([best, keys], axis=1)
            if best.shape[1] > k:
                best = np.partition(best, best.shape[1] - k, axis=1)[:, -k:]
        best = -np.sort(-best, axis=1)
        return _PLACES - 1 - best % _PLACES, (best // _PLACES - _STEPS) / _STEPS

    def cosine(self, question: str, position: int) -> float:
        """Of one question and one passage, to four decimals."""
        step: float = _steps(self._vectors[position] @ self.embedded("query", [question])[0]).item()
        return float(step / _STEPS)

    def cosines(self, questions: Sequence[str], passages: Sequence[str]) -> list[float]:
        """Of each question with the passage in the same place, to four decimals; passages need not be of the corpus."""
        if not questions:
            return []
        asked, found = self.embedded("query", questions), self.embedded("document", passages)
        return [float(step) / _STEPS for step in _steps(np.einsum("ij,ij->i", asked, found)).tolist()]

    def _places(self, questions: Sequence[str], own: Sequence[Own]) -> list[DensePlace]:
        queries = self.embedded("query", questions)
        altered = [target.passage for target in own if target.passage is not None]
        vectors = iter(self.embedded("document", altered)) if altered else iter(())
        scores: list[float] = []
        best: list[float] = []
        copies = [self._copies(target.position) for target in own]
        for query, target, members in zip(queries, own, copies, strict=True):
            if target.passage is not None:
                scores.append(_steps(next(vectors) @ query))
                best.append(scores[-1])
                continue
            found = _steps(self._vectors[members] @ query)
            scores.append(found[np.searchsorted(members, target.position)])
            best.append(found.max())
        above, other = self._others(queries, copies, np.array(best, dtype=np.float32))
        return [
            DensePlace(
                int(rank) + 1, float(score) / _STEPS, None if lead == -np.inf else round((score - lead) / _STEPS, _DECIMALS)
            )
            for rank, score, lead in zip(above, map(float, scores), map(float, other), strict=True)
        ]

    def _copies(self, position: int) -> Numbers:
        """Places of the chunks of one cluster, in order."""
        cluster = self._clusters[position]
        first, last = np.searchsorted(self._sorted, cluster, "left"), np.searchsorted(self._sorted, cluster, "right")
        return self._by_cluster[first:last]

    def _others(self, queries: Vectors, copies: Sequence[Numbers], best: Vectors) -> tuple[Numbers, Vectors]:
        """For each query, how many chunks outside its cluster score above `best`, and the best score among them."""
        rows = np.repeat(np.arange(len(copies)), [len(members) for members in copies])
        columns = np.concatenate(copies) if len(copies) else np.empty(0, dtype=np.int64)
        above = np.zeros(len(queries), dtype=np.int64)
        other = np.full(len(queries), -np.inf, dtype=np.float32)
        for start in range(0, len(self._vectors), _PASSAGES_AT_ONCE):
            block = _steps(queries @ self._vectors[start : start + _PASSAGES_AT_ONCE].T)
            here = (columns >= start) & (columns < start + _PASSAGES_AT_ONCE)
            block[rows[here], columns[here] - start] = -np.inf
            above += np.count_nonzero(block > best[:, None], axis=1)
            np.maximum(other, block.max(axis=1), out=other)
        return above, other

    def embedded(self, kind: Kind, texts: Sequence[str], progress: Callable[[int], None] = lambda _: None) -> Vectors:
        """Unit vectors [texts, dimensions]; those that are not kept are computed, shortest first, and kept block by block."""
        key = f"dense 1 {kind} {self._weights}"
        known = self._kept.vectors(key, texts)
        missing = sorted({text for text in texts if text_sha256(text) not in known}, key=lambda text: (len(text), text))
        for start in range(0, len(missing), _TEXTS_A_COMMIT):
            block = missing[start : start + _TEXTS_A_COMMIT]
            vectors = self._computed(kind, block)
            self._kept.put_vectors(key, block, vectors)
            known |= {text_sha256(text): vector for text, vector in zip(block, vectors, strict=True)}
            progress(len(texts) - len(missing) + start + len(block))
        if len({len(vector) for vector in known.values()}) > 1:
            raise self._damaged()
        return np.stack([known[text_sha256(text)] for text in texts]) if texts else np.empty((0, 0), dtype=np.float32)

    def _computed(self, kind: Kind, texts: list[str]) -> Vectors:
        settings = self._settings
        if self._model is None:
            self._model = load_model("SentenceTransformer", settings.dense_model or "", self._where, settings.device)
        # These put the model's own prompts before the texts.
        encode = self._model.encode_query if kind == "query" else self._model.encode_document
        try:
            vectors = encode(texts, batch_size=settings.model_batch, normalize_embeddings=True, show_progress_bar=False)
        except Exception as error:
            told = out_of_memory(error, self._where)
            if told is None:
                raise
            raise told from error
        found: Vectors = np.asarray(vectors, dtype=np.float32)
        if not np.isfinite(found).all():
            raise SettingsError("the model's embeddings are not numbers", where=self._where, next_step="use another model")
        return found

    def _same_width(self, width: int, vectors: Vectors) -> int:
        if width and len(vectors) and vectors.shape[1] != width:
            raise self._damaged()
        return width or vectors.shape[1]

    def _damaged(self) -> StoreError:
        return StoreError(
            "kept vectors of one model differ in length",
            where=str(self._kept.path),
            next_step="delete the file; its numbers are then computed again",
        )


def open_dense(settings: VerifySettings, kept: Kept, where: str = WHERE) -> Dense:
    """The search of `settings.dense_model`, which the setting `where` names. Raises SettingsError when there is no such model; it is loaded when first needed."""
    return Dense(settings, kept, where)


def _told(progress: Progress, before: int, total: int, here: int) -> None:
    progress(before + here, total)


def _steps(cosines: Any) -> Any:
    """Cosines as whole steps; float32 holds whole numbers up to 16 millions exactly."""
    return np.clip(np.rint(np.asarray(cosines, dtype=np.float32) * np.float32(_STEPS)), -_STEPS, _STEPS)
