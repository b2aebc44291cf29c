"""What a generator is given: one chunk with its headings and the kinds of its blocks; what it gives back: candidates."""

from __future__ import annotations

import re
from dataclasses import dataclass

from curate.generate.vocabulary import terms_of
from curate.text import is_unspaced, normalise

_BLANK_LINE = re.compile(r"\n\s*\n")
_TERMS_A_QUESTION = 18
_CHARACTERS_A_QUESTION = 30
_PROSE = ("paragraph", "list_item", "quote")


@dataclass(frozen=True)
class Passage:
    """One chunk that may give questions."""

    chunk_id: str
    text: str
    passage: str
    """What is embedded."""
    heading_path: tuple[str, ...]
    tokens: int
    language: str
    split: str
    blocks: tuple[tuple[str, int, int], ...]
    """Kind, start, end of the document's blocks in this chunk, as spans of `text`; empty when nothing is known."""
    begins_section: bool
    """The first chunk under its heading."""
    heading_sections: int
    """Sections of the whole corpus whose last heading reads like this one's."""
    path_sections: int
    """Sections of the whole corpus with all of the same headings."""

    def bears(self, most: int) -> int:
        """How many questions it can bear: one, and one more for every 18 distinct terms, at most `most`.

        Distinct terms tell how much is said: a long table of the same words is worth no more questions than a short one. English prose of
        150 tokens holds about 45. Where words are not separated by spaces, one more for every 30 distinct characters.
        """
        if is_unspaced(self.text):
            return min(most, 1 + len(set(self.text)) // _CHARACTERS_A_QUESTION)
        return min(most, 1 + len(terms_of(self.text, self.language)) // _TERMS_A_QUESTION)

    @property
    def is_cased(self) -> bool:
        """Whether any letter is a capital: of transcripts and abstracts in small letters alone, case tells nothing."""
        return self.text != self.text.lower()

    def prose(self) -> list[tuple[str, str]]:
        """(kind, text) of the blocks that hold sentences: no headings, code or tables."""
        if self.blocks:
            return [(kind, self.text[start:end]) for kind, start, end in self.blocks if kind in _PROSE]
        return [("paragraph", part) for part in _BLANK_LINE.split(self.text) if part.strip()]


@dataclass(frozen=True)
class Candidate:
    """A question for one chunk, before it has an id. `verbatim`: its normalised form stands in the normalised passage."""

    question: str
    style: str
    verbatim: bool
    answer: str | None = None
    evidence: str | None = None


def one_line(text: str) -> str:
    """The text with every run of white space as one space."""
    return " ".join(text.split())


def stands_in(question: str, normalised_passage: str) -> bool:
    """Whether the question stands word for word in a passage that is normalised already."""
    return normalise(question) in normalised_passage
