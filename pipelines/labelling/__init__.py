"""`curate label`: people's labels of a build's questions, in the terminal or in a spreadsheet, and what they say of the gates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipelines.labelling.questions import Wanted, draw, read_cards, read_frame
from pipelines.labelling.report import label_report
from pipelines.labelling.session import Keys, Session, keys_of_stdin, left_over
from pipelines.labelling.sheet import export_sheet, import_sheet
from pipelines.labelling.text import import_line, report_lines, sample_line

__all__ = ["Wanted", "export_sample", "import_line", "import_sheet", "label_report", "label_sample", "report_lines"]


def label_sample(
    folder: Path, wanted: Wanted, say: Callable[[str], None], *, show_gates: bool = False, keys: Keys | None = None
) -> int:
    """Show a sample of a build's questions one by one and store what `keys` (standard input) says; how many were decided.

    The build is read before the first question, so a build may run meanwhile. Raises StoreError where nothing was filtered yet.
    """
    frame = read_frame(folder)
    sample = draw(frame, wanted)
    cards = read_cards(folder, frame, sample.questions)
    say(sample_line(sample))
    if not left_over(folder, cards):
        say(
            f"all of them are labelled; a larger --n than {wanted.n:,} adds to them"
            if cards
            else "no question can be labelled here"
        )
        return 0
    return Session(folder, keys or keys_of_stdin(), say, show_gates).run(cards)


def export_sample(folder: Path, wanted: Wanted, path: Path) -> int:
    """Write the same sample to a new CSV file; the number of questions."""
    frame = read_frame(folder)
    return export_sheet(folder, path, read_cards(folder, frame, draw(frame, wanted).questions))
