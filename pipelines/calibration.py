"""`curate calibrate`: the gates of a build measured on its own corpus, written as figures, a settings file and rows to read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from curate.calibrate import KINDS, Calibration, Wanted, calibrate
from curate.calibrate.sample import Progress
from curate.filter.labels import LABELS, read_labels
from curate.measured import FIGURES, FOLDER
from curate.stage import Context, Stage
from curate.store import Store, open_store
from pipelines.earlier_build import check_columns, settings_tree
from pipelines.engine import ProcessEngine
from pipelines.fingerprint import fingerprint
from pipelines.ledger import Entry, read_ledger
from schemas.errors import SettingsError, StoreError
from schemas.manifest import file_sha256
from schemas.settings import Settings, load_settings

SETTINGS_FILE, PLANTED = "settings.toml", "planted.parquet"
FORMAT = 2
READS = ("questions", "chunks", "chunk_clusters")
_JUDGED = ("llm.judge", "verify.judge_prompt")


@dataclass(frozen=True)
class Options:
    """What to measure and how; `seed` None takes that of the build."""

    rows: int = 1000
    target: float = 0.05
    kinds: tuple[str, ...] = KINDS
    fit: bool = False
    judge: bool = False
    seed: int | None = None

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            what = f"no kind of fault {unknown[0]!r}" if unknown else "no kind of fault is named"
            raise SettingsError(what, where="--kinds", next_step=f"name some of {', '.join(KINDS)}")


def calibrate_build(
    folder: Path, options: Options, overrides: tuple[Path | None, Sequence[str]], progress: Progress
) -> dict[str, Any]:
    """Measure the gates of the build in `folder` and write FOLDER/calibration; the figures, with `unchanged` true when nothing had to be done.

    The settings are those of the last build, then a TOML file, then `key=value` strings. The same build, settings, labels and options are not
    measured again. Raises StoreError when there is no build with questions here, SettingsError for what cannot be set.
    """
    with open_store(folder, read_only=True) as store:
        ledger = read_ledger(store)
        _has_questions(store, folder)
        settings = load_settings(*overrides, settings_tree(ledger))
        wanted = Wanted(
            rows=options.rows,
            target=options.target,
            kinds=tuple(kind for kind in KINDS if kind in options.kinds),
            seed=settings.seed if options.seed is None else options.seed,
            fit=options.fit,
            judge=options.judge,
            labels=read_labels(folder),
        )
        key = _key(folder, settings, wanted, ledger)
        known = _known(folder, key)
        if known is not None:
            return {**known, "unchanged": True}
        owed: list[str] = []
        with ProcessEngine() as engine:
            context = _context(folder, settings, (store, engine, owed), progress)
            found = calibrate(context, wanted, progress)
    # Answers that are owed are asked for when the command is run again.
    return {**_write(folder, "" if owed else key, (settings, wanted, found)), "unchanged": False}


def _has_questions(store: Store, folder: Path) -> None:
    missing = [table for table in READS if table not in store.tables()]
    if missing or not store.count("questions"):
        what = f"no {missing[0] if missing else 'questions'} in this build"
        raise StoreError(what, where=str(folder), next_step="run `curate build` first")
    check_columns(store, folder, READS)


def _context(folder: Path, settings: Settings, parts: tuple[Store, ProcessEngine, list[str]], progress: Progress) -> Context:
    store, engine, owed = parts
    return Context(
        settings=settings,
        reader=store.reader(READS),
        engine=engine,
        progress=lambda done, total: progress("asking the judge", done, total),
        note=lambda text: progress(text, 0, None),
        folder=str(folder),
        owed=owed,
    )


def _key(folder: Path, settings: Settings, wanted: Wanted, ledger: Mapping[str, Entry]) -> str:
    """What the figures depend on: code, libraries, tables, settings, weights of models, labels and options."""
    stage = Stage(
        name="calibrate",
        reads=READS,
        writes=(),
        produce=lambda _: iter(()),
        settings=("verify", "filter", *(_JUDGED if wanted.judge else ())),
        libraries=("numpy", "py3langid", "PyStemmer", "sentencex", *(("scikit-learn",) if wanted.fit else ())),
        files=("sql/calibrate_questions.sql",),
        folder_files=(LABELS,),
    )
    tables = {table: value for entry in ledger.values() for table, value in entry.outputs.items() if table in READS}
    options = {name: value for name, value in asdict(wanted).items() if name != "labels"}
    parts = [str(FORMAT), fingerprint(stage, settings, tables, folder).digest(), json.dumps(options, sort_keys=True)]
    # The whole of the settings goes into the settings file.
    return sha256("\n".join([*parts, json.dumps(_differing(settings), sort_keys=True)]).encode()).hexdigest()


def _known(folder: Path, key: str) -> dict[str, Any] | None:
    """The figures of an earlier run with this key, if all its files are as it left them."""
    place = folder / FOLDER
    try:
        found = json.loads((place / FIGURES).read_bytes())
        same = found["key"] == key and all(file_sha256(place / name) == digest for name, digest in found["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if same else None


def _write(folder: Path, key: str, parts: tuple[Settings, Wanted, Calibration]) -> dict[str, Any]:
    """Write the three files, each through a temporary name, the figures last: with them the folder is whole."""
    import polars as pl

    settings, wanted, found = parts
    place = folder / FOLDER
    try:
        place.mkdir(exist_ok=True)
        (place / FIGURES).unlink(missing_ok=True)
        text = settings_file(settings, found.filter)
        _replace(place / SETTINGS_FILE, text.encode())
        temporary = place / (PLANTED + ".tmp")
        pl.DataFrame(found.planted, infer_schema_length=None).write_parquet(temporary)
        temporary.replace(place / PLANTED)
        options = {name: value for name, value in asdict(wanted).items() if name != "labels"}
        values = {
            "format": FORMAT,
            "key": key,
            **options,
            **found.values,
            "files": {name: file_sha256(place / name) for name in (SETTINGS_FILE, PLANTED)},
        }
        values = json.loads(json.dumps(values))
        _replace(place / FIGURES, (json.dumps(values, ensure_ascii=False, indent=2) + "\n").encode())
    except OSError as error:
        raise StoreError(
            f"cannot write the calibration: {error.strerror}",
            where=str(place),
            next_step="check the folder's rights and free space",
        ) from error
    return dict(values)


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def settings_file(settings: Settings, recommended: Mapping[str, Any]) -> str:
    """A TOML file for `curate build --config`: what differs from the defaults in the build's settings, with the recommended [filter]."""
    tree = _differing(settings)
    section = {**tree.get("filter", {}), **recommended}
    tree["filter"] = {name: value for name, value in section.items() if value is not None}
    head = (
        "# Written by `curate calibrate`: the settings of the build, with the thresholds it recommends in [filter].\n"
        "# Time-outs, concurrency and prices are not among a build's settings; add yours.\n"
    )
    return head + "\n".join(_toml_lines("", tree)) + "\n"


def _differing(settings: Settings) -> dict[str, Any]:
    """The values that are not the defaults, as nested tables under the names that files use."""
    return _known_values(settings.model_dump(mode="json", by_alias=True, exclude_defaults=True))


def _known_values(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The tree without nulls, which TOML does not have, and without empty tables."""
    inner = {name: _known_values(value) if isinstance(value, dict) else value for name, value in tree.items()}
    return {name: value for name, value in inner.items() if value is not None and value != {}}


def _toml_lines(prefix: str, tree: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{_toml_key(name)} = {json.dumps(value, ensure_ascii=False)}"
        for name, value in tree.items()
        if not isinstance(value, dict)
    ]
    if prefix and lines:
        lines = ["", f"[{prefix}]", *lines]
    for name, value in tree.items():
        if isinstance(value, dict):
            lines += _toml_lines(f"{prefix}.{_toml_key(name)}" if prefix else _toml_key(name), value)
    return lines


def _toml_key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else json.dumps(name, ensure_ascii=False)
