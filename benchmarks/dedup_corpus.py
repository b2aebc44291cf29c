"""The corpus of `benchmarks/dedup.py`: documents with exact copies, near-duplicates and near misses whose true similarity is known."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random

SHINGLE = 5
_SHARES = {"near": 0.12, "exact": 0.05, "miss": 0.05}
_PARAGRAPH = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Corpus:
    """Texts in a shuffled order, and the planted pairs as positions with their true Jaccard similarity."""

    texts: list[str]
    pairs: list[tuple[int, int, float]]


class Words:
    """Words drawn by Zipf's law (exponent 1) from a made-up vocabulary; frequent words are short."""

    def __init__(self, chosen: Random, size: int = 50_000) -> None:
        self.chosen = chosen
        syllables = [a + b for a in "bcdfghjklmnprstvwz" for b in ("a", "e", "i", "o", "u", "an", "er", "is")]
        self.vocabulary = ["".join(chosen.choices(syllables, k=1 + (n > 100) + (n > 2000) + (n > 20000))) for n in range(size)]
        self.cumulative = list(accumulate(1 / (n + 1) for n in range(size)))

    def draw(self, count: int) -> list[str]:
        return self.chosen.choices(self.vocabulary, cum_weights=self.cumulative, k=count)

    def document(self) -> str:
        """Sentences of 8 to 25 words; lengths in words are log-normal with the median 150 and sigma 0.6."""
        left = max(20, int(self.chosen.lognormvariate(5.01, 0.6)))
        sentences = []
        while left > 0:
            words = self.draw(min(left, self.chosen.randint(8, 25)))
            left -= len(words)
            sentences.append(" ".join(words).capitalize() + ".")
        return " ".join(sentences)


def paragraphs(folder: Path) -> list[str]:
    """Paragraphs of 20 to 1,000 words, each once, from *.md, *.rst and *.txt files and the text columns of *.parquet files."""
    found: dict[str, None] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".md", ".rst", ".txt"):
            texts = [path.read_text(encoding="utf-8", errors="replace")]
        elif path.suffix == ".parquet":
            import polars as pl

            frame = pl.read_parquet(path)
            texts = [
                text
                for name in frame.columns
                if frame[name].dtype == pl.String
                for text in frame[name].unique(maintain_order=True)
            ]
        else:
            continue
        pieces = (" ".join(piece.split()) for text in texts if text for piece in _PARAGRAPH.split(text))
        found.update((piece, None) for piece in pieces if 20 <= len(piece.split()) <= 1000)
    return list(found)


def make(documents: int, seed: int, folder: Path | None) -> Corpus:
    """`documents` texts: 78% of their own, 12% near-duplicates and 5% exact copies and 5% near misses of one of those, each of another.

    With `folder` the texts are its paragraphs; when they run out, sentences of them in other combinations.
    """
    chosen = Random(seed)
    words, kinds = Words(chosen), {kind: int(share * documents) for kind, share in _SHARES.items()}
    texts = _bases(documents - sum(kinds.values()), words, paragraphs(folder) if folder else [])
    planted = iter(chosen.sample(range(len(texts)), sum(kinds.values())))
    pairs = []
    for kind, count in kinds.items():
        for _ in range(count):
            original = next(planted)
            copy = texts[original] if kind == "exact" else edited(texts[original], kind, words)
            pairs.append((original, len(texts), true_jaccard(texts[original], copy)))
            texts.append(copy)
    order = list(range(len(texts)))
    chosen.shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    return Corpus([texts[old] for old in order], [(place[a], place[b], similarity) for a, b, similarity in pairs])


def _bases(count: int, words: Words, real: Sequence[str]) -> list[str]:
    if not real:
        return [words.document() for _ in range(count)]
    sentences = [sentence for text in real for sentence in re.split(r"(?<=[.!?]) +", text)]
    texts = list(real[:count])
    while len(texts) < count:
        length, pieces = max(20, int(words.chosen.lognormvariate(5.01, 0.6))), list[str]()
        while sum(len(piece.split()) for piece in pieces) < length:
            pieces.append(words.chosen.choice(sentences))
        texts.append(" ".join(pieces))
    return texts


def edited(text: str, kind: str, words: Words) -> str:
    """A near copy aimed at a Jaccard similarity of 0.8 to 0.95 ("near") or 0.4 to 0.65 ("miss").

    Half of the copies have scattered words replaced (each costs up to five shingles), a quarter a run of words at one end replaced, a quarter
    a run of words inserted inside. How similar a copy came out is measured, not assumed.
    """
    chosen, pieces = words.chosen, text.split(" ")
    aim = chosen.uniform(0.8, 0.95) if kind == "near" else chosen.uniform(0.4, 0.65)
    shingles = max(1, len(pieces) - SHINGLE + 1)
    way = chosen.randrange(4)
    if way < 2:
        for place in chosen.sample(
            range(len(pieces)), min(len(pieces), max(1, round(shingles * (1 - aim) / (1 + aim) / SHINGLE)))
        ):
            pieces[place] = words.draw(1)[0]
    elif way == 2:
        run = max(1, round(shingles * (1 - aim) / (1 + aim)))
        pieces[-run:] = words.draw(run)
    else:
        place = chosen.randrange(len(pieces))
        pieces[place:place] = words.draw(max(1, round(shingles * (1 / aim - 1)) - SHINGLE + 1))
    return " ".join(pieces)


def true_jaccard(a: str, b: str) -> float:
    """Jaccard similarity of the sets of five words in a row, letters and digits of each word in lower case; no hashing."""
    mine, theirs = _shingles(a), _shingles(b)
    return len(mine & theirs) / len(mine | theirs) if mine or theirs else float(a == b)


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+(?:['.\-]\w+)*", text.lower())
    return set(zip(*(words[n:] for n in range(SHINGLE)), strict=False))


def write(corpus: Corpus, path: Path) -> None:
    """Texts as JSON lines, for a side in a process of its own."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(text) + "\n" for text in corpus.texts)
