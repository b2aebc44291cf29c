"""What people see: progress on stderr (rich on a terminal, plain lines otherwise), tables and summaries as text."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console as RichConsole
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from rich.tree import Tree

    from pipelines.runner import StageResult
    from train.checker import CheckerResult
    from train.result import TrainResult
    from train.sweep import Sweep

PLAIN_INTERVAL_S = 10.0
CELL = 90
_UNBOUNDED = 1_000_000


def printable(text: str) -> str:
    """One line without control characters: document text must not steer the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


class BuildConsole(AbstractContextManager["BuildConsole"]):
    """A listener of `run_build` that writes to stderr."""

    def __init__(self) -> None:
        self.out = RichConsole(stderr=True, highlight=False, soft_wrap=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._last = 0.0

    def __exit__(self, *_: object) -> None:
        self._stop_bar()

    def stage_started(self, name: str, reasons: Sequence[str]) -> None:
        """Say which stage runs and why; start a bar on a terminal."""
        self.step_started(name, printable(", ".join(reasons)))

    def step_started(self, name: str, why: str = "") -> None:
        """Name a step; start a bar on a terminal."""
        self._stop_bar()
        self._stage, self._last = name, time.monotonic()
        self.out.print(Text(f"{name}: {why}" if why else name))
        if self.out.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            self._bar = Progress(TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=self.out, transient=True)  # fmt: skip
            self._task = self._bar.add_task(name, total=None)
            self._bar.start()

    def progress(self, done: int, total: int | None, detail: str = "") -> None:
        """Move the bar, or print a plain line every ten seconds; `detail` stands behind the name."""
        if self._bar is not None and self._task is not None:
            shown = f"{self._stage} ({detail})" if detail else self._stage
            self._bar.update(self._task, completed=done, total=total, description=shown)
        elif time.monotonic() - self._last >= PLAIN_INTERVAL_S:
            self._last = time.monotonic()
            self.out.print(Text(f"  {self._stage}: {done}{f' of {total}' if total else ''}{f', {detail}' if detail else ''}"))

    def stage_ended(self, result: StageResult) -> None:
        """Say what the stage kept and rejected, or that it was unchanged."""
        self._stop_bar()
        entry = result.entry
        if not result.reasons:
            self.out.print(Text(f"{result.name}: unchanged"))
            return
        kept = ", ".join(f"{count:,} {table}" for table, count in entry.kept.items())
        lost = [f"{sum(group.values()):,} {state}" for state, group in (("rejected", entry.rejected), ("quarantined", entry.quarantined)) if group]  # fmt: skip
        self.out.print(Text(f"  {', '.join([kept, *lost])} in {entry.seconds:.1f} s"))
        for note in entry.notes:
            self.out.print(Text(f"  {printable(note)}"))

    def _stop_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None


class StepConsole(AbstractContextManager["StepConsole"]):
    """Progress of training and evaluation: a bar on a terminal, plain lines otherwise."""

    def __init__(self) -> None:
        self._build = BuildConsole()
        self._step = ""

    def __exit__(self, *_: object) -> None:
        self._build.__exit__()

    def step(self, name: str, done: int, total: int | None) -> None:
        """Show one step's progress; a new name begins a new step."""
        if name != self._step:
            self._build.step_started(name)
            self._step = name
        self._build.progress(done, total, getattr(name, "detail", ""))


def train_lines(result: TrainResult, dataset: str, out: str) -> list[str]:
    """What a training did, in lines for people, with the next command."""
    from train.metrics import CHIEF
    from train.model_card import ROWS

    lines = [f"model: {printable(out)}{' (already trained: nothing to do)' if result.reused else ''}"]
    steps = f"{result.steps:,} steps" if result.trainings == 1 else f"{result.trainings} trainings of {result.steps:,} steps"
    lines.append(
        f"{result.rows:,} {ROWS[result.format]}, {result.loss}, {steps} on {result.device} ({result.precision}), "
        f"{result.seconds:.0f} s"
    )
    if result.base_dev and result.best_dev:
        lines += [
            f"dev {name}: base {result.base_dev[name]:.4f}, tuned {result.best_dev[name]:.4f}"
            for name in CHIEF
            if name in result.base_dev
        ]
    if result.overfits_after is not None:
        lines.append(
            f"overfitting: dev was best at step {result.overfits_after:,} and worse at every later evaluation, while the loss fell"
        )
    lines += [f"warning {one['name']}: {printable(one['what'])}\n    {printable(one['todo'])}" for one in result.warnings]
    lines += [f"- {printable(note)}" for note in result.notes]
    folder = "DATASET" if Path(dataset).is_file() else printable(dataset)
    return [*lines, "next:", f"  curate evaluate {printable(out)} {folder}"]


def sweep_lines(sweep: Sweep) -> list[str]:
    """The runs of a sweep as a table; the best is marked, and where more epochs harmed."""
    lines = [f"{'epochs':>7}{'rate':>10}{'dev nDCG@10':>13}{'loss':>9}", f"{'base':>7}{'':>10}{sweep.base_dev:>13.4f}"]
    for run in sweep.runs:
        mark = "  best" if run.best else "  overfits: fewer epochs were better" if run.overfits else ""
        lines.append(f"{run.epochs:>7}{run.learning_rate:>10.2g}{run.dev:>13.4f}{run.loss:>9.4f}{mark}")
    return [*lines, ""]


def checker_lines(result: CheckerResult, out: str) -> list[str]:
    """What the training of a checker or reranker did, in lines for people, with the next step."""
    lines = [f"{result.task}: {printable(out)}{' (already trained: nothing to do)' if result.reused else ''}"]
    for name, rows in (("train", result.train_rows), ("dev", result.dev_rows)):
        lines.append(
            f"{name}: {rows['answerable']:,} answerable and {rows['unanswerable']:,} unanswerable rows of {rows['documents']:,} documents"
        )
    steps = f"{result.steps:,} steps on {result.device} ({result.precision})" if result.steps else "fitted"
    lines.append(f"{steps}, {result.seconds:.0f} s")
    if result.dev is not None and result.threshold is not None:
        lines.append(f"dev: ROC-AUC {result.dev['roc_auc']:.4f}, average precision {result.dev['average_precision']:.4f}")
    if result.threshold is not None and result.dev is not None and result.task == "checker":
        lines.append(f"recommended threshold: {result.threshold:.4f} (F1 {result.dev['f1']:.4f})")
    if result.threshold_keeping_95 is not None and result.task == "checker":
        lines.append(f"threshold that keeps 95% of the answerable: {result.threshold_keeping_95:.4f}")
    lines += [f"- {printable(note)}" for note in result.notes]
    then = "curate evaluate MODEL DATASET --reranker " if result.task == "reranker" else "curate build … --set verify.checker="
    return [*lines, "next:", f"  {then}{printable(out)}"]


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows as a table on a terminal, a page at a time where they are more than it holds, as tab-separated lines otherwise; long cells are cut on a terminal only."""
    if not rows:
        print("(no rows)")
        return
    names = list(rows[0])
    if not sys.stdout.isatty():
        print("\t".join(names))
        for row in rows:
            print("\t".join(_cell(row.get(name)) for name in names))
        return
    table = Table(show_lines=False)
    for name in names:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*(Text(short(_cell(row.get(name)))) for name in names))
    console = RichConsole()
    if len(rows) + 4 > console.height:
        with console.pager():
            console.print(table)
    else:
        console.print(table)


def print_story(rows: Sequence[Mapping[str, Any]]) -> None:
    """The rows of `look.why`, one field a line; of gates one gate a line."""
    before = ""
    for row in rows:
        if row["table"] == "gates":
            if before != "gates":
                print("gates")
            print(f"  {gate_line(row)}")
            before = "gates"
            continue
        before = row["table"]
        print(f"{row['table']}")
        for name, value in row.items():
            if name != "table" and value is not None:
                print(f"  {name}: {_cell(value)}")


def print_trees(trees: Sequence[Tree]) -> None:
    """Trees, wrapped on a terminal only."""
    for tree in trees:
        if sys.stdout.isatty():
            RichConsole(highlight=False).print(tree)
            continue
        wide = RichConsole(highlight=False, width=_UNBOUNDED)
        with wide.capture() as caught:
            wide.print(tree)
        print("\n".join(line.rstrip() for line in caught.get().splitlines()))


def gate_line(row: Mapping[str, Any]) -> str:
    """A gate in a line: "fails   number_not_in_chunk: ['1981']", with the threshold where there is one."""
    line = f"{row['verdict']:<8}{row['gate']}"
    if row["score"] not in (None, [], ()):
        line += f": {short(_cell(row['score']), 120)}"
    if row["threshold"] not in (None, [], ()) and row["threshold"] != row["score"]:
        line += f" (threshold {_cell(row['threshold'])})"
    if row["adds"]:
        line += f"; adds {_cell({name: f'{value:+.2f}' for name, value in row['adds'].items()})}"
    return line


def print_summary(report: Mapping[str, Any], folder: str) -> None:
    """The closing summary: stages with reasons, the dataset's counts, the next command."""
    print("stage         in → kept (rejected, quarantined)")
    for row in report["stages"]:
        kept = ", ".join(f"{count:,} {table}" for table, count in row["kept"].items())
        read = next(iter(row["in"].values()), None)
        print(f"{row['stage']:<13} {'' if read is None else f'{read:,} → '}{kept} ({row['rejected']:,}, {row['quarantined']:,})")
        for reason, count in sorted(row["reasons"].items(), key=lambda item: (-item[1], item[0])):
            print(f"{'':<15}{count:,} {reason}")
    if report["llm"]:
        from pipelines.bill import section_line

        print(printable(section_line(report["llm"])))
    if report["dataset"]:
        print(f"\ndataset: {printable(folder)}/dataset")
        for name, counts in report["dataset"].items():
            print(f"  {name}: " + ", ".join(f"{count:,} {split}" for split, count in counts.items()))
    if report.get("verdict"):
        from pipelines.report_text import verdict_lines

        print("", *verdict_lines({"verdict": {**report["verdict"], "next_step": ""}}), sep="\n")
        print(f"report: {printable(folder)}/report.html")
    if report["dataset"]:
        print("\nnext:")
        print(f"  curate rejects {printable(folder)}            what was left out, and why")
        print(f"  curate train {printable(folder)}/dataset --out model --model sentence-transformers/all-MiniLM-L6-v2")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    return printable(str(value))


def short(text: str, limit: int = CELL) -> str:
    """A text cut at `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
