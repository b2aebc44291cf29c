"""Values out of TOML and `key=value` strings, and what is said of a wrong one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from schemas.errors import SettingsError
from schemas.settings.section import Section

S = TypeVar("S", bound=Section)


def key_path(key: str) -> list[str]:
    """The parts of a dotted key; a part in quotes may hold dots, and so may a model name whose quotes the shell took away."""
    try:
        inner: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        inner = None
    path: list[str] = []
    while isinstance(inner, dict) and len(inner) == 1:
        name, inner = next(iter(inner.items()))
        path.append(name)
    if inner != 0 or not path:
        path = key.split(".")
    if path[:2] == ["llm", "prices"] and len(path) > 4:
        path[2:-1] = [".".join(path[2:-1])]
    return path


def put(tree: dict[str, Any], path: list[str], value: Any, item: str, faults: list[str]) -> None:
    """Set a value in a tree of sections; adds to `faults` when a part of its path is a value already."""
    for part in path[:-1]:
        if tree.get(part) is None:
            tree[part] = {}
        tree = tree[part]
        if not isinstance(tree, dict):
            faults.append(f"--set {item}: {part} is a value, not a section")
            return
    tree[path[-1]] = value


def put_sets(tree: dict[str, Any], sets: Sequence[str], example: str) -> list[str]:
    """Set `key=value` strings in a tree of sections; what is wrong with any of them. `example`: one that is right."""
    faults: list[str] = []
    for item in sets:
        key, equals, text = item.partition("=")
        if not equals or not key.strip():
            faults.append(f"--set {item}: write it as key=value, for example --set {example}")
            continue
        put(tree, key_path(key.strip()), toml_value(text.strip()), item, faults)
    return faults


def lay_over(tree: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Set all values of another tree of sections in this one."""
    for name, value in other.items():
        if isinstance(value, dict) and isinstance(tree.get(name), dict):
            lay_over(tree[name], value)
        else:
            tree[name] = value


def toml_value(text: str) -> Any:
    """The value of `key=value`: TOML where it parses, else plain text; None, which unsets, where nothing stands."""
    if not text:
        return None
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def fault(error: Mapping[str, Any]) -> str:
    """One pydantic error as key and message, without the value."""
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{key}: no such setting"
    # Never print the value: a secret pasted into the wrong place must not reach a log.
    return f"{key}: {error['msg'].removeprefix('Value error, ')}"


def section_from_sets(model: type[S], sets: Sequence[str]) -> S:
    """A section alone from `key=value` strings (values as TOML, else as plain text).

    Raises SettingsError naming every fault at once.
    """
    tree: dict[str, Any] = {}
    faults = put_sets(tree, sets, example="epochs=3")
    try:
        section = model.model_validate(tree)
    except ValidationError as error:
        faults += [fault(e) for e in error.errors()]
    if faults:
        raise SettingsError("; ".join(faults), where="settings", next_step=f"keys: {', '.join(model.model_fields)}")
    return section
