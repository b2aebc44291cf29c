"""Stage generate: which chunks ask, what the user's own pairs become, and the rows of every style."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from curate.generate import STAGE
from curate.generate.extractive import Work, extract
from curate.generate.passage import stands_in
from curate.stage import content_id
from curate.store import Store, tables_of
from curate.text import normalise
from pipelines.engine import ProcessEngine
from schemas.errors import SettingsError
from schemas.settings import load_settings
from tests.curate.generate_rows import HERON, KILN, PASSAGE, RARE, Corpus, run_generate, shown

EXTRACTIVE_ONLY = "No language model configured (llm.generator.model): questions are extractive only."
STYLES = ("sentence", "heading", "definition", "terms", "question_in_text")
CHINESE = (
    "苍鹭是一种生活在湖泊和河流附近的大型涉禽。苍鹭的巢穴通常建在高大的树木上，一个繁殖地可以有数百个巢穴。渔民曾经相信苍鹭的脚油能够吸引鳟鱼游到浅水区域。"
    "苍鹭在浅水中站立不动，等待鱼类靠近以后迅速捕捉。"
)
JAPANESE = (
    "アオサギとは、湖や川の近くで生活する大型の鳥類である。アオサギの巣は高い樹木の上に作られ、一つの繁殖地には数百の巣が集まることもある。"
    "漁師たちは昔、アオサギの足の脂肪が浅瀬にマスを引き寄せると信じていた。アオサギは浅い水中で動かずに立ち、魚類が近づくのを待つ。"
)


def test_chunks_that_may_not_ask_are_rejected_with_the_reason(store: Store) -> None:
    corpus = Corpus()
    asks = corpus.chunk("asks", HERON)
    expected = {
        corpus.chunk("copied document", KILN, original=False): "document_near_duplicate",
        corpus.chunk("copied chunk", HERON, cluster="asks", representative=False): "chunk_near_duplicate",
        corpus.chunk(
            "leaks", HERON, split="test", cluster="asks", representative=False, home_split="train"
        ): "chunk_copy_in_other_split",
        corpus.chunk("between", KILN, split="gap"): "chunk_in_split_gap",
        corpus.chunk("says nothing", "Ok then.", path=["Notes"]): "chunk_without_question",
    }
    made = run_generate(store, corpus)
    assert made.reasons() == sorted(expected.items())
    assert {row["chunk_id"] for row in made.rows} == {asks}
    assert {rejection.row["text"] for rejection in made.rejected} == {HERON, KILN, "Ok then."}
    assert made.notes == [EXTRACTIVE_ONLY]


def test_where_the_representative_is_barred_another_chunk_of_the_cluster_asks(store: Store) -> None:
    corpus = Corpus()
    barred = corpus.chunk("a", HERON, cluster="same", original=False)
    others = sorted(
        [
            corpus.chunk("b", HERON, cluster="same", representative=False),
            corpus.chunk("c", HERON, cluster="same", representative=False),
        ]
    )
    made = run_generate(store, corpus)
    assert made.reasons() == sorted([(barred, "document_near_duplicate"), (others[1], "chunk_near_duplicate")])
    assert {row["chunk_id"] for row in made.rows} == {others[0]}


def test_the_representative_asks_whatever_its_id(store: Store) -> None:
    for names in (("a", "b"), ("b", "a")):
        corpus = Corpus()
        asks = corpus.chunk(names[0], HERON, cluster="same")
        corpus.chunk(names[1], HERON, cluster="same", representative=False)
        assert {row["chunk_id"] for row in run_generate(store, corpus).rows} == {asks}


def test_pairs_of_the_users_own_become_questions_with_all_they_carry(store: Store) -> None:
    corpus = Corpus()
    chunk = corpus.chunk("passage", HERON, split="test", as_is=True)
    first = corpus.pair("who breeds beside lakes", "passage", score=0.75)
    second = corpus.pair("what is a kiln", "passage", label=0, is_positive=False)
    made = run_generate(store, corpus)
    columns = (
        "chunk_id",
        "question",
        "style",
        "origin",
        "imported_pair_id",
        "is_positive",
        "score",
        "label",
        "train_only",
        "model",
    )
    assert sorted(shown(made.rows, *columns)) == [
        (chunk, "what is a kiln", "imported", "imported", second, False, None, 0, False, None),
        (chunk, "who breeds beside lakes", "imported", "imported", first, True, 0.75, None, False, None),
    ]
    ids = {row["question"]: row["question_id"] for row in made.rows}
    assert ids["what is a kiln"] == content_id("question", chunk, "what is a kiln", "imported", second)
    assert made.rejected == []


def test_two_pairs_of_the_same_texts_stay_two(store: Store) -> None:
    corpus = Corpus()
    corpus.chunk("passage", as_is=True)
    pairs = [corpus.pair("x", "passage"), corpus.pair("y", "passage", anchor="x")]
    assert sorted(row["imported_pair_id"] for row in run_generate(store, corpus).rows) == sorted(pairs)


def test_duplicate_filters_do_not_touch_pairs_but_leaks_gaps_and_lost_passages_do(store: Store) -> None:
    corpus = Corpus()
    corpus.chunk("copy", as_is=True, original=False, representative=False, cluster="a")
    kept = corpus.pair("kept", "copy")
    corpus.chunk("leak", as_is=True, split="test", home_split="train", representative=False, cluster="a")
    corpus.chunk("gap", as_is=True, split="gap")
    expected = [
        (corpus.pair("leaks", "leak"), "chunk_copy_in_other_split"),
        (corpus.pair("in the gap", "gap"), "chunk_in_split_gap"),
        (corpus.pair("lost", "no such chunk"), "chunk_rejected"),
    ]
    made = run_generate(store, corpus)
    assert [row["imported_pair_id"] for row in made.rows] == [kept]
    assert made.reasons() == sorted(expected)
    assert {rejection.row["anchor"] for rejection in made.rejected} == {"leaks", "in the gap", "lost"}


def test_chunks_with_pairs_give_no_other_questions_unless_asked(store: Store) -> None:
    corpus = Corpus()
    chunk = corpus.chunk("passage", HERON, as_is=True, bare=True)
    corpus.pair("mine", "passage")
    assert run_generate(store, corpus).questions(chunk) == ["mine"]
    both = run_generate(store, corpus, ["generate.augment_imported=true"])
    assert {row["origin"] for row in both.rows} == {"imported", "extractive"}


def test_a_copy_of_a_passage_with_pairs_still_asks(store: Store) -> None:
    # The one with pairs is the representative but asks nothing itself.
    corpus = Corpus()
    corpus.chunk("passage", HERON, as_is=True, cluster="same")
    corpus.pair("mine", "passage")
    other = corpus.chunk("page", HERON, cluster="same", representative=False)
    assert {row["origin"] for row in run_generate(store, corpus).rows if row["chunk_id"] == other} == {"extractive"}


def test_one_passage_exactly(store: Store) -> None:
    corpus = Corpus()
    chunk = corpus.chunk("kilns", KILN, path=["Cement works", "Rotary kiln design"])
    made = run_generate(store, corpus)
    assert sorted(shown(made.rows, "style", "question", "train_only", "origin")) == [
        ("definition", "What is a rotary kiln?", False, "extractive"),
        ("sentence", KILN.split(". ")[0] + ".", True, "extractive"),
    ]
    definition = next(row for row in made.rows if row["style"] == "definition")
    assert definition["answer"] == definition["evidence"] == KILN.split(". ")[0] + "."
    assert definition["question_id"] == content_id("question", chunk, "What is a rotary kiln?", "definition", "")


@pytest.mark.parametrize("split", ["dev", "test"])
def test_dev_and_test_get_questions_that_do_not_stand_in_the_passage(store: Store, split: str) -> None:
    corpus = Corpus()
    chunk = corpus.chunk("kilns", KILN, split=split, path=["Cement works", "Rotary kiln design"])
    made = run_generate(store, corpus)
    passage = corpus.rows["chunks"][0]["passage"]
    assert made.questions(chunk, style="definition") == ["What is a rotary kiln?"]
    assert made.questions(chunk, style="heading") == ["Rotary kiln design Cement works"]
    assert [row["train_only"] for row in made.rows] == [False] * len(made.rows)
    assert [row["question"] for row in made.rows if stands_in(row["question"], normalise(passage))] == []


@pytest.mark.parametrize(("text", "language"), [(CHINESE, "zh"), (JAPANESE, "ja")], ids=["Chinese", "Japanese"])
def test_texts_without_spaces_give_questions_in_every_split(store: Store, text: str, language: str) -> None:
    corpus = Corpus()
    train = corpus.chunk("train", text, language=language, bare=True)
    test = corpus.chunk("test", text + "。", split="test", language=language, bare=True, path=["別"])
    made = run_generate(store, corpus)
    definition = {"zh": "什么是苍鹭？", "ja": "アオサギとは何ですか？"}[language]
    sentence = made.questions(train, style="sentence")
    assert len(sentence) == 2
    assert all(one in text and one.endswith("。") for one in sentence)
    for chunk in (train, test):
        assert made.questions(chunk, style="definition") == [definition]
    terms = made.questions(test, style="terms")
    assert len(terms) == 1
    assert len(terms[0].split()) >= 3
    assert all(term in text for term in terms[0].split())
    assert made.questions(test, train_only=True) == []


def test_styles_are_used_as_set_and_misspelt_ones_are_a_settings_error(store: Store) -> None:
    corpus = Corpus()
    corpus.chunk("kilns", KILN, path=["Cement works", "Rotary kiln design"])
    made = run_generate(store, corpus, ['generate.styles=["terms"]'])
    assert {row["style"] for row in made.rows} == {"terms"}
    with pytest.raises(SettingsError, match=r"generate\.styles"):
        load_settings(None, ['generate.styles=["sentense"]'])
    none = run_generate(store, corpus, ["generate.extractive=false"])
    assert [reason for _, reason in none.reasons()] == ["chunk_without_question"]


def test_questions_per_chunk_is_the_limit_and_short_passages_have_fewer(store: Store) -> None:
    corpus = Corpus()
    chunk = corpus.chunk("kilns", KILN + " " + HERON + " " + KILN, path=["Cement works", "Rotary kiln design"])
    # What is said twice counts once.
    assert len(run_generate(store, corpus).questions(chunk)) == 3
    assert len(run_generate(store, corpus, ["generate.questions_per_chunk=2"]).questions(chunk)) == 2


@pytest.mark.parametrize(
    ("text", "borne"),
    [
        ("", 1),
        ("kiln " * 500, 1),
        (" ".join(f"word{n}" for n in range(17)), 1),
        (" ".join(f"word{n}" for n in range(18)), 2),
        (" ".join(f"word{n}" for n in range(36)) * 3, 3),
        (" ".join(f"word{n}" for n in range(500)), 4),
        ("窑炉" * 300, 1),
        ("".join(chr(0x4E00 + n) for n in range(60)), 3),
    ],
)
def test_a_passage_bears_as_many_questions_as_it_has_to_say(text: str, borne: int) -> None:
    assert replace(PASSAGE, text=text).bears(4) == borne


def test_headings_that_stand_over_sections_of_several_documents_are_no_questions(store: Store) -> None:
    corpus = Corpus()
    first = corpus.chunk("a", HERON, path=["Guide to the park", "Birds of the river bank"])
    second = corpus.chunk("b", KILN, path=["Guide to the park", "Birds of the river bank"])
    alone = corpus.chunk("c", KILN.upper(), path=["Guide to the works", "Kilns of the river bank"])
    made = run_generate(store, corpus, ['generate.styles=["heading"]'])
    assert [made.questions(chunk) for chunk in (first, second, alone)] == [[], [], ["Kilns of the river bank"]]


def test_a_heading_shared_by_other_sections_takes_its_parent_with_it(store: Store) -> None:
    corpus = Corpus()
    first = corpus.chunk("a", HERON, path=["Grey heron", "Where it breeds and when"])
    second = corpus.chunk("b", KILN, path=["Little egret", "Where it breeds and when"])
    made = run_generate(store, corpus, ['generate.styles=["heading"]'])
    assert made.questions(first) == ["Grey heron Where it breeds and when"]
    assert made.questions(second) == ["Little egret Where it breeds and when"]


def test_only_the_first_chunk_of_a_section_asks_by_its_heading(store: Store) -> None:
    corpus = Corpus()
    path = ["Guide to the park", "Birds of the river bank"]
    second = corpus.chunk("later", KILN, path=path, document="one", position=1)
    first = corpus.chunk("earlier", HERON, path=path, document="one", position=0)
    made = run_generate(store, corpus, ['generate.styles=["heading"]'])
    assert (made.questions(first), made.questions(second)) == (["Birds of the river bank"], [])


def test_code_tables_and_headings_give_no_sentence(store: Store) -> None:
    texts = [
        ("heading", "Kilns of the old limestone works near the river burn slowly."),
        ("code", KILN),
        ("table", HERON),
        ("paragraph", "A short one."),
    ]
    text, blocks = "", []
    for kind, part in texts:
        blocks.append({"kind": kind, "level": 0, "start": len(text), "end": len(text) + len(part)})
        text += part + "\n\n"
    corpus = Corpus()
    corpus.chunk("a", text.strip(), blocks=blocks)
    assert run_generate(store, corpus, ['generate.styles=["sentence", "definition"]']).rows == []


def test_rows_do_not_depend_on_processes_or_on_the_size_of_the_corpus_read_at_once(store: Store) -> None:
    corpus = Corpus()
    for number in range(40):
        corpus.chunk(
            f"n{number}",
            (KILN if number % 2 else HERON).replace("lower", f"lower{number}"),
            split="train" if number % 3 else "test",
        )
    alone = run_generate(store, corpus)
    with ProcessEngine(2) as engine:
        assert run_generate(store, corpus, engine=engine).rows == alone.rows


def test_the_stage_reads_what_it_declares(store: Store) -> None:
    read: set[str] = set()
    for name in STAGE.files:
        if name.endswith(".sql"):
            from importlib.resources import files

            read |= tables_of(store.connection, files("curate").joinpath(*name.split("/")).read_text(encoding="utf-8"))
    assert read <= set(STAGE.reads)
    assert STAGE.writes == ("questions",)
    assert STAGE.settings == ("generate", "llm.generator", "seed")


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    st.text(alphabet=st.sampled_from("Heron is a bird. Kilns, oil? \n-:()什么是苍鹭とは。？1"), max_size=300),
    st.sampled_from(["train", "dev", "test"]),
    st.sampled_from(["en", "zh", "ja", "de", "und"]),
)
def test_any_text_gives_distinct_well_marked_candidates_within_the_limit(text: str, split: str, language: str) -> None:
    fields: dict[str, Any] = {**PASSAGE.__dict__, "text": text, "passage": text or "x", "split": split, "language": language}
    passage = type(PASSAGE)(**fields)
    work = Work((passage,), RARE, STYLES, 4, 13)
    found = extract(passage, work)
    assert len(found) <= passage.bears(4)
    assert len({normalise(one.question) for one in found}) == len(found)
    for one in found:
        assert one.verbatim == stands_in(one.question, normalise(passage.passage))
        assert split == "train" or not one.verbatim
        assert one.question.strip() == one.question != ""
    assert found == extract(passage, work)
