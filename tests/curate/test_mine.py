"""Mining against exact rows on small corpora, and against brute force on random ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.mine import STAGE
from curate.mine.guards import is_near
from curate.mine.passages import Lens
from curate.mine.sampling import RANDOM_TRIES, random_order
from curate.stage import Batch, Context, Rejection, content_id
from curate.store import Store, StoreReader
from curate.text import normalise, shingles
from schemas.errors import SettingsError
from schemas.reasons import Reason
from schemas.settings import MineSettings, Settings, load_settings
from schemas.tables import TABLES, frame

Rows = list[dict[str, Any]]


class InProcess:
    """The engine of these tests."""

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        return map(function, items)


class Corpus:
    """Tables in the making; every name is turned into an id."""

    def __init__(self) -> None:
        self.tables: dict[str, Rows] = {name: [] for name in STAGE.reads}

    def chunk(self, name: str, text: str, split: str = "train", **other: Any) -> str:
        """One chunk; by default of a document and a cluster of its own."""
        document = content_id(other.get("document", f"document of {name}"))
        position = other.get("position", 0)
        prefix = other.get("prefix", "")
        row = {"chunk_id": content_id(name), "document_id": document, "position": position, "heading_path": [], "text": text}
        row |= {"start": 1000 * position, "end": 1000 * position + other.get("length", 900), "passage": prefix + text}
        row |= {"tokens": 9, "language": "en", "split": split, "cluster_id": document}
        self.tables["chunks"].append(row)
        cluster = {"chunk_id": row["chunk_id"], "chunk_cluster_id": content_id(other.get("cluster", name))}
        self.tables["chunk_clusters"].append(cluster | {"representative": True, "home_split": split, "similarity": 1.0})
        return str(row["chunk_id"])

    def question(self, name: str, text: str, chunk: str, **other: Any) -> dict[str, Any]:
        """One question that the filter did not keep, unless `pair` is used."""
        row = {"question_id": content_id("question", name), "chunk_id": content_id(chunk), "question": text, "style": "heading"}
        row |= {
            "answer": other.get("answer"),
            "evidence": other.get("evidence"),
            "origin": "extractive",
            "model": None,
            "prompt": None,
            "group_id": None,
        }
        row |= {"train_only": False, "imported_pair_id": other.get("imported"), "score": None, "label": None}
        row["is_positive"] = other.get("is_positive", True)
        self.tables["questions"].append(row)
        return row

    def pair(self, name: str, anchor: str, chunk: str, **other: Any) -> str:
        """A kept question."""
        if "supplied" in other:
            other["imported"] = content_id("imported", name)
            row = {"imported_pair_id": other["imported"], "source": "s", "anchor": anchor, "document_id": content_id("d", name)}
            row |= {"negatives": other["supplied"], "score": None, "label": None, "is_positive": True}
            self.tables["imported_pairs"].append(row)
        question = self.question(name, anchor, chunk, **other)
        home = next(row for row in self.tables["chunks"] if row["chunk_id"] == content_id(chunk))
        row = {name: question[name] for name in ("question_id", "chunk_id", "style", "origin", "train_only", "imported_pair_id")}
        row |= {"pair_id": content_id("pair", name), "anchor": anchor, "positive": home["passage"], "split": home["split"]}
        row |= {"cluster_id": home["cluster_id"], "is_positive": question["is_positive"], "score": None, "label": None}
        self.tables["pairs"].append(row)
        return str(row["pair_id"])

    def by_blocks(self) -> None:
        """The split went by blocks."""
        row = {"document_id": content_id("any"), "start": 0, "end": 9, "cluster_id": content_id("any")}
        self.tables["splits"].append(row | {"split": "train", "method": "blocks"})

    def mine(self, folder: str = "", **mine: Any) -> tuple[Rows, list[Rejection], list[str]]:
        """Rows in key order, rejections and notes; every row is held to the table's contract."""
        notes: list[str] = []
        connection = duckdb.connect()
        store = Store(connection)
        for table, rows in self.tables.items():
            store.create(table)
            store.insert(table, frame(TABLES[table], rows))
        context = Context(
            settings=Settings(mine=MineSettings(**mine)),
            reader=StoreReader(connection, STAGE.reads),
            engine=InProcess(),
            progress=lambda done, total: None,
            note=notes.append,
            folder=folder,
        )
        batches: list[Batch] = list(STAGE.produce(context))
        connection.close()
        rows = [dict(row) for batch in batches for row in batch.rows]
        TABLES["negatives"].validate(frame(TABLES["negatives"], rows))
        rows.sort(key=lambda row: (row["pair_id"], row["candidate"]))
        return rows, [rejection for batch in batches for rejection in batch.rejected], notes


def brief(rows: Rows) -> list[tuple[Any, ...]]:
    """What most tests look at."""
    return [(row["chunk_id"], row["origin"], row["rank"], row["reason"], row["chosen"]) for row in rows]


def herons() -> Corpus:
    """A positive about herons that BM25 finds first, and four lesser hits in falling order."""
    corpus = Corpus()
    corpus.chunk("positive", "grey herons nest in tall trees beside quiet rivers every spring")
    corpus.chunk("second", "grey herons nest in reed beds and on islands")
    corpus.chunk("third", "grey herons eat fish and frogs and mice")
    corpus.chunk("fourth", "herons are birds with long legs")
    corpus.chunk("fifth", "storks and herons fly slowly with rounded wings over the marsh in the evening light")
    corpus.chunk("unrelated", "copper melts at a high temperature")
    corpus.pair("one", "where do grey herons nest in spring trees rivers", "positive")
    return corpus


def test_takes_the_best_ranks_of_the_window_and_looks_no_further() -> None:
    rows, rejected, notes = herons().mine(negatives=2)
    assert brief(rows) == [(content_id("second"), "bm25", 2, None, 1), (content_id("third"), "bm25", 3, None, 2)]
    assert [row["state"] for row in rows] == ["negative", "negative"]
    assert rows[0]["score"] > rows[1]["score"] > 0
    assert rows[0]["text"] == "grey herons nest in reed beds and on islands"
    assert (rejected, notes) == ([], [])


def test_the_window_begins_and_ends_where_the_settings_say() -> None:
    rows, rejected, _ = herons().mine(negatives=1, first_rank=4, last_rank=4)
    assert brief(rows) == [(content_id("fourth"), "bm25", 4, None, 1)]
    assert rejected == []
    rows, rejected, notes = herons().mine(negatives=3, first_rank=2, last_rank=3, shortage="fewer")
    assert [row["chosen"] for row in rows] == [1, 2]
    assert [(r.key, r.reason, r.detail, r.state) for r in rejected] == [
        (content_id("pair", "one"), Reason.NEGATIVES_TOO_FEW, "2 of 3", "quarantined")
    ]
    assert notes == ["Fewer than `mine.negatives` (3), so no triplet: 1 of 1 pairs."]


def test_only_passages_of_the_own_split() -> None:
    corpus = herons()
    for row in corpus.tables["chunks"]:
        row["split"] = {content_id("second"): "test", content_id("third"): "gap"}.get(row["chunk_id"], row["split"])
    rows, _, _ = corpus.mine(negatives=2)
    assert brief(rows) == [(content_id("fourth"), "bm25", 2, None, 1), (content_id("fifth"), "bm25", 3, None, 2)]


def reason_of(corpus: Corpus, chunk: str = "second", **mine: Any) -> str | None:
    """What stood against one candidate; fails if it was never looked at."""
    rows, _, _ = corpus.mine(**{"negatives": 2, "first_rank": 1} | mine)
    return next(row["reason"] for row in rows if row["chunk_id"] == content_id(chunk))


def test_the_own_chunk_and_the_same_text_under_another_id_or_heading() -> None:
    corpus = herons()
    corpus.chunk("copy", "Grey HERONS nest, in tall trees: beside quiet rivers (every spring).")
    corpus.chunk("headed", "grey herons nest in tall trees beside quiet rivers every spring", prefix="Birds > Nests\n\n")
    assert reason_of(corpus, "positive") == Reason.NEGATIVE_EQUALS_POSITIVE
    assert reason_of(corpus, "copy") == Reason.NEGATIVE_EQUALS_POSITIVE
    assert reason_of(corpus, "headed") == Reason.NEGATIVE_EQUALS_POSITIVE


def test_positives_of_any_question_with_the_same_words_also_of_rejected_ones() -> None:
    corpus = herons()
    corpus.question("other", "Where do GREY herons nest, in spring? Trees, rivers!", "second")
    assert reason_of(corpus) == Reason.NEGATIVE_EQUALS_POSITIVE
    corpus = herons()
    corpus.question("other", "where do grey herons nest in spring trees rivers", "second", is_positive=False)
    assert reason_of(corpus) is None


def test_near_copies_by_cluster_and_by_jaccard() -> None:
    corpus = herons()
    corpus.tables["chunk_clusters"][1]["chunk_cluster_id"] = corpus.tables["chunk_clusters"][0]["chunk_cluster_id"]
    assert reason_of(corpus) == Reason.NEGATIVE_NEAR_DUPLICATE
    corpus = herons()
    # 7 five-word shingles of the positive, one more here: 7/8.
    corpus.chunk("near", "grey herons nest in tall trees beside quiet rivers every spring again")
    assert reason_of(corpus, "near") == Reason.NEGATIVE_NEAR_DUPLICATE
    corpus = herons()
    # 7 shared of 11: below 0.75.
    corpus.chunk("far", "grey herons nest in tall trees beside quiet rivers every spring and then they leave")
    assert reason_of(corpus, "far") is None


def test_neighbours_and_overlaps_in_the_same_document() -> None:
    def near(position: int, **other: Any) -> str | None:
        corpus = herons()
        corpus.tables["chunks"][0] |= {"document_id": content_id("manual"), "position": 5, "start": 5000, "end": 5900}
        corpus.chunk("there", "grey herons nest in spring", document="manual", position=position, **other)
        return reason_of(corpus, "there", same_document=True)

    assert near(4) == Reason.NEGATIVE_OVERLAPS_POSITIVE
    assert near(6) == Reason.NEGATIVE_OVERLAPS_POSITIVE
    assert near(3, length=2001) == Reason.NEGATIVE_OVERLAPS_POSITIVE
    assert near(3, length=2000) is None
    assert near(7) is None


def test_the_same_document_only_where_the_setting_or_the_block_split_allows() -> None:
    def build() -> Corpus:
        corpus = herons()
        corpus.tables["chunks"][0] |= {"document_id": content_id("manual"), "position": 5}
        corpus.chunk("there", "grey herons nest in spring", document="manual", position=1)
        return corpus

    assert reason_of(build(), "there") == Reason.NEGATIVE_IN_SAME_DOCUMENT
    assert reason_of(build(), "there", same_document=True) is None
    corpus = build()
    corpus.by_blocks()
    assert reason_of(corpus, "there") is None
    _, _, notes = corpus.mine()
    assert notes == ["Few documents: negatives may come from other sections of the positive's own document."]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"evidence": "Reed beds"}, Reason.NEGATIVE_HOLDS_ANSWER),
        ({"evidence": "reed bed"}, None),
        ({"evidence": " ."}, None),
        ({"answer": "beds and on"}, Reason.NEGATIVE_HOLDS_ANSWER),
        ({"answer": "reed beds"}, None),
        ({"answer": "nest in  Reed"}, Reason.NEGATIVE_HOLDS_ANSWER),
        ({"answer": "on islands..."}, Reason.NEGATIVE_HOLDS_ANSWER),
        ({"answer": "islands"}, None),
    ],
)
def test_the_answer_or_the_evidence_stands_in_it(given: dict[str, str], reason: Reason | None) -> None:
    corpus = herons()
    corpus.tables["questions"][0] |= given
    assert reason_of(corpus) == reason


def test_the_question_itself_or_all_of_a_long_one() -> None:
    corpus = herons()
    corpus.chunk("itself", "Where do GREY herons nest - in spring, trees, rivers")
    corpus.chunk("faq", "Question 7: where do grey herons nest in spring trees rivers? See the next page.")
    assert reason_of(corpus, "itself") == Reason.NEGATIVE_HOLDS_ANCHOR
    assert reason_of(corpus, "faq") == Reason.NEGATIVE_HOLDS_ANCHOR
    corpus = herons()
    corpus.pair("short", "herons", "positive")
    corpus.chunk("itself", "Herons!")
    corpus.tables["pairs"].pop(0)
    assert reason_of(corpus, "itself") == Reason.NEGATIVE_HOLDS_ANCHOR
    assert reason_of(corpus, "fourth", negatives=4, relative_margin=None) is None


def test_the_answer_given_to_another_question_with_the_same_words() -> None:
    corpus = herons()
    corpus.question("other", "Where do grey herons nest in spring trees rivers", "unrelated", answer="on islands and in reeds")
    corpus.tables["questions"][1]["answer"] = "reed beds and on islands"
    assert reason_of(corpus) == Reason.NEGATIVE_HOLDS_ANSWER


def test_a_second_candidate_with_the_same_text_or_cluster() -> None:
    corpus = herons()
    corpus.chunk("again", "Grey herons nest in reed beds, and on islands!")
    rows, _, _ = corpus.mine(negatives=2)
    assert [(row["reason"], row["chosen"]) for row in rows] == [(None, 1), (Reason.NEGATIVE_REPEATED, None), (None, 2)]
    corpus = herons()
    corpus.tables["chunk_clusters"][2]["chunk_cluster_id"] = corpus.tables["chunk_clusters"][1]["chunk_cluster_id"]
    assert reason_of(corpus, "third") == Reason.NEGATIVE_REPEATED


def test_a_near_copy_in_another_split() -> None:
    corpus = herons()
    corpus.chunk("elsewhere", "anything", split="test", cluster="second")
    assert reason_of(corpus) == Reason.NEGATIVE_IN_OTHER_SPLIT


def test_supplied_negatives_come_first_and_are_guarded() -> None:
    corpus = herons()
    corpus.chunk("tested", "a text of the test split", split="test")
    corpus.tables["pairs"].clear()
    corpus.tables["questions"].clear()
    supplied = [
        "Grey herons nest in tall trees beside quiet rivers every spring!",
        "A text of the TEST split.",
        "— ! —",
        "my own negative about bees",
        "My own negative, about bees",
        "copper melts at a high temperature",
        "a third of my own",
        "",
    ]
    pair = corpus.pair("mine", "where do grey herons nest", "positive", supplied=supplied)
    rows, rejected, notes = corpus.mine(negatives=2)
    assert brief(rows) == [
        (content_id("positive"), "supplied", None, "negative_equals_positive", None),
        (None, "supplied", None, "negative_in_other_split", None),
        (None, "supplied", None, "negative_without_words", None),
        (None, "supplied", None, None, 1),
        (None, "supplied", None, "negative_repeated", None),
        (content_id("unrelated"), "supplied", None, None, 2),
        (None, "supplied", None, None, None),
    ]
    assert {row["pair_id"] for row in rows} == {pair}
    assert [row["candidate"] for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert [row["state"] for row in rows].count("negative") == 3
    assert (rejected, notes) == ([], [])


def test_bm25_fills_what_the_supplied_ones_leave() -> None:
    corpus = herons()
    corpus.tables["pairs"].clear()
    corpus.tables["questions"].clear()
    corpus.pair("mine", "where do grey herons nest in spring trees rivers", "positive", supplied=["bees make honey"])
    rows, _, _ = corpus.mine(negatives=2)
    assert brief(rows) == [(None, "supplied", None, None, 1), (content_id("second"), "bm25", 2, None, 2)]


def test_random_passages_fill_a_window_that_ends_early() -> None:
    corpus = Corpus()
    corpus.chunk("positive", "alpha beta gamma")
    corpus.chunk("top", "alpha beta gamma delta epsilon")
    for name in "uvwxyz":
        corpus.chunk(name, f"unlike {name}{name}")
    corpus.pair("one", "alpha beta gamma delta", "positive")
    rows, rejected, notes = corpus.mine(negatives=3)
    assert brief(rows)[0] == (content_id("positive"), "bm25", 2, "negative_equals_positive", None)
    assert [(row["origin"], row["rank"], row["score"]) for row in rows[1:]] == [("random", None, None)] * 3
    assert rejected == []
    assert notes == ["Random negatives, because the search left too few of the split: 1 of 1 pairs."]
    rows, rejected, _ = corpus.mine(negatives=8)
    assert [row["chosen"] for row in rows] == [None, 1, 2, 3, 4, 5, 6, 7]
    # Ranked above the window, so the likeliest false negative: the last resort.
    assert rows[-1]["chunk_id"] == content_id("top")
    assert [rejection.detail for rejection in rejected] == ["7 of 8"]


def test_no_random_passages_where_the_window_was_full() -> None:
    corpus = herons()
    corpus.tables["chunks"][1]["document_id"] = corpus.tables["chunks"][0]["document_id"]
    rows, rejected, _ = corpus.mine(negatives=1, last_rank=2, shortage="fewer")
    assert [row["reason"] for row in rows] == ["negative_overlaps_positive"]
    assert [rejection.detail for rejection in rejected] == ["0 of 1"]


def test_a_window_full_of_the_own_document_is_said_with_its_remedy() -> None:
    corpus = herons()
    manual = corpus.tables["chunks"][0]["document_id"]
    for position, row in enumerate(corpus.tables["chunks"]):
        row |= {"document_id": manual, "position": 3 * position, "start": 3000 * position, "end": 3000 * position + 900}
    _, rejected, notes = corpus.mine(negatives=1, last_rank=4)
    assert [rejection.detail for rejection in rejected] == ["0 of 1"]
    assert notes[1] == (
        "Of these, mostly candidates of the positive's own document: 1; "
        "`mine.same_document = true` or a larger `mine.last_rank` finds more."
    )


def test_random_order_is_seeded_bounded_and_complete() -> None:
    order = random_order(10, [3, 5], "a")
    assert sorted(order) == list(range(10))
    assert order[-2:] == [5, 3]
    assert order == random_order(10, [3, 5], "a")
    assert len({tuple(random_order(10, [], f"seed {i}")) for i in range(30)}) == 10
    assert len(random_order(1000, [], "a")) == RANDOM_TRIES
    assert random_order(0, [], "a") == []


def test_pairs_that_are_not_positive_get_none() -> None:
    corpus = herons()
    corpus.tables["pairs"][0]["is_positive"] = False
    assert corpus.mine() == ([], [], [])


def test_an_empty_window_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=r"mine: .*first_rank must not be greater than last_rank"):
        load_settings(sets=["mine.first_rank=9", "mine.last_rank=3"])


def test_both_engines_agree_but_for_the_scores() -> None:
    def states(engine: str) -> Rows:
        corpus = herons()
        for number in range(12):
            # Without them most words stand in half of the passages, where rank-bm25's idf is 0 or made up.
            corpus.chunk(f"other {number}", f"another matter {number}")
        rows, _, _ = corpus.mine(negatives=3, engine=engine)
        return [{name: row[name] for name in row if name != "score"} for row in rows]

    assert states("bm25s") == states("rank-bm25")
    assert len(states("bm25s")) == 3


WORDS = ["oak", "elm", "fir", "yew", "ash", "bay"]
SPLITS = st.sampled_from(["train", "train", "train", "dev", "test", "gap"])
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join)


@st.composite
def corpora(draw: st.DrawFn) -> Corpus:
    """Small worlds of six words, so that copies, near-copies and shared anchors abound."""
    corpus = Corpus()
    size = draw(st.integers(1, 14))
    for number in range(size):
        document = f"d{draw(st.integers(0, 4))}"
        prefix = draw(st.sampled_from(["", "", "oak elm\n\n"]))
        corpus.chunk(str(number), draw(TEXT), draw(SPLITS), document=document, position=number, prefix=prefix)
    groups = [draw(st.integers(0, size - 1)) for _ in range(size)]
    for number, row in enumerate(corpus.tables["chunk_clusters"]):
        row["chunk_cluster_id"] = content_id("cluster", str(groups[number]))
    for number in range(draw(st.integers(1, 6))):
        chunk = str(draw(st.integers(0, size - 1)))
        anchor = draw(st.sampled_from(["oak elm", "Oak, elm!", "fir", "yew ash bay", "none of these"]))
        answer = draw(st.none() | TEXT)
        if draw(st.booleans()) or corpus.tables["chunks"][int(chunk)]["split"] == "gap":
            corpus.question(str(number), anchor, chunk, answer=answer)
        else:
            supplied = draw(st.lists(TEXT, max_size=2))
            corpus.pair(str(number), anchor, chunk, answer=answer, **({"supplied": supplied} if supplied else {}))
    return corpus


def jaccard(first: str, second: str) -> float:
    """Over five-word shingles."""
    a, b = shingles(first, 5), shingles(second, 5)
    return len(a & b) / len(a | b)


def broken_promises(corpus: Corpus, pair: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with one chosen negative, found by comparing it with everything."""
    chunks = {chunk["chunk_id"]: chunk for chunk in corpus.tables["chunks"]}
    clusters = {entry["chunk_id"]: entry["chunk_cluster_id"] for entry in corpus.tables["chunk_clusters"]}
    same = [q for q in corpus.tables["questions"] if normalise(q["question"]) == normalise(pair["anchor"])]
    mine = chunks.get(row["chunk_id"] or "")
    for question in same:
        positive = chunks[question["chunk_id"]]
        if normalise(row["text"]) in (normalise(positive["text"]), normalise(positive["passage"])):
            yield "equal"
        if jaccard(row["text"], positive["passage"]) >= 0.75:
            yield "near"
        if mine and clusters[mine["chunk_id"]] == clusters[positive["chunk_id"]]:
            yield "cluster"
        if mine and mine["document_id"] == positive["document_id"]:
            yield "document"
        answer = normalise(question["answer"] or "")
        if len(answer.split()) >= 3 and f" {answer} " in f" {normalise(row['text'])} ":
            yield "answer"
    for other in chunks.values():
        outside = other["split"] != pair["split"]
        if outside and mine and clusters[mine["chunk_id"]] == clusters[other["chunk_id"]]:
            yield "split"
        if (
            outside
            and row["origin"] == "supplied"
            and normalise(row["text"]) in map(normalise, (other["text"], other["passage"]))
        ):
            yield "split of supplied"
    if mine and mine["split"] != pair["split"]:
        yield "not its split"


SETTINGS = st.fixed_dictionaries(
    {
        "negatives": st.integers(1, 3),
        "relative_margin": st.sampled_from([None, 0.5, 0.95, 1.0]),
        "sampling": st.sampled_from(["top", "uniform", "softmax"]),
        "max_uses": st.sampled_from([None, 1, 2]),
        "easy_negatives": st.integers(0, 1),
        "shortage": st.sampled_from(["next", "random"]),
        "last_rank": st.sampled_from([2, 50]),
        "auto_margin": st.booleans(),
    }
)


@given(corpora(), SETTINGS)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_chosen_negatives_keep_every_promise(corpus: Corpus, mine: dict[str, Any]) -> None:
    k = mine["negatives"]
    rows, rejected, _ = corpus.mine(**mine)
    assert (rows, rejected) == corpus.mine(**mine)[:2]
    short = {rejection.key: rejection.detail for rejection in rejected}
    for pair in corpus.tables["pairs"]:
        own = [row for row in rows if row["pair_id"] == pair["pair_id"]]
        chosen = [row for row in own if row["chosen"]]
        assert [row["chosen"] for row in chosen] == list(range(1, len(chosen) + 1))
        assert short.get(pair["pair_id"]) == (None if len(chosen) == k else f"{len(chosen)} of {k}")
        assert [found for row in chosen for found in broken_promises(corpus, pair, row)] == []
        texts = [normalise(row["text"]) for row in chosen]
        assert len(set(texts)) == len(texts)
        assert all((row["reason"] is None) == (row["state"] == "negative") for row in own)
        # Too few only when nothing of the split is left to look at.
        pool = {chunk["chunk_id"] for chunk in corpus.tables["chunks"] if chunk["split"] == pair["split"]}
        assert len(chosen) == k or pool <= {row["chunk_id"] for row in own}


def test_the_rows_do_not_depend_on_the_order_of_the_tables() -> None:
    corpus = herons()
    corpus.pair("two", "herons fly slowly in the evening", "fifth")
    before = corpus.mine(negatives=2)
    for rows in corpus.tables.values():
        rows.reverse()
    assert corpus.mine(negatives=2) == before
    assert pl.DataFrame(before[0]).height == 4


@given(TEXT | st.text(max_size=40), TEXT | st.text(max_size=40), st.integers(1, 5), st.sampled_from([0.1, 0.5, 0.75, 0.8, 1.0]))
def test_nearness_is_the_jaccard_similarity_of_shingles(first: str, second: str, size: int, threshold: float) -> None:
    lens = Lens(size)
    for other in (second, first, f"{first} {second}"):
        # A text of fewer words than a shingle is near to nothing but its equals, which the guards find by key.
        a, b = ({run for run in shingles(text, size) if len(run.split()) == size} for text in (first, other))
        expected = bool(a) and bool(b) and len(a & b) / len(a | b) >= threshold
        assert is_near(lens.supplied(first, elsewhere=False), lens.supplied(other, elsewhere=False), threshold) == expected


def rivals(count: int = 6) -> Corpus:
    """A positive, `count` passages that share fewer and fewer words with its anchor, and forty that share none."""
    corpus = Corpus()
    words = ["heron", "nest", "river", "tree", "spring", "reed", "grey"]
    corpus.chunk("positive", " ".join(words))
    for number in range(count):
        filling = " ".join(f"filler{number}{letter}" for letter in "abcdefg"[: number + 1])
        corpus.chunk(f"rival {number}", " ".join(words[: len(words) - 1 - number]) + " " + filling)
    for number in range(40):
        corpus.chunk(f"other {number}", f"quite another matter of number{number} and nothing else")
    corpus.pair("one", " ".join(words), "positive")
    return corpus


def test_a_candidate_that_scores_nearly_as_high_is_quarantined_and_the_next_one_taken() -> None:
    rows, _, _ = rivals().mine(relative_margin=None)
    near = rows[0]["score"]
    own = rivals().mine(first_rank=1, relative_margin=None)[0][0]["score"]
    rows, _, _ = rivals().mine(relative_margin=round(near / own - 0.01, 4))
    assert [(row["reason"], row["state"], row["chosen"]) for row in rows] == [
        ("negative_above_margin", "quarantined", None),
        (None, "negative", 1),
    ]
    assert rivals().mine(relative_margin=None, absolute_margin=own - near + 0.01)[0][0]["reason"] == "negative_above_margin"
    assert rivals().mine(relative_margin=None, max_score=near - 0.01)[0][0]["reason"] == "negative_above_margin"
    assert rivals().mine(relative_margin=None, max_score=near + 0.01)[0][0]["reason"] is None


def test_what_ranks_above_the_positive_is_above_every_margin() -> None:
    corpus = rivals()
    corpus.tables["pairs"][0] |= {"chunk_id": content_id("rival 3"), "positive": corpus.tables["chunks"][4]["text"]}
    corpus.tables["questions"][0]["chunk_id"] = content_id("rival 3")
    rows, _, _ = corpus.mine(first_rank=1, relative_margin=1.0)
    assert [row["reason"] for row in rows] == [
        "negative_holds_anchor",
        *["negative_above_margin"] * 3,
        "negative_equals_positive",
        None,
    ]
    assert rows[-1]["chunk_id"] == content_id("rival 4")


def test_far_down_the_list_a_high_score_is_reason_enough_and_near_copies_of_what_has_it_are_repeated() -> None:
    corpus = rivals(2)
    anchor = corpus.tables["pairs"][0]["anchor"]
    for number in range(9):
        # Longer and longer: each scores less than the one before, and all hold the anchor.
        corpus.chunk(
            f"high {number}",
            f"{f'{anchor} wading ' * 3} {'wading ' * number}",
            cluster="copies" if number == 8 else f"high {number}",
        )
    corpus.chunk("low", f"{anchor.removesuffix(' grey')} egret", cluster="copies")
    rows, _, _ = corpus.mine(negatives=3, relative_margin=None)
    lowest = next(row["score"] for row in rows if row["chunk_id"] == content_id("high 8"))
    rows, _, _ = corpus.mine(negatives=2, relative_margin=None, max_score=lowest - 0.001)
    assert [(row["chunk_id"], row["reason"]) for row in rows] == [
        *((content_id(f"high {number}"), "negative_holds_anchor") for number in range(1, 4)),
        (content_id("positive"), "negative_equals_positive"),
        (content_id("high 4"), "negative_holds_anchor"),
        *((content_id(f"high {number}"), "negative_above_margin") for number in range(5, 9)),
        (content_id("rival 0"), None),
        (content_id("low"), "negative_repeated"),
        (content_id("rival 1"), None),
    ]


def test_shortage_next_looks_behind_the_window_and_fewer_does_not() -> None:
    corpus = rivals()
    rows, rejected, _ = corpus.mine(last_rank=3, negatives=4, relative_margin=None)
    assert [(row["origin"], row["rank"]) for row in rows] == [("bm25", rank) for rank in (2, 3, 4, 5)]
    assert rejected == []
    rows, rejected, notes = corpus.mine(last_rank=3, negatives=4, relative_margin=None, shortage="fewer")
    assert [row["rank"] for row in rows] == [2, 3]
    assert [rejection.detail for rejection in rejected] == ["2 of 4"]
    assert notes == ["Fewer than `mine.negatives` (4), so no triplet: 1 of 1 pairs."]
    rows, _, notes = corpus.mine(last_rank=3, negatives=4, relative_margin=None, shortage="random")
    assert [row["origin"] for row in rows] == ["bm25", "bm25", "random", "random"]
    assert notes == ["Random negatives, because the search left too few of the split: 1 of 1 pairs."]


def test_easy_negatives_come_by_lot_and_are_no_shortage() -> None:
    rows, rejected, notes = rivals().mine(negatives=3, easy_negatives=2, relative_margin=None)
    assert [(row["origin"], row["chosen"]) for row in rows] == [("bm25", 1), ("random", 2), ("random", 3)]
    assert (rejected, notes) == ([], [])
    fewer, _, _ = rivals().mine(negatives=3, easy_negatives=3, shortage="fewer")
    assert [row["origin"] for row in fewer] == ["random"] * 3


def test_one_passage_stands_against_no_more_pairs_than_it_may() -> None:
    corpus = rivals()
    for number in range(4):
        corpus.pair(f"more {number}", f"heron nest river tree spring reed grey {number}", "positive")
    rows, rejected, _ = corpus.mine(relative_margin=None, max_uses=2)
    uses = [row["chunk_id"] for row in rows if row["chosen"]]
    assert max(uses.count(name) for name in uses) == 2
    assert {row["reason"] for row in rows} == {None, "negative_used_enough"}
    assert rejected == []
    assert len({row["chunk_id"] for row in corpus.mine(relative_margin=None)[0]}) == 1


def test_a_limit_of_use_that_nobody_could_keep_is_raised_and_said() -> None:
    corpus = herons()
    for number in range(11):
        corpus.pair(f"more {number}", f"where do grey herons nest in spring trees rivers {number}", "positive")
    _, rejected, notes = corpus.mine(relative_margin=None, max_uses=1)
    assert notes == ["mine.max_uses 1 would leave pairs of train without negatives: there it is 4."]
    assert rejected == []


def test_a_short_answer_counts_when_few_passages_name_it() -> None:
    corpus = rivals()
    for number in range(40):
        corpus.chunk(f"more {number}", f"some further words number{number}")
    corpus.tables["questions"][0]["answer"] = "Humber"
    corpus.tables["chunks"][1]["text"] = corpus.tables["chunks"][1]["passage"] = "heron nest river tree spring reed humber"
    rows, _, _ = corpus.mine(relative_margin=None)
    assert rows[0]["reason"] == "negative_holds_answer"
    # A word of every second passage tells nothing.
    corpus.tables["questions"][0]["answer"] = "matter"
    corpus.tables["chunks"][1]["text"] = corpus.tables["chunks"][1]["passage"] = "heron nest river tree spring reed matter"
    assert corpus.mine(relative_margin=None)[0][0]["reason"] is None


def test_a_near_copy_of_the_positive_s_document_is_its_document() -> None:
    corpus = rivals()
    corpus.tables["chunks"][1]["cluster_id"] = corpus.tables["chunks"][0]["cluster_id"]
    assert corpus.mine(relative_margin=None)[0][0]["reason"] == "negative_in_same_document"
    assert corpus.mine(relative_margin=None, same_document=True)[0][0]["reason"] is None


def test_a_dense_engine_without_a_model_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="engine = dense needs model"):
        load_settings(sets=["mine.engine=dense"])
    with pytest.raises(SettingsError, match="easy_negatives must not be greater than negatives"):
        load_settings(sets=["mine.easy_negatives=2"])


def test_variant_and_stemmer_reach_the_index() -> None:
    corpus = Corpus()
    for i in range(7):
        corpus.chunk(f"chunk {i}", f"Nests of bird number{i}." if i else "The heron nesting here.")
    corpus.pair("pair", "nested number3", "chunk 0")
    plain, _, _ = corpus.mine(first_rank=1)
    okapi, _, _ = corpus.mine(first_rank=1, variant="okapi")
    stemmed, _, _ = corpus.mine(first_rank=1, stemmer="english")
    first = [next(row for row in rows if row["chunk_id"] == content_id("chunk 3")) for rows in (plain, okapi, stemmed)]
    # okapi: idf of a word in one of seven passages is log(6.5 / 1.5), not log(1 + 6.5 / 1.5); k1 + 1 = 2.5 times the rest.
    assert first[1]["score"] / first[0]["score"] == pytest.approx(2.5 * math.log(6.5 / 1.5) / math.log(1 + 6.5 / 1.5), rel=1e-5)
    assert [row["origin"] for row in plain].count("bm25") == 1
    assert [row["origin"] for row in stemmed].count("bm25") > 1


def test_stemmer_of_no_language_is_refused() -> None:
    with pytest.raises(ValueError, match="no stemmer of that name; there are arabic"):
        MineSettings(stemmer="klingon")


LONG = (
    "The heronry of Lake Balaton was counted by ornithologist Kovacs in 1987. He found 312 nests of the purple heron in the reeds near Tihany. "
    "Warm winters, he wrote, had brought the birds back to the shallow bays of the northern shore."
)


def among_others(**texts: str) -> Corpus:
    """One long positive, some rivals, and sixty passages about other things."""
    corpus = Corpus()
    corpus.chunk("positive", LONG)
    for name, text in texts.items():
        corpus.chunk(name, text)
    for number in range(60):
        corpus.chunk(
            f"other {number}",
            f"Report {number} on cement speaks of kilns, clinker and gypsum of works number{number} in Beremend.",
        )
    corpus.pair("one", "who counted herons nests at lake balaton in winters", "positive")
    return corpus


def test_a_passage_told_in_other_words_says_the_same() -> None:
    told = "In 1987 ornithologist Kovacs counted Lake Balaton's heronry: purple heron nests in reeds near Tihany were 312. Winters being warm, birds were back in the northern shore's shallow bays."
    rows, _, _ = among_others(told=told).mine(relative_margin=None, first_rank=1)
    assert {row["chunk_id"]: row["reason"] for row in rows}[content_id("told")] == "negative_near_duplicate"
    rows, _, _ = among_others(
        told="Lake Balaton was frozen in the winters of 1987, wrote Kovacs, and no heron was counted."
    ).mine(relative_margin=None, first_rank=1)
    assert {row["chunk_id"]: row["reason"] for row in rows}[content_id("told")] is None


def test_ten_words_in_a_row_that_name_something_rare_hold_the_answer() -> None:
    filling = " ".join(f"Quite another sentence about trade and customs of town{number}." for number in range(12))
    pasted = f"{filling} He found 312 nests of the purple heron in the reeds near Tihany. Balaton, lake, herons, nests, winters, counted."
    rows, _, _ = among_others(pasted=pasted).mine(relative_margin=None, first_rank=1)
    assert {row["chunk_id"]: row["reason"] for row in rows}[content_id("pasted")] == "negative_holds_answer"
    corpus = among_others(pasted=pasted)
    for row in corpus.tables["chunks"][2:]:
        # Boilerplate: everybody says it.
        row["text"] = row["passage"] = row["text"] + " He found 312 nests of the purple heron in the reeds near Tihany."
    rows, _, _ = corpus.mine(relative_margin=None, first_rank=1)
    assert {row["chunk_id"]: row["reason"] for row in rows}[content_id("pasted")] is None
