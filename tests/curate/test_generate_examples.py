"""Real user queries: how they are read, what they set, and that no copy of them becomes a row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.generate.examples import ALIKE, Examples, Guard, read_examples
from curate.generate.vocabulary import content_stems
from curate.llm.scripted import ScriptedServer, questions_reply
from curate.store import Store
from curate.text import normalise
from schemas.errors import InputError, SettingsError
from tests.curate.generate_rows import HERON, KILN, Corpus, Made, run_generate

NOUNS = ["kiln", "clinker", "gypsum", "heron", "lake", "reed", "lens", "lamp", "tower", "granite"]
QUERIES = ["kiln clinker temperature", "How hot is a kiln?", "gypsum portland cement"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ScriptedServer() as running:
        yield running


def build(store: Store, server: ScriptedServer, *sets: str) -> Made:
    corpus = Corpus()
    corpus.chunk("kiln", KILN, path=["Cement", "Kilns"])
    role = [f"llm.generator.base_url={server.url}", "llm.generator.model=m", "generate.extractive=false"]
    return run_generate(store, corpus, [*role, *sets])


def asked(server: ScriptedServer) -> str:
    return str(server.history[-1]["messages"][1]["content"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("q.txt", "\ufeff" + "\r\n".join([*QUERIES, "", QUERIES[0]])),
        ("q.jsonl", "\n".join(json.dumps({"_id": "1", "text": query}) for query in QUERIES) + "\n"),
        ("q.json", "\n".join(json.dumps({"query": query}) for query in QUERIES)),
        ("q2.jsonl", "\n".join(json.dumps(query) for query in QUERIES)),
        ("q.csv", "id,Query\n" + "\n".join(f"1,{query}" for query in QUERIES)),
        ("q.tsv", "question\tn\n" + "\n".join(f"{query}\t2" for query in QUERIES)),
    ],
)
def test_queries_are_read_from_lines_and_columns(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode())
    examples = read_examples(str(tmp_path / name))
    assert examples.queries == tuple(QUERIES)
    assert (examples.shortest, examples.longest) == (3, 5)
    assert examples.mix == {"keywords": 2 / 3, "natural": 1 / 3}


@pytest.mark.parametrize(
    ("name", "data", "error", "told"),
    [
        ("missing.txt", None, SettingsError, "cannot read"),
        ("empty.txt", b" \n", InputError, "no query in it"),
        ("latin.txt", b"caf\xe9\n", InputError, "not UTF-8"),
        ("bad.jsonl", b'{"query": "a"}\n{"query"\n', InputError, "line 2"),
        ("bare.jsonl", b'{"other": "a"}\n', InputError, "no text in a column"),
        ("list.jsonl", b'{"query": ["a"]}\n', InputError, "no text in a column"),
        ("array.json", b'["a", "b"]', InputError, "no text in a column"),
        ("bare.csv", b"other\na\n", InputError, "line 2"),
        ("long.txt", b"a" * 2001, InputError, "2,001 characters"),
    ],
)
def test_a_file_that_holds_no_queries_is_named_with_its_line(
    tmp_path: Path, name: str, data: bytes | None, error: type[Exception], told: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(error, match=told):
        read_examples(str(tmp_path / name))


def test_real_queries_set_kinds_length_and_samples_of_the_request(store: Store, server: ScriptedServer, tmp_path: Path) -> None:
    file = tmp_path / "queries.txt"
    file.write_text("\n".join(QUERIES))
    build(store, server, f"generate.examples={file}", "generate.examples_shown=2")
    text = asked(server)
    shown = [query for query in QUERIES if f"- {query}\n" in text]
    assert len(shown) == 2
    assert "Each question has 3 to 5 words." in text
    assert "\n- keywords: " in text
    assert not any(f"- {style}:" in text for style in ("how_to", "factoid", "comparison", "definition", "situational"))
    build(store, server, f"generate.examples={file}", "generate.weights.definition=1", "generate.weights.keywords=0")
    assert "- keywords:" not in asked(server)


def test_without_queries_nothing_is_said_of_them(store: Store, server: ScriptedServer) -> None:
    build(store, server)
    assert "ask like this" not in asked(server)
    assert "words." not in asked(server).split("===")[-1]
    assert "\n\nWrite" not in asked(server)


def test_a_copy_of_a_real_query_is_no_row_unless_asked_for(store: Store, server: ScriptedServer, tmp_path: Path) -> None:
    file = tmp_path / "queries.txt"
    file.write_text("\n".join(QUERIES))
    server.default = lambda _: questions_reply("how hot is a KILN", "Who heats the cylinder with waste oil?")
    made = build(store, server, f"generate.examples={file}")
    assert [row["question"] for row in made.rows] == ["Who heats the cylinder with waste oil?"]
    assert [(r.reason.value, r.row["answer"]) for r in made.rejected] == [("question_is_example", "how hot is a KILN")]
    kept = build(store, server, f"generate.examples={file}", "generate.examples_in_training=true")
    assert len(kept.rows) == 2


def test_extractive_copies_of_real_queries_are_rejected_too(store: Store, tmp_path: Path) -> None:
    corpus = Corpus()
    chunk = corpus.chunk("heron", HERON, path=["Birds", "Grey heron of the lakes"])
    (tmp_path / "q.txt").write_text("grey heron of the lakes")
    without = run_generate(store, corpus, ['generate.styles=["heading"]'])
    assert without.questions(chunk) == ["Grey heron of the lakes"]
    made = run_generate(store, corpus, ['generate.styles=["heading"]', f"generate.examples={tmp_path / 'q.txt'}"])
    assert made.rows == []
    assert [r.reason.value for r in made.rejected] == ["question_is_example", "chunk_without_question"]


def test_the_guard_knows_near_copies_and_lets_other_questions_through() -> None:
    guard = Guard(("What is the default port of the Apache server?", "cors"))
    assert guard.holds("what is the default port of the Apache server")
    assert guard.holds("What's the default port of the Apache server?")
    assert guard.holds("CORS")
    assert not guard.holds("What is the default log file of the Apache server?")


def similar(a: frozenset[str], b: frozenset[str]) -> bool:
    return bool(a | b) and len(a & b) >= ALIKE * len(a | b)


@given(
    st.lists(st.frozensets(st.sampled_from(NOUNS), max_size=9), max_size=12), st.frozensets(st.sampled_from(NOUNS), max_size=9)
)
def test_the_guard_misses_no_query_above_the_threshold(known: list[frozenset[str]], asked: frozenset[str]) -> None:
    texts = [" ".join(sorted(one)) for one in known]
    # Sorted backwards, so that equal words do not make equal texts.
    question = " ".join(sorted(asked, reverse=True))
    expected = any(similar(content_stems(text), content_stems(question)) for text in texts)
    assert Guard(tuple(texts)).holds(question) == (expected or normalise(question) in {normalise(text) for text in texts})


def test_the_guard_looks_at_few_of_many_queries() -> None:
    guard = Guard(tuple(f"kiln fault {name}{number}" for number, name in enumerate(NOUNS * 20)))
    assert max(len(numbers) for numbers in guard._holding.values()) <= 20


def test_samples_of_a_long_file_are_spread_and_hardly_move_when_it_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    queries = tuple(f"query number {n}" for n in range(400))
    before, after = (Examples(kept, {}, 1, 9) for kept in (queries[:-1], queries))
    chunks = [f"chunk {n}" for n in range(600)]
    drawn = {chunk: before.sampled(3, 13, chunk) for chunk in chunks}
    assert all(len(set(shown)) == 3 for shown in drawn.values())
    assert len({query for shown in drawn.values() for query in shown}) > 350
    assert sum(after.sampled(3, 13, chunk) != drawn[chunk] for chunk in chunks) < 30
    looked: list[str] = []
    monkeypatch.setattr("curate.generate.examples.uniform", lambda *parts: looked.append(str(parts)) or 0.5)
    before.sampled(3, 13, "another chunk")
    assert len(looked) <= 65
