"""What each extractive style takes and leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from curate.generate.definitions import definition_question, is_clean_name
from curate.generate.extractive import Work, extract
from curate.generate.frequencies import Frequencies, count_batch, merged
from curate.generate.headings import clean_heading, heading_candidate, is_generic
from curate.generate.sentences import is_informative, question_candidates, sentence_candidates, sentences
from curate.generate.terms import terms_candidate
from curate.generate.vocabulary import stem, terms_of
from tests.curate.generate_rows import HERON, PASSAGE, RARE

BARE = replace(PASSAGE, passage=HERON)


@pytest.mark.parametrize(
    "sentence",
    [
        "Fishermen once believed that oil from its feet attracted trout to the shallows.",
        "In 1806 the city became the capital of the Grand Duchy of Warsaw.",
        "IgnoreClient: This option causes the heron index to ignore all query variables.",
        "Der Graureiher brütet in Kolonien an Seen und langsamen Flüssen.",
        "苍鹭的巢穴通常建在高大的树木上，一个繁殖地可以有数百个巢穴。",
        "アオサギの巣は高い樹木の上に作られ、一つの繁殖地には数百の巣が集まる。",
    ],
)
def test_informative_sentences(sentence: str) -> None:
    assert is_informative(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "This bird breeds in colonies beside lakes and slow rivers.",
        "It breeds in colonies beside lakes and slow rivers.",
        "However, grey herons breed in colonies beside lakes.",
        "For example, grey herons breed in colonies beside lakes.",
        "In this way grey herons defend colonies beside lakes.",
        "Grey herons breed in the colonies shown below near lakes.",
        "Grey herons are described in the next section of the guide.",
        "On some lakes, this may result in larger colonies of herons.",
        "Heavily loaded sites should leave this directive off to save lookups.",
        "Behaviour of these options is modified by the heron configuration file.",
        "Grey herons breed.",
        "Grey herons breed in colonies beside lakes and slow rivers",
        "Grey herons breed in the following places near lakes:",
        "Do grey herons breed in colonies beside lakes?",
        "and grey herons breed in colonies beside lakes.",
        "Call heron.breed() in colonies beside lakes and rivers.",
        "See https://herons.example for colonies beside lakes and rivers.",
        "Herons counted: 12 34 56 78 90 11 13 17 19 23 29.",
        "It is what it was and so it will be for them all.",
        "Grey herons (which breed in colonies beside lakes and rivers.",
        "Herons " + "breed in large colonies " * 20 + ".",
        "这种鸟类生活在湖泊和河流附近，巢穴建在树上。",
        "しかし、アオサギの巣は高い樹木の上に作られる。",
    ],
)
def test_sentences_that_do_not_stand_alone_or_say_nothing(sentence: str) -> None:
    assert not is_informative(sentence)


def test_in_a_text_without_capitals_sentences_begin_with_small_letters() -> None:
    text = (
        "grey herons breed in colonies beside lakes and slow rivers . however, the nests are reused for many years . "
        "and they swallow lampreys beside estuary mudflats . which fish do grey herons swallow beside estuary mudflats ?"
    )
    small = replace(PASSAGE, text=text, passage=text)
    kept = ["grey herons breed in colonies beside lakes and slow rivers ."]
    work = Frequencies(10, {})
    assert [one.question for one in sentence_candidates(small, sentences(small), work, 13, 4)] == kept
    assert [one.question for one in question_candidates(small, sentences(small), 4)] == [
        "which fish do grey herons swallow beside estuary mudflats ?"
    ]
    # One capital anywhere, and a small letter at the beginning is that of a piece.
    cased = replace(small, text=text + " Herons live long.")
    assert sentence_candidates(cased, sentences(cased), work, 13, 4) == []
    assert question_candidates(cased, sentences(cased), 4) == []


def test_the_rarest_words_win_and_the_heading_counts() -> None:
    text = "The common bird eats common food near common water. The heron swallows lampreys beside estuary mudflats. Common birds drink common water every single day."
    common = dict.fromkeys(["common", "bird", "birds", "food", "water", "eats", "drink", "near", "every", "single", "day"], 500)
    passage = replace(PASSAGE, text=text, passage=text)
    found = sentence_candidates(passage, sentences(passage), Frequencies(1000, common), 13, 1)
    assert [one.question for one in found] == ["The heron swallows lampreys beside estuary mudflats."]
    assert found[0].verbatim


def test_a_sentence_that_is_nearly_the_whole_passage_is_none() -> None:
    passage = replace(PASSAGE, text="Fishermen once believed that oil from heron feet attracted trout. Really.")
    assert sentence_candidates(passage, sentences(passage), RARE, 13, 2) == []


def test_short_passages_give_one_sentence_and_long_ones_two() -> None:
    work = Work((PASSAGE,), RARE, ("sentence",), 4, 13)
    assert len(extract(replace(PASSAGE, tokens=75), work)) == 1
    assert len(extract(replace(PASSAGE, tokens=151), work)) == 2


def test_list_markers_and_reference_numbers_are_taken_off() -> None:
    passage = replace(
        PASSAGE, text="- Herons breed in colonies beside lakes.[12]\n\n2) Herons eat trout [citation needed] and eels."
    )
    assert [one.text for one in sentences(passage)] == ["Herons breed in colonies beside lakes.", "Herons eat trout and eels."]


def test_a_footnote_letter_is_taken_off_and_a_named_letter_stays() -> None:
    passage = replace(
        PASSAGE, text="Herons breed in colonies[a] beside lakes.\n\nThe [F] flag sends a response that forbids herons."
    )
    assert [one.text for one in sentences(passage)] == [
        "Herons breed in colonies beside lakes.",
        "The [F] flag sends a response that forbids herons.",
    ]
    # In brackets it is code to us: no question, rather than one that lost its subject.
    work = Work((passage,), RARE, ("sentence",), 4, 13)
    assert [one.question for one in extract(replace(passage, tokens=151), work)] == ["Herons breed in colonies beside lakes."]


@pytest.mark.parametrize(
    ("sentence", "question"),
    [
        ("A rotary kiln is a slowly turning steel cylinder for burning limestone.", "What is a rotary kiln?"),
        ("Dendritic cells (DC) are phagocytes in tissues that touch the external environment.", "What are dendritic cells?"),
        ("Imperialism is defined as a policy of extending power by force.", "What is Imperialism?"),
        ("ASGI stands for a gateway interface between servers and Python applications.", "What does ASGI stand for?"),
        ("Marie Curie is a Polish and French physicist who discovered radium.", "Who is Marie Curie?"),
        ("The European Commission is the main executive body of the European Union.", "What is the European Commission?"),
        ("The heron is a wading bird that breeds in colonies beside lakes.", "What is the heron?"),
        ("Hypercorn: an ASGI server compatible with HTTP/2 and Trio among others.", "What is Hypercorn?"),
        ("Built distributions: A package format that needs no compiler at the other end.", "What are Built distributions?"),
        ("The result is a list of all birds that breed beside the lakes.", None),
        ("The table is a list of all birds that breed beside the lakes.", None),
        ("This is a wading bird that breeds in colonies beside lakes.", None),
        ("It is a wading bird that breeds in colonies beside many lakes.", None),
        ("There is a wading bird that breeds in colonies beside the lakes.", None),
        ("What you need is a wading bird that breeds beside the lakes.", None),
        ("Environmentalists are concerned about loss of birds that breed beside lakes.", None),
        ("Trout and eels are the main food of herons beside the lakes.", None),
        ("Kilns are hot.", None),
        ("A rotary kiln is a cylinder?", None),
    ],
)
def test_definitions(sentence: str, question: str | None) -> None:
    text = sentence + " Many dendritic cells live long."
    assert definition_question(sentence, replace(PASSAGE, text=text)) == question


@pytest.mark.parametrize(
    ("sentence", "language", "question"),
    [
        ("苍鹭是一种生活在湖泊附近的大型涉禽。", "zh", "什么是苍鹭？"),
        ("机器学习（ML）是指计算机从数据中学习的方法。", "zh", "什么是机器学习？"),
        ("这是一种大型涉禽。", "zh", None),
        ("苍鹭生活在湖泊附近。", "zh", None),
        ("アオサギとは、湖や川の近くで生活する大型の鳥類である。", "ja", "アオサギとは何ですか？"),
        ("機械学習(ML)とはデータから学習する手法のことです。", "ja", "機械学習とは何ですか？"),
        ("これとは別に大型の鳥類がいるのである。", "ja", None),
        ("A rotary kiln is a slowly turning steel cylinder for limestone.", "de", None),
    ],
)
def test_definitions_in_other_languages(sentence: str, language: str, question: str | None) -> None:
    assert definition_question(sentence, replace(PASSAGE, language=language)) == question


@pytest.mark.parametrize(
    "name", ["reason", "main advantage", "these birds", "foo_bar", "os.path", "one of them", "really", "", "a", "kiln and oven"]
)
def test_names_that_are_none(name: str) -> None:
    assert not is_clean_name(name)


def test_questions_of_the_text_itself_that_make_sense_alone() -> None:
    text = "Q: Is concurrency better than parallelism? Does it matter? Why? What does this mean for herons? Do we like herons and trout? Herons eat trout."
    passage = replace(PASSAGE, text=text, passage=text)
    found = question_candidates(passage, sentences(passage), 4)
    assert [(one.question, one.verbatim) for one in found] == [("Is concurrency better than parallelism?", True)]


def test_a_question_in_the_heading_is_not_verbatim_where_headings_are_not_embedded() -> None:
    passage = replace(PASSAGE, heading_path=("Birds", "Where do herons breed in winter?"), passage=HERON)
    assert [(one.question, one.verbatim) for one in question_candidates(passage, sentences(passage), 4)] == [
        ("Where do herons breed in winter?", False)
    ]
    later = replace(passage, begins_section=False)
    assert question_candidates(later, sentences(later), 4) == []


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (("Guide", "Birds of the river bank"), "Birds of the river bank"),
        (("Grey heron", "Examples"), "Grey heron Examples"),
        (("Grey heron", "Notes", "Examples"), "Grey heron Notes Examples"),
        (("Grey heron", "Notes", "See also"), None),
        (("Grey heron of the river", "Related pages"), None),
        (("Grey heron of the river", "References and Footnotes"), None),
        (("Grey heron of the river", "See also references and birds"), "See also references and birds"),
        (("Grey heron of the river", "参考文献"), None),
        (("Grey heron of the river", "References to other birds"), "References to other birds"),
        (("Herons", "Breeding"), None),
        (("Guide", "2.3 Birds of the river bank"), "Birds of the river bank"),
        (("Guide", "Chapter 4: Birds of the river bank ¶"), "Birds of the river bank"),
        (("Weak references", "Why is this so hard?"), "Weak references Why is this so hard?"),
        (("Examples",), None),
        (("Introduction", "Overview"), None),
        (("Birds",), None),
        ((), None),
    ],
)
def test_headings_as_queries(path: tuple[str, ...], query: str | None) -> None:
    found = heading_candidate(replace(BARE, heading_path=path), verbatim_allowed=True)
    assert (found.question if found else None) == query


def test_a_heading_is_verbatim_only_where_it_really_stands_in_the_passage() -> None:
    path = ("Guide", "Birds of the river bank")
    with_prefix = replace(PASSAGE, heading_path=path, passage="Guide > Birds of the river bank\n\n" + HERON)
    found = heading_candidate(with_prefix, verbatim_allowed=True)
    assert found is not None
    assert found.verbatim
    bare = heading_candidate(replace(with_prefix, passage=HERON), verbatim_allowed=False)
    assert bare is not None
    assert (bare.question, bare.verbatim) == ("Birds of the river bank", False)


def test_headings_lose_symbols_but_not_identifiers() -> None:
    assert clean_heading("✨ `lru_cache` Technical Details 🚀") == "lru_cache Technical Details"
    assert clean_heading("PEP 8 – Style Guide:") == "PEP 8 – Style Guide"
    assert clean_heading("A heron's year") == "A heron's year"
    assert clean_heading("3D printing") == "3D printing"


@pytest.mark.parametrize(
    ("heading", "generic"), [("Example", True), ("See also", True), ("使用", False), ("概述", True), ("Grey heron", False)]
)
def test_generic_headings(heading: str, generic: bool) -> None:
    assert is_generic(heading) == generic


def test_terms_are_the_telling_words_in_order_of_appearance() -> None:
    text = "Herons fish. The heron is very simply good. Lampreys and lampreys hide in estuaries. An estuary has mud_flats and 1450 birds, common common birds."
    passage = replace(PASSAGE, text=text, passage=text, tokens=40, heading_path=("Lampreys",))
    found = terms_candidate(passage, Frequencies(1000, {"birds": 400, "common": 400}), 13)
    assert found is not None
    chosen = found.question.split()
    assert len(chosen) == 3
    assert "lampreys" in chosen
    assert not {"birds", "common", "simply", "good", "1450", "mud_flats"} & set(chosen)
    assert len({stem(term, "en") for term in chosen}) == 3
    assert chosen == sorted(chosen, key=text.lower().index)
    assert not found.verbatim


def test_terms_that_stand_side_by_side_are_turned_round() -> None:
    text = "Lampreys estuary mudflats."
    found = terms_candidate(replace(PASSAGE, text=text, passage=text, tokens=20), RARE, 13)
    assert found is not None
    assert not found.verbatim
    assert sorted(found.question.split()) == ["estuary", "lampreys", "mudflats"]


def test_ties_are_broken_by_the_seed_alone() -> None:
    words = "alder birch cedar ebony hazel larch maple rowan spruce walnut willow"
    passage = replace(PASSAGE, text=words, passage="x", tokens=20)
    queries = {seed: terms_candidate(passage, RARE, seed) for seed in range(8)}
    assert queries == {seed: terms_candidate(passage, RARE, seed) for seed in range(8)}
    assert len({query.question for query in queries.values() if query}) > 1


def test_terms_of_scripts_without_spaces() -> None:
    assert terms_of("東京タワーは高い塔である。", "ja") == {"東京": 1, "タワー": 1}
    assert terms_of("苍鹭的巢穴", "zh") == {"苍鹭": 1, "巢穴": 1}
    assert list(terms_of("机器学习", "zh")) == ["机器学习"]
    assert list(terms_of("机器学习法", "zh")) == [
        "机器",
        "机器学",
        "机器学习",
        "器学",
        "器学习",
        "器学习法",
        "学习",
        "学习法",
        "习法",
    ]


def test_document_frequencies_count_chunks_not_words() -> None:
    batches = [count_batch([("heron heron kiln", "en"), ("heron", "en")]), count_batch([("heron trout trout", "en")])]
    table = merged(batches, 16)
    assert table == Frequencies(16, {"heron": 3})
    assert (table.rarity("heron"), table.rarity("kiln")) == (3, 4)
    assert not table.is_common("heron")
    assert Frequencies(16, {"heron": 5}).is_common("heron")
    assert not Frequencies(4, {"heron": 4}).is_common("heron")


def test_a_table_that_grows_too_large_forgets_the_rarest_first() -> None:
    batches = [count_batch([(f"word{'abcdefghij'[n]} heron", "en")]) for n in range(10)]
    assert merged(batches, 10, limit=4).counts == {"heron": 10}


@pytest.mark.parametrize(
    ("split", "styles", "expected"),
    [
        ("train", ("sentence", "heading", "terms"), False),
        ("train", ("terms",), True),
        ("test", ("sentence", "heading", "terms"), True),
    ],
)
def test_telling_words_stand_in_for_training_and_serve_the_test(split: str, styles: tuple[str, ...], expected: bool) -> None:
    passage = replace(PASSAGE, split=split)
    found = {candidate.style for candidate in extract(passage, Work((passage,), RARE, styles, 4, 13))}
    assert ("terms" in found) is expected
