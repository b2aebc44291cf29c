"""Classification on embeddings, by MTEB's protocol: a logistic regression on few labelled texts a class, several times."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.recipes.order import Order
from pipelines.recipes.source import Part, Row, read_part, some, texts
from schemas.errors import InputError
from train.models import third_party

BANKING77 = Part("banking77", "hf://mteb/banking77", "text, label, and split: train or test")
SHOTS, DRAWS = 8, 10
"""Labelled texts a class, and how often they are drawn anew (MTEB's classification tasks; Muennighoff et al. 2022, 2210.07316)."""
_TEXT, _LABEL = ("text", "utterance", "sentence"), ("label_text", "label", "category", "intent")
_TEST_SHARE = 5
_BATCH = 64

Texts = tuple[list[str], list[str]]
"""Texts and their classes."""


@dataclass(frozen=True)
class Intents:
    """Labelled texts to learn from and to be tested on."""

    train: Texts
    test: Texts


@dataclass(frozen=True)
class Classified:
    """Means over the draws."""

    accuracy: float
    macro_f1: float
    """Mean over the classes of F1."""


def read_intents(order: Order) -> Intents:
    """Banking77, or any texts with classes: by their `split`, else every fifth of them, by hash, is a test."""
    rows = read_part(order, BANKING77)
    test = [row for row in rows if row.get("split") == "test"]
    train = [row for row in rows if row.get("split") != "test"]
    if not test:
        test = some(rows, max(1, len(rows) // _TEST_SHARE), order.seed)
        chosen = {id(row) for row in test}
        train = [row for row in rows if id(row) not in chosen]
    found = Intents(*(_columns(some(part, order.max_rows, order.seed)) for part in (train, test)))
    if len(set(found.train[1])) < 2:
        raise InputError("fewer than two classes to learn", where=BANKING77.name, next_step="give more rows (--max-rows)")
    return found


def classify(model: Any, intents: Intents, seed: int) -> Classified:
    """How well a logistic regression on the model's vectors tells the classes apart, learning from `SHOTS` texts of each."""
    train, test = (_vectors(model, found[0]) for found in (intents.train, intents.test))
    labels, truth = np.array(intents.train[1]), np.array(intents.test[1])
    generator = np.random.default_rng(seed)
    scores = [_draw((train, labels), (test, truth), generator) for _ in range(DRAWS)]
    accuracy, macro_f1 = np.mean(scores, axis=0)
    return Classified(float(accuracy), float(macro_f1))


def _draw(
    train: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    test: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    generator: np.random.Generator,
) -> tuple[float, float]:
    order = generator.permutation(len(train[1]))
    chosen = np.sort(np.concatenate([order[train[1][order] == name][:SHOTS] for name in np.unique(train[1])]))
    regression = third_party("sklearn.linear_model").LogisticRegression(max_iter=100)
    metrics = third_party("sklearn.metrics")
    with warnings.catch_warnings():
        # A hundred rounds is the protocol, finished or not.
        warnings.simplefilter("ignore")
        said = regression.fit(train[0][chosen], train[1][chosen]).predict(test[0])
        return float(np.mean(said == test[1])), float(metrics.f1_score(test[1], said, average="macro"))


def _vectors(model: Any, found: Sequence[str]) -> npt.NDArray[Any]:
    """As the model gives them, not brought to length 1: so MTEB does."""
    vectors = model.encode(list(found), batch_size=_BATCH, convert_to_numpy=True, show_progress_bar=False)
    return np.asarray(vectors, dtype=np.float32)


def _columns(rows: Sequence[Row]) -> Texts:
    found = texts(rows, (_TEXT, _LABEL), BANKING77)
    return [text for text, _ in found], [label for _, label in found]
