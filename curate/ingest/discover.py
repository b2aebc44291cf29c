"""Which files a list of sources stands for, in an order that depends on their names alone."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from curate.ingest.clean import printable
from curate.ingest.reject import NotKept, reject
from curate.stage import Rejection
from schemas.errors import InputError
from schemas.reasons import Reason
from schemas.settings import IngestSettings

SUFFIXES = {
    **dict.fromkeys((".md", ".markdown", ".mdx"), "markdown"),
    **dict.fromkeys((".txt", ".text"), "text"),
    **dict.fromkeys((".rst", ".rest"), "rst"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
"""File name endings and the reader of each. `page.html.en.utf8` counts as `.html`."""
TABLES = frozenset({"jsonl", "json", "csv", "tsv", "parquet", "saved", "hub"})
"""Kinds of files that are read row by row."""
_NEGOTIATED = re.compile(
    r"\.(?:x?html?)(?:\.[a-z]{2}(?:-[a-z]{2,4})?)?(?:\.(?:utf-?8|us-ascii|iso-?8859-?\d+|windows-\d+|koi8-?[ru]|euc-?\w\w|big5|gb\w+))?\Z"
)
HUB = "hf://"
_SAVED_MARKS = (("dataset_dict.json",), ("dataset_info.json", "state.json"))
_READABLE = "Markdown, text, reStructuredText, HTML, JSON, JSONL, CSV, TSV or Parquet"


@dataclass(frozen=True, order=True)
class SourceFile:
    """One file to read. `name` is relative, valid UTF-8 and on one line; `path` is how to open it on this machine."""

    name: str
    path: str
    kind: str


@dataclass(frozen=True)
class Discovery:
    """The files to read, sorted by name, and what was found but cannot be read."""

    files: tuple[SourceFile, ...]
    rejected: tuple[Rejection, ...]


def discover(sources: Sequence[str], settings: IngestSettings) -> Discovery:
    """Every readable file of the sources (files, folders, `hf://name[/config][:split]`, `save_to_disk` folders).

    Hidden files and folders (.git, .DS_Store) are passed over in silence, and so is what `ingest.include` and
    `ingest.exclude` leave out. Links to folders are not followed: what they lead to is read under its own name.
    Raises InputError when a source does not exist or holds no file that can be read.
    """
    files: list[SourceFile] = []
    rejected: list[Rejection] = []
    for source in sources:
        found = _of_source(source, settings)
        files += found.files
        rejected += found.rejected
    if not sources:
        raise InputError("no source given", next_step="name a file, a folder or hf://dataset")
    return Discovery(tuple(sorted(files)), tuple(sorted(rejected, key=lambda r: (r.key, r.reason))))


def _of_source(source: str, settings: IngestSettings) -> Discovery:
    if source.startswith(HUB):
        return Discovery((SourceFile(printable(source), source, "hub"),), ())
    path = Path(source)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot be opened: {getattr(error, 'strerror', None) or error}",
            where=printable(source),
            next_step="check the spelling; a source is a file, a folder or hf://name",
        ) from error
    if not stat.S_ISDIR(mode):
        return _single(path, mode)
    if any(all((path / mark).is_file() for mark in marks) for marks in _SAVED_MARKS):
        return Discovery((SourceFile(printable(path.resolve().name), str(path), "saved"),), ())
    found = _of_folder(path, settings)
    if not found.files:
        seen = f" ({len(found.rejected)} others, such as {found.rejected[0].key})" if found.rejected else ""
        raise InputError(
            f"no file that can be read here{seen}",
            where=printable(source),
            next_step=f"give a folder with {_READABLE} files, and look at ingest.include and ingest.exclude",
        )
    return found


def _single(path: Path, mode: int) -> Discovery:
    kind = kind_of(path.name)
    if kind is None or not stat.S_ISREG(mode):
        raise InputError(
            "not a kind of file that can be read" if stat.S_ISREG(mode) else "neither a file nor a folder",
            where=printable(str(path)),
            next_step=f"give a {_READABLE} file, or a folder of them",
        )
    return Discovery((SourceFile(printable(path.name), str(path), kind),), ())


def _of_folder(folder: Path, settings: IngestSettings) -> Discovery:
    files: list[SourceFile] = []
    rejected: list[Rejection] = []
    root = os.path.realpath(folder)
    for entry, name in _walk(folder, rejected):
        if not _wanted(name, settings):
            continue
        try:
            files.append(SourceFile(name, entry.path, _checked(entry, root)))
        except NotKept as cause:
            rejected.append(reject(name, cause))
        except OSError as error:
            rejected.append(reject(name, NotKept(Reason.FILE_UNREADABLE, error.strerror or "cannot be looked at")))
    return Discovery(tuple(files), tuple(rejected))


def _walk(folder: Path, rejected: list[Rejection]) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Everything below the folder that is not a folder itself, and its relative name. Not recursive: depth is no limit."""
    waiting: list[tuple[str, str]] = [(str(folder), "")]
    while waiting:
        path, prefix = waiting.pop()
        try:
            with os.scandir(path) as entries:
                listed = list(entries)
        except OSError as error:
            why = NotKept(Reason.FILE_UNREADABLE, f"a folder that cannot be listed: {error.strerror}")
            rejected.append(reject(prefix.rstrip("/") or ".", why))
            continue
        if not listed and kind_of(prefix.rstrip("/")):
            rejected.append(reject(prefix.rstrip("/"), NotKept(Reason.FILE_NOT_REGULAR, "an empty folder with a file's name")))
        for entry in listed:
            if entry.name.startswith("."):
                continue
            name = prefix + printable(entry.name)
            if entry.is_dir(follow_symlinks=False):
                waiting.append((entry.path, name + "/"))
            else:
                yield entry, name


def _checked(entry: os.DirEntry[str], root: str) -> str:
    """The kind of a file. Raises NotKept for what must not or cannot be read."""
    if entry.is_symlink():
        target = os.path.realpath(entry.path)
        if os.path.commonpath((root, target)) != root:
            raise NotKept(Reason.FILE_NOT_REGULAR, "a link that leads out of the source")
        if not os.path.exists(target):  # noqa: PTH110 (a loop is no error here)
            raise NotKept(Reason.FILE_NOT_REGULAR, "a link that leads nowhere or into itself")
        if os.path.isdir(target):  # noqa: PTH112
            raise NotKept(Reason.FILE_NOT_REGULAR, "a link to a folder of the source, which is read under its own name")
    if not stat.S_ISREG(entry.stat().st_mode):
        raise NotKept(Reason.FILE_NOT_REGULAR, "a device, socket or pipe")
    kind = kind_of(entry.name)
    if kind is None:
        raise NotKept(Reason.FILE_TYPE_UNKNOWN, f"readers exist for {', '.join(SUFFIXES)}")
    return kind


def kind_of(name: str) -> str | None:
    """The reader for a file name: by its last ending, or by `.html` before language and charset (`a.html.en.utf8`)."""
    ending = Path(name.lower()).suffix
    if ending in SUFFIXES:
        return SUFFIXES[ending]
    return "html" if _NEGOTIATED.search(name.lower()) else None


def _wanted(name: str, settings: IngestSettings) -> bool:
    if settings.include and not any(fnmatch.fnmatchcase(name, pattern) for pattern in settings.include):
        return False
    return not any(fnmatch.fnmatchcase(name, pattern) for pattern in settings.exclude)
