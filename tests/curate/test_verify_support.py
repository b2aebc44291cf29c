"""Support: numbers, names, denials and answers that the passage holds, and the same with one of them changed."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.text import sentence_spans
from curate.verify.support import answer_overlap, negation_differs, unsupported_names, unsupported_numbers


@pytest.mark.parametrize(
    ("said", "passage"),
    [
        ("3 herons", "three herons"),
        ("three herons", "3 herons"),
        ("1,000 herons", "1000 herons"),
        ("1.000 Reiher", "1000 Reiher"),
        ("1 000 herons", "1,000 herons"),
        ("12,34,567 herons", "1234567"),
        ("50%", "50 percent"),
        ("50 per cent", "50%"),
        ("50%", "half of them"),
        ("the 3rd nest", "the third nest"),
        ("the twenty-first nest", "the 21st nest"),
        ("two hundred and fifty herons", "250 herons"),
        ("250 herons", "two hundred fifty herons"),
        ("a hundred herons", "100 herons"),
        ("twelve herons", "a dozen herons"),
        ("3 million", "3,000,000"),
        ("3 million", "3 to 5 million"),
        ("$5m", "5 million dollars"),
        ("10k rows", "10,000 rows"),
        ("$3.50", "3.5 dollars"),
        ("March 3, 1999", "3 March 1999"),
        ("the 3rd of March 1999", "1999-03-03"),
        ("1999-03-03", "on March 3, 1999"),
        ("May 3, 1999", "5/3/1999"),
        ("5 March", "March 3–5, 1999"),
        ("March 4", "from 3 to 4 March"),
        ("in the 1990s", "in 1994"),
        ("in the 19th century", "in 1850"),
        ("in '99", "in 1999"),
        ("in 1918", "from 1914–18"),
        ("at 2:30 pm", "at 14:30"),
        ("at 10 am", "at 10:00 a.m."),
        ("Python 3", "since Python 3.10"),
        ("v2.1", "v2.1.3"),
        ("Henry VIII", "Henry the Eighth"),
        ("Class 1", "Class I"),
        ("5 km", "5 kilometres"),
        ("5 km", "a 5-km walk"),
        ("5 km", "5 to 10 km"),
        ("½", "1/2"),
        ("٣ herons", "3 herons"),
        ("3只", "三只"),
        ("20个", "二十个"),
        ("3 hérons", "Les trois hérons de la mer et les lacs dans les bois."),
        # Not numbers to look for: grammar, counts up to two, identifiers, list items.
        ("the two ways, one of the herons, the first, the second", "herons"),
        ("What is HTTP_404, utf8, F-16 and python3?", "herons"),
        ("How? 1. Wait. 2. Catch the fish.", "Herons wait and catch fish."),
        ("no number", "1999"),
        ("", ""),
    ],
)
def test_numbers_that_the_passage_holds(said: str, passage: str) -> None:
    assert unsupported_numbers(said, passage) == []


@pytest.mark.parametrize(
    ("said", "passage", "missing"),
    [
        ("in 1997", "in 1999", ["1997"]),
        ("five herons", "three herons", ["five"]),
        ("3 million", "5 million", ["3 million"]),
        ("3 million", "3 billion", ["3 million"]),
        ("50%", "30 percent", ["50%"]),
        ("Python 3.10", "Python 3.1", ["3.10"]),
        ("Python 3.1", "Python 3.10", ["3.1"]),
        ("v2.1.0", "v2.1.3", ["2.1.0"]),
        ("1850", "the 19th century", ["1850"]),
        ("the 19th century", "in 1750", ["19th"]),
        ("March 3", "April 3", ["March 3"]),
        ("March 4, 1999", "3 March 1999 and 4 herons", ["March 4"]),
        ("1999-03-04", "March 3, 1999", ["1999-03-04"]),
        ("March 3, 1998", "March 3, 1999", ["1998"]),
        ("5 km", "5 miles", ["5 km"]),
        ("$5", "5 euros", ["$5"]),
        ("Henry VIII", "Henry VII", ["VIII"]),
        ("the 7th and 9th, the 7th", "the sixth", ["7th", "9th"]),
        ("at 2:31 pm", "at 14:30", ["2:31 pm"]),
        ("30 hérons", "Les trois hérons de la mer et les lacs dans les bois.", ["30"]),
        ("在1999年", "1997年", ["1999"]),
    ],
)
def test_numbers_that_the_passage_lacks(said: str, passage: str, missing: list[str]) -> None:
    assert unsupported_numbers(said, passage) == missing


PASSAGE = (
    "FastAPI uses Starlette. Call `app.add_middleware()` or response_model with --reload. The World Health Organization met in Zürich; "
    "Luther's followers, the Lutherans, came from Germany. See /items/{item_id} and fastapi.routing.APIRouter. NBC aired it. U.S. law. "
    "Anglo-Saxon kings. The gas is O 2."
)


@pytest.mark.parametrize(
    "said",
    [
        "How does FASTAPI use starlette?",
        "What does app.add_middleware() do?",
        "What does `add_middleware` do?",
        "What is the response model, or responseModel?",
        "What does --reload do?",
        "What is at /items/{item_id}?",
        "What is an APIRouter, and what are APIRouters?",
        "What did the WHO do?",
        "What did the National Broadcasting Company air?",
        "Which law of the United States is it? Which US law?",
        "Where is Zurich?",
        "When did Dr. Luther meet Germans?",
        "Who were the AngloSaxon kings and the Anglo Saxons?",
        "Which gas is O2?",
        # Capitals that name nothing, or that cannot be told.
        "Denmark is where?",
        "What happened? Then it ended.",
        "What Is the Meaning of the Law in Denmark",
        "Danish Kings Before Luther",
        "WHAT IS THE MEANING OF DENMARK",
        'Who said "Give it back"?',
        "Wie kam der Mann von der Stadt nach Warschau und was ist das?",
        "who is kierkegaard",
        "",
    ],
)
def test_names_that_the_passage_holds(said: str) -> None:
    assert unsupported_names(said, PASSAGE) == []


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ("How does FastAPI use Django?", ["Django"]),
        ("What does app.add_route() do?", ["app.add_route()"]),
        ("What is response_class?", ["response_class"]),
        ("What does --workers do?", ["--workers"]),
        ("What is at /users/{user_id}?", ["/users", "user_id"]),
        ("What is a WebSocketDisconnect?", ["WebSocketDisconnect"]),
        ("What did the WTO do?", ["WTO"]),
        ("Who is John F. Kennedy?", ["John F. Kennedy"]),
        ("Who met Luther? Martin Bucer", ["Martin Bucer"]),
        ("Where in Austria, or in Austria's west?", ["Austria"]),
        ("What does `frobnicate` do?", ["frobnicate"]),
        ("什么是FastAPI的Django插件?", ["Django"]),
        ("Is Node.js used, or utf-8?", ["Node.js", "utf-8"]),
    ],
)
def test_names_that_the_passage_lacks(said: str, missing: list[str]) -> None:
    assert unsupported_names(said, PASSAGE) == missing


def test_a_name_in_the_headings_is_held() -> None:
    assert unsupported_names("Where did Tesla live?", "He lived in New York.") == ["Tesla"]
    assert unsupported_names("Where did Tesla live?", "Nikola Tesla > Life\n\nHe lived in New York.") == []


def test_a_name_of_similar_letters_is_another_name() -> None:
    assert unsupported_names("Where in Australia?", "Vienna is in Austria.") == ["Australia"]
    assert unsupported_names("What did Niccolo write?", "Niccolò wrote it; so did Nicolo.") == []


@pytest.mark.parametrize(
    ("question", "answer", "evidence", "differs"),
    [
        ("Why is the cache not thread safe?", None, "The cache is thread safe for all readers.", True),
        ("Why is the cache thread safe?", None, "The cache is not thread safe for all readers.", True),
        ("Why isn't the cache thread safe?", None, "The cache is not thread safe.", False),
        ("Why doesn’t the heron nest in reeds?", None, "The heron nests in reeds.", True),
        ("Why doesn't the heron nest in reeds?", None, "The heron doesn't nest in reeds.", False),
        ("What is the cache?", "The cache is not thread safe for readers.", "The cache is thread safe for readers.", True),
        ("Is the cache thread safe?", "Yes.", "The cache is not thread safe.", True),
        ("Is the cache thread safe?", "Yes.", "The cache is thread safe.", False),
        ("Is the cache thread safe?", "No.", "The cache is not thread safe.", False),
        ("Why is it unsafe to share a session between threads?", None, "It is safe to share a session between threads.", True),
        (
            "Why is it unsafe to share a session between threads?",
            None,
            "It is not safe to share a session between threads.",
            False,
        ),
        (
            "Why is it not safe to share a session between threads?",
            None,
            "It is unsafe to share a session between threads.",
            False,
        ),
        ("What informs the user of the heron?", None, "The form tells the user of the heron.", False),
        ("Why should you never store plain passwords in a file?", None, "Store plain passwords in a file.", True),
        # Where other wording may deny, nothing is said.
        ("Why should you not store plain passwords in a file?", None, "Avoid storing plain passwords in a file.", False),
        ("What happens if you don't close the session?", None, "Close the session between threads.", False),
        ("What is not only fast but safe in the cache?", None, "The cache is fast and safe.", False),
        ("When did the Normans conquer Wales?", "1093", "The Normans did not conquer Wales until 1093.", False),
        ("What doesn't the heron eat?", "frogs", "The heron eats fish but no frogs.", False),
        ("What can a sick heron not do?", "catch fish well", "A sick heron cannot catch fish well.", False),
        ("What did he reveal?", "God's wrath", "He claimed that the gospel, not the law, revealed God's wrath.", False),
        ("What is not a bird?", None, "Copper conducts electricity.", False),
        ("Was ist nicht sicher im Speicher?", None, "Das ist sicher im Speicher.", False),
        ("What is safe?", "It is.", None, None),
        ("What is safe?", "It is.", " ?!", None),
    ],
)
def test_denials(question: str, answer: str | None, evidence: str | None, differs: bool | None) -> None:
    assert negation_differs(question, answer, evidence) is differs


@pytest.mark.parametrize(
    ("answer", "overlap"),
    [
        (None, None),
        ("", None),
        ("Yes", None),
        ("3", 1.0),
        ("Yes, the heron", 1.0),
        ("herons standing", 1.0),
        ("herons in caves", 0.5),
        ("copper", 0.0),
        ("4,000 herons", 1.0),
        ("5,000 herons", 1 / 3),
        ("three herons", 1.0),
        ("five herons", 0.5),
    ],
)
def test_answer_overlap(answer: str | None, overlap: float | None) -> None:
    assert answer_overlap(answer, "3 herons stand among four thousand others.") == overlap


def test_answer_overlap_of_chinese() -> None:
    assert answer_overlap("北京", "他在北京") == 1.0
    assert answer_overlap("北京", "他在南京") == 0.0


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_supports_itself(text: str, other: str) -> None:
    assert unsupported_numbers(text, text) == []
    assert answer_overlap(text, text) in (1.0, None)
    assert all(isinstance(name, str) and name for name in unsupported_names(text, other))
    assert all(isinstance(number, str) and number for number in unsupported_numbers(text, other))
    assert negation_differs(text, other, text) in (True, False, None)


@given(st.lists(st.sampled_from("1 2, 3.10 1999 five hundred and million % km March 3rd c VIII 12:30 - / v".split()), max_size=8))
@settings(max_examples=200, deadline=None)
def test_any_numbers_support_themselves(parts: list[str]) -> None:
    text = " ".join(parts)
    assert unsupported_numbers(text, text) == []


@pytest.mark.parametrize("piece", ["1,", "12/", "March 1 ", "one ", "A.", "Aa Bb ", "not ", "(", "é"])
def test_texts_of_any_length_are_read_in_bounded_time(piece: str) -> None:
    # With time in the square of the length, any of these would take minutes.
    long = piece * 8_000
    assert unsupported_numbers("nothing", long) == []
    assert unsupported_names("nothing", long) == []
    assert isinstance(unsupported_numbers(long, "nothing"), list)
    assert isinstance(unsupported_names(long, "nothing"), list)
    assert negation_differs("What is not a heron?", long, "herons") in (True, False)


Row = dict[str, Any]


@pytest.fixture(scope="module")
def squad(shared_data: Path) -> list[Row]:
    """Every third human question with an answer, with its paragraph under its title."""
    questions = pl.read_parquet(shared_data / "squad" / "v1_questions.parquet").gather_every(3)
    paragraphs = pl.read_parquet(shared_data / "squad" / "v1_paragraphs.parquet").select("para_id", "title", "context")
    rows = questions.join(paragraphs, on="para_id", how="inner").to_dicts()
    return [
        row | {"said": f"{row['question']} {row['answer']}", "passage": f"{row['title']}\n\n{row['context']}"} for row in rows
    ]


def _evidence(row: Row) -> str:
    start = row["answer_start"]
    spans = [span for span in sentence_spans(row["context"]) if span[1] > start and span[0] < start + len(row["answer"])]
    return str(row["context"][spans[0][0] : spans[-1][1]])


@pytest.mark.shared_data
def test_few_human_questions_are_flagged(squad: list[Row]) -> None:
    assert len(squad) > 1600
    numbers = sum(bool(unsupported_numbers(row["said"], row["passage"])) for row in squad)
    names = sum(bool(unsupported_names(row["said"], row["passage"])) for row in squad)
    denials = sum(negation_differs(row["question"], row["answer"], _evidence(row)) is True for row in squad)
    overlaps = sum((answer_overlap(row["answer"], row["passage"]) or 1.0) < 1.0 for row in squad)
    assert numbers <= 0.005 * len(squad)
    assert names <= 0.025 * len(squad)
    assert denials <= 0.002 * len(squad)
    assert overlaps <= 0.01 * len(squad)


@pytest.mark.shared_data
def test_changed_numbers_are_caught(squad: list[Row]) -> None:
    chosen = random.Random(7)
    caught = []
    for row in squad:
        found = list(re.finditer(r"(?<![\w.,:-])\d+(?:[.,]\d+)*(?!\w)", row["said"]))
        if found and not unsupported_numbers(row["said"], row["passage"]):
            match = chosen.choice(found)
            digit = chosen.choice([d for d in "123456789" if d != match.group()[-1]])
            changed = row["said"][: match.end() - 1] + digit + row["said"][match.end() :]
            caught.append(bool(unsupported_numbers(changed, row["passage"])))
    assert len(caught) > 300
    assert sum(caught) >= 0.9 * len(caught)


@pytest.mark.shared_data
def test_names_of_another_article_are_caught(squad: list[Row]) -> None:
    chosen = random.Random(7)
    name = re.compile(r"(?<=[a-z] )[A-Z][a-z]+(?: [A-Z][a-z]+)*")
    pools = [(row["title"], name.findall(row["context"])) for row in squad]
    caught = []
    for row in squad:
        found = [match for match in name.finditer(row["question"]) if match.group() in row["context"]]
        title, pool = chosen.choice(pools)
        others = [other for other in pool if other.lower() not in row["passage"].lower()]
        if found and others and title != row["title"]:
            match = chosen.choice(found)
            changed = row["question"][: match.start()] + chosen.choice(others) + row["question"][match.end() :]
            caught.append(bool(unsupported_names(changed, row["passage"])))
    assert len(caught) > 300
    assert sum(caught) >= 0.9 * len(caught)


@pytest.mark.shared_data
def test_denied_answers_are_caught(squad: list[Row]) -> None:
    caught = []
    for row in squad:
        evidence = _evidence(row)
        verb = re.search(r"\b(?:is|was|were|are|had|has|can|could|may|will|would)\b", evidence)
        if verb:
            denied = f"{evidence[: verb.end()]} not{evidence[verb.end() :]}"
            assert negation_differs("What is true?", evidence, evidence) is False
            caught.append(negation_differs("What is true?", denied, evidence))
    assert len(caught) > 800
    assert sum(caught) >= 0.7 * len(caught)
