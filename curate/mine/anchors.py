"""Which passages are known to answer an anchor: those of every positive question with the same normalised wording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.mine.guards import Positives, Rules
from curate.mine.passages import Passages, text_key
from curate.stage import Reader

Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Anchors:
    """Anchor keys in ascending order and, beside each, the number whose 16 hex digits are its question's id (16 bytes a question)."""

    keys: Keys
    question_numbers: Keys

    def question_ids(self, anchor: str) -> list[str]:
        """Ids of the positive questions with this wording, kept or not."""
        key = np.uint64(text_key(anchor))
        first, last = np.searchsorted(self.keys, key, "left"), np.searchsorted(self.keys, key, "right")
        return [f"{number:016x}" for number in self.question_numbers[first:last].tolist()]


def read_anchors(reader: Reader) -> Anchors:
    """All positive questions, also those that the filter rejected: their passages may still answer the anchor."""
    keys: list[Keys] = [np.zeros(0, np.uint64)]
    numbers: list[Keys] = [np.zeros(0, np.uint64)]
    for rows in reader.batches("questions", columns=("question_id", "question", "is_positive")):
        positive = rows.filter(rows["is_positive"])
        keys.append(np.array([text_key(question) for question in positive["question"]], np.uint64))
        numbers.append(np.array([int(name, 16) for name in positive["question_id"]], np.uint64))
    all_keys, all_numbers = np.concatenate(keys), np.concatenate(numbers)
    order = np.lexsort((all_numbers, all_keys))
    return Anchors(all_keys[order], all_numbers[order])


def positives_of(
    reader: Reader, anchors: Anchors, pairs: Sequence[Mapping[str, Any]], passages: Passages, rules: Rules
) -> list[Positives]:
    """For each pair all that answers its anchor; pairs with the same normalised anchor share one value."""
    questions_by_key: dict[int, list[str]] = {}
    keys = [text_key(pair["anchor"]) for pair in pairs]
    for key, pair in zip(keys, pairs, strict=True):
        known = questions_by_key.setdefault(key, anchors.question_ids(pair["anchor"]))
        if pair["question_id"] not in known:
            known.append(pair["question_id"])
    wanted = sorted({name for names in questions_by_key.values() for name in names})
    questions = {row["question_id"]: row for row in reader.query("mine_questions", {"ids": wanted}).iter_rows(named=True)}
    passages.load([row["chunk_id"] for row in questions.values()])
    found: dict[int, Positives] = {}
    anchors_by_key = dict(zip(keys, (pair["anchor"] for pair in pairs), strict=True))
    for key, names in questions_by_key.items():
        positives = found[key] = Positives(anchors_by_key[key])
        for row in (questions[name] for name in names if name in questions):
            positives.add(passages.by_id[row["chunk_id"]], row["answer"], row["evidence"], rules)
    return [found[key] for key in keys]
