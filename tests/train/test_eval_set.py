"""Evaluation folders and the user's own queries, read with faults that name file and row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.errors import InputError
from train.eval_set import EvalSet, is_beir, read_beir, read_eval_set, with_questions, with_user_queries
from train.questions import Unmapped


@pytest.fixture
def base(make_dataset: Any) -> EvalSet:
    return read_eval_set(make_dataset(), "test")


@pytest.fixture
def chunks(toy: Any) -> pl.DataFrame:
    """Two chunks a document, of the toy corpus: documents d0 … d28, named by file; and one chunk that is not in the corpus."""
    rows = [
        {"chunk_id": f"c{n:02}", "document_id": f"d{n // 2}", "source": f"in/{n // 2}.txt", "title": "", "start": 0, "end": 60}
        | {"text": toy.passage(n), "cluster_id": f"k{n // 4}"}
        for n in range(58)
    ]
    return pl.DataFrame([*rows, {**rows[0], "chunk_id": "gone", "document_id": "lost", "source": "in/lost.txt"}])


def test_reads_the_folder_export_writes(base: EvalSet, toy: Any) -> None:
    assert len(base.corpus) == 58
    assert base.corpus["c07"] == toy.passage(7)
    assert base.queries == {f"q{n}": toy.question(n) for n in range(50, 58)}
    assert base.qrels["q51"] == {"c51": 1}
    assert base.clusters["q51"] == "k25"
    assert (base.styles["q50"], base.styles["q51"]) == ("even", "odd")
    assert base.origins["q50"] == "extractive"
    assert base.real == frozenset()
    assert (base.documents, base.unmapped, base.notes) == (None, (), ())


def test_imported_queries_are_real(make_dataset: Any, toy: Any) -> None:
    dataset = make_dataset()
    path = dataset / "eval/test/queries.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[3]["metadata"]["origin"] = "imported"
    toy.write_jsonl(path, rows)
    toy.seal(dataset)
    assert read_eval_set(dataset).real == {"q53"}


def test_a_query_without_judgement_is_counted_and_one_of_grade_zero_too(make_dataset: Any, toy: Any) -> None:
    dataset = make_dataset()
    qrels = dataset / "eval/test/qrels/test.tsv"
    lines = qrels.read_text().splitlines()
    qrels.write_text("\n".join([lines[0], lines[1].replace("\t1", "\t0"), *lines[3:]]) + "\n")
    toy.seal(dataset)
    found = read_eval_set(dataset)
    assert found.unmapped == (Unmapped("q50", "no_judgement"), Unmapped("q51", "no_judgement"))
    assert list(found.queries) == [f"q{n}" for n in range(52, 58)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("corpus.jsonl", '{"_id": "c1", "text": "x"}\n{"_id": "c1", "text": "y"}\n', "corpus.jsonl line 2: the id 'c1' appears"),
        ("corpus.jsonl", '{"_id": "c1"}\n', "corpus.jsonl line 1: no 'text'"),
        ("corpus.jsonl", "", "the corpus is empty"),
        ("queries.jsonl", '{"_id": "q", "text": "x"}\n\n{oops\n', "queries.jsonl line 3: not JSON"),
        ("queries.jsonl", "[1]\n", "queries.jsonl line 1: not a JSON object"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq50\tnone\t1\n", r"test.tsv row 1: judges \(q50, none\)"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq50\tc01\thigh\n", "test.tsv row 1: 'high' is not a grade"),
        ("qrels/test.tsv", "q50\tc01\t1\nq51\tc01\t1\n", "test.tsv row 1: no 'query_id'"),
    ],
)
def test_faults_name_file_and_row(make_dataset: Any, toy: Any, name: str, content: str, message: str) -> None:
    dataset = make_dataset()
    (dataset / "eval/test" / name).write_text(content)
    toy.seal(dataset)
    with pytest.raises(InputError, match=message):
        read_eval_set(dataset)


def test_a_changed_file_and_a_missing_split_are_refused(make_dataset: Any) -> None:
    dataset = make_dataset()
    with pytest.raises(InputError, match="no eval/gold in this dataset"):
        read_eval_set(dataset, "gold")
    with (dataset / "eval/test/qrels/test.tsv").open("a") as handle:
        handle.write("q50\tc01\t1\n")
    with pytest.raises(InputError, match=r"1 file\(s\) missing or changed since the build: eval/test/qrels/test.tsv"):
        read_eval_set(dataset)


def user_files(folder: Path, toy: Any, judged: list[tuple[str, str, int]]) -> tuple[Path, Path]:
    queries = toy.write_jsonl(folder / "mine.jsonl", [{"_id": f"u{n}", "text": f"my question {n}"} for n in range(4)])
    qrels = folder / "mine.parquet"
    pl.DataFrame(judged, schema=["query-id", "corpus-id", "score"], orient="row").write_parquet(qrels)
    return queries, qrels


def test_user_queries_with_chunk_ids(base: EvalSet, toy: Any, tmp_path: Path) -> None:
    files = user_files(
        tmp_path, toy, [("u0", "c01", 1), ("u0", "c02", 2), ("u1", "c03", 0), ("u2", "zzz", 1), ("ghost", "c01", 1)]
    )
    found = with_user_queries(base, *files)
    assert found.qrels == {"u0": {"c01": 1, "c02": 2}}
    assert found.queries == {"u0": "my question 0"}
    assert found.clusters == {"u0": "u0"}
    assert found.unmapped == (Unmapped("u1", "no_judgement"), Unmapped("u2", "document_unknown"), Unmapped("u3", "no_judgement"))
    assert found.real == {"u0"}
    assert found.documents is None
    assert found.corpus == base.corpus
    assert found.notes == (
        "Queries with judgements of passages that this corpus does not have: 1.",
        "Queries judged in mine.parquet that are not in mine.jsonl: 1.",
        "Queries left out because they could not be judged: 3.",
    )


def test_chunk_ids_with_chunks_at_hand_are_resampled_by_cluster(
    base: EvalSet, chunks: pl.DataFrame, toy: Any, tmp_path: Path
) -> None:
    files = user_files(tmp_path, toy, [("u0", "c01", 1), ("u1", "c02", 1), ("u1", "c09", 1)])
    found = with_user_queries(base, *files, chunks)
    assert found.clusters == {"u0": "k0", "u1": "u1"}
    assert found.documents is None


def test_user_queries_with_document_ids_are_judged_by_document(
    base: EvalSet, chunks: pl.DataFrame, toy: Any, tmp_path: Path
) -> None:
    files = user_files(
        tmp_path, toy, [("u0", "in/3.txt", 1), ("u1", "4", 2), ("u1", "c09", 1), ("u2", "lost", 1), ("u3", "d0", -1)]
    )
    found = with_user_queries(base, *files, chunks)
    # c09 is a chunk of d4: the higher of both grades counts.
    assert found.qrels == {"u0": {"d3": 1}, "u1": {"d4": 2}}
    assert found.documents is not None
    assert found.documents["c09"] == "d4"
    assert found.documents.keys() == base.corpus.keys()
    assert found.clusters == {"u0": "k1", "u1": "k2"}
    assert [item.query_id for item in found.unmapped] == ["u2", "u3"]


def test_no_query_judged_is_an_error(base: EvalSet, toy: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no query could be judged against this corpus \(document_unknown, no_judgement\)"):
        with_user_queries(base, *user_files(tmp_path, toy, [("u0", "zzz", 1)]))


def test_questions_with_answers_are_mapped(base: EvalSet, chunks: pl.DataFrame, tmp_path: Path) -> None:
    questions = tmp_path / "questions.csv"
    questions.write_text(
        'id,question,source,answer\na,"What, of all?",in/1.txt,"w2 W3"\nb,Which?,in/1.txt,nothing\nc,Lost?,in/lost.txt,w0\n'
    )
    found = with_questions(base, questions, chunks)
    assert found.queries == {"a": "What, of all?"}
    assert found.qrels == {"a": {"c02": 1}}
    assert found.clusters == {"a": "k0"}
    assert [(item.query_id, item.reason) for item in found.unmapped] == [("b", "answer_not_found"), ("c", "document_unknown")]
    assert found.notes == (
        "Questions mapped onto chunks: 1 (1 by text).",
        "Queries left out because they could not be judged: 2.",
    )


@pytest.mark.parametrize("ending", [".txt", ""])
def test_files_of_unknown_kind_and_missing_files_are_refused(base: EvalSet, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"queries{ending}"
    with pytest.raises(InputError, match="no such file"):
        with_user_queries(base, path, path)
    path.write_text("x")
    with pytest.raises(InputError, match="cannot tell what kind of file"):
        with_user_queries(base, path, path)


def test_bytes_that_are_not_what_the_name_says(base: EvalSet, tmp_path: Path) -> None:
    for name in ("q.parquet", "q.jsonl", "q.tsv"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00broken")
        with pytest.raises(InputError, match=r"q\.\w+: cannot be read"):
            with_user_queries(base, tmp_path / name, tmp_path / name)


def test_tsv_keeps_quotation_marks_and_reads_a_byte_order_mark(base: EvalSet, tmp_path: Path) -> None:
    (tmp_path / "q.tsv").write_text('\ufeffquery_id\ttext\n1\t"quoted\n', encoding="utf-8")
    (tmp_path / "r.tsv").write_text("query-id\tcorpus-id\tscore\n1\tc01\t1.0\n")
    assert with_user_queries(base, tmp_path / "q.tsv", tmp_path / "r.tsv").queries == {"1": '"quoted'}


def beir(folder: Path, **files: str) -> Path:
    """A task in BEIR's layout; keyword arguments replace files by their stems."""
    texts = {
        "corpus": '{"_id": "d1", "title": "One", "text": "first"}\n{"_id": "d2", "title": "", "text": "second"}\n{"_id": "d3", "text": " "}\n',
        "queries": '{"_id": "q1", "text": "a?"}\n{"_id": "q2", "text": "b?"}\n{"_id": "q3", "text": "c?"}\n',
        "qrels": "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td2\t1\nq3\td3\t1\n",
        **files,
    }
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text(texts["corpus"])
    (folder / "queries.jsonl").write_text(texts["queries"])
    (folder / "qrels" / "test.tsv").write_text(texts["qrels"])
    (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq3\td1\t1\n")
    return folder


def test_a_task_in_the_layout_of_beir(tmp_path: Path) -> None:
    found = read_beir(beir(tmp_path / "NanoToy"))
    assert found.name == "NanoToy"
    assert found.corpus == {"d1": "One first", "d2": "second"}
    assert found.queries == {"q1": "a?", "q2": "b?"}
    assert found.qrels == {"q1": {"d1": 2}, "q2": {"d2": 1}}
    assert found.clusters == {"q1": "q1", "q2": "q2"}
    assert found.real == {"q1", "q2"}
    assert [item.query_id for item in found.unmapped] == ["q3"]
    assert found.notes == ("Judgements of queries or passages that are not there: 1.",)


def test_a_task_as_folders_of_parquet_files(tmp_path: Path) -> None:
    for name, frame in {
        "corpus": pl.DataFrame({"_id": ["d1", "d2"], "text": ["first", "second"]}),
        "queries": pl.DataFrame({"_id": ["q1"], "text": ["a?"]}),
        "qrels": pl.DataFrame({"query-id": ["q1"], "corpus-id": ["d2"]}),
    }.items():
        (tmp_path / name).mkdir()
        frame.write_parquet(tmp_path / name / "train-00000-of-00001.parquet")
    assert is_beir(tmp_path)
    assert read_beir(tmp_path).qrels == {"q1": {"d2": 1}}
    assert not is_beir(tmp_path / "corpus")


def test_faults_of_a_task_name_the_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"queries\.jsonl line 2: the id 'q1' appears a second time"):
        read_beir(beir(tmp_path / "a", queries='{"_id": "q1", "text": "a"}\n{"_id": "q1", "text": "b"}\n'))
    with pytest.raises(InputError, match=r"corpus\.jsonl line 1: no '_id'"):
        read_beir(beir(tmp_path / "b", corpus='{"text": "a"}\n'))
