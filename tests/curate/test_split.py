"""The split: by cluster it depends on the key alone; by blocks regions tile every text and never leak."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curate import deduplicate, split
from curate.split import split_of
from curate.split.blocks import Region, split_blocks
from curate.split.borders import Manual
from curate.stage import content_id
from curate.store import Store
from schemas.settings import Settings, SplitSettings
from tests.curate.stage_runs import Done, Rows, document, ids, parsed, put, run_stage

WORDS = "river stone amber walnut copper meadow lantern orchard granite velvet harbour saffron thicket cobalt juniper".split()


def sentence(seed: int) -> str:
    """Ten words that differ from sentence to sentence."""
    digits = content_id("sentence", str(seed))
    return " ".join([f"Item{digits[:5]}", *(WORDS[int(digit, 16) % len(WORDS)] for digit in digits[5:14])]) + "."


def manual(sections: int, paragraphs: int, start: int = 0, sentences: int = 4) -> str:
    parts = []
    for section in range(sections):
        parts.append(f"## Section {start + section}")
        for paragraph in range(paragraphs):
            first = start + 1000 * section + 10 * paragraph
            parts.append(" ".join(sentence(first + number) for number in range(sentences)))
    return "\n\n".join(parts)


def build(store: Store, documents: Rows, settings: Settings | None = None) -> Done:
    put(store, "documents", documents)
    run_stage(deduplicate.STAGE, store, settings)
    return run_stage(split.STAGE, store, settings)


def regions_by_document(rows: Rows) -> dict[str, Rows]:
    found: dict[str, Rows] = defaultdict(list)
    for row in rows:
        found[row["document_id"]].append(row)
    return found


def assert_tiles(rows: Rows, documents: Rows) -> None:
    found = regions_by_document(rows)
    assert set(found) == {row["document_id"] for row in documents}
    for row in documents:
        regions = found[row["document_id"]]
        assert [regions[0]["start"], *(region["end"] for region in regions)] == [
            *(region["start"] for region in regions),
            len(row["text"]),
        ]
        assert all(row["text"][region["start"] : region["end"]].strip() for region in regions)


def share(rows: Rows, name: str) -> float:
    return sum(r["end"] - r["start"] for r in rows if r["split"] == name) / sum(r["end"] - r["start"] for r in rows)


def test_whole_documents_go_by_the_hash_of_their_cluster(store: Store) -> None:
    documents = [document(f"d{n}", sentence(n) + " 👩‍🚀 é") for n in range(200)]
    done = build(store, documents)
    clusters = {row["document_id"]: row["cluster_id"] for row in store.rows("SELECT * FROM document_clusters")}
    expected = [
        {
            "document_id": row["document_id"],
            "start": 0,
            "end": len(row["text"]),
            "cluster_id": clusters[row["document_id"]],
            "split": split_of(clusters[row["document_id"]], 13, SplitSettings()),
            "method": "clusters",
        }
        for row in sorted(documents, key=lambda row: str(row["document_id"]))
    ]
    assert done.tables["splits"] == expected
    assert done.notes == []
    assert 0.7 < share(expected, "train") < 0.9


def test_copies_share_a_split_and_new_documents_move_none(store: Store) -> None:
    old = [document(f"d{n}", manual(1, 2, 100 * n)) for n in range(60)]
    before = {row["document_id"]: row["split"] for row in build(store, old).tables["splits"]}
    new = [document(f"copy{n}", manual(1, 2, 100 * n) + "!") for n in range(60)] + [document("more", manual(1, 2, 10**6))]
    after = {row["document_id"]: row["split"] for row in build(store, old + new).tables["splits"]}
    assert {key: after[key] for key in before} == before
    for n in range(60):
        a, b = ids(f"d{n}", f"copy{n}")
        assert after[a] == after[b]


@given(st.sets(st.text(max_size=6), min_size=1, max_size=30), st.integers(0, 99))
def test_the_split_depends_on_the_key_alone(keys: set[str], seed: int) -> None:
    shares = SplitSettings()
    assert {key: split_of(key, seed, shares) for key in sorted(keys)} == {
        key: split_of(key, seed, shares) for key in sorted(keys, reverse=True)
    }
    place = int(content_id("split", str(seed), min(keys)), 16) / 2**64
    assert split_of(min(keys), seed, shares) == ("train" if place < 0.8 else "dev" if place < 0.9 else "test")


def test_another_seed_gives_another_split() -> None:
    keys = [str(n) for n in range(100)]
    assert [split_of(key, 1, SplitSettings()) for key in keys] != [split_of(key, 2, SplitSettings()) for key in keys]


@pytest.mark.parametrize(("train", "dev", "test"), [(1.0, 0.0, 0.0), (0.9, 0.1, 0.0), (0.9, 0.0, 0.1)])
def test_a_share_of_nothing_gets_nothing(store: Store, train: float, dev: float, test: float) -> None:
    settings = Settings(split=SplitSettings(train=train, dev=dev, test=test))
    names = {name for name, value in {"train": train, "dev": dev, "test": test}.items() if value}
    many = [document(f"d{n}", sentence(n)) for n in range(100)]
    assert {row["split"] for row in build(store, many, settings).tables["splits"]} == names
    one = [document("one", manual(10, 4))]
    rows = build(store, one, settings).tables["splits"]
    assert {row["split"] for row in rows} - {"gap"} == names
    assert_tiles(rows, one)


def test_shares_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(ValidationError, match="train, dev and test must sum to 1"):
        SplitSettings(train=0.8, dev=0.1, test=0.2)


def test_when_chance_leaves_a_split_empty_the_split_goes_by_blocks(store: Store) -> None:
    settings = Settings(split=SplitSettings(train=0.98, dev=0.01, test=0.01, min_clusters=3))
    documents = [document(f"d{n}", manual(2, 3, 50 * n)) for n in range(4)]
    done = build(store, documents, settings)
    assert {row["split"] for row in done.tables["splits"]} >= {"train", "dev", "test"}
    assert done.notes[0].startswith("By their hashes none of the 4 document clusters falls into dev or test: split by blocks")


CHINESE = "".join(f"第{n}条规定说明了如何处理编号为{n * 37}的申请，并要求在{n + 3}日内给出书面答复。" for n in range(60))
SMALL = {
    "one manual": [manual(30, 5)],
    "five documents": [manual(2, 4, 10_000 * n) for n in range(5)],
    "two texts": [" ".join(sentence(n) for n in range(6)), " ".join(sentence(n) for n in range(50, 53))],
    "Chinese in one paragraph": [CHINESE],
    "Chinese in a few paragraphs": ["\n\n".join(CHINESE[i : i + 700] for i in range(0, len(CHINESE), 700))],
    "five sentences": [" ".join(sentence(n) for n in range(5))],
    "three sentences": [" ".join(sentence(n) for n in range(3))],
    "code alone": ["    x = 1\n    y = 2\n    z = 3\n    w = 4"],
}


@pytest.mark.parametrize("name", SMALL)
def test_small_corpora_get_train_dev_and_test(store: Store, name: str) -> None:
    language = "zh" if "Chinese" in name else "en"
    documents = [document(f"{name} {n}", text, language=language) for n, text in enumerate(SMALL[name])]
    done = build(store, documents)
    rows = done.tables["splits"]
    assert {row["split"] for row in rows} >= {"train", "dev", "test"}
    assert {row["method"] for row in rows} == {"blocks"}
    assert_tiles(rows, documents)
    assert share(rows, "gap") <= 0.05
    clusters = len(documents)
    assert done.notes == [
        f"Only {clusters} document cluster{'s' * (clusters > 1)} (split.min_clusters is 30): split by blocks of sections with a gap between splits; "
        "scores on it say less about new documents."
    ]
    assert [row["cluster_id"] for row in rows] == [content_id("block", row["document_id"], str(row["start"])) for row in rows]


def test_one_sentence_can_only_train_and_says_so(store: Store) -> None:
    done = build(store, [document("one", sentence(1))])
    assert [row["split"] for row in done.tables["splits"]] == ["train"]
    assert done.notes[1] == "Too little text for dev and test: add documents, or set these shares to 0."


def test_no_documents_no_rows(store: Store) -> None:
    done = build(store, [])
    assert (done.tables["splits"], done.notes) == ([], [])


def test_a_long_manual_is_sampled_in_several_places_with_gaps_and_units(store: Store) -> None:
    documents = [document("manual", manual(60, 10, sentences=5))]
    rows = build(store, documents).tables["splits"]
    assert_tiles(rows, documents)
    runs = [
        row["split"]
        for row, before in zip(rows, [None, *rows], strict=False)
        if before is None or row["split"] != before["split"]
    ]
    cycle = ["train", "gap", "dev", "gap", "train", "gap", "test", "gap"]
    assert runs == (cycle * (len(runs) // 8 + 1))[: len(runs)]
    assert runs.count("test") >= 2
    assert runs[-1] == "train"
    assert abs(share(rows, "train") - 0.77) < 0.04
    assert 0.01 < share(rows, "gap") <= 0.05
    for name in ("dev", "test"):
        assert 0.07 < share(rows, name) < 0.13
        assert len({row["cluster_id"] for row in rows if row["split"] == name}) >= 5
    starts = {block["start"] for block in documents[0]["blocks"]}
    assert {row["start"] for row in rows} <= starts | {0}


def test_cuts_prefer_headings_and_never_part_a_heading_from_its_text(store: Store) -> None:
    text, blocks = parsed(manual(10, 2))
    rows = build(store, [document("manual", manual(10, 2))]).tables["splits"]
    first = {row["split"]: row["start"] for row in reversed(rows)}
    assert text[first["dev"] :].startswith("Section 8")
    headed = [block["start"] for before, block in pairwise(blocks) if before["kind"] == "heading"]
    assert not {row["start"] for row in rows} & set(headed)


def test_near_copies_and_whole_passages_in_blocks_mode(store: Store) -> None:
    text = manual(8, 4)
    passages = [document(f"p{n}", sentence(500 + n), as_is=True) for n in range(10)]
    documents = [document("original", text), document("copy", text[:-20]), *passages]
    rows = build(store, documents).tables["splits"]
    found = regions_by_document(rows)
    original, copy = ids("original", "copy")
    assert [(row["start"], row["end"], row["split"]) for row in found[copy]] == [(0, len(documents[1]["text"]), "gap")]
    assert {row["split"] for row in found[original]} >= {"train", "dev", "test"}
    whole = [found[row["document_id"]] for row in passages]
    assert all(len(rows) == 1 for rows in whole)
    assert sorted(rows[0]["split"] for rows in whole) == ["dev", "test", *["train"] * 8]


@given(st.data())
@hypothesis_settings(max_examples=60, deadline=None)
def test_regions_tile_any_documents(data: Any) -> None:
    piece = st.sampled_from(
        ["## Head", "One here. Two there. Three.", "- item one\n- item two", "    code\n    more", "短句。另一句！", "   "]
    )
    texts = data.draw(st.lists(st.lists(piece, min_size=1, max_size=30).map("\n\n".join), min_size=1, max_size=4))
    loaded = {f"d{n}": Manual(f"d{n}", *parsed(text), "en") for n, text in enumerate(texts)}
    found: dict[str, list[Region]] = defaultdict(list)
    for region in split_blocks(sorted(loaded), loaded.__getitem__, SplitSettings()):
        found[region.document_id].append(region)
    for name, item in loaded.items():
        assert [0, *(region.end for region in found[name])] == [*(region.start for region in found[name]), len(item.text)]
        starts = {block["start"] for block in item.blocks if block["kind"] == "heading"}
        headed = {after["start"] for before, after in pairwise(item.blocks) if before["start"] in starts}
        assert not {region.start for region in found[name]} & headed
