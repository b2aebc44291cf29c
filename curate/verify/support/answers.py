"""How much of an answer stands in the passage."""

from __future__ import annotations

from curate.verify.quotes import content_terms, passage_terms, stands_in
from curate.verify.support.numbers import LARGEST_COUNT, unsupported_numbers
from curate.verify.support.reading import NUMBER_WORDS

LEAST_TERMS = 4
"""Content words of an answer that can stand in for a quote."""


def answered_under_heading(evidence: str | None, headings: str, answer: str | None, passage: str) -> bool | None:
    """Whether the quote is a heading that the chunk stands under, and the answer, of four content words or more, is made of the chunk's words.

    A model that is shown headings quotes them now and then: such a quote says where the answer is, not what it is. None without a quote.
    """
    if not evidence:
        return None
    return stands_in(evidence, headings) and all_said(answer, passage)


def all_said(answer: str | None, passage: str) -> bool:
    """Whether an answer of four content words or more is made of the passage's words alone."""
    return len(content_terms(answer or "")) >= LEAST_TERMS and answer_overlap(answer, passage) == 1.0


def answer_overlap(answer: str | None, passage: str) -> float | None:
    """Share of the answer's content words of which some form stands in the passage (with its headings); None where it has none ("Yes").

    Forms are folded as by `word_overlap`; numbers are compared by value. Cost: about 0.05 ms. Failure modes: an answer in other words than
    the passage's scores low though it is right (free answers of a small model: 0.5 and less for one true answer in five), and one made of the
    passage's words scores 1 whatever it says.
    """
    terms = content_terms(answer or "") - {"yes"}
    if not terms:
        return None
    missing = terms - passage_terms(passage)
    numbers = {term for term in missing if NUMBER_WORDS.get(term, 0) > LARGEST_COUNT or any(c.isdigit() for c in term)}
    if numbers and not unsupported_numbers(answer or "", passage):
        missing -= numbers
    return (len(terms) - len(missing)) / len(terms)
