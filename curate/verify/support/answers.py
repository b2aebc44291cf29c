"""How much of an answer stands in the passage."""

from __future__ import annotations

from curate.verify.quotes import content_terms, passage_terms
from curate.verify.support.numbers import LARGEST_COUNT, unsupported_numbers
from curate.verify.support.reading import NUMBER_WORDS


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
