"""The scores of questions: searches and models over the whole corpus first, then rules on each question with its chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.stage import Context
from curate.text import count_words, detect_language, is_unspaced
from curate.verify.form import question_form
from curate.verify.quotes import evidence_span, stands_in, word_overlap
from curate.verify.ranks import Corpus, Own, own_places, read_corpus
from curate.verify.specific import specific_words
from curate.verify.support import answer_overlap, answered_under_heading, negation_differs, unsupported_names, unsupported_numbers
from curate.verify.wording import context_bound
from schemas.settings import VerifySettings

if TYPE_CHECKING:
    from curate.verify.checker import Checker
    from curate.verify.dense import Dense
    from curate.verify.sentence_checker import SentenceChecker

Item = dict[str, Any]
"""A question to be scored: question_id, chunk_id, question, style, answer, evidence; `text`, `passage` and `headings` of its chunk, `others`
(texts of the other chunks of its group, or None), `altered` (text and passage are not those of the corpus: a planted fault)."""

_CLEAR_LEAD = 20.0
"""Log probability by which another language must lead: none of 8,800 English questions full of Latin names and foreign titles reached it."""
_KEYWORD_STYLES = ("terms", "heading")


@dataclass(frozen=True)
class Scorer:
    """All that is needed to score questions against one corpus."""

    settings: VerifySettings
    corpus: Corpus
    dense: Dense | None
    checker: Checker | SentenceChecker | None

    def check(self, items: Sequence[Item]) -> list[Item]:
        """A row of `checks` for each item, without the judge."""
        return check_questions(self.placed(items))

    def placed(self, items: Sequence[Item]) -> list[Item]:
        """The items with what depends on the whole corpus or on a model; all else is a pure function of the item."""
        owns = [Own(item["chunk_id"], item["passage"] if item.get("altered") else None) for item in items]
        questions = [item["question"] for item in items]
        places = own_places(self.corpus, questions, owns, self.settings.rank_window)
        # A question that names little may still be told by its answer which passage it belongs to.
        answered = [n for n, item in enumerate(items) if item["answer"]]
        said = [f"{items[n]['question']}\n{items[n]['answer']}" for n in answered]
        leads = own_places(self.corpus, said, [owns[n] for n in answered], self.settings.rank_window)
        lead_of = {n: place.margin for n, place in zip(answered, leads, strict=True)}
        found = [
            {
                **item,
                "bm25_rank": place.rank,
                "bm25_margin": place.margin,
                "bm25_answer_margin": lead_of.get(n),
                "specific_words": specific_words(item["question"], self.corpus.common),
                "dense_rank": None,
                "dense_score": None,
                "dense_margin": None,
                "checker_score": None,
            }
            for n, (item, place) in enumerate(zip(items, places, strict=True))
        ]
        if self.dense is not None:
            self._search(self.dense, found, owns)
        if self.checker is not None:
            pairs = [(item["question"], "\n\n".join((item["passage"], *(item["others"] or ())))) for item in found]
            for item, score in zip(found, self.checker.scores(pairs), strict=True):
                item["checker_score"] = score
        return found

    def _search(self, dense: Dense, items: list[Item], owns: Sequence[Own]) -> None:
        from curate.verify.dense import Own as DenseOwn

        here = [(item, own) for item, own in zip(items, owns, strict=True) if own.chunk_id in self.corpus.position_of]
        targets = [DenseOwn(self.corpus.position_of[own.chunk_id], own.passage) for _, own in here]
        places = dense.places([item["question"] for item, _ in here], targets)
        for (item, _), place in zip(here, places, strict=True):
            item |= {"dense_rank": place.rank, "dense_score": place.score, "dense_margin": place.margin}


@contextmanager
def open_scorer(context: Context, progress: Callable[[int, int | None], None] | None = None) -> Iterator[Scorer]:
    """Index the corpus and load what the settings name; vectors and scores of models are kept in the build folder."""
    settings = context.settings.verify
    corpus = read_corpus(context.reader)
    if settings.dense_model is None and settings.checker is None:
        yield Scorer(settings, corpus, None, None)
        return
    from curate.verify.kept import Kept
    from curate.verify.sentence_match import Rarity

    with Kept(Path(context.folder)) as kept, ExitStack() as opened:
        dense = checker = None
        if settings.dense_model is not None:
            from curate.verify.dense import open_dense

            dense = opened.enter_context(closing(open_dense(settings, kept)))
            dense.index(_passages(context), corpus.clusters, progress or context.progress)
        if settings.checker is not None:
            from curate.verify.checker import open_checker

            checker = opened.enter_context(
                closing(open_checker(settings, kept, Rarity(corpus.stem_counts, len(corpus.clusters))))
            )
        yield Scorer(settings, corpus, dense, checker)


def _passages(context: Context) -> Iterator[list[str]]:
    for batch in context.reader.batches("chunks", size=1024, columns=("chunk_id", "passage")):
        yield batch["passage"].to_list()


def check_questions(items: list[Item]) -> list[Item]:
    """A row of `checks` for each placed item; a pure function of the items."""
    return [_checked(item) for item in items]


_PLACED = (
    "question_id",
    "bm25_rank",
    "bm25_margin",
    "bm25_answer_margin",
    "specific_words",
    "dense_rank",
    "dense_score",
    "dense_margin",
    "checker_score",
)


def _checked(item: Item) -> Item:
    question, passage, answer = item["question"], item["passage"], item["answer"]
    said = f"{question}\n{answer}" if answer else question
    source = _source(item.get("headings") or "", item["text"], tuple(item.get("others") or ()))
    span = evidence_span(item["evidence"], item["text"])
    quoted = count_words(item["evidence"]) if item["evidence"] else None
    return {
        **{name: item[name] for name in _PLACED},
        "question_words": count_words(question),
        "passage_words": _passage_words(passage),
        "question_form": question_form(question, by_model=item.get("origin") == "llm"),
        "verbatim": stands_in(question, passage),
        "word_overlap": word_overlap(question, passage),
        "context_bound": context_bound(question),
        "language_match": language_match(question, item["text"], item["style"]),
        "evidence_found": span is not None if quoted else None,
        "evidence_words": quoted,
        "evidence_start": span[0] if span else None,
        "evidence_end": span[1] if span else None,
        "answered_under_heading": answered_under_heading(item["evidence"], item.get("headings") or "", answer, item["text"]),
        "unsupported_numbers": unsupported_numbers(said, source),
        "unsupported_names": unsupported_names(said, source),
        "negation_differs": negation_differs(question, answer, item["evidence"]) if span else None,
        "answer_overlap": answer_overlap(answer, source),
        **NOT_JUDGED,
    }


NOT_JUDGED: dict[str, Any] = {"judge": None, "judge_failed": (), "judge_note": None}
"""The judge's columns of a question that it was not asked about."""


# The questions of a chunk come one after the other.
@lru_cache(maxsize=16)
def _source(headings: str, text: str, others: tuple[str, ...]) -> str:
    return "\n".join(part for part in (headings, text, *others) if part)


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
