"""The dataset folder is replaced as a whole: a kill at any point leaves the old one or the new one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import InputError, StoreError
from schemas.manifest import MANIFEST_NAME, read_manifest

DATASET = "dataset"
# Fixed names: leftovers of a killed run are found by name, and nothing else is ever removed.
NEW = "dataset.tmp-new"
OLD = "dataset.tmp-old"
KEPT = "dataset.before"


def dataset_is_intact(folder: Path) -> bool:
    """Whether the build folder's dataset has its manifest and every file of it in the stated size, and no killed run left anything."""
    dataset = folder / DATASET
    if dataset.is_symlink() or _is_there(folder / NEW) or _is_there(folder / OLD):
        return False
    try:
        manifest = read_manifest(dataset, verify_hashes=False)
        return all(_size(dataset / name) == entry.bytes for name, entry in manifest.files.items())
    except (InputError, OSError):
        return False


@contextmanager
def replaced_dataset(folder: Path) -> Iterator[Path]:
    """An empty folder that takes the place of the build folder's dataset when the block ends without an exception.

    A dataset that holds files of the user's besides its own is moved aside and never removed; links are never followed.
    Raises StoreError when something that is no dataset has its name, or the folder cannot be written.
    """
    try:
        _recover(folder)
        _refuse_strange(folder / DATASET)
        (folder / NEW).mkdir(parents=True)
        yield folder / NEW
        _swap(folder)
    except OSError as error:
        raise StoreError(
            f"cannot write the dataset: {error.strerror or error}",
            where=str(folder / DATASET),
            next_step="check the folder's rights and free space",
        ) from error


def _recover(folder: Path) -> None:
    """Clean up after a killed run; one killed between the two renames of `_swap` gets its old dataset back."""
    if _is_there(folder / OLD) and not _is_there(folder / DATASET):
        (folder / OLD).rename(folder / DATASET)
    _remove(folder / OLD)
    _remove(folder / NEW)


def _swap(folder: Path) -> None:
    dataset = folder / DATASET
    if _is_there(dataset):
        if _holds_other_files(dataset):
            dataset.rename(_free_name(folder))
        else:
            dataset.rename(folder / OLD)
    (folder / NEW).rename(dataset)
    _remove(folder / OLD)


def _refuse_strange(dataset: Path) -> None:
    """Whatever stands there must be ours, a link, or empty: it is about to be removed."""
    if not _is_there(dataset) or dataset.is_symlink():
        return
    if not dataset.is_dir() or (any(dataset.iterdir()) and not (dataset / MANIFEST_NAME).is_file()):
        raise StoreError(
            "this is in the way and no dataset of curate's: it has no manifest.json",
            where=str(dataset),
            next_step="move it, or build into another folder with --out",
        )


def _holds_other_files(dataset: Path) -> bool:
    if dataset.is_symlink():
        return False
    try:
        own = {MANIFEST_NAME, *read_manifest(dataset, verify_hashes=False).files}
    except InputError:
        return any(dataset.iterdir())
    for parent, _, names in os.walk(dataset):
        place = Path(parent).relative_to(dataset)
        if any((place / name).as_posix() not in own for name in names if not name.startswith(".")):
            return True
    return False


def _free_name(folder: Path) -> Path:
    number = 1
    while _is_there(folder / f"{KEPT}-{number}"):
        number += 1
    return folder / f"{KEPT}-{number}"


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
