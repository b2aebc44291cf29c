"""The words of a question that say what it is about."""

from __future__ import annotations

from curate.bm25 import tokenise
from curate.calibrate.material import Material, name_kind, pieces
from curate.generate.vocabulary import is_word, unspaced_terms
from curate.text import is_unspaced
from curate.verify.specific import stems


def telling_words(question: str, material: Material, most: int) -> list[str]:
    """Up to `most` words of a question as they stand in it, in their order: names first, then those rarest in the corpus, then long ones."""
    if is_unspaced(question):
        return list(dict.fromkeys(unspaced_terms(question, "zh")))[:most] or [question.strip()[:6]]
    found = list(dict.fromkeys(word for word, _ in pieces(question)))
    ranked = sorted(
        (
            (
                0 if word in material.kinds or name_kind(word) in ("identifier", "mixed") else 1,
                _frequency(word, material),
                -len(word),
                number,
                word,
            )
            for number, word in enumerate(found)
            if word in material.kinds or is_word(word.lower())
        ),
    )
    chosen = {word for *_, word in ranked[:most]}
    return [word for word in found if word in chosen]


def _frequency(word: str, material: Material) -> float:
    """Lower for rarer words; stems common to the whole corpus come last."""
    index = material.corpus.index
    if stems([word.lower()]) & material.corpus.common:
        return 0.0
    terms = index.terms(tokenise(word))
    return -float(max(index.weights(terms), default=0.0)) if terms else -1.0
