"""The folder a training run writes: its checkpoints while it runs, the whole model at once when it is done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from schemas.errors import SettingsError, TrainingError

RECORD = "training.json"
CHECKPOINTS = ".checkpoints"
PART = "training-"
_RUN = "run.json"


@dataclass(frozen=True)
class Place:
    """Where a run stands."""

    out: Path
    checkpoints: Path
    fingerprint: str
    resume_from: Path | None
    """The newest whole checkpoint of the same run, if an earlier attempt left one."""
    remembered: dict[str, Any]
    """What that attempt had measured before its first step."""

    def part(self, number: int) -> Place:
        """Where one of several trainings of the run stands; their numbers, from 0, are shown from 1."""
        checkpoints = self.checkpoints / f"{PART}{number + 1}"
        checkpoints.mkdir(exist_ok=True)
        return replace(self, checkpoints=checkpoints, resume_from=_newest_whole(checkpoints))

    def newest(self) -> Path | None:
        """The newest whole checkpoint there is now."""
        return _newest_whole(self.checkpoints)


def fingerprint(parts: dict[str, Any]) -> str:
    """Hex sha256 of what determines a run; two runs with the same one would give the same model."""
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def read_record(out: Path) -> dict[str, Any] | None:
    """`training.json` of a finished model folder, or None when there is none."""
    try:
        record = json.loads((out / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise TrainingError(
            f"cannot be read: {error}", where=str(out / RECORD), next_step="train again into another folder"
        ) from error
    if not isinstance(record, dict):
        raise TrainingError("is not a training record", where=str(out / RECORD), next_step="train again into another folder")
    return record


def refuse_foreign(out: Path) -> None:
    """Raise SettingsError when the folder holds anything that a training run did not put there."""
    if out.exists() and not out.is_dir():
        raise SettingsError("is a file", where=str(out), next_step="give --out a new folder")
    if out.is_dir() and not (out / RECORD).exists() and any(entry.name != CHECKPOINTS for entry in out.iterdir()):
        raise SettingsError("is not empty and holds no model trained here", where=str(out), next_step="give --out a new folder")


def claim(out: Path, run: str) -> Place:
    """Make the folder ready for the run of this fingerprint; checkpoints of any other run are removed.

    Raises SettingsError when the folder already holds a finished model of another run.
    """
    refuse_foreign(out)
    if read_record(out) is not None:
        raise SettingsError(
            "holds a model trained with other data, model or settings",
            where=str(out),
            next_step="give another --out, or remove it",
        )
    checkpoints = out / CHECKPOINTS
    remembered = _remembered(checkpoints)
    if remembered.get("fingerprint") != run:
        shutil.rmtree(checkpoints, ignore_errors=True)
        remembered = {}
    try:
        checkpoints.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"cannot be written: {error}", where=str(out), next_step="give --out a folder you may write"
        ) from error
    return Place(out, checkpoints, run, _newest_whole(checkpoints), remembered)


def remember(place: Place, facts: dict[str, Any]) -> None:
    """Keep what was measured before the first step, so that a resumed run need not measure it again."""
    temporary = place.checkpoints / (_RUN + ".tmp")
    temporary.write_text(json.dumps({**facts, "fingerprint": place.fingerprint}), encoding="utf-8")
    temporary.replace(place.checkpoints / _RUN)


def publish(place: Place, write: Callable[[Path], dict[str, Any]]) -> None:
    """Let `write` fill a temporary folder, add its record as `training.json` last, and put it in the place of the out folder."""
    temporary, old = _beside(place.out)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    record = write(temporary)
    (temporary / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    place.out.replace(old)
    temporary.replace(place.out)
    shutil.rmtree(old)


def recover(out: Path) -> None:
    """Finish, or undo, a `publish` that was cut short."""
    temporary, old = _beside(out)
    if not out.exists() and (temporary / RECORD).is_file():
        temporary.replace(out)
    elif not out.exists() and old.is_dir():
        old.replace(out)
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _beside(out: Path) -> tuple[Path, Path]:
    return out.with_name(f".{out.name}.partial"), out.with_name(f".{out.name}.old")


def _remembered(checkpoints: Path) -> dict[str, Any]:
    try:
        found = json.loads((checkpoints / _RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _newest_whole(checkpoints: Path) -> Path | None:
    """trainer_state.json is the last file of a checkpoint: one that parses says that the rest is there."""
    steps = [path for path in checkpoints.glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()]
    for path in sorted(steps, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True):
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(path, ignore_errors=True)
        else:
            return path
    return None
