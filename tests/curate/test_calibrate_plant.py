"""Planted faults: what exactly is done to which row, that it is a fault, and that the same rows always get the same faults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.calibrate.chance import Chance
from curate.calibrate.material import Material, best_sentence, collect_names, cut_answer, name_kind
from curate.calibrate.plant import KINDS, MEANING, PLANTS, plant, planted_row
from curate.calibrate.wrong_fact import changed_number, negation
from curate.stage import content_id
from curate.store import open_store
from curate.verify.quotes import evidence_found
from tests.curate.calibrate_rows import ASH, KILN, NESTS, ORIGINALS, QUEUE, TEXTS, chunk_id, corpus, original

Row = dict[str, Any]

BIRD_COUNT = original(
    "heron",
    "What does the RSPB count every spring?",
    "The nests of the Thames.",
    "Ornithologists of the RSPB count the nests of the Thames every spring.",
)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Material]:
    with open_store(tmp_path_factory.mktemp("plant")) as store:
        yield corpus(store)


def planted(row: Row, kind: str, material: Material, seed: int = 13) -> Row:
    found = planted_row(row, kind, material, seed)
    assert found is not None
    assert found["question_id"] == content_id("planted", kind, row["question_id"])
    assert (found["kind"], found["original_id"], found["split"]) == (kind, row["question_id"], row["split"])
    return found


def changed(row: Row, found: Row) -> set[str]:
    return {name for name in row if name != "question_id" and found[name] != row[name]}


def test_every_kind_has_a_meaning() -> None:
    assert tuple(MEANING) == KINDS == tuple(PLANTS)


def test_a_random_passage_is_of_another_document_and_is_quoted_truly(material: Material) -> None:
    for row in ORIGINALS:
        found = planted(row, "wrong_passage_random", material)
        assert material.source(material.corpus.position_of[found["chunk_id"]]).document_id != row["document_id"]
        assert changed(row, found) == {"chunk_id", "text", "passage", "headings", "evidence"}
        assert evidence_found(found["evidence"], found["text"])
        assert not evidence_found(found["evidence"], row["text"])
        assert not found["altered"]


def test_the_near_passage_is_the_best_other_one_of_bm25(material: Material) -> None:
    row = original("heron", "Where does a bird build its nest?", "In tall trees", "A heronry in tall trees can hold 120 nests.")
    found = planted(row, "wrong_passage_near", material)
    assert found["chunk_id"] == chunk_id("stork")
    assert found["evidence"] == "The white stork builds a heavy nest on roofs and chimneys."
    assert found["answer"] == "In tall trees"


def test_the_answered_wrong_passage_gives_the_answer_too(material: Material) -> None:
    row = original("heron", "Where does a bird build its nest?", "In tall trees", "A heronry in tall trees can hold 120 nests.")
    found = planted(row, "wrong_passage_answered", material)
    assert found["chunk_id"] == chunk_id("stork")
    assert found["evidence"] == "The white stork builds a heavy nest on roofs and chimneys."
    assert found["answer"] == "The white stork builds a heavy nest on roofs and chimneys"
    assert planted_row(row | {"answer": None}, "wrong_passage_answered", material, 1) is None


def test_a_passage_that_holds_the_evidence_or_the_answer_is_no_wrong_one(tmp_path: Path) -> None:
    copied = "Reeds grow here. A heronry in tall trees can hold 120 nests. So it was said of old by the fishermen."
    with open_store(tmp_path) as store:
        material = corpus(store, {"copied": ("ponds", copied)})
        assert material.nearest(NESTS["question"], 3)[0] in (
            material.corpus.position_of[chunk_id("copied")],
            material.corpus.position_of[chunk_id("heron")],
        )
        for seed in range(8):
            for kind in ("wrong_passage_near", "wrong_passage_random"):
                found = planted_row(NESTS, kind, material, seed)
                assert found is None or found["chunk_id"] != chunk_id("copied")


def test_a_near_copy_of_the_chunk_is_no_wrong_passage(tmp_path: Path) -> None:
    from tests.curate.calibrate_rows import cluster_row
    from tests.curate.stage_runs import put

    with open_store(tmp_path) as store:
        corpus(store)
        clusters = [cluster_row(name, "heron" if name == "stork" else name) for name in TEXTS]
        put(store, "chunk_clusters", sorted(clusters, key=lambda row: row["chunk_id"]))
        from curate.calibrate.material import read_material
        from curate.verify.ranks import read_corpus

        reader = store.reader(("chunks", "chunk_clusters"))
        material = read_material(reader, read_corpus(reader))
        assert planted_row(NESTS, "wrong_passage_same_document", material, 13) is None
        near = planted_row(original("heron", "Where is a nest of a stork or heron?"), "wrong_passage_near", material, 13)
        assert near is None or near["chunk_id"] != chunk_id("stork")


def test_the_passage_of_the_same_document_is_not_the_nearest(material: Material) -> None:
    found = planted(NESTS, "wrong_passage_same_document", material)
    assert (found["chunk_id"], found["document_id"]) == (chunk_id("stork"), NESTS["document_id"])
    near = original("heron", "Where does a stork or heron build its nest?")
    assert planted(near, "wrong_passage_near", material)["chunk_id"] == chunk_id("stork")
    assert planted_row(near, "wrong_passage_same_document", material, 13) is None


def test_a_question_without_quote_and_answer_gets_none(material: Material) -> None:
    found = planted(original("heron", "grey heron nests in colonies"), "wrong_passage_random", material)
    assert (found["evidence"], found["answer"]) == (None, None)


def test_the_evidence_is_cut_out_and_another_sentence_quoted(material: Material) -> None:
    found = planted(NESTS, "answer_removed", material)
    left = TEXTS["heron"][1].replace("A heronry in tall trees can hold 120 nests. ", "")
    assert (found["text"], found["passage"], found["altered"]) == (left, f"Birds\n\n{left}", True)
    assert found["evidence"] == "Ornithologists of the RSPB count the nests of the Thames every spring."
    assert (found["answer"], found["chunk_id"]) == (NESTS["answer"], NESTS["chunk_id"])


def test_nothing_is_cut_out_without_evidence_or_when_too_little_is_left(material: Material) -> None:
    assert planted_row({**NESTS, "evidence": None}, "answer_removed", material, 13) is None
    short = "A heronry in tall trees can hold 120 nests. Herons wait."
    row = original("heron", "How many nests?", "120", "A heronry in tall trees can hold 120 nests.", source=("birds", short))
    assert planted_row(row, "answer_removed", material, 13) is None


def test_a_number_becomes_another_one_that_the_passage_does_not_hold(material: Material) -> None:
    assert changed(NESTS, planted(NESTS, "changed_number", material)) == {"answer"}
    assert planted(NESTS, "changed_number", material)["answer"] == "114 nests"
    for seed in range(40):
        new = planted(KILN, "changed_number", material, seed)["answer"]
        assert new.startswith("Coal dust heats the cylinder to 14")
        assert "1450" not in new


def test_numbers_of_the_passage_ranges_and_list_markers_are_left_alone(material: Material) -> None:
    text = "Codes 300 to 309 redirect the client. Code 404 means that nothing is there, 403 that it is forbidden, and 405 another method."
    row = original("heron", "What does code 404 mean?", source=("codes", text))
    for seed in range(30):
        found = changed_number(row, material, Chance(seed, "changed_number", "x"))
        assert found is not None
        number = found["question"].split()[3]
        assert number not in ("300", "309", "403", "404", "405")
        assert not 300 <= int(number) <= 309
    listed = original(
        "heron", "Which step is it?", "4. Close the queue.", "4. Close the queue.", source=("x", "4. Close the queue.")
    )
    assert changed_number(listed, material, Chance(1, "changed_number", "x")) is None


@pytest.mark.parametrize(
    ("question", "answer"),
    [("What is a heron?", "A bird"), ("What is 99 for?", None), ("What does base64 do?", None), ("Who wrote v1.2-beta?", None)],
)
def test_rows_without_a_number_of_their_passage_are_skipped(material: Material, question: str, answer: str | None) -> None:
    assert planted_row(original("heron", question, answer), "changed_number", material, 13) is None


def test_a_spelled_number_becomes_another(material: Material) -> None:
    row = original("mortar", "Why must mortar be used within two hours?")
    said = planted(row, "changed_number", material)["question"]
    assert said.split()[-2] in {"three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"}


def test_a_name_becomes_one_of_the_same_kind_from_another_document(material: Material) -> None:
    assert planted(BIRD_COUNT, "swapped_entity", material)["question"] == "What does the LAFARGE count every spring?"
    # The only other name of its kind stands in the same document.
    assert planted_row(ASH, "swapped_entity", material, 13) is None
    assert planted_row(KILN, "swapped_entity", material, 13) is None


@pytest.mark.parametrize(
    ("word", "kind"),
    [("foo_bar", "identifier"), ("os.path", "identifier"), ("FastAPI", "mixed"), ("camelCase", "mixed"), ("HTTP", "acronym"), ("Vesuvius", "name"), ("nest", None), ("The", None), ("e.g", None)],
)  # fmt: skip
def test_kinds_of_names(word: str, kind: str | None) -> None:
    assert name_kind(word) == kind


def test_a_word_that_also_stands_small_or_only_once_is_no_name() -> None:
    texts = [("a", "We saw Mortar and mortar. We saw Etna and Etna. Once we met Hekla.")]
    assert {kind: [name.text for name in names] for kind, names in collect_names(texts).items()} == {"name": ["Etna"]}


@pytest.mark.parametrize(
    ("question", "answer", "turned"),
    [
        ("A", "It sends a token to the client.", "It does not send a token to the client."),
        ("A", "The nest is heavy.", "The nest is not heavy."),
        ("A", "The stork does not sing.", "The stork does sing."),
        ("A", "You cannot share it.", "You can share it."),
        ("A", "To filter items by type", "Not to filter items by type"),
        ("A", "Yes, it can.", "No, it can."),
        ("How does the kiln turn?", None, "How doesn't the kiln turn?"),
        ("Is the nest heavy?", None, "Isn't the nest heavy?"),
        ("Why is the ash not used?", None, "Why is the ash used?"),
    ],
)
def test_a_negation_is_put_in_or_taken_out(material: Material, question: str, answer: str | None, turned: str) -> None:
    found = negation(original("heron", question, answer), material, Chance(1, "negation", "x"))
    assert found in ({"answer": turned}, {"question": turned})


def test_negations_of_other_languages(material: Material) -> None:
    row = original("heron", "Was macht man?", "Das Nest ist schwer.", language="de")
    assert negation(row, material, Chance(1, "negation", "x")) == {"answer": "Das Nest ist nicht schwer."}
    row = original("heron", "锤子可以敲击钉子吗？", None, language="zh")
    assert negation(row, material, Chance(1, "negation", "x")) == {"question": "锤子不可以敲击钉子吗？"}


def context_bound_forms(question: str, material: Material, language: str = "en") -> set[str]:
    row = original("heron", question, language=language)
    found = [planted_row(row, "context_bound", material, seed) for seed in range(120)]
    return {one["question"] for one in found if one is not None}


def test_a_question_comes_to_need_its_passage(material: Material) -> None:
    forms = context_bound_forms("What is the purpose of the QueueReader?", material)
    assert {
        "What is the purpose of it?",
        "What is the purpose of this function?",
        "According to the text, what is the purpose of the QueueReader?",
        "What is the purpose of the QueueReader in this section?",
        "What does the author say about purpose QueueReader?",
    } <= forms
    assert "How does it handle threads?" in context_bound_forms("How does QueueReader handle threads?", material)
    assert context_bound_forms("Wie leben Reiher?", material, "de") == {
        "Was sagt der Text über leben Reiher?",
        "Laut dem Text, was ist leben Reiher?",
        "Was wird in diesem Abschnitt über leben Reiher gesagt?",
    }
    assert context_bound_forms("Mikä on haikara ja missä se asuu?", material, "fi") == set()


@pytest.mark.parametrize("row", ORIGINALS)
def test_a_truncated_question_is_a_beginning_that_does_not_end(material: Material, row: Row) -> None:
    for seed in range(20):
        found = planted_row(row, "truncated", material, seed)
        if found is None:
            continue
        said = found["question"]
        assert row["question"].startswith(said)
        assert len(said.split()) < len(row["question"].split())
        # In the middle of a word, or after a word that leads on.
        last = said.split()[-1]
        assert last.lower() in {"a", "the", "of", "in", "for"} or last not in row["question"].split()


def test_search_words_cannot_break_off(material: Material) -> None:
    row = original("heron", "grey heron nests colonies lakes rivers trees", style="keywords")
    assert planted_row(row, "truncated", material, 13) is None


def test_statements_come_from_evidence_answer_or_the_question(material: Material) -> None:
    found = {planted(KILN, "statement", material, seed)["question"] for seed in range(40)}
    assert found == {KILN["evidence"], KILN["answer"]}
    own = planted(original("heron", "How is the nest built?"), "statement", material)
    assert own["question"] == "The nest is built."


def test_a_duplicate_says_the_same(material: Material) -> None:
    row = original("heron", "What is the purpose of the heronry?")
    forms = {planted(row, "duplicate", material, seed)["question"] for seed in range(60)}
    assert forms >= {"What's the purpose of the heronry?", "What is the purpose of the heronry exactly?", "In general, what is the purpose of the heronry?"}  # fmt: skip
    assert all(form != row["question"] for form in forms)


def test_off_language_questions_keep_the_key_words(material: Material) -> None:
    found = [planted(QUEUE, "off_language", material, seed)["question"] for seed in range(60)]
    assert all("QueueReader" in question for question in found)
    assert "Was ist der Unterschied zwischen QueueReader und closed?" in found
    german = [planted({**QUEUE, "language": "de"}, "off_language", material, seed)["question"] for seed in range(60)]
    assert not [question for question in german if question.startswith(("Was ", "Wie ", "Wofür ", "Warum "))]
    assert planted_row({**QUEUE, "language": "und"}, "off_language", material, 13) is None


def test_the_same_rows_get_the_same_faults_in_any_order(material: Material) -> None:
    first = plant(ORIGINALS, material, 13)
    assert plant(list(reversed(ORIGINALS)), material, 13) == first
    assert plant(ORIGINALS, material, 14).rows != first.rows
    keys = {(row["question"], row["chunk_id"], row["text"], row["answer"], row["evidence"]) for row in first.rows}
    assert len(keys) == len(first.rows)
    assert len({row["question_id"] for row in first.rows}) == len(first.rows)
    for kind in KINDS:
        assert sum(row["kind"] == kind for row in first.rows) + first.skipped[kind] == len(ORIGINALS)


def test_one_row_more_changes_no_other_fault(material: Material) -> None:
    few = {row["question_id"]: row for row in plant(ORIGINALS[:2], material, 13).rows}
    more = {row["question_id"]: row for row in plant(ORIGINALS, material, 13).rows}
    assert all(more[key] == row for key, row in few.items())


def test_a_fault_equal_to_an_original_is_none(material: Material) -> None:
    row = original("heron", "What is the heron doing in the water all day?")
    repeated = plant([row], material, 13, ("duplicate",)).rows[0]["question"]
    both = plant([row, original("heron", repeated)], material, 13, ("duplicate",))
    assert repeated not in [one["question"] for one in both.rows]
    assert both.skipped["duplicate"] >= 1


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        ("Short and plain.", "Short and plain"),
        ("When the work of the day is done at last, close the queue with care, and then go home.", "and then go home"),
        ("锤子是用来敲击钉子的工具。", "锤子是用来敲击钉子的工具"),
        (" ".join(f"w{i}" for i in range(30)) + ".", " ".join(f"w{i}" for i in range(18, 30))),
    ],
)
def test_answers_are_cut_from_sentences(sentence: str, answer: str) -> None:
    assert cut_answer(sentence) == answer


def test_the_best_sentence_shares_most_with_the_question() -> None:
    assert best_sentence("Who counts the nests?", TEXTS["heron"][1], "en") == "Ornithologists of the RSPB count the nests of the Thames every spring."  # fmt: skip
    assert best_sentence("Who?", "Too short. No.", "en") is None


LONG = st.text(max_size=60) | st.sampled_from(
    [
        "工人在建筑工地经常使用锤子，因为它可以快速地敲击钉子吗？",
        "金槌とは、釘を打つための道具ですか？",
        "ค้อนใช้สำหรับตอกตะปูอย่างไร",
        "What is the purpose of {k} and {0} in %s?",
        "Why \\1 and (.*) [a?",
        "How do you use foo.bar(120) in QueueReader?",
    ]
)


ROWS = st.fixed_dictionaries(
    {
        "question": LONG.map(lambda text: text or "?"),
        "answer": st.none() | LONG,
        "evidence": st.none() | LONG,
        "text": LONG.map(lambda text: text or "x"),
        "language": st.sampled_from(["en", "de", "fr", "es", "zh", "ja", "th", "und"]),
    }
)


@settings(max_examples=60, deadline=None)
@given(values=ROWS)
def test_no_text_is_too_odd(material: Material, values: dict[str, Any]) -> None:
    source = ("birds", values.pop("text"))
    row = original("heron", values.pop("question"), source=source, **values)
    first = plant([row], material, 13)
    assert first == plant([row], material, 13)
    said = ("question", "answer", "evidence", "text", "chunk_id")
    assert all(any(one[name] != row[name] for name in said) for one in first.rows)
    assert len(first.rows) + sum(first.skipped.values()) == len(KINDS)
