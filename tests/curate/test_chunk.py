"""Chunks: exact spans that rebuild the document, cut along its structure and within the budget; boilerplate rejected with its reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from curate import chunk, deduplicate, split
from curate.chunk.boilerplate import boilerplate_of
from curate.chunk.passages import Made, chunk_document
from curate.chunk.tokens import token_counter, tokenizer_sha256
from curate.stage import content_id
from curate.store import Store
from curate.text import estimate_tokens
from schemas.errors import SettingsError
from schemas.reasons import Reason
from schemas.settings import ChunkSettings, Settings
from tests.curate.stage_runs import Done, Rows, document, ids, put, run_stage

SENTENCE = "The quiet heron waits beside the reeds until a silver fish swims near enough."


def prose(sentences: int, start: int = 0) -> str:
    return " ".join(SENTENCE.replace("quiet", f"quiet{start + n}") for n in range(sentences))


def cut(doc: dict[str, Any], borders: Sequence[int] = (), **settings: Any) -> Made:
    """The chunks of one document; regions are cut at `borders` and take turns between train and test."""
    places = [0, *borders, len(doc["text"])]
    regions = [
        {"start": low, "end": high, "split": ("train", "test")[n % 2], "cluster_id": content_id("r", str(n))}
        for n, (low, high) in enumerate(pairwise(places))
    ]
    return chunk_document(doc, regions, ChunkSettings(**settings))


def texts(made: Made) -> list[str]:
    return [row["text"] for row in made.rows]


def build(store: Store, documents: Rows, settings: Settings | None = None) -> Done:
    put(store, "documents", documents)
    run_stage(deduplicate.STAGE, store, settings)
    run_stage(split.STAGE, store, settings)
    return run_stage(chunk.STAGE, store, settings)


def test_one_chunk_of_each_section_with_its_path_and_exact_row() -> None:
    doc = document("d", f"# Birds\n\n{prose(2)}\n\n## Herons\n\n{prose(3, 10)}\n\n### Diet\n\n{prose(6, 20)}", title="Birds")
    made = cut(doc)
    assert [(row["heading_path"], row["text"]) for row in made.rows] == [
        (["Birds"], prose(2)),
        (["Birds", "Herons"], prose(3, 10)),
        (["Birds", "Herons", "Diet"], prose(6, 20)),
    ]
    row = made.rows[1]
    passage = f"Birds > Herons\n{prose(3, 10)}"
    start = doc["text"].index(prose(3, 10))
    assert row == {
        "chunk_id": content_id("chunk", doc["document_id"], str(start), str(row["end"]), passage),
        "document_id": doc["document_id"],
        "position": 1,
        "start": start,
        "end": start + len(prose(3, 10)),
        "heading_path": ["Birds", "Herons"],
        "text": prose(3, 10),
        "passage": passage,
        "tokens": estimate_tokens(passage),
        "language": "en",
        "split": "train",
        "cluster_id": content_id("r", "0"),
    }


def test_without_prefix_the_passage_is_the_text() -> None:
    made = cut(document("d", f"## Herons\n\n{prose(3)}"), heading_prefix=False)
    assert [(row["passage"], row["heading_path"]) for row in made.rows] == [(prose(3), ["Herons"])]


def test_headings_of_level_two_part_chunks_and_deep_small_sections_are_joined() -> None:
    parts = [f"## A\n\n{prose(2)}", f"## B\n\n{prose(2, 5)}", f"### C\n\n{prose(1, 8)}", f"### D\n\n{prose(1, 9)}"]
    made = cut(document("d", "\n\n".join(parts)))
    assert texts(made) == [prose(2), f"{prose(2, 5)}\n\nC\n\n{prose(1, 8)}\n\nD\n\n{prose(1, 9)}"]
    assert [row["heading_path"] for row in made.rows] == [["A"], ["B"]]


def test_a_tiny_section_joins_its_neighbour() -> None:
    made = cut(document("d", f"## A\n\nSee below.\n\n## B\n\n{prose(3)}"))
    assert texts(made) == [f"See below.\n\nB\n\n{prose(3)}"]
    assert made.rejected == []


def test_a_tiny_section_with_no_room_beside_it_is_rejected_as_too_short() -> None:
    made = cut(document("d", "## A\n\nSee it below."), min_tokens=16)
    assert (made.rows, [(r.reason, r.row["text"], r.row["heading_path"]) for r in made.rejected]) == (
        [],
        [(Reason.CHUNK_TOO_SHORT, "See it below.", ["A"])],
    )
    assert made.rejected[0].row["source"] == "d"


def test_long_paragraphs_are_cut_between_sentences_into_balanced_chunks() -> None:
    made = cut(document("d", prose(20)), max_tokens=256)
    assert " ".join(texts(made)) == prose(20)
    assert all(text.endswith("near enough.") for text in texts(made))
    sizes = [row["tokens"] for row in made.rows]
    assert max(sizes) <= 256
    assert min(sizes) > 0.7 * max(sizes)


def test_paragraphs_that_fit_are_not_cut() -> None:
    paragraphs = [prose(4, 10 * n) for n in range(5)]
    made = cut(document("d", "\n\n".join(paragraphs)), max_tokens=200)
    assert {part for text in texts(made) for part in text.split("\n\n")} == set(paragraphs)


def test_chunks_never_cross_a_region_and_carry_its_split() -> None:
    text = f"{prose(2)}\n\n{prose(2, 5)}"
    made = cut(document("d", text), [text.index("\n\n") + 2])
    assert [(row["text"], row["split"], row["cluster_id"]) for row in made.rows] == [
        (prose(2), "train", content_id("r", "0")),
        (prose(2, 5), "test", content_id("r", "1")),
    ]


def test_code_is_cut_between_lines_and_keeps_indentation() -> None:
    code = "\n".join(f"    value_{n} = compute(value_{n - 1}, factor)" for n in range(1, 40))
    made = cut(document("d", code), max_tokens=128)
    assert len(made.rows) > 2
    assert "\n".join(texts(made)) == code


@pytest.mark.parametrize(
    ("text", "between"),
    [
        ("; ".join(["the heron waits in the reeds"] * 40), "; "),
        (" ".join(f"word{n}" for n in range(300)), " "),
        ("0123456789abcdef" * 80, ""),
    ],
)
def test_overlong_sentences_are_cut_at_clauses_then_words_then_characters(text: str, between: str) -> None:
    made = cut(document("d", text), max_tokens=64, min_tokens=1)
    assert all(row["tokens"] <= 64 for row in made.rows)
    assert len(made.rows) > 3
    joined = "".join(texts(made)) if not between else " ".join(texts(made))
    assert joined == text
    if between == "; ":
        assert all(part.endswith("reeds;") for part in texts(made)[:-1])


def test_overlap_repeats_whole_sentences_of_the_same_section_only() -> None:
    doc = document("d", f"## A\n\n{prose(12)}\n\n## B\n\n{prose(12, 50)}")
    made = cut(doc, max_tokens=128, overlap_tokens=25)
    for before, row in pairwise(made.rows):
        same = before["heading_path"] == row["heading_path"]
        last = SENTENCE.rsplit(maxsplit=1)[-1]
        overlap = doc["text"][row["start"] : before["end"]] if same else ""
        assert (before["end"] > row["start"]) is same
        assert overlap.count(last) == (1 if same else 0)
        assert overlap == "" or overlap.startswith("The quiet")
    assert all(row["tokens"] <= 128 for row in made.rows)


@pytest.mark.parametrize(
    "text", ["这条规定说明了如何处理申请，并要求在三日内给出书面答复。" * 30, "私は毎日図書館で静かに本を読みます。" * 40]
)
def test_languages_without_spaces_are_cut_at_their_full_stops(text: str) -> None:
    made = cut(document("d", text, language="zh" if "这" in text else "ja"), max_tokens=128)
    assert "".join(texts(made)) == text
    assert all(part.endswith("。") for part in texts(made))
    assert all(60 <= row["tokens"] <= 128 for row in made.rows)


def test_as_is_documents_are_one_chunk_and_never_rejected(store: Store) -> None:
    licence = "Permission is hereby granted, free of charge, to any person. " * 30
    done = build(store, [document("a", "42", as_is=True), document("b", licence, as_is=True)])
    assert [row["text"] for row in sorted(done.tables["chunks"], key=lambda row: row["start"] + row["end"])] == ["42", licence]
    assert done.rejected == []
    assert done.notes == ["1 passage taken as it is has more than chunk.max_tokens tokens: a model cuts off what it cannot read."]


def test_the_as_is_method_takes_every_document_whole_in_one_split(store: Store) -> None:
    settings = Settings(chunk=ChunkSettings(method="as-is"))
    documents = [document(f"d{n}", f"{prose(3, 20 * n)}\n\n{prose(3, 20 * n + 10)}") for n in range(5)]
    done = build(store, documents, settings)
    assert sorted(row["text"] for row in done.tables["chunks"]) == sorted(row["text"] for row in documents)
    assert {row["split"] for row in done.tables["chunks"]} == {"train", "dev", "test"}


def test_language_of_a_chunk_is_told_where_the_document_is_undetermined() -> None:
    german = "Der Reiher steht still im flachen Wasser und wartet, bis ein Fisch vorbeischwimmt. " * 3
    assert [row["language"] for row in cut(document("d", german, language="und")).rows] == ["de"]
    assert [row["language"] for row in cut(document("d", german, language="xx")).rows] == ["xx"]


def test_repeated_and_empty_parts_leave_the_path_and_long_ones_are_shortened() -> None:
    made = cut(document("d", f"# The  GUIDE\n\n## ***\n\n### Birds\n\n{prose(2)}", title="the guide"))
    assert made.rows[0]["heading_path"] == ["the guide", "Birds"]
    long = "# " + " ".join(f"word{n}" for n in range(200))
    made = cut(document("d", f"{long}\n\n{prose(4)}"), max_tokens=64)
    assert all(row["tokens"] <= 64 for row in made.rows)
    assert made.rows[0]["heading_path"][0].startswith("word0 word1")


def test_a_document_of_headings_alone_is_not_lost() -> None:
    made = cut(document("d", "# One\n\n## Two"))
    assert [(r.reason, r.row["text"]) for r in made.rejected] == [(Reason.CHUNK_WITHOUT_WORDS, "One\n\nTwo")]


def test_positions_count_rejected_chunks() -> None:
    made = cut(document("d", f"## A\n\n{prose(3)}\n\n## B\n\n{'-' * 200} 1 2 3\n\n## C\n\n{prose(3, 9)}"))
    assert [row["position"] for row in made.rows] == [0, 2]
    assert [r.reason for r in made.rejected] == [Reason.CHUNK_WITHOUT_WORDS]


def items(*texts: str, kind: str = "paragraph") -> list[tuple[str, str]]:
    return [(kind, text) for text in texts]


CONTENTS = [f"{n}. Chapter {word} {'.' * 12} {n * 7}" for n, word in enumerate(["one", "two", "three", "four"], 1)]
HEADINGS = ["Getting started", "Installing the server", "First request", "Where to go next", "Security"]
LINKS = ["Home page", "Download archive", "Issue tracker", "Mailing list", "Chat room"]
MIT = (
    "Permission is hereby granted, free of charge, to any person obtaining a copy of this software to deal in it. "
    'The software is provided "as is", without warranty of any kind, express or implied.'
)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (items(*CONTENTS), Reason.CHUNK_TABLE_OF_CONTENTS),
        (items(*HEADINGS, kind="list_item"), Reason.CHUNK_TABLE_OF_CONTENTS),
        (items(*LINKS, kind="list_item"), Reason.CHUNK_LINK_LIST),
        (items("Read more at https://example.org/a/long/path/to/the/page and https://example.org/b"), Reason.CHUNK_LINK_LIST),
        (items(MIT), Reason.CHUNK_LICENCE_HEADER),
        (items("Copyright 2024 The Heron Project. All rights reserved."), Reason.CHUNK_LICENCE_HEADER),
        (items("=== 12.5 17.25 === 3"), Reason.CHUNK_WITHOUT_WORDS),
    ],
)
def test_boilerplate_is_told(parts: list[tuple[str, str]], reason: Reason) -> None:
    found = boilerplate_of("\n".join(text for _, text in parts), parts, HEADINGS)
    assert found is not None
    assert found[0] is reason


@pytest.mark.parametrize(
    "parts",
    [
        items(SENTENCE),
        items("这条规定说明了如何处理申请。"),
        [
            *items("The reserve is home to these birds all year:"),
            *items("Grey heron", "Little egret", "Stork", "Crane", kind="list_item"),
        ],
        items(
            "timeout: seconds to wait for an answer",
            "retries: how often to try again",
            "proxy: address of the proxy",
            kind="list_item",
        ),
        items("import os\nimport sys\nimport json\nimport re\nx = os.environ", kind="code"),
        items("The library is under the MIT licence, so it may be used in closed products, too. " + SENTENCE * 6),
        items(f"{SENTENCE} See https://example.org for more."),
    ],
)
def test_content_is_kept(parts: list[tuple[str, str]]) -> None:
    assert boilerplate_of("\n".join(text for _, text in parts), parts, HEADINGS) is None


def test_near_copies_share_a_cluster_and_its_home_is_train_before_test(store: Store) -> None:
    shared, others = prose(6), [prose(6, 100 * n) for n in range(1, 60)]
    documents = [
        document(f"d{n}", f"{text}\n\n## Shared\n\n{shared if n < 20 else prose(6, 7000 + 10 * n)}")
        for n, text in enumerate(others)
    ]
    done = build(store, documents)
    split_of = {row["chunk_id"]: row["split"] for row in done.tables["chunks"]}
    copies = {row["chunk_id"] for row in done.tables["chunks"] if row["text"] == shared}
    assert {split_of[key] for key in copies} > {"train"}
    found = {row["chunk_id"]: row for row in done.tables["chunk_clusters"]}
    assert set(found) == set(split_of)
    assert {(found[key]["chunk_cluster_id"], found[key]["home_split"]) for key in copies} == {
        (found[min(copies)]["chunk_cluster_id"], "train")
    }
    assert [key for key in sorted(copies) if found[key]["representative"]] == [min(copies)]
    assert all(row["home_split"] == split_of[key] for key, row in found.items() if key not in copies)


def test_the_chunk_of_a_representative_document_stands_for_its_cluster(store: Store) -> None:
    done = build(store, [document("long", prose(30)), document("short", prose(29))])
    rows = {row["chunk_id"]: row for row in done.tables["chunks"]}
    clusters: dict[str, Rows] = {}
    for row in done.tables["chunk_clusters"]:
        clusters.setdefault(row["chunk_cluster_id"], []).append(row)
    shared = [
        group
        for group in clusters.values()
        if {rows[row["chunk_id"]]["document_id"] for row in group} == set(ids("long", "short"))
    ]
    assert shared
    for group in shared:
        assert [rows[row["chunk_id"]]["document_id"] for row in group if row["representative"]] == ids("long")


PIECE = st.one_of(
    st.sampled_from(
        [
            "# Top",
            "## Middle",
            "### Deep",
            prose(1),
            prose(9),
            "Short.",
            "- item one\n- item two: it does things\n- item three",
            "    code = 1\n        more = 2",
            "短句。" * 30,
            "x" * 300,
            "---",
            "   ",
        ]
    ),
    st.text(alphabet="ab .!?,\n#-é👩‍。", max_size=60),
)


@given(
    pieces=st.lists(PIECE, min_size=1, max_size=25),
    overlap=st.sampled_from([0, 0, 20]),
    budget=st.sampled_from([16, 40, 128]),
    places=st.lists(st.integers(0, 24), max_size=3),
)
@hypothesis_settings(max_examples=150, deadline=None)
def test_spans_rebuild_the_document(pieces: list[str], overlap: int, budget: int, places: list[int]) -> None:
    doc = document("d", "\n\n".join(pieces) or "x", title="Title")
    starts = [block["start"] for block in doc["blocks"]]
    made = cut(
        doc, sorted({starts[n] for n in places if n < len(starts)} - {0}), max_tokens=budget, overlap_tokens=overlap, min_tokens=8
    )
    found = sorted([*made.rows, *(r.row for r in made.rejected)], key=lambda row: (row["start"], row["end"]))
    text = doc["text"]
    times = [0] * len(text)
    for row in found:
        assert row["text"] == text[row["start"] : row["end"]]
        for place in range(row["start"], row["end"]):
            times[place] += 1
    inside = {place for b in doc["blocks"] if b["kind"] == "heading" for place in range(b["start"], b["end"])}
    covered = {times[place] for place, character in enumerate(text) if not character.isspace() and place not in inside}
    assert covered <= {1} if not overlap else 0 not in covered
    assert all(row["tokens"] <= budget for row in made.rows)
    if not overlap:
        assert all(a["end"] <= b["start"] for a, b in pairwise(found))


def test_a_named_tokenizer_counts(tmp_path: Path) -> None:
    vocabulary = {"[UNK]": 0, "a": 1, "##a": 2}
    model = {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 99,
        "vocab": vocabulary,
    }
    content = {"version": "1.0", "pre_tokenizer": {"type": "Whitespace"}, "model": model, "added_tokens": []}
    content |= {"truncation": {"max_length": 2, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}, "padding": None}
    content |= {"normalizer": None, "post_processor": None, "decoder": None}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    assert token_counter(str(tmp_path))("aaa aa") == 5
    made = cut(
        document("d", "aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa"), max_tokens=20, min_tokens=1, tokenizer=str(tmp_path)
    )
    assert [row["tokens"] for row in made.rows] == [20, 20]
    before = tokenizer_sha256(str(tmp_path))
    (tmp_path / "tokenizer.json").write_text(json.dumps(content) + " ", encoding="utf-8")
    assert tokenizer_sha256(str(tmp_path)) != before
    assert tokenizer_sha256(None) == ""


def test_tokenizers_that_cannot_be_had_are_errors_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"holds no tokenizer\.json"):
        token_counter(str(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SettingsError, match="cannot read the tokenizer"):
        token_counter(str(tmp_path / "tokenizer.json"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", _unreachable)
    with pytest.raises(SettingsError, match=r"give a local folder that holds tokenizer\.json"):
        token_counter("someone/some-model")


def _unreachable(*_: Any) -> str:
    raise OSError("no network")


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(SettingsError, match=r'pip install "curate-embeddings\[train\]"'):
        token_counter("someone/other-model")


def test_a_licence_notice_is_not_joined_to_the_text_before_it() -> None:
    notice = "This document has been placed in the public domain."
    made = cut(document("d", f"## Herons\n\n{prose(1)}\n\n## Copyright\n\n{notice}"))
    assert texts(made) == [prose(1)]
    assert [(r.reason, r.detail, r.row["text"]) for r in made.rejected] == [
        (Reason.CHUNK_LICENCE_HEADER, "placed in the public domain", notice)
    ]
