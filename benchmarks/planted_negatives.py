"""Passages with known answers, and false negatives planted beside them: copies, paraphrases by rule, chunks that hold the same answer."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.rewriting import reordered, reworded, sentences
from curate.near import jaccard
from curate.stage import content_id
from curate.text import content_words, normalise

SHARES = {
    "exact_copy": 0.14,
    "titled_copy": 0.1,
    "near_copy": 0.16,
    "reordered": 0.1,
    "reworded": 0.1,
    "rewritten": 0.1,
    "excerpt": 0.1,
    "pasted": 0.1,
    "pasted_near": 0.1,
}
"""Kind → share of the plants. reordered: sentences in another order; reworded: other words; rewritten: both; excerpt: the part with the
answer; pasted: its sentence among those of a passage on something else, pasted_near: of a passage of the same group."""
COPIES = ("exact_copy", "titled_copy", "near_copy")
HOST = "host"
"""A pasted plant against the questions of the passage it was pasted into, of which it keeps most."""
NATURAL = "natural"
"""Not planted: another passage that holds the answer and most of the question's content words. Some of them do not answer."""
NATURAL_OVERLAP = 0.75
NEAR_JACCARD = 0.8


@dataclass(frozen=True)
class Question:
    """A person's question of one passage; `answer` stands in it from `start` on (medquad: the whole passage answers, start -1)."""

    id: str
    text: str
    passage: str
    answer: str = ""
    start: int = -1


@dataclass(frozen=True)
class Planted:
    """A passage that answers the questions `answers` under another id."""

    id: str
    kind: str
    text: str
    answers: tuple[str, ...]
    title: str = ""
    host_answers: tuple[str, ...] = ()
    """Questions of the passage that it was pasted into."""


@dataclass(frozen=True)
class Material:
    """Passages by id, the group of each (article, disease), and questions by passage."""

    passages: Mapping[str, str]
    groups: Mapping[str, str]
    questions: Mapping[str, Sequence[Question]]
    members: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Group → passages, in order of id."""


Plant = Callable[[str, Material], tuple[str, tuple[str, ...], str | None] | None]
"""Passage id in; text, ids of the questions it answers, host out; None where the passage is not fit for it."""


def read_squad(data: Path, pairs: int) -> Material:
    """SQuAD v1: each paragraph a passage, grouped by article; `pairs` questions drawn by hash."""
    paragraphs = pl.read_parquet(data / "squad" / "v1_paragraphs.parquet")
    rows = pl.read_parquet(data / "squad" / "v1_questions.parquet").filter(~pl.col("is_impossible")).to_dicts()
    rows = sorted(rows, key=lambda row: content_id("squad", row["id"]))[:pairs]
    questions = [Question(row["id"], row["question"], row["para_id"], row["answer"], row["answer_start"]) for row in rows]
    texts = dict(paragraphs.select("para_id", "context").iter_rows())
    return material(texts, dict(paragraphs.select("para_id", "title").iter_rows()), questions)


def read_medquad(data: Path, pairs: int, skip: int = 0) -> Material:
    """MedQuAD: each answer a passage, grouped by what it is about; whole groups drawn by hash until there are `pairs` questions.

    Of the first `skip` rows all groups are left out.
    """
    rows = pl.read_parquet(data / "medquad" / "medquad_qa.parquet").filter(pl.col("answer").str.split(" ").list.len() >= 12)
    # Its own ids are unique in a document at best.
    rows = rows.with_row_index("row").with_columns(id=pl.format("m{}", "row"))
    every = [row | {"group": row["focus"] or row["doc_id"]} for row in rows.to_dicts()]
    drawn = sorted(every, key=lambda row: (content_id("medquad", row["group"]), row["row"]))
    left_out = {row["group"] for row in drawn[:skip]}
    kept = [row for row in drawn if row["group"] not in left_out][:pairs]
    first: dict[str, str] = {}
    for row in kept:
        # An answer that stands under several questions is one passage.
        first.setdefault(normalise(row["answer"]), row["id"])
    names = {row["id"]: first[normalise(row["answer"])] for row in kept}
    texts = {row["id"]: row["answer"] for row in kept if names[row["id"]] == row["id"]}
    groups = {row["id"]: row["group"] for row in kept if row["id"] in texts}
    return material(texts, groups, [Question(row["id"], row["question"], names[row["id"]]) for row in kept])


def material(passages: Mapping[str, str], groups: Mapping[str, str], questions: Iterable[Question]) -> Material:
    """Put questions to their passages and passages to their groups."""
    asked: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        asked[question.passage].append(question)
    members: dict[str, list[str]] = defaultdict(list)
    for name in sorted(passages):
        members[groups[name]].append(name)
    return Material(passages, groups, asked, members)


def plant(source: Material, count: int) -> list[Planted]:
    """At most `count` plants, one a passage, passages drawn by hash; kinds by `SHARES`, which a kind that fits too few may miss."""
    left = {kind: round(share * count) for kind, share in SHARES.items()}
    planted: list[Planted] = []
    for name in sorted(source.questions, key=lambda name: content_id("planted", name)):
        # The kind that lags most comes first, so that picky kinds get their turn with every passage.
        for kind in sorted((kind for kind in left if left[kind]), key=lambda kind: (-left[kind] / SHARES[kind], kind)):
            made = _RULES[kind](name, source)
            if made is None or (kind not in COPIES and normalise(made[0]) == normalise(source.passages[name])):
                continue
            text, answers, host = made
            left[kind] -= 1
            title = _title(name, source) if kind == "titled_copy" else ""
            hosted = tuple(question.id for question in source.questions.get(host or "", ()))
            planted.append(Planted(f"{kind}-{content_id('planted', kind, name)}", kind, text, answers, title, hosted))
            break
    return planted


def natural(source: Material) -> list[tuple[str, str]]:
    """(question id, passage id): passages that seem to answer a question of another passage, by answer string and content words."""
    found: list[tuple[str, str]] = []
    padded = {name: f" {normalise(text)} " for name, text in source.passages.items()}
    for name in sorted(source.questions):
        for question in source.questions[name]:
            answer, asked = normalise(question.answer), frozenset(content_words(question.text))
            if len(answer) < 3 or not asked:
                continue
            for other in source.members[source.groups[name]]:
                text = padded[other]
                if other == name or f" {answer} " not in text:
                    continue
                if sum(f" {word} " in text for word in asked) >= NATURAL_OVERLAP * len(asked):
                    found.append((question.id, other))
    return found


def write_corpus(folder: Path, source: Material, planted: Sequence[Planted]) -> Path:
    """pairs.jsonl, plants.jsonl and the passages without a question, for `curate build`; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = [
        {"id": question.id, "anchor": question.text, "positive": source.passages[name]}
        for name in sorted(source.questions)
        for question in source.questions[name]
    ]
    rest = [{"id": name, "text": text} for name, text in sorted(source.passages.items()) if name not in source.questions]
    plants = [{"id": one.id, "title": one.title, "text": one.text} for one in planted]
    for name, rows in (("pairs", pairs), ("plants", plants), ("passages", rest)):
        if rows:
            _write(folder / f"{name}.jsonl", rows)
    return folder


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _title(name: str, source: Material) -> str:
    return f"{source.groups[name].replace('_', ' ')} (archive)"


def _all(name: str, source: Material) -> tuple[str, ...]:
    return tuple(question.id for question in source.questions[name])


def _copy(name: str, source: Material) -> tuple[str, tuple[str, ...], None]:
    return source.passages[name], _all(name, source), None


def _near_copy(name: str, source: Material) -> tuple[str, tuple[str, ...], None] | None:
    """A line about the page at one end, or every fortieth word left out, as far as it stays a near-copy."""
    text = source.passages[name]
    lot = int(content_id("near copy", name), 16)
    line = ("Last reviewed: March 2015.", "Read the full article below.", "See also the related topics.")[lot % 3]
    said = text.split(" ")
    answer = frozenset(word for question in source.questions[name] for word in question.answer.split())
    shorter = " ".join(word for place, word in enumerate(said, 20) if place % 40 or word in answer)
    variants = (f"{text}\n{line}", shorter, f"{line}\n{text}")
    for made in variants[lot // 3 % 3 :] + variants[: lot // 3 % 3]:
        if normalise(made) != normalise(text) and jaccard(text, made, 5) >= NEAR_JACCARD:
            return made, _all(name, source), None
    return None


def _paraphrase(change: Callable[[str, str, Sequence[str]], str | None]) -> Plant:
    def made(name: str, source: Material) -> tuple[str, tuple[str, ...], None] | None:
        kept = [question.answer for question in source.questions[name]]
        text = change(source.passages[name], name, kept)
        return None if text is None else (text, _all(name, source), None)

    return made


def _rewritten(text: str, lot: str, kept: Sequence[str]) -> str | None:
    mixed = reordered(text, lot)
    return None if mixed is None else reworded(mixed, kept)


def _answer_at(name: str, source: Material) -> tuple[list[str], int, list[str]] | None:
    """Sentences, the place of the one that answers the passage's first question, and the questions that it answers."""
    text, asked = source.passages[name], source.questions[name]
    parts = sentences(text)
    if len(parts) < 3 or not asked:
        return None
    first = min(asked, key=lambda question: content_id("asked", question.id))
    at = 0 if first.start < 0 else _sentence_of(text, parts, first.start)
    return parts, at, [one.id for one in asked if (0 if one.start < 0 else _sentence_of(text, parts, one.start)) == at]


def _sentence_of(text: str, parts: Sequence[str], offset: int) -> int:
    begin = 0
    for number, part in enumerate(parts):
        begin = text.find(part, begin)
        if begin <= offset < begin + len(part):
            return number
    return 0


def _excerpt(name: str, source: Material) -> tuple[str, tuple[str, ...], None] | None:
    """The answering sentence and those around it, half of the passage."""
    found = _answer_at(name, source)
    if found is None:
        return None
    parts, at, answers = found
    size = (len(parts) + 1) // 2
    first = max(0, min(at - size // 2, len(parts) - size))
    return " ".join(parts[first : first + size]), tuple(answers), None


def _pasted(near: bool) -> Plant:
    def made(name: str, source: Material) -> tuple[str, tuple[str, ...], str] | None:
        found = _answer_at(name, source)
        host = _host(name, source, near=near)
        if found is None or host is None:
            return None
        parts, at, answers = found
        inside = sentences(source.passages[host])
        place = 1 + int(content_id("place", name), 16) % len(inside)
        # Where the whole passage answers, two sentences say more of it than one.
        pasted = parts[at : at + (1 if source.questions[name][0].start >= 0 else 2)]
        return " ".join([*inside[:place], *pasted, *inside[place:]]), tuple(answers), host

    return made


def _host(name: str, source: Material, *, near: bool) -> str | None:
    group = source.groups[name]
    pool = source.members[group] if near else sorted(source.passages)
    others = [other for other in pool if other != name and (near or source.groups[other] != group)]
    # A longer host would hide the sentence, a shorter one would be all sentence.
    fit = [other for other in others if 3 <= len(sentences(source.passages[other])) <= 20] if near else others
    if not fit:
        return None
    start = int(content_id("host", name), 16) % len(fit)
    return next((other for other in fit[start:] + fit[:start] if 3 <= len(sentences(source.passages[other])) <= 20), None)


_RULES: dict[str, Plant] = {
    "exact_copy": _copy,
    "titled_copy": _copy,
    "near_copy": _near_copy,
    "reordered": _paraphrase(lambda text, lot, _: reordered(text, lot)),
    "reworded": _paraphrase(lambda text, _, kept: reworded(text, kept)),
    "rewritten": _paraphrase(_rewritten),
    "excerpt": _excerpt,
    "pasted": _pasted(near=False),
    "pasted_near": _pasted(near=True),
}
