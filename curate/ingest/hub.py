"""Hugging Face datasets: from the hub by name, or a folder written by `save_to_disk`. Needs the `train` extra."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from schemas.errors import InputError

HUB = "hf://"
_NAME = re.compile(r"hf://(?P<name>[\w.-]+(?:/[\w.-]+)?)(?:/(?P<config>[\w.-]+))?(?::(?P<split>[\w.-]+))?")


def hub_splits(source: str) -> list[tuple[str, Any]]:
    """(split name, dataset) of `hf://name[:split]`, `hf://owner/name[/config][:split]`, in split name order.

    Raises InputError when `datasets` is missing, the hub cannot be reached, or there is no such dataset.
    """
    match = _NAME.fullmatch(source)
    if match is None:
        raise InputError("not a dataset name", where=source, next_step="write hf://owner/name, hf://owner/name/config:split")
    datasets = _datasets(source)
    try:
        loaded = datasets.load_dataset(match["name"], match["config"], split=match["split"])
    except (ConnectionError, TimeoutError) as error:
        raise InputError(
            f"the Hugging Face hub cannot be reached: {error}",
            where=source,
            next_step="pass a local folder written by save_to_disk, or the dataset's Parquet files",
        ) from error
    except Exception as error:  # the library raises its own and others' errors for a wrong name, config, split or script
        raise InputError(
            f"cannot be loaded: {error}",
            where=source,
            next_step="check owner, name, config and split; or pass a local folder written by save_to_disk, or Parquet files",
        ) from error
    return _splits(loaded, match["split"])


def saved_splits(folder: str) -> list[tuple[str, Any]]:
    """(split name, dataset) of a `save_to_disk` folder; one dataset without splits has the name "". Raises InputError."""
    datasets = _datasets(folder)
    try:
        loaded = datasets.load_from_disk(folder)
    except Exception as error:  # a damaged folder raises whatever its JSON or Arrow files lead to
        raise InputError(
            f"not a whole save_to_disk folder: {error}", where=folder, next_step="write it again with save_to_disk"
        ) from error
    return _splits(loaded, "")


def dataset_rows(dataset: Any, columns: tuple[str, ...], size: int) -> Iterator[dict[str, Any]]:
    """Rows as plain dicts of these columns, read `size` at a time."""
    for table in dataset.select_columns(list(columns)).with_format("arrow").iter(size):
        yield from table.to_pylist()


def hub_digest(source: str) -> str:
    """Hex sha256 over the columns and values of every split."""
    import pyarrow as pa

    digest = hashlib.sha256()
    for split, dataset in hub_splits(source):
        digest.update(split.encode() + b"\0")
        for table in dataset.with_format("arrow").iter(1000):
            sink = pa.BufferOutputStream()
            bare = table.combine_chunks().replace_schema_metadata(None)
            with pa.ipc.new_stream(sink, bare.schema) as stream:
                stream.write_table(bare)
            digest.update(sink.getvalue())
    return digest.hexdigest()


def _splits(loaded: Any, split: str | None) -> list[tuple[str, Any]]:
    if isinstance(loaded, dict):
        return sorted(loaded.items())
    return [(split or "", loaded)]


def _datasets(where: str) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise InputError(
            "reading a Hugging Face dataset needs the datasets library",
            where=where,
            next_step='pip install "curate-embeddings[train]", or pass the data as Parquet, JSONL or CSV',
        ) from error
    return datasets
