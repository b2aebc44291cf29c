"""`curate sample`: a real corpus without a network, the Python language reference that the interpreter itself carries."""

from __future__ import annotations

from pathlib import Path

from schemas.errors import InputError


def write_sample(folder: Path) -> int:
    """Write one text file a topic of `pydoc_data.topics`; returns their number. Raises InputError when it cannot."""
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise InputError(
            "this Python was installed without its language reference (pydoc_data)",
            next_step="use a full Python installation, or build on your own documents",
        ) from error
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("there is something here already", where=str(folder), next_step="name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in sorted(topics.items()):
        (folder / f"{name}.txt").write_text(text.strip() + "\n", encoding="utf-8")
    return len(topics)
