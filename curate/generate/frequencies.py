"""How common each term is: document frequencies over all chunks, one streaming pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from curate.generate.vocabulary import terms_of
from curate.stage import Context

CHUNKS_A_BATCH = 2048
MAX_TERMS = 2_000_000
"""Beyond it, terms seen once are forgotten (they count as seen once anyway), so that memory stays bounded."""


@dataclass(frozen=True)
class Frequencies:
    """In how many of `chunks` chunks a term stands; terms of one chunk alone are not listed."""

    chunks: int
    counts: dict[str, int]

    def rarity(self, term: str) -> int:
        """Inverse document frequency in whole powers of two, so that a few more documents seldom change a choice."""
        return max(0, self.chunks.bit_length() - self.counts.get(term, 1).bit_length())

    def is_common(self, term: str) -> bool:
        """Whether it stands in more than a quarter of the chunks (told from eight chunks on)."""
        return self.chunks >= 8 and 4 * self.counts.get(term, 1) > self.chunks


def count_frequencies(context: Context) -> Frequencies:
    """Read every chunk once."""
    texts = (
        list(zip(batch["text"].to_list(), batch["language"].to_list(), strict=True))
        for batch in context.reader.batches("chunks", CHUNKS_A_BATCH, ["chunk_id", "text", "language"])
    )
    return merged(context.engine.map(count_batch, texts), context.reader.count("chunks"))


def count_batch(texts: list[tuple[str, str]]) -> Counter[str]:
    """Chunks of a batch that hold each term."""
    counts: Counter[str] = Counter()
    for text, language in texts:
        counts.update(terms_of(text, language).keys())
    return counts


def merged(batches: Iterable[Counter[str]], chunks: int, limit: int = MAX_TERMS) -> Frequencies:
    """One table of all batches, without the terms that stand in one chunk."""
    counts: Counter[str] = Counter()
    for batch in batches:
        counts.update(batch)
        least = 2
        while len(counts) > limit:
            counts = Counter(dict(_at_least(counts, least)))
            least *= 2
    return Frequencies(chunks, dict(_at_least(counts, 2)))


def _at_least(counts: Counter[str], least: int) -> Iterator[tuple[str, int]]:
    return ((term, count) for term, count in counts.items() if count >= least)
