from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import InputError
from schemas.manifest import FileEntry, Manifest, file_sha256, read_manifest, write_manifest


def dataset(folder: Path, names: tuple[str, ...] = ("a.txt",)) -> Path:
    files = {}
    for name in names:
        path = folder / name
        if path.resolve().is_relative_to(folder.resolve()):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("hello")
            files[name] = FileEntry(sha256=file_sha256(path), bytes=5)
        else:
            files[name] = FileEntry(sha256="0" * 64, bytes=5)
    write_manifest(
        folder,
        Manifest(
            name="n", curate_version="0", libraries={}, settings={}, heading_prefix=True, split_method="clusters",
            negatives=1, counts={}, rejected={}, notes=[], files=files,
        ),
    )  # fmt: skip
    return folder


def test_an_intact_folder_reads(tmp_path: Path) -> None:
    assert read_manifest(dataset(tmp_path)).files["a.txt"].bytes == 5


@pytest.mark.parametrize("change", ["edit", "same length", "delete"])
def test_a_changed_file_is_named(tmp_path: Path, change: str) -> None:
    path = dataset(tmp_path) / "a.txt"
    {"edit": lambda: path.write_text("hello!"), "same length": lambda: path.write_text("HELLO"), "delete": path.unlink}[change]()
    with pytest.raises(InputError, match=r"1 file\(s\) missing or changed since the build: a\.txt"):
        read_manifest(tmp_path)


def test_a_manifest_that_points_outside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hello")
    folder = tmp_path / "d"
    folder.mkdir()
    with pytest.raises(InputError, match=r"\.\./secret"):
        read_manifest(dataset(folder, ("../secret",)))


@pytest.mark.parametrize(
    ("text", "message"), [(None, "no manifest.json here"), ("{}", "cannot read the manifest"), ("{", "cannot read")]
)
def test_no_or_broken_manifest(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=message):
        read_manifest(tmp_path)
