"""Scores each candidate question against its chunk; decides nothing.

One row in: a question. One row out: its checks, one column a gate.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import polars as pl

from curate.stage import Batch, Context, Stage
from curate.text import count_words, detect_language, is_unspaced
from curate.verify.form import question_form
from curate.verify.quotes import evidence_found, stands_in, word_overlap
from curate.verify.ranks import Corpus, own_ranks, read_corpus
from curate.verify.specific import specific_words
from curate.verify.wording import context_bound

Item = dict[str, Any]

QUESTIONS_AT_A_TIME = 512
_CLEAR_LEAD = 20.0
"""Log probability by which another language must lead: none of 8,800 English questions full of Latin names and foreign titles reached it."""
_KEYWORD_STYLES = ("terms", "heading")


def produce(context: Context) -> Iterator[Batch]:
    """Index all chunks, then walk through them in order and score the questions of each batch of chunks."""
    total = context.reader.count("questions")
    corpus = read_corpus(context.reader)
    done = 0
    for rows in context.engine.map(check_questions, _items(context, corpus)):
        done += len(rows)
        context.progress(done, total)
        yield Batch("checks", rows)


def _items(context: Context, corpus: Corpus) -> Iterator[list[Item]]:
    """Questions with their chunk's texts and BM25 rank. Ranges of chunk ids leave no gap, so a question without a chunk comes too."""
    after = ""
    for chunks in context.reader.batches("chunks", size=1024, columns=("chunk_id", "text", "passage")):
        upto = chunks["chunk_id"][-1]
        yield from _sliced(context, corpus, chunks, _questions(context, after, upto))
        after = upto
    yield from _sliced(context, corpus, None, _questions(context, after, "g"))


def _questions(context: Context, after: str, upto: str) -> pl.DataFrame:
    return context.reader.query("verify_questions", {"after": after, "upto": upto})


def _sliced(context: Context, corpus: Corpus, chunks: pl.DataFrame | None, questions: pl.DataFrame) -> Iterator[list[Item]]:
    texts = {} if chunks is None else {row[0]: (row[1], row[2]) for row in chunks.iter_rows()}
    for part in questions.iter_slices(QUESTIONS_AT_A_TIME):
        items = part.to_dicts()
        ranks = own_ranks(
            corpus,
            [item["question"] for item in items],
            [item["chunk_id"] for item in items],
            context.settings.verify.rank_window,
        )
        for item, rank in zip(items, ranks, strict=True):
            item["text"], item["passage"] = texts.get(item["chunk_id"], ("", ""))
            item["bm25_rank"] = rank
            item["specific_words"] = specific_words(item["question"], corpus.common)
        yield items


def check_questions(items: list[Item]) -> list[Item]:
    """A row of `checks` for each item; a pure function of the items."""
    return [_checked(item) for item in items]


def _checked(item: Item) -> Item:
    question, passage = item["question"], item["passage"]
    return {
        "question_id": item["question_id"],
        "question_words": count_words(question),
        "passage_words": _passage_words(passage),
        "question_form": question_form(question),
        "verbatim": stands_in(question, passage),
        "word_overlap": word_overlap(question, passage),
        "context_bound": context_bound(question),
        "language_match": language_match(question, item["text"], item["style"]),
        "bm25_rank": item["bm25_rank"],
        "specific_words": item["specific_words"],
        "evidence_found": evidence_found(item["evidence"], item["text"]),
        "evidence_words": count_words(item["evidence"]) if item["evidence"] else None,
    }


def language_match(question: str, text: str, style: str) -> bool | None:
    """Whether question and text are in the same language; None for keyword styles and where it cannot be told.

    Below 4 words or 20 letters (without spaces: 4 words of two characters) the detector guesses, and a foreign name in a short
    question misleads it: False needs a clear lead over the text's language.
    """
    if style in _KEYWORD_STYLES or count_words(question) < 4:
        return None
    if not is_unspaced(question) and sum(character.isalpha() for character in question) < 20:
        return None
    asked, written = detect_language(question), _language(text)
    if "und" in (asked, written):
        return None
    if asked == written:
        return True
    return False if _lead(question, written) >= _CLEAR_LEAD else None


# The questions of a chunk come one after the other, and a few lines tell the language of a passage.
@lru_cache(maxsize=16)
def _language(text: str) -> str:
    return detect_language(text[:600])


@lru_cache(maxsize=16)
def _passage_words(passage: str) -> int:
    return count_words(passage)


def _lead(question: str, language: str) -> float:
    """How far the likeliest language leads the given one, in log probability."""
    import py3langid  # 0.6 s to load

    scores = {str(code): float(score) for code, score in py3langid.rank(question)}
    return max(scores.values()) - scores.get(language, float("-inf"))


STAGE = Stage(
    name="verify",
    reads=("questions", "chunks", "chunk_clusters"),
    writes=("checks",),
    produce=produce,
    settings=("verify",),
    libraries=("bm25s", "py3langid", "PyStemmer"),
    files=("sql/verify_questions.sql",),
    conserves="questions",
)
