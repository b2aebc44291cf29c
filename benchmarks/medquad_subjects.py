"""MedQuAD's next subjects as a test set: people's questions on what no training pair is about, with the answers as passages."""

from __future__ import annotations

from pathlib import Path

from benchmarks.planted_negatives import read_medquad
from curate.text import normalise
from train.eval_set import EvalSet


def next_subjects(data: Path, trained: int, pairs: int) -> EvalSet:
    """The questions of the `pairs` pairs that follow the first `trained` (in the order of `read_medquad`), resampled by subject.

    Left out: subjects that the first pairs have, too, and any answer or question that stands among them. A question that stands over several
    answers has them all as positives.
    """
    known, everything = read_medquad(data, trained), read_medquad(data, trained + pairs)
    read = {normalise(text) for text in known.passages.values()}
    asked = {normalise(one.text) for questions in known.questions.values() for one in questions}
    passages = {
        name: text
        for name, text in everything.passages.items()
        if everything.groups[name] not in known.members and normalise(text) not in read
    }
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    clusters: dict[str, str] = {}
    first: dict[str, str] = {}
    for name in passages:
        for one in everything.questions.get(name, ()):
            text = normalise(one.text)
            if text in asked:
                continue
            query = first.setdefault(text, one.id)
            queries.setdefault(query, one.text)
            clusters.setdefault(query, everything.groups[name])
            qrels.setdefault(query, {})[name] = 1
    return EvalSet("test", passages, queries, qrels, clusters, {}, {})
