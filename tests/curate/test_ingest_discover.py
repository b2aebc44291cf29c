"""Which files a source stands for, and the hash that says whether they changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from curate.ingest import discover, source_digest
from curate.ingest.discover import kind_of
from schemas.errors import InputError
from schemas.settings import IngestSettings

DEFAULT = IngestSettings()


def put(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text of {name}", encoding="utf-8")
    return folder


def found(*sources: Path, settings: IngestSettings = DEFAULT) -> list[tuple[str, str]]:
    return [(file.name, file.kind) for file in discover([str(s) for s in sources], settings).files]


def rejected(*sources: Path) -> dict[str, str]:
    return {r.key: str(r.reason) for r in discover([str(s) for s in sources], DEFAULT).rejected}


def test_files_are_sorted_by_relative_name_and_hidden_ones_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "b.md", "a/z.txt", "a/b/c.rst", ".git/x.md", ".hidden.md", "Z.html")
    assert found(tmp_path) == [("Z.html", "html"), ("a/b/c.rst", "rst"), ("a/z.txt", "text"), ("b.md", "markdown")]
    assert rejected(tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.md", "markdown"),
        ("a.MARKDOWN", "markdown"),
        ("a.mdx", "markdown"),
        ("a.txt", "text"),
        ("a.rest", "rst"),
        ("a.xhtml", "html"),
        ("a.html.en", "html"),
        ("a.html.pt-br.utf8", "html"),
        ("a.html.ja.euc-jp", "html"),
        ("a.html.iso-8859-1", "html"),
        ("a.html.bak", None),
        ("a.md.en", None),
        ("a.ndjson", "jsonl"),
        ("a.tsv", "tsv"),
        ("md", None),
        ("a.pdf", None),
    ],
)
def test_the_reader_goes_by_the_name(name: str, kind: str | None) -> None:
    assert kind_of(name) == kind


def test_include_and_exclude_patterns(tmp_path: Path) -> None:
    put(tmp_path, "a.md", "docs/b.md", "docs/c.txt", "docs/d.exe")
    settings = IngestSettings(include=("docs/*",), exclude=("*.txt", "*.exe"))
    assert found(tmp_path, settings=settings) == [("docs/b.md", "markdown")]
    assert discover([str(tmp_path)], settings).rejected == ()


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside", "secret.md")
    folder = put(tmp_path / "in", "good.md", "photo.jpg", "noending")
    (folder / "out.md").symlink_to(outside / "secret.md")
    (folder / "loop1.md").symlink_to("loop2.md")
    (folder / "loop2.md").symlink_to("loop1.md")
    (folder / "self").symlink_to(".")
    (folder / "same.md").symlink_to("good.md")
    os.mkfifo(folder / "pipe.md")
    (folder / "empty.md").mkdir()
    put(folder / "full.md", "inside.md")
    assert found(folder) == [("full.md/inside.md", "markdown"), ("good.md", "markdown"), ("same.md", "markdown")]
    assert rejected(folder) == {
        "photo.jpg": "file_type_unknown",
        "noending": "file_type_unknown",
        "out.md": "file_not_regular",
        "loop1.md": "file_not_regular",
        "loop2.md": "file_not_regular",
        "self": "file_not_regular",
        "pipe.md": "file_not_regular",
        "empty.md": "file_not_regular",
    }


def test_names_that_are_no_text_become_text(tmp_path: Path) -> None:
    put(tmp_path, "new\nline.md", "a..b.md")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.md")).write_text("x", encoding="utf-8")
    assert [name for name, _ in found(tmp_path)] == ["a..b.md", "bad\\xff.md", "new\\nline.md"]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.md", "locked/b.md")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert found(tmp_path) == [("a.md", "markdown")]
    assert rejected(tmp_path) == {"locked": "file_unreadable"}


@pytest.mark.parametrize("case", ["missing", "empty", "only.jpg", "single.jpg", "pipe"])
def test_a_source_that_cannot_be_used_is_an_error(tmp_path: Path, case: str) -> None:
    source = tmp_path / case
    if case == "empty":
        source.mkdir()
    elif case == "only.jpg":
        put(source, "a.jpg")
    elif case == "single.jpg":
        put(tmp_path, case)
    elif case == "pipe":
        os.mkfifo(source)
    with pytest.raises(InputError) as caught:
        discover([str(source)], DEFAULT)
    assert caught.value.where == str(source)
    assert caught.value.next_step


def test_no_source_and_one_bad_source_among_good_ones_are_errors(tmp_path: Path) -> None:
    put(tmp_path, "a.md")
    with pytest.raises(InputError, match="no source"):
        discover([], DEFAULT)
    with pytest.raises(InputError, match="cannot be opened"):
        discover([str(tmp_path), str(tmp_path / "nowhere")], DEFAULT)


def test_the_digest_is_of_names_and_contents_alone(tmp_path: Path) -> None:
    one = put(tmp_path / "one", "a.md", "b/c.txt", "x.jpg")
    digest = source_digest([str(one)], DEFAULT)
    two = shutil.copytree(one, tmp_path / "elsewhere" / "two")
    os.utime(two / "a.md", (1, 1))
    assert source_digest([str(two)], DEFAULT) == digest
    assert source_digest([str(one), str(two)], DEFAULT) == source_digest([str(two), str(one)], DEFAULT)

    def changed() -> bool:
        return source_digest([str(two)], DEFAULT) != digest

    (two / "a.md").write_text("text of a.mD", encoding="utf-8")
    assert changed()
    (two / "a.md").write_text("text of a.md", encoding="utf-8")
    assert not changed()
    (two / "b/c.txt").rename(two / "b/d.txt")
    assert changed()
    (two / "b/d.txt").rename(two / "b/c.txt")
    put(two, "y.jpg")
    assert changed()
    (two / "y.jpg").unlink()
    put(two, ".hidden.md")
    assert not changed()


def test_files_left_out_do_not_count_in_the_digest(tmp_path: Path) -> None:
    settings = IngestSettings(exclude=("*.txt",))
    put(tmp_path, "a.md", "b.txt")
    digest = source_digest([str(tmp_path)], settings)
    (tmp_path / "b.txt").write_text("other", encoding="utf-8")
    assert source_digest([str(tmp_path)], settings) == digest
    assert source_digest([str(tmp_path)], DEFAULT) != digest


def test_a_single_file_has_its_own_name(tmp_path: Path) -> None:
    put(tmp_path, "deep/down/a.md")
    assert found(tmp_path / "deep/down/a.md") == [("a.md", "markdown")]
