"""The stage as a whole: documents of every format, hostile folders, repeats, processes."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from curate.ingest import STAGE
from curate.ingest.discover import discover
from curate.ingest.work import tasks, work
from curate.stage import content_id
from schemas.errors import SettingsError
from schemas.settings import IngestSettings
from tests.curate.ingest_runs import block_texts, ingest

SENTENCE = "The heron is a wading bird that stands still in shallow water and waits for fish to come near it. "


class Pickling:
    """An engine that sends everything through pickle, as processes do."""

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            sent, argument = pickle.loads(pickle.dumps((function, item)))
            yield pickle.loads(pickle.dumps(sent(argument)))


def test_the_stage_declares_what_it_does() -> None:
    assert (STAGE.name, STAGE.reads, STAGE.writes, STAGE.settings) == ("ingest", (), ("documents", "imported_pairs"), ("ingest",))


def test_one_document_of_each_format(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Herons\n\nA *heron* is a wading bird of the water.\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("Herons\r\n\r\nA heron is a wading bird of the water.  \r\n", encoding="utf-8")
    (tmp_path / "c.rst").write_text("Herons\n======\n\nA ``heron`` is a wading bird of the water.\n", encoding="utf-8")
    (tmp_path / "d.html").write_text(
        "<title>x</title><main><h1>Herons</h1><p>A <b>heron</b> is a wading bird of the water.</p></main>", encoding="utf-8"
    )
    made = ingest(tmp_path)
    text = "Herons\n\nA heron is a wading bird of the water."
    formats = {"a.md": "markdown", "b.txt": "text", "c.rst": "rst", "d.html": "html"}
    assert made.rejected == []
    assert {row["source"]: row["format"] for row in made.documents} == formats
    for row in made.documents:
        assert row["document_id"] == content_id("document", row["source"], text)
        assert (row["title"], row["text"], row["language"], row["as_is"]) == ("Herons", text, "en", False)
        assert block_texts(row) == [("heading", 1, "Herons"), ("paragraph", 0, "A heron is a wading bird of the water.")]


def test_hostile_files_are_named_and_cost_nothing_else(tmp_path: Path) -> None:
    files: dict[str, bytes] = {
        "empty.md": b"",
        "white.txt": b" \n\t\n",
        "random.txt": random.Random(1).randbytes(4000),
        "zero.md": bytes(4000),
        "pdf.md": b"%PDF-1.4 abc",
        "comment.md": b"<!-- nothing else -->",
        "rules.md": b"---\n\n***\n",
        "script.html": b"<script>alert('x')</script>",
        "deep.html": b"<div>" * 50_000,
        "deep.md": b">" * 5_000 + b" x",
        "deep.rst": b"".join(b"  " * i + b"* a\n\n" for i in range(300)),
        "deep.json": b"[" * 100_000,
        "magic.parquet": b"PAR1" + bytes(100),
        "a.exe": b"MZ",
        "a\nb.md": b"",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "good.md").write_bytes(b"\xef\xbb\xbfGood\0 text\x07 of\r\nthis file.")
    (tmp_path / "script2.html").write_text(f"<p onclick='x()'>{SENTENCE}<script>evil()</script></p>", encoding="utf-8")
    made = ingest(tmp_path)
    assert made.texts() == {"good.md": "Good text of this file.", "script2.html": SENTENCE.strip()}
    assert made.reasons() == {
        "empty.md": "file_empty",
        "white.txt": "file_empty",
        "random.txt": "file_binary",
        "zero.md": "file_binary",
        "pdf.md": "file_binary",
        "comment.md": "file_empty",
        "rules.md": "file_empty",
        "script.html": "file_empty",
        "deep.html": "file_too_deep",
        "deep.md": "file_too_deep",
        "deep.rst": "file_too_deep",
        "deep.json": "file_too_deep",
        "magic.parquet": "file_broken",
        "a.exe": "file_type_unknown",
        "a\\nb.md": "file_empty",
    }


def test_a_file_the_system_refuses_and_one_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked.md").write_text("text", encoding="utf-8")
    (tmp_path / "locked.jsonl").write_text('{"text": "x"}', encoding="utf-8")
    (tmp_path / "large.txt").write_text("x" * 101, encoding="utf-8")
    (tmp_path / "fits.txt").write_text("y" * 100, encoding="utf-8")
    opened = Path.open

    def refuse(path: Path, *arguments: Any, **named: Any) -> Any:
        if path.stem == "locked":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", refuse)
    made = ingest(tmp_path, sets=("ingest.max_file_bytes=100",))
    assert made.reasons() == {"locked.md": "file_unreadable", "locked.jsonl": "file_unreadable", "large.txt": "file_too_large"}
    assert list(made.texts()) == ["fits.txt"]


def test_a_parser_that_fails_or_recurses_costs_its_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bad.md", "deep.md", "good.md"):
        (tmp_path / name).write_text(f"{name[:-3]} text", encoding="utf-8")

    def fail(text: str) -> Any:
        if text.startswith("bad"):
            raise KeyError("inside the parser")
        if text.startswith("deep"):
            raise RecursionError
        return read(text)

    from curate.ingest import markdown

    read = markdown.read_markdown
    monkeypatch.setattr(markdown, "read_markdown", fail)
    made = ingest(tmp_path)
    assert made.reasons() == {"bad.md": "file_broken", "deep.md": "file_too_deep"}
    assert made.texts() == {"good.md": "good text"}


def test_a_long_single_line_is_one_document(tmp_path: Path) -> None:
    for name in ("a.txt", "b.md", "c.rst", "d.html"):
        (tmp_path / name).write_text("word and *more* " * 60_000, encoding="utf-8")
    (tmp_path / "e.jsonl").write_text('{"text": "' + "word and *more* " * 60_000 + '"}', encoding="utf-8")
    made = ingest(tmp_path)
    assert {source: text.count("more") for source, text in made.texts().items()} == dict.fromkeys(
        ("a.txt", "b.md", "c.rst", "d.html", "e.jsonl"), 60_000
    )


def test_the_same_file_in_two_sources(tmp_path: Path) -> None:
    for folder, text in (("one", "Text."), ("two", "Text."), ("three", "Other text.")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.md").write_text(text, encoding="utf-8")
    made = ingest(tmp_path / "one", tmp_path / "three")
    assert sorted((row["source"], row["text"]) for row in made.documents) == [("a.md", "Other text."), ("a.md", "Text.")]
    made = ingest(tmp_path / "one", tmp_path / "two")
    assert (made.texts(), made.reasons()) == ({"a.md": "Text."}, {"a.md": "row_repeated"})


def test_nothing_depends_on_places_order_or_processes(tmp_path: Path) -> None:
    for i in range(12):
        (tmp_path / f"{i}.md").write_text(f"# Title {i}\n\n{SENTENCE}", encoding="utf-8")
    (tmp_path / "p.jsonl").write_text(
        "".join(f'{{"query": "Q{i}?", "answer": "A{i % 3}."}}\n' for i in range(30)), encoding="utf-8"
    )
    (tmp_path / "x.bin").write_bytes(b"x")
    whole = ingest(tmp_path)
    sent = ingest(tmp_path, engine=Pickling())
    assert (sent.documents, sent.pairs, sent.rejected) == (whole.documents, whole.pairs, whole.rejected)
    parts = [str(tmp_path / f"{i}.md") for i in range(12)] + [str(tmp_path / "p.jsonl")]
    random.Random(3).shuffle(parts)
    again = ingest(*parts)
    assert (again.documents, again.pairs) == (whole.documents, whole.pairs)


def test_batches_of_rows_stay_small(tmp_path: Path) -> None:
    row = '{"text": "' + "w " * 500_000 + '%d"}\n'
    (tmp_path / "wide.jsonl").write_text("".join(row % i for i in range(9)), encoding="utf-8")
    (tmp_path / "many.jsonl").write_text("".join(f'{{"text": "row {i}"}}\n' for i in range(2500)), encoding="utf-8")
    found = discover([str(tmp_path)], IngestSettings()).files
    sizes = [(task.name, len(task.rows)) for task in tasks(found, IngestSettings()) if hasattr(task, "rows")]
    assert sizes == [
        ("many.jsonl", 1000),
        ("many.jsonl", 1000),
        ("many.jsonl", 500),
        ("wide.jsonl", 4),
        ("wide.jsonl", 4),
        ("wide.jsonl", 1),
    ]
    assert all(work(task).rejected == () for task in tasks(found[:1], IngestSettings()))


def test_a_wrong_encoding_setting_is_an_error_and_a_right_one_holds(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Καλημέρα".encode("iso8859_7"))
    with pytest.raises(SettingsError):
        ingest(tmp_path, sets=("ingest.encoding=klingon",))
    assert ingest(tmp_path, sets=("ingest.encoding=iso8859_7",)).texts() == {"a.txt": "Καλημέρα"}
    assert ingest(tmp_path, sets=("ingest.encoding=ascii",)).reasons() == {"a.txt": "file_broken"}


@pytest.mark.shared_data
@pytest.mark.parametrize("folder", ["docs_fastapi_md", "docs_peps_rst", "docs_httpd_html"])
def test_real_documents_have_text_titles_and_no_markup(shared_data: Path, folder: str) -> None:
    made = ingest(shared_data / folder)
    assert made.rejected == []
    assert len(made.documents) > 90
    prose = "\n".join(text for row in made.documents for kind, _, text in block_texts(row) if kind != "code")
    for junk in ("Available Languages", "{* ..", "Unknown directive", "\n///", "](http", ":ref:`", "System Message"):
        assert junk not in prose, junk
    assert sum(not row["title"] for row in made.documents) <= 1
