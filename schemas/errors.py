"""The error tree of the project and the exit code of each branch.

CurateError                    1    anything of ours
├── SettingsError              2    a setting, option or argument is wrong
├── InputError                 3    a source cannot be used at all
├── StoreError                 4    the build folder cannot be opened, read or written
├── ContractError              5    a stage broke its own contract: our bug
├── ProviderError              6    a language model endpoint refuses or cannot be reached
├── AuditError                 7    a whole-set claim does not hold
├── TrainingError              8    a model cannot be loaded, trained or evaluated
└── Interrupted              130    stopped by the user

Bad rows and bad files are data (see `schemas.reasons`); only bad runs are errors.
"""

from __future__ import annotations


class CurateError(Exception):
    """Base of every error this project raises on purpose.

    `what` says what happened, `where` names the stage, file or key, `next_step` what the user can do.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.next_step = next_step

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n  next: {self.next_step}" if self.next_step else text


class SettingsError(CurateError):
    """A setting, option or argument is wrong."""

    exit_code = 2


class InputError(CurateError):
    """A source cannot be used at all."""

    exit_code = 3


class StoreError(CurateError):
    """The build folder cannot be opened, read or written."""

    exit_code = 4


class ContractError(CurateError):
    """A stage produced rows that break its own contract: a bug in this project, never the user's fault."""

    exit_code = 5


class ProviderError(CurateError):
    """A language model endpoint refuses or cannot be reached."""

    exit_code = 6


class AuditError(CurateError):
    """A whole-set claim about the dataset does not hold."""

    exit_code = 7


class TrainingError(CurateError):
    """A model cannot be loaded, trained or evaluated."""

    exit_code = 8


class VerdictError(CurateError):
    """The verdict on a tuned model is worse than what was required."""

    exit_code = 9


class Interrupted(CurateError):  # noqa: N818 (not a fault: the user asked for it)
    """Stopped by the user; running the same command again goes on from here."""

    exit_code = 130


EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "an error outside the branches below",
    2: "settings: a setting, option or argument is wrong",
    3: "input: a source cannot be used at all",
    4: "store: the build folder cannot be opened, read or written",
    5: "contract: a stage broke its own contract (our bug)",
    6: "provider: a language model endpoint refuses or cannot be reached",
    7: "audit: a claim about the dataset does not hold",
    8: "training: a model cannot be loaded, trained or evaluated",
    9: "verdict: the tuned model is not as good as --require asks",
    130: "interrupted: run the same command again to go on",
}
