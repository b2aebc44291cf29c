"""Forty hostile inputs beside good ones: the build ends with 0, and each hostile one is named in `rejects` or read right."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelines.look import rejects, sql
from tests.pipelines.conftest import run_curate, write_corpus

SENTENCE = "The archive keeps every letter that the society received between 1820 and 1870. "
NOT_KEPT: dict[str, bytes] = {
    "empty.md": b"",
    "blank.txt": b" \n\t\n \r\n",
    "bom-only.txt": b"\xef\xbb\xbf",
    "binary.txt": bytes(range(256)) * 40,
    "nuls.md": b"\x00" * 5000,
    "elf.txt": b"\x7fELF\x02\x01\x01" + bytes(400),
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(200),
    "archive.zip": b"PK\x03\x04" + bytes(200),
    "no-extension": b"what am I",
    "broken.parquet": b"PAR1 not really PAR1",
    "empty.parquet": b"",
    "cut.parquet": b"PAR1",
    "broken.json": b'{"text": "cut of',
    "number.json": b"42",
    "empty.jsonl": b"",
    "broken.jsonl": b'{"text": \n[1,2\nnot json\n',
    "wrong-types.jsonl": b'{"text": ["a", "list"]}\n{"text": 5}\n{"text": {"a": 1}}\n{"text": null}\n{"text": ""}\n',
    "no-columns.csv": b"alpha,beta\n1,2\n3,4\n",
    "header-only.csv": b"text,title\n",
    "empty.csv": b"",
    "scripts-only.html": b"<html><head><script>alert(1)</script><style>p{}</style></head><body></body></html>",
    "comment-only.html": b"<!-- nothing else -->",
    "front-matter-only.md": b"---\ntitle: x\n---\n",
    "one-line.txt": b"word and another word then " * 2_000_000,
    "deep.html": b"<html><body>"
    + b"<div>" * 3000
    + b"<p>"
    + SENTENCE.encode() * 10
    + b"</p>"
    + b"</div>" * 3000
    + b"</body></html>",
    "deep.md": b"> " * 400 + SENTENCE.encode(),
    "image-only.md": b"![](a.png)\n",
    "deep.json": b"[" * 100_000,
    "name\nwith newline.md": b"",
    "%2e%2e%2fescape.md": b"",
    "<script>alert(1)<.md": b"",
    "'; DROP TABLE documents; --.md": b"",
    "$(touch pwned).txt": b"",
    "-rf.txt": b"",
    "\U0001f4a3.md": b"",
    "x" * 240 + ".md": b"",
}
READ: dict[str, bytes] = {
    "latin1.txt": ("Fähre über die Straße, später Öl für die Mühle und das Gefäß. " * 20).encode("latin-1"),
    "utf16.txt": (SENTENCE * 20).encode("utf-16"),
    "crlf-bom.md": b"\xef\xbb\xbf# Letters\r\n\r\n" + (SENTENCE * 10).encode() + b"\r\n",
    "scripts.html": b"<html><body><script>steal()</script><article><h1>Letters</h1><p>" + SENTENCE.encode() * 10 + b"</p></article></body></html>",
    "long-row.csv": b"text\n\"" + SENTENCE.encode() * 20_000 + b"\"\n",
}  # fmt: skip
SPECIAL = ("folder.md", "loop", "dangling.md", "outside.md", "pipe.txt", "unreadable.txt")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    folder = write_corpus(tmp_path / "docs")
    for name, content in (NOT_KEPT | READ).items():
        (folder / name).write_bytes(content)
    (folder / "folder.md").mkdir()
    (folder / "folder.md" / "inner.md").write_text(SENTENCE * 5)
    (folder / "loop").symlink_to(folder)
    (folder / "dangling.md").symlink_to(folder / "gone.md")
    (tmp_path / "secret.md").write_text("SECRET " * 50)
    (folder / "outside.md").symlink_to(tmp_path / "secret.md")
    os.mkfifo(folder / "pipe.txt")
    (folder / "unreadable.txt").write_text("x")
    (folder / "unreadable.txt").chmod(0)
    (folder / "invalid-utf8-\udcff.md").write_bytes(b"")
    return folder


@pytest.mark.slow
def test_hostile_inputs_never_stop_a_build_and_are_all_named(hostile: Path, tmp_path: Path) -> None:
    assert len(NOT_KEPT) + len(READ) + len(SPECIAL) >= 40
    run_curate("build", hostile, cwd=tmp_path)
    build = tmp_path / "curated"
    named = {row["row_key"] for row in rejects(build, stage="ingest")}
    sources = {row["source"] for row in sql(build, "SELECT source FROM documents")}
    root = os.geteuid() == 0  # root reads everything
    for name in [*NOT_KEPT, "loop", "dangling.md", "outside.md", "pipe.txt", *([] if root else ["unreadable.txt"])]:
        shown = name.replace("\n", "\\n")
        assert any(key == shown or key.startswith(f"{shown}#") for key in named), name
    assert [row["reason"] for row in rejects(build, stage="ingest") if row["row_key"] in ("deep.html", "deep.md")] == [
        "file_too_deep"
    ] * 2
    for name in [*READ, "folder.md/inner.md"]:
        assert any(source == name or source.startswith(f"{name}#") for source in sources), name
    assert not [source for source in sources if "escape" in source or "secret" in source]
    assert sql(build, "SELECT source FROM documents WHERE text LIKE '%SECRET%' OR text LIKE '%steal()%'") == []
    assert any(
        "Fähre über die Straße" in row["text"] for row in sql(build, "SELECT text FROM documents WHERE source = 'latin1.txt'")
    )
    assert not (tmp_path / "pwned").exists()
    assert not (hostile / "pwned").exists()


@pytest.mark.slow
def test_the_rejects_print_without_steering_the_terminal(hostile: Path, tmp_path: Path) -> None:
    run_curate("build", hostile, "--until", "ingest", cwd=tmp_path)
    done = run_curate("rejects", "curated", cwd=tmp_path)
    assert "name\\nwith newline.md" in done.stdout
    assert len(done.stdout.splitlines()) == 1 + len(rejects(tmp_path / "curated"))
