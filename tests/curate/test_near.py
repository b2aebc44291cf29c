"""Near-duplicate clusters against brute force: what is found, what is not, and what never depends on order."""

from __future__ import annotations

import random
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import curate.near.gathering
import curate.near.grouping
import curate.near.signing
from curate.near import Member, Nearness, Signatures, clusters, jaccard, near_duplicate_clusters, sign_all
from curate.near.bands import band_rows
from curate.stage import content_id
from curate.text import normalise, shingles

NEARNESS = Nearness(0.8)


def text(seed: int, length: int = 60) -> list[str]:
    chosen = random.Random(seed)
    return [f"w{chosen.randrange(3000)}" for _ in range(length)]


def changed(words: list[str], places: int, seed: int) -> list[str]:
    chosen = random.Random(seed)
    return [f"x{seed}" if n in chosen.sample(range(len(words)), places) else word for n, word in enumerate(words)]


def groups(members: list[Member]) -> set[frozenset[str]]:
    found: dict[str, set[str]] = {}
    for member in members:
        found.setdefault(member.cluster_id, set()).add(member.id)
    return {frozenset(group) for group in found.values()}


def brute_force(items: dict[str, str], nearness: Nearness) -> set[frozenset[str]]:
    joined = {id_: {id_} for id_ in items}
    sets = {id_: shingles(text_, nearness.shingle) for id_, text_ in items.items()}
    for a, mine in sets.items():
        for b, theirs in sets.items():
            near = mine and len(mine & theirs) / len(mine | theirs) >= nearness.threshold
            if near and joined[a] is not joined[b]:
                joined[a] |= joined[b]
                for id_ in joined[b]:
                    joined[id_] = joined[a]
    return {frozenset(group) for group in joined.values()}


def test_exact_row_of_exact_near_and_different_texts() -> None:
    base = " ".join(text(1))
    near = " ".join([*text(1), "one", "more", "word"])
    items = [("a", base), ("b", base.upper() + "!"), ("c", near), ("d", " ".join(text(2)))]
    cluster = content_id("cluster", min(sha256(normalise(t).encode()).hexdigest() for t in (base, near)))
    other = content_id("cluster", sha256(normalise(items[3][1]).encode()).hexdigest())
    similarity = 56 / 59
    assert near_duplicate_clusters(items, NEARNESS, lambda id_, t: (-len(t),)) == [
        Member("a", cluster, False, "near", similarity),
        Member("b", cluster, False, "near", similarity),
        Member("c", cluster, True, "none", 1.0),
        Member("d", other, True, "none", 1.0),
    ]


def test_exact_copies_of_the_representative_and_ties_by_id() -> None:
    members = near_duplicate_clusters([("b", "Same text."), ("a", "same text")], NEARNESS)
    assert [(m.id, m.representative, m.duplicate, m.similarity) for m in members] == [
        ("a", True, "none", 1.0),
        ("b", False, "exact", 1.0),
    ]


def test_short_texts_are_only_exact_duplicates() -> None:
    assert groups(
        near_duplicate_clusters([("a", "one two three four"), ("b", "one two three"), ("c", "One, two three")], Nearness(0.1))
    ) == {
        frozenset("a"),
        frozenset("bc"),
    }


def test_texts_without_words_are_equal_only_character_by_character() -> None:
    assert groups(near_duplicate_clusters([("a", "***"), ("b", "---"), ("c", "*** ")], NEARNESS)) == {
        frozenset("ac"),
        frozenset("b"),
    }


def test_members_may_join_through_others() -> None:
    base = text(5, 100)
    chain = [" ".join(base[n : n + 80]) for n in (0, 6, 12)]
    assert jaccard(chain[0], chain[2], 5) < 0.8 < jaccard(chain[0], chain[1], 5)
    members = near_duplicate_clusters(zip("abc", chain, strict=True), NEARNESS)
    assert len(groups(members)) == 1
    assert [(m.id, m.duplicate) for m in members] == [("a", "none"), ("b", "near"), ("c", "near")]
    assert members[2].similarity == jaccard(chain[0], chain[2], 5)


@pytest.mark.parametrize("nearness", [Nearness(0.8), Nearness(0.5, 3), Nearness(0.85, 1), Nearness(1.0), Nearness(0.75, 5, 64)])
def test_clusters_equal_brute_force(nearness: Nearness) -> None:
    items = {}
    for n in range(40):
        base = text(n)
        items |= {f"{n}-{places}": " ".join(changed(base, places, n + places)) for places in (0, 1, 3, 8)}
    assert groups(near_duplicate_clusters(items.items(), nearness)) == brute_force(items, nearness)


def test_a_large_cluster_is_joined_without_looking_at_every_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    overlap = curate.near.grouping.overlap
    monkeypatch.setattr(curate.near.grouping, "overlap", lambda a, b: looked.append(1) or overlap(a, b))
    items = [(f"{n:04}", " ".join([*text(1, 200), f"end{n}"])) for n in range(600)]
    assert len(groups(near_duplicate_clusters(items, NEARNESS))) == 1
    assert len(looked) < 10 * len(items)


WORDS = st.lists(st.sampled_from("a b c d e f g h".split()), min_size=1, max_size=14).map(" ".join)


@given(st.lists(WORDS, min_size=1, max_size=12))
@hypothesis_settings(deadline=None, max_examples=60)
def test_idempotent_and_independent_of_order_and_copies(texts: list[str]) -> None:
    nearness = Nearness(0.6, 2)
    items = [(f"{n:02}", t) for n, t in enumerate(texts)]
    once = near_duplicate_clusters(items, nearness)
    assert near_duplicate_clusters(reversed(items), nearness) == once
    assert near_duplicate_clusters(items, nearness) == once
    more = near_duplicate_clusters([*items, *((f"copy{id_}", t) for id_, t in items)], nearness)
    clusters = {member.id: member.cluster_id for member in once}
    assert {m.id.removeprefix("copy"): m.cluster_id for m in more} == clusters
    assert {m.id: m.cluster_id for m in more if not m.id.startswith("copy")} == clusters
    representatives = [item for item, member in zip(items, once, strict=True) if member.representative]
    again = near_duplicate_clusters(representatives, nearness)
    assert groups(again) == {frozenset([member.id]) for member in once if member.representative}


def signed(*texts: str) -> list[tuple[bytes, bytes, list[int]]]:
    found = sign_all([(str(n), one) for n, one in enumerate(texts)], [()] * len(texts), NEARNESS)
    return [
        (digest, minhash.tobytes(), shingles.tolist())
        for digest, minhash, shingles in zip(found.digests, found.minhashes, found.shingles, strict=True)
    ]


def test_signatures_are_the_same_in_any_process() -> None:
    code = "from tests.curate.test_near import *; print(signed('the heron waits in the reeds until noon'))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join([str(Path.cwd()), *sys.path])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "7")
    }
    assert outputs == {f"{signed('the heron waits in the reeds until noon')}\n"}


@pytest.mark.parametrize("at_once", [1, 70, 10**9])
def test_signatures_do_not_depend_on_the_batch(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    texts = [
        "",
        "one",
        "one two three four",
        *(" ".join(text(n, 5 + n)) for n in range(8)),
        "***",
        "five words and one more",
        "é",
    ]
    alone = [signed(one)[0] for one in texts]
    monkeypatch.setattr(curate.near.signing, "_WORDS_AT_ONCE", at_once)
    monkeypatch.setattr(curate.near.signing, "_WORDS_REMEMBERED", 3)
    assert signed(*texts) == alone
    assert [len(shingles) for *_, shingles in alone] == [0, 0, 0, *range(1, 9), 0, 1, 0]


def test_huge_texts_are_signed_in_slices_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    long = " ".join(text(3, 3000))
    whole = signed(long), jaccard(long, long + " more", 5)
    monkeypatch.setattr(curate.near.signing, "_SLICE_CHARACTERS", 100)
    assert (signed(long), jaccard(long, long + " more", 5)) == whole


def test_jaccard_is_that_of_the_sets_of_shingles() -> None:
    for n in range(5):
        a, b = " ".join(text(n)), " ".join(changed(text(n), 2 * n, n))
        mine, theirs = shingles(a, 5), shingles(b, 5)
        assert jaccard(a, b, 5) == len(mine & theirs) / len(mine | theirs)
    assert jaccard("too short", "too short", 5) == 0.0


def near_corpus(count: int) -> dict[str, str]:
    bases = [text(n) for n in range(count)]
    near = {f"near{n:04}": " ".join([*base, "end"]) for n, base in enumerate(bases)}
    return {f"base{n:04}": " ".join(base) for n, base in enumerate(bases)} | near


@pytest.mark.parametrize("kept", [0, 1000, 10**9])
def test_shingles_that_are_not_kept_are_read_again_with_the_same_result(monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    items = near_corpus(40) | {"single": " ".join(text(999))}
    whole = near_duplicate_clusters(items.items(), NEARNESS)
    assert len(groups(whole)) == 41
    monkeypatch.setattr(curate.near.gathering, "HASHES_KEPT", kept)
    monkeypatch.setattr(curate.near.gathering, "_HASHES_READ_AGAIN", 500)
    monkeypatch.setattr(curate.near.gathering, "_TEXTS_AT_ONCE", 3)
    asked: list[str] = []

    def texts(ids: Sequence[str]) -> dict[str, str]:
        assert len(ids) <= 3
        asked.extend(ids)
        return {id_: items[id_] for id_ in ids}

    assert sorted(clusters(gathered(items), texts), key=lambda member: member.id) == whole
    assert bool(asked) == (kept < 10**9)
    assert "single" not in asked


def gathered(items: dict[str, str]) -> Signatures:
    signatures = Signatures(NEARNESS)
    for item in items.items():
        signatures.add(sign_all([item], [()], NEARNESS))
    return signatures


def test_memory_held_for_a_text_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curate.near.gathering, "HASHES_KEPT", 2000)
    signatures = Signatures(NEARNESS)
    texts = [(f"{n:016}", " ".join(text(n, 500))) for n in range(400)]
    sign_all(texts[:1], [()], NEARNESS)  # what is loaded once
    tracemalloc.start()
    for n in range(0, 400, 20):
        signatures.add(sign_all(texts[n : n + 20], [()] * 20, NEARNESS))
    curate.near.signing._word_hashes.clear()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held / 400 < 1100  # 512 of MinHash; 500 words of shingles alone would be 4,000


def test_bands_catch_pairs_at_the_threshold() -> None:
    for threshold in (0.5, 0.75, 0.8, 0.9):
        rows = band_rows(Nearness(threshold))
        assert 1 - (1 - threshold**rows) ** (128 // rows) >= 0.9995
