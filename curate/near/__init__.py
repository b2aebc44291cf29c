"""Near-duplicates: exact by the hash of the normalised text, near by MinHash bands whose candidates are verified by true Jaccard similarity.

Texts are signed in batches (`sign_all`, pure, may run in other processes), the signed batches are gathered (`Signatures`, memory bounded) and
grouped (`clusters`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

from curate.near.gathering import Signatures, Texts
from curate.near.grouping import Member, clusters
from curate.near.signing import Nearness, Signed, jaccard, sign_all

__all__ = ["Member", "Nearness", "Signatures", "Signed", "Texts", "clusters", "jaccard", "near_duplicate_clusters", "sign_all"]

_TEXTS_AT_ONCE = 1000


def near_duplicate_clusters(
    items: Iterable[tuple[str, str]], nearness: Nearness, preference: Callable[[str, str], tuple[int, ...]] | None = None
) -> list[Member]:
    """Clusters of (id, text) held in memory, sorted by id; ids are unique. `preference` of (id, text) picks representatives."""
    texts = dict(items)
    signatures, remaining = Signatures(nearness), iter(texts.items())
    while some := list(islice(remaining, _TEXTS_AT_ONCE)):
        preferences = [preference(*item) for item in some] if preference else [()] * len(some)
        signatures.add(sign_all(some, preferences, nearness))
    found = clusters(signatures, lambda ids: {id_: texts[id_] for id_ in ids})
    return sorted(found, key=lambda member: member.id)
