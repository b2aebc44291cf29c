"""Verify: each gate's score on planted faults and on good questions, and the stage on exact rows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.bm25 import build, tokenise
from curate.stage import content_id
from curate.text import normalise, word_spans, words
from curate.verify import STAGE, language_match
from curate.verify.form import form_fault, question_form
from curate.verify.quotes import evidence_found, evidence_span, stands_in, word_overlap
from curate.verify.ranks import Corpus, Own, own_places, read_corpus
from curate.verify.specific import common_stems, specific_words
from curate.verify.wording import context_bound
from schemas.settings import Settings, VerifySettings

PASSAGE = "The heron is a wading bird that stands still in shallow water and waits for fish to come near."

Tables = Any
"""`Tables` of conftest.py, which cannot be imported."""

QUESTIONS = """What is the capital of France?
How do I restart Apache without dropping connections?
In which year did Tesla move to Colorado Springs?
Is Leigh syndrome inherited ?
What are the treatments for Niemann-Pick disease type A ?
Explain how garbage collection works in CPython.
Describe the life cycle of a salmon
how to install fastapi on windows
who invented the telephone
python async generator cleanup
symptoms of vitamin D deficiency
C. elegans genome size
difference between list and tuple
What does `__init__` do in Python?
Why did people want to ban the Qur'an?
If a request has no body, what does the server send?
In 1840, how many people lived in Warsaw?
what similarity laws must be obeyed when constructing models of aircraft .
Wie installiere ich Python unter Windows?
Quelle est la capitale de la France ?
¿Cuál es la capital de Perú?
什么是机器学习?
北京的人口是多少
日本の首都はどこですか
フーリエ変換 応用"""


@pytest.mark.parametrize("text", QUESTIONS.splitlines())
def test_questions_and_queries_are_questions(text: str) -> None:
    assert form_fault(text) is None
    assert question_form(text)


@pytest.mark.parametrize(
    "text",
    [
        "What is the pro",
        "How do you set cookies in a tem",
        "What kind of pull req",
        "In which part of the code",
        "Does FastAPI ha",
    ],
)
def test_a_model_that_leaves_out_the_mark_was_cut_off(text: str) -> None:
    assert form_fault(text, by_model=True) == "cut off"
    assert form_fault(f"{text}?", by_model=True) is None


@pytest.mark.parametrize(
    "text", ["How to install FastAPI on Windows", "who invented the telephone", "Python async generator cleanup"]
)
def test_a_query_needs_no_mark(text: str) -> None:
    assert form_fault(text, by_model=True) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("The heron is a wading bird.", "statement"),
        ("The capital of France is Paris", "statement"),
        ("When the server starts, it reads the file.", "statement"),
        ("What this means is that the cache is cold.", "statement"),
        ("Neil Diamond received the Grammy Lifetime Achievement Award.", "statement"),
        ("这是一本关于机器学习的书。", "statement"),
        ("Das Haus steht seit 1900 in Berlin.", "statement"),
        ("Question 1: What is a heron?", "header"),
        ("Q2: Where do herons nest?", "header"),
        ("问题1：什么是机器学习？", "header"),
        ("1. What is a heron?", "list marker"),
        ("- What is a heron?", "list marker"),
        ("b) Where do herons nest?", "list marker"),
        ("What is a heron? Answer: a bird", "answer"),
        ("What is a heron? A: a wading bird", "answer"),
        ("What is a heron? It is a wading bird.", "answered at once"),
        ("What is the role of the", "cut off"),
        ("What is the?", "cut off"),
        ("Herons, storks and", "cut off"),
        ("How does the heron...", "cut off"),
        ("and what they eat", "begins in the middle"),
        (", which nests in trees", "begins in the middle"),
        ("Herons eat mostly ____ and frogs.", "blank to fill"),
        ("What is [insert name] known for?", "blank to fill"),
        ("def stand_still(bird):", "code"),
        ('{"question": "What is a heron?"}', "code"),
        ("import herons", "code"),
        ("for (i=0;i<n;i++) { x[i]+=y[i]; }", "code"),
        ("Here is a question about herons: What do they eat?", "talk to a person at work"),
        ("Sure! What do herons eat?", "talk to a person at work"),
        ("Generate a question about herons", "talk to a person at work"),
        ("Write two short questions about the wading birds", "talk to a person at work"),
        ("I'm sorry, I cannot help with that", "talk to a person at work"),
        ("Is there anything specific you would like to know about this?", "talk to a person at work"),
        ("How can I assist with your herons?", "talk to a person at work"),
        ("How can I help you?", "talk to a person at work"),
        ("What kind of evaluation will be done? (factoid or natural)", "remark after it"),
        ("Which person or group would you like to review the request?", "talk to a person at work"),
        ("Can you provide a specific name for the heron?", "talk to a person at work"),
        ("What are the current state of heron colonies?", "plural of one thing"),
        ("What is a heron?\nWhat is a stork?", "several lines"),
        ("???", "no letters"),
        ("2024", "no letters"),
        ("Which is right? A) herons B) storks", "options"),
    ],
)
def test_faults_of_form(text: str, fault: str) -> None:
    assert form_fault(text) == fault
    assert not question_form(text)


@pytest.mark.parametrize(
    ("question", "wording"),
    [
        ("What does this passage say about herons?", "this passage"),
        ("What is the main topic of this document?", "this document"),
        ("Which birds are described in this section?", "this section"),
        ("What does Table 3 show?", "Table 3"),
        ("What is plotted in Figure 2.1?", "Figure 2.1"),
        ("According to the passage, what do herons eat?", "According to the passage"),
        ("What do herons eat, according to the text?", "according to the text"),
        ("Based on the document, where do herons nest?", "Based on the document"),
        ("Which fish are mentioned in the article?", "mentioned in the article"),
        ("What does the author think about herons?", "does the author think"),
        ("What is the author's view on herons?", "the author's view"),
        ("Why did the researchers conclude that herons migrate?", "did the researchers conclude"),
        ("What does the given code print?", "the given code"),
        ("Which of the following is a wading bird?", "Which of the following"),
        ("Which of the steps mentioned above comes first?", "mentioned above"),
        ("What is shown in the above diagram?", "the above diagram"),
        ("What is the purpose of the passage?", "the passage"),
        ("What does it do?", "it"),
        ("Why is this important?", "this"),
        ("Is this safe?", "this"),
        ("What are they made of?", "they"),
        ("When was he born?", "he"),
        ("How can these be avoided?", "these"),
        ("What is its purpose?", "its"),
        ("What was the name of his wife?", "his"),
        ("What causes this?", "this"),
        ("What does this function return?", "this function"),
        ("When was the charter for this church signed?", "this church"),
        ("Which are those required fields?", "those required"),
        ("Does it support threads?", "it"),
        ("What color is it?", "it"),
        ("What is the main purpose of this approach?", "this approach"),
        ("It stands still in shallow water.", "It"),
        ("They eat fish and frogs.", "They"),
        ("What event took her sight?", "her"),
        ("How does this type of attack work?", "this type of"),
        ("How do you handle such cases?", "such cases"),
        ("What if there are several instances of the same dependency in this path operation?", "this path operation"),
        ("Why do you need to disable this automatic conversion?", "this automatic conversion"),
        ("What is the impact of such a script on local networks?", "such a script"),
        ("Was steht in diesem Abschnitt über Reiher?", "diesem Abschnitt"),
        ("Was fressen Reiher laut dem Text?", "laut dem Text"),
        ("Que dit ce document sur les hérons ?", "ce document"),
        ("Selon l'auteur, où nichent les hérons ?", "Selon l'auteur"),
        ("¿Qué dice este texto sobre las garzas?", "este texto"),
        ("¿Qué comen las garzas según el texto?", "según el texto"),
        ("本文主要讨论什么?", "本文"),
        ("作者认为苍鹭吃什么?", "作者"),
        ("它是什么时候发明的?", "它是"),
        ("この文章によると、サギは何を食べますか", "この文章"),
        ("それは何ですか", "それは"),
        ("Before this, fastapi would include all the routes at start.", "Before this"),
        ("Because of that , the server closes the connection.", "Because of that"),
        ("In addition to these, a mill stood by the river.", "In addition to these"),
    ],
)
def test_wording_that_needs_the_passage(question: str, wording: str) -> None:
    assert context_bound(question) == wording


SELF_CONTAINED = """What is the capital of France?
What is this function argument used for in asyncio.run?
How long does it take to boil an egg?
Is it safe to take aspirin with ibuprofen?
What does it mean to be a Stoic?
Why is it important to wash hands?
Is it true that herons sleep standing?
How do you change the color of the text in CSS?
How do I drop the table in PostgreSQL?
Who is the author of Moby-Dick?
Before this century, herons were hunted for their feathers.
In that year Tesla moved to Colorado Springs, and stayed.
What did the passage of the Civil Rights Act change?
What happened after the passage of time?
What does "this page isn't working" mean in Chrome?
How does Django handle requests and what does it return?
If a function raises, does it return a value?
What did Nobel leave in his will?
What are the symptoms of a patient who lost his sight?
Which university has its origins in a medical school?
What university alumni member was known for his work on portfolio theory?
What do ctenophores have that no other animals have?
What happened in the following year?
How was it determined how many delegates each state would get?
What are those with lower incomes less likely to have?
The second are those defined at configuration time.
Which methods such as cross-validation reduce errors in these methods?
Who paid for the church, and what did the town gain from this church?
How many people moved to Warsaw in this period?
Was fressen Reiher im Winter?
Wer ist der Autor von Faust?
Qui est l'auteur de Madame Bovary ?
¿Quién es el autor de Don Quijote?
《红楼梦》的作者是谁?
『こころ』の著者は誰ですか
python context manager example
the given name of Tesla's father"""


@pytest.mark.parametrize("question", SELF_CONTAINED.splitlines())
def test_questions_that_stand_alone(question: str) -> None:
    assert context_bound(question) is None


@given(st.text(max_size=80))
@settings(max_examples=150, deadline=None)
def test_any_text_gets_scores(text: str) -> None:
    assert form_fault(text) is None or not question_form(text)
    wording = context_bound(text)
    assert wording is None or wording
    assert evidence_found(text, text) in (True, None)
    assert 0 <= word_overlap(text, text) <= 1


def test_texts_of_any_length_are_looked_at_in_bounded_time() -> None:
    hostile = 'the following the passage "`of this what is it ' * 40_000
    assert form_fault(hostile) == "too long"
    assert context_bound(hostile) == "the following the passage"
    assert evidence_found("a quote that is not there " * 200, hostile) is False


def test_verbatim_ignores_case_blanks_and_marks_but_not_word_ends() -> None:
    assert stands_in("The HERON,  is a wading bird!", PASSAGE)
    assert not stands_in("heron is a wad", PASSAGE)
    assert not stands_in("?!", PASSAGE)
    assert stands_in("北京大学", "他在北京大学学习。")


@pytest.mark.parametrize(
    ("question", "overlap"),
    [
        ("Where does the heron find fish?", 2 / 3),
        ("What is it?", 0.0),
        ("quantum chromodynamics", 0.0),
        ("heron heron water", 1.0),
        ("Where do herons' fishes wait?", 1.0),
    ],
)
def test_word_overlap_counts_content_words(question: str, overlap: float) -> None:
    assert word_overlap(question, PASSAGE) == pytest.approx(overlap)


def test_word_overlap_of_chinese_counts_pairs_of_characters() -> None:
    # 北京 京大 大学: the passage has 大学 only.
    assert word_overlap("北京大学", "南方的大学在京都的北边") == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("evidence", "found"),
    [
        (None, None),
        ("", None),
        ("...", None),
        ("stands still in shallow water", True),
        ("Stands still, in shallow water!", True),
        ("The heron is a wading bird ... waits for fish", True),
        ("The heron is a wading bird ... eats fish and frogs daily", False),
        ("the heron is a wadding bird that stands still in shallow waters and waits for fish", True),
        ("herons breed in colonies near lakes", False),
    ],
)
def test_evidence(evidence: str | None, found: bool | None) -> None:
    assert evidence_found(evidence, PASSAGE) is found


@pytest.mark.parametrize(
    ("evidence", "found"),
    [
        ("The colony had 350 nests in 1998 and it was not protected by the law of the land", True),
        ("The colony had 350 nests in 1999 and it was not protected by the law of the land", False),
        ("The colony had 350 nests in 1998 and it was protected by the law of the land", False),
        ("The colonies had 350 nests in 1998 and it was not protected by the law of the land", True),
    ],
)
def test_evidence_with_a_changed_number_or_negation_is_not_found(evidence: str, found: bool) -> None:
    text = "Birds came back. The colony had 350 nests in 1998 and it was not protected by the law of the land. Then it grew."
    assert evidence_found(evidence, text) is found


@pytest.mark.parametrize(
    ("evidence", "text", "held"),
    [
        ("stands still in shallow water", PASSAGE, "stands still in shallow water"),
        ("STANDS  still, in shallow\nwater!", PASSAGE, "stands still in shallow water"),
        (
            "heron ... fish to come",
            PASSAGE,
            "heron is a wading bird that stands still in shallow water and waits for fish to come",
        ),
        (
            "waits for fish … The heron",
            PASSAGE,
            "The heron is a wading bird that stands still in shallow water and waits for fish",
        ),
        ("The heron is a wadding bird that stands stil", PASSAGE, "The heron is a wading bird that stands still"),
        ("bird ... heron", "A heron, a bird, a heron, a bird.", "bird, a heron"),
        ("ﬁsh in Zürich", "We saw  FISH,  in “Zu\u0308rich”.", "FISH,  in “Zu\u0308rich"),
        ("大学", "他在北京大学学习。", "大学"),
        ("2", "½ of it, and 2.", "½"),
    ],
)
def test_span_of_the_evidence(evidence: str, text: str, held: str) -> None:
    span = evidence_span(evidence, text)
    assert span is not None
    assert text[slice(*span)] == held


@pytest.mark.parametrize("evidence", [None, "", "...", "?!", "hero", "herons breed in colonies", "heron ... storks breed"])
def test_no_span_without_the_evidence(evidence: str | None) -> None:
    assert evidence_span(evidence, PASSAGE) is None


_WRITING = st.text(st.sampled_from("aZé1 .,-'’_½ﬁ\u0301\n北가ᄀ\u1161 ½İß"), max_size=40)


def test_a_vowel_of_korean_after_a_marked_letter_is_a_word_of_its_own() -> None:
    text = "ZZ\u0301\u0301\u1161ß"
    assert word_spans(text) == [("zź", 0, 4), ("\u1161ss", 4, 6)]
    assert evidence_span("\u1161ß", text) == (4, 6)
    assert word_spans("ᄀ\u1161\u11a8 a") == [("각", 0, 3), ("a", 4, 5)]


@given(_WRITING, st.data())
@settings(max_examples=300, deadline=None)
def test_the_words_of_a_span_are_those_of_the_quote(text: str, data: st.DataObject) -> None:
    spans = word_spans(text)
    assert [word for word, _, _ in spans] == words(text)
    if spans and "½" not in text:
        first = data.draw(st.integers(0, len(spans) - 1))
        last = data.draw(st.integers(first, len(spans) - 1))
        quote = text[spans[first][1] : spans[last][2]]
        found = evidence_span(quote, text)
        if "..." not in quote:
            assert found is not None
            assert normalise(text[slice(*found)]) == normalise(quote)
            assert found[0] <= spans[first][1]


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_its_own_evidence_as_long_as_it_has_words(text: str) -> None:
    assert [word for word, _, _ in word_spans(text)] == words(text)
    assert evidence_found(text, text) is (True if evidence_span(text, text) else None)


@pytest.mark.parametrize(
    ("question", "style", "match"),
    [
        ("Where do herons usually stand and wait for fish?", "plain", True),
        ("Wo stehen Reiher gewöhnlich und warten auf Fische?", "plain", False),
        ("苍鹭通常站在哪里等待鱼类靠近", "plain", False),
        ("Where do herons stand?", "plain", None),
        ("heron nests", "plain", None),
        ("Wo stehen Reiher gewöhnlich und warten auf Fische?", "terms", None),
        ("Wo stehen Reiher gewöhnlich und warten auf Fische?", "heading", None),
        ("Is adiposis dolorosa inherited as a disease?", "plain", True),
    ],
)
def test_language(question: str, style: str, match: bool | None) -> None:
    assert language_match(question, PASSAGE, style) is match


def test_a_foreign_name_in_a_short_question_is_not_another_language() -> None:
    assert language_match("Is adiposis dolorosa inherited ?", PASSAGE, "plain") is None


def test_no_language_without_a_passage_to_compare() -> None:
    assert language_match("Where do herons usually stand and wait for fish?", "ok", "plain") is None


def one(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The only row."""
    assert len(rows) == 1
    return rows[0]


def test_exact_row(tables: Tables) -> None:
    tables.chunk("heron", prefix="Birds > Heron\n\n")
    tables.chunk("copper", "Copper melts at a high temperature and conducts electricity very well indeed.")
    question = tables.question("one", "What does the heron wait for?", "heron", evidence="waits for fish")
    assert one(tables.run(STAGE).rows) | {"judge_failed": []} == {
        "question_id": question,
        "question_words": 6,
        "passage_words": 21,
        "question_form": True,
        "verbatim": False,
        "word_overlap": 1.0,
        "context_bound": None,
        "language_match": True,
        "bm25_rank": 1,
        "specific_words": 2,
        "evidence_found": True,
        "evidence_words": 3,
        "answered_under_heading": False,
        "evidence_start": 66,
        "evidence_end": 80,
        "unsupported_numbers": [],
        "unsupported_names": [],
        "negation_differs": False,
        "answer_overlap": None,
        "bm25_margin": 1.0,
        "bm25_answer_margin": None,
        "dense_rank": None,
        "dense_score": None,
        "dense_margin": None,
        "checker_score": None,
        "judge": None,
        "judge_failed": [],
        "judge_note": None,
    }


def test_faults_reach_their_columns(tables: Tables) -> None:
    tables.chunk("heron")
    tables.question("bound", "According to the passage, what does the heron do in water?", "heron")
    tables.question("copied", "stands still in shallow water", "heron", evidence="sleeps in a cave")
    tables.question("foreign", "Worauf warten die Vögel im flachen Wasser des Flusses?", "heron")
    rows = {row["question_id"]: row for row in tables.run(STAGE).rows}
    bound, copied, foreign = (rows[content_id("question", name)] for name in ("bound", "copied", "foreign"))
    assert bound["context_bound"] == "According to the passage"
    assert (copied["verbatim"], copied["word_overlap"], copied["evidence_found"]) == (True, 1.0, False)
    assert (foreign["language_match"], foreign["bm25_rank"], foreign["word_overlap"]) == (False, None, 0.0)


def test_what_the_chunk_does_not_hold_reaches_its_columns(tables: Tables) -> None:
    text = "The Severn Bridge was opened in 1966. It is not used by trains, and Severn pilots keep away from it at night."
    tables.chunk("bridge", text)
    tables.rows["chunks"][-1]["heading_path"] = ["Bridges of Wales"]
    asked = {
        "false": ("Who opened the bridge at Mackinac in 1981?", "trains"),
        "headed": ("When did the Severn Bridge in Wales open?", "1966"),
    }
    for name, (question, answer) in asked.items():
        tables.question(name, question, "bridge", answer=answer, evidence="It is not used by trains")
    rows = {row["question_id"]: row for row in tables.run(STAGE).rows}
    false, headed = (rows[content_id("question", name)] for name in asked)
    assert (false["unsupported_numbers"], false["unsupported_names"], false["answer_overlap"]) == (["1981"], ["Mackinac"], 1.0)
    assert (headed["unsupported_numbers"], headed["unsupported_names"], headed["answer_overlap"]) == ([], [], 1.0)


def test_the_answer_tells_which_passage_a_vague_question_is_of(tables: Tables) -> None:
    tables.chunk("humber", "The bridge over the river was opened by the Queen. It hangs from two towers of concrete.")
    tables.chunk("severn", "The bridge over the river carries four lanes. Toll was taken here from every lorry.")
    tables.question("asked", "What is known of the bridge over the river?", "humber", answer="two towers of concrete")
    tables.question("moved", "What is known of the bridge over the river?", "severn", answer="two towers of concrete")
    tables.question("bare", "What is known of the bridge over the river?", "severn")
    rows = {row["question_id"]: row for row in tables.run(STAGE).rows}
    asked, moved, bare = (rows[content_id("question", name)]["bm25_answer_margin"] for name in ("asked", "moved", "bare"))
    assert asked == -moved > 0.5
    assert bare is None


def test_a_quoted_heading_counts_beside_an_answer_that_stands_in_the_chunk(tables: Tables) -> None:
    tables.chunk("bridge", "It was opened in 1966 and carries four lanes of traffic over the river.")
    tables.rows["chunks"][-1]["heading_path"] = ["Severn Bridge"]
    answers = {
        "full": "four lanes of traffic over the river in 1966",
        "short": "four lanes",
        "wrong": "six lanes of traffic over the Thames",
    }
    for name, answer in answers.items():
        tables.question(name, f"What does the Severn Bridge carry, {name}?", "bridge", answer=answer, evidence="Severn Bridge")
    tables.question(
        "text", "What does the Severn Bridge carry at all?", "bridge", answer=answers["full"], evidence="opened in 1966"
    )
    rows = {row["question_id"]: row["answered_under_heading"] for row in tables.run(STAGE).rows}
    assert [rows[content_id("question", name)] for name in (*answers, "text")] == [True, False, False, False]


def test_a_question_of_two_chunks_may_name_what_only_the_other_holds(tables: Tables) -> None:
    for name, text in (("first", "The Severn Bridge was opened in 1966."), ("second", "The Humber Bridge was opened in 1981.")):
        tables.chunk(name, text)
        tables.question(name, "Which opened later, the Severn Bridge of 1966 or the Humber Bridge of 1981?", name, group_id=GROUP)
    assert [(row["unsupported_numbers"], row["unsupported_names"]) for row in tables.run(STAGE).rows] == [([], []), ([], [])]


GROUP = content_id("group", "bridges")


@pytest.fixture
def ranked(tables: Tables) -> Tables:
    """Three chunks about herons in falling order for "grey heron nest", then one of another subject."""
    tables.chunk("best", "grey heron nest")
    tables.chunk("middle", "grey heron nest and some other words beside it here")
    tables.chunk("last", "a heron among many many words of all sorts and kinds that say nothing of use")
    tables.chunk("other", "copper conducts electricity")
    return tables


@pytest.mark.parametrize(("chunk", "rank"), [("best", 1), ("middle", 2), ("last", 3), ("other", None)])
def test_rank_of_the_own_chunk(ranked: Tables, chunk: str, rank: int | None) -> None:
    ranked.question("one", "grey heron nest", chunk)
    assert one(ranked.run(STAGE).rows)["bm25_rank"] == rank


def test_a_near_copy_counts_as_the_own_chunk(ranked: Tables) -> None:
    ranked.chunk("copy", "completely different tokens", cluster="best")
    ranked.question("one", "grey heron nest", "copy")
    assert one(ranked.run(STAGE).rows)["bm25_rank"] == 1


@pytest.mark.parametrize(("chunk", "leads"), [("best", True), ("middle", False), ("other", False)])
def test_the_margin_is_the_lead_over_the_best_other_chunk(ranked: Tables, chunk: str, leads: bool) -> None:
    ranked.question("one", "grey heron nest", chunk)
    margin = one(ranked.run(STAGE).rows)["bm25_margin"]
    texts = [row["passage"] for row in ranked.rows["chunks"]]
    names = [row["chunk_id"] for row in ranked.rows["chunks"]]
    index = build("rank-bm25", [tokenise(text, drop_stopwords=True) for text in texts])
    scores = index.score(index.terms(["grey", "heron", "nest"])).tolist()
    own = scores.pop(names.index(content_id("chunk", chunk)))
    assert (margin > 0) is leads
    # rank-bm25 weighs words otherwise, so only the order of who leads is the same; a passage that shares no word is behind by all.
    assert (own > max(scores)) is leads
    assert (margin == -1.0) is (chunk == "other")


def test_an_altered_passage_is_ranked_by_its_own_words(ranked: Tables) -> None:
    corpus = read_corpus(ranked.reader(STAGE))
    chunk = content_id("chunk", "last")
    passages = [None, "grey heron nest", "copper conducts electricity"]
    places = own_places(corpus, ["grey heron nest"] * 3, [Own(chunk, passage) for passage in passages], 10)
    assert [place.rank for place in places] == [3, 1 + len(_better(corpus, "grey heron nest")), None]
    text = next(row["passage"] for row in ranked.rows["chunks"] if row["chunk_id"] == chunk)
    index, tokens = corpus.index, tokenise(text, drop_stopwords=True)
    terms = index.terms(["grey", "heron", "nest"])
    own = index.score(terms)[corpus.position_of[chunk]]
    assert index.score_outside(terms, tokens) == pytest.approx(float(own), abs=1e-5)


def _better(corpus: Corpus, passage: str) -> list[float]:
    terms = corpus.index.terms(tokenise(passage))
    score = corpus.index.score_outside(terms, tokenise(passage))
    return [other for other in corpus.index.score(terms).tolist() if other > score + 1e-6]


def test_beyond_the_window_is_not_found(ranked: Tables) -> None:
    ranked.question("one", "grey heron nest", "last")
    settings_ = Settings(verify=VerifySettings(rank_window=2))
    assert one(ranked.run(STAGE, settings_).rows)["bm25_rank"] is None


def test_every_question_gets_a_row_even_without_its_chunk(tables: Tables) -> None:
    for i in range(40):
        tables.chunk(f"chunk {i}", f"heron number {i} stands in water")
        tables.question(f"question {i}", f"where does heron number {i} stand", f"chunk {i}")
    for i in range(20):
        tables.question(f"lost {i}", "where do lost herons stand", f"no chunk {i}")
    result = tables.run(STAGE)
    lost = [row for row in result.rows if row["passage_words"] == 0]
    assert (len(result.rows), len(lost)) == (60, 20)
    assert {row["bm25_rank"] for row in lost} == {None}
    assert {row["word_overlap"] for row in lost} == {0.0}


def test_no_questions_and_no_chunks(tables: Tables) -> None:
    assert tables.run(STAGE).rows == []
    tables.question("lost", "where do lost herons stand", "nowhere")
    assert one(tables.run(STAGE).rows)["bm25_rank"] is None


@pytest.mark.shared_data
def test_few_human_questions_are_killed(shared_data: Path) -> None:
    squad = pl.read_parquet(shared_data / "squad" / "v1_questions.parquet")["question"].to_list()
    medquad = pl.read_parquet(shared_data / "medquad" / "medquad_qa.parquet")["question"].unique().to_list()
    # People who wrote with the paragraph in view do say "this colony": the last 20 of the 77 that are caught were read, and need it.
    for questions, form, bound in ((squad, 0.004, 0.016), (medquad, 0.001, 0.001)):
        assert sum(not question_form(text) for text in questions) <= form * len(questions)
        assert sum(context_bound(text) is not None for text in questions) <= bound * len(questions)


@pytest.mark.shared_data
def test_wording_of_written_questions_is_caught(shared_data: Path) -> None:
    path = shared_data / "ares_synthetic" / "ares_synthetic_queries.parquet"
    written = pl.read_parquet(path)["synthetic_query"].drop_nulls().unique().to_list()
    bound = [
        q
        for q in written
        if re.search(r"(?:mentioned|described|according to|stated).{0,9} (?:the|this) (?:document|passage|text)\b", q)
    ]
    assert len(bound) > 50
    assert sum(context_bound(text) is not None for text in bound) >= 0.97 * len(bound)


@pytest.mark.parametrize(
    ("question", "specific"),
    [
        ("What does heron do?", 0),
        ("What are the main benefits of using herons?", 0),
        ("What are some of the other ways to use a heron?", 0),
        ("Where do herons nest?", 1),
        ("Which lagoon do herons nest by?", 2),
        ("苍鹭筑巢", 3),
    ],
)
def test_words_that_set_a_passage_apart(question: str, specific: int) -> None:
    common = common_stems({"heron": 30, "lagoon": 25, "nest": 25}, 100)
    assert common == {"heron"}
    assert specific_words(question, common) == specific


def test_no_word_is_common_in_a_corpus_of_a_few_chunks() -> None:
    assert common_stems({"heron": 7}, 7) == frozenset()
    assert common_stems({"heron": 3}, 8) == {"heron"}
