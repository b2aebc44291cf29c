"""Small data sets for recipes, in words that the tests' tiny encoder knows."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from tests.train.conftest import WORDS, write_jsonl

TOPICS = 48


def about(topic: int, rest: str = "") -> str:
    """A text of two words of its own."""
    return f"{WORDS[topic]} {WORDS[topic + 1]} {rest}".strip()


def nli_rows() -> list[dict[str, Any]]:
    """144 rows: each premise with a hypothesis of its own topic (entailment), of the next but one (neutral), of one far off."""
    rows = []
    for topic in range(TOPICS):
        premise = about(topic, "is about the only thing")
        for label, other in enumerate((topic, (topic + 2) % TOPICS, (topic + 24) % TOPICS)):
            rows.append({"premise": premise, "hypothesis": about(other, "is one"), "label": label})
    return rows


def rated_rows() -> list[dict[str, Any]]:
    """40 validation pairs, the nearer the topics the higher the score, and 40 of another split with scores the other way round."""
    rows = []
    for number in range(40):
        distance = 1 + number % 5
        pair = {"sentence1": about(number), "sentence2": about((number + distance) % TOPICS)}
        rows.append({"split": "dev", **pair, "score": 6.0 - distance})
        rows.append({"split": "train", **pair, "score": float(distance)})
    return rows


def intent_rows() -> list[dict[str, str]]:
    """Three classes of twelve words each, 36 texts to learn from and 18 to be tested on."""
    rows = []
    for number in range(54):
        label = number % 3
        text = f"{WORDS[label * 12 + number % 12]} {WORDS[label * 12 + (number * 5 + 1) % 12]}"
        rows.append({"split": "test" if number >= 36 else "train", "text": f"what is {text}", "label": f"intent {label}"})
    return rows


def nli_folder(folder: Path) -> Path:
    """The three data sets of the recipe `nli`, one in a folder of its own."""
    write_jsonl(folder / "nli_small" / "rows.jsonl", nli_rows())
    write_jsonl(folder / "stsb.jsonl", rated_rows())
    write_jsonl(folder / "banking77.jsonl", intent_rows())
    return folder


def read_lines(path: Path) -> list[dict[str, Any]]:
    """What a JSONL file holds."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def passage(number: int) -> str:
    """Sixteen words in an order of their own; the first three are asked about, and no two passages share all three."""
    drawn = Random(number)
    steps = (0, 13 + number // 60, 29)
    return " ".join([*(WORDS[(number * 7 + step) % 60] for step in steps), *drawn.sample(WORDS, 13)])


def question(number: int) -> str:
    """Asks about the first words of a passage."""
    return f"what is the topic of {' '.join(passage(number).split()[:3])}"


def question_rows(passages: int) -> list[dict[str, str]]:
    """Questions with the passages that answer them, as SQuAD names its columns."""
    return [{"question": question(number), "context": passage(number)} for number in range(passages)]
