"""The files of a dataset that somebody already has: one file, a folder of splits, a saved or downloaded dataset, a folder of `curate build`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from schemas.dataset import FORMATS
from schemas.errors import InputError
from schemas.manifest import MANIFEST_NAME

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow")
SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "val", "valid", "validation", "eval"), "dev"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Word in a name, or value of the column `split` → split."""
_WORDS = re.compile(r"[a-z]+")
_ABOUT = {
    "dataset_info.json",
    "dataset_dict.json",
    "dataset_infos.json",
    "state.json",
    "manifest.json",
    "config.json",
    "package.json",
}
"""JSON files that speak of a dataset and hold no rows."""


@dataclass(frozen=True)
class Part:
    """One file of rows."""

    path: Path
    name: str
    """Relative to the dataset, with `/`."""
    split: str | None


def find_parts(path: Path) -> tuple[list[Part], list[str]]:
    """The files of rows in the order of their names (train, dev, test first), and what the user must know of the choice.

    Raises InputError when there is none.
    """
    if path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            raise InputError(
                "cannot tell what kind of file this is", where=str(path), next_step=f"give a file ending in {', '.join(SUFFIXES)}"
            )
        return [Part(path, path.name, None)], []
    if not path.is_dir():
        raise InputError("no such file or folder", where=str(path), next_step="give a file of rows or a folder of such files")
    folder, notes = _format_folder(path)
    found = [
        Part(file, file.relative_to(folder).as_posix(), None) for file in sorted(folder.rglob("*")) if _holds_rows(folder, file)
    ]
    if not found:
        raise InputError(
            "no file of rows in this folder", where=str(path), next_step=f"rows are in files ending in {', '.join(SUFFIXES)}"
        )
    parts = [Part(part.path, part.name, split_in_name(part.name)) for part in found]
    order = {split: number for number, split in enumerate(("train", "dev", "test"))}
    return sorted(parts, key=lambda part: (order.get(part.split or "", 3), part.name)), notes


def split_in_name(name: str) -> str | None:
    """The split that a relative path says, by the last of its parts that says one."""
    for part in reversed(Path(name.lower()).parts):
        for word in _WORDS.findall(part):
            if word in SPLITS:
                return SPLITS[word]
    return None


def _holds_rows(folder: Path, file: Path) -> bool:
    parts = file.relative_to(folder).parts
    if any(part.startswith((".", "cache-", "indices-")) for part in parts) or file.name in _ABOUT:
        return False
    return file.suffix.lower() in SUFFIXES and file.is_file()


def _format_folder(path: Path) -> tuple[Path, list[str]]:
    """In a folder that `curate build` wrote, the rows of one format: they are the same rows in each."""
    folder = path / "dataset" if (path / "dataset" / MANIFEST_NAME).is_file() else path
    if not (folder / MANIFEST_NAME).is_file():
        return path, []
    there = [name for name in FORMATS if any((folder / name).glob("*.parquet"))]
    if not there:
        return path, []
    others = f"; give {folder.name}/{there[1]} for the rows as {there[1]}" if len(there) > 1 else ""
    return folder / there[0], [f"A dataset of curate: its {there[0]} are audited{others}."]
