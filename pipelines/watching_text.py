"""What `curate status --watch` shows: a table that follows the build on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipelines.console import printable
from pipelines.watching import Glance, glance

EVERY_S = 1.0
PLAIN_EVERY_S = 10.0

_ENDINGS = {
    "idle": "no build is at work here",
    "stopped": "the build was stopped: run the same command again, it goes on from here",
    "failed": "the build failed",
}


def watch(folder: Path, *, as_json: bool, pause: Callable[[float], None] = time.sleep) -> str:
    """Follow a build until it ends; the state it ended in."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    if as_json or not console.is_terminal:
        return _in_lines(folder, as_json, console.out, pause)
    return _live(folder, console, pause)


def _in_lines(folder: Path, as_json: bool, out: Callable[[str], None], pause: Callable[[float], None]) -> str:
    while True:
        seen = glance(folder, time.time())
        out(json.dumps(asdict(seen), ensure_ascii=False) if as_json else line(seen))
        if seen.state != "running":
            return seen.state
        pause(PLAIN_EVERY_S)


def _live(folder: Path, console: Any, pause: Callable[[float], None]) -> str:
    from rich.live import Live
    from rich.text import Text

    with Live(console=console, auto_refresh=False) as live:
        while True:
            seen = glance(folder, time.time())
            live.update(Text("\n".join(table(seen))), refresh=True)
            if seen.state != "running":
                return seen.state
            pause(EVERY_S)


def line(seen: Glance) -> str:
    """One moment in one line."""
    if seen.state != "running":
        return _ending(seen)
    running = next((row for row in seen.stages if row["state"] == "running"), None)
    return f"{_clock(seen.seconds)}  " + ("between two stages" if running is None else f"{running['stage']}: {_how_far(running)}")


def table(seen: Glance) -> list[str]:
    """One moment as a table of all stages."""
    lines = list(_rows(seen)) if seen.stages else []
    return [*lines, "", f"{_clock(seen.seconds)} since it began" if seen.state == "running" else _ending(seen)]


def _rows(seen: Glance) -> Iterator[str]:
    for row in seen.stages:
        text = {"waiting": "", "unchanged": "unchanged"}.get(row["state"])
        if text is None:
            text = _how_far(row) if row["state"] == "running" else _done(row)
        mark = {"running": "▶", "waiting": "·"}.get(row["state"], "✓")
        yield f"{mark} {row['stage']:<12} {text}".rstrip()


def _done(row: dict[str, Any]) -> str:
    kept = ", ".join(f"{count:,} {name}" for name, count in row["kept"].items())
    left = f", {row['left_out']:,} left out" if row["left_out"] else ""
    return f"{kept}{left} in {_clock(row['seconds'])}"


def _how_far(row: dict[str, Any]) -> str:
    parts = [f"{row['done']:,}" + (f" of {row['total']:,}" if row["total"] else "")]
    if row["total"]:
        parts[0] += f" ({row['done'] / row['total']:.0%})"
    if row["rate"]:
        parts.append(f"{row['rate']:,.1f} a second")
    if row["remaining"] is not None:
        parts.append(f"{_clock(row['remaining'])} left")
    return ", ".join(parts)


def _ending(seen: Glance) -> str:
    return _ENDINGS[seen.state] + (f": {printable(seen.failed)}" if seen.failed else "")


def _clock(seconds: float) -> str:
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
