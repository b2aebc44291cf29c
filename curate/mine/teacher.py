"""The models that have a say on candidates: a teacher's cosines, and a checker that finds further answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from curate.stage import Context
from schemas.settings import MineSettings

if TYPE_CHECKING:
    from curate.verify.checker import Checker
    from curate.verify.dense import Dense
    from curate.verify.kept import Kept
    from curate.verify.sentence_checker import SentenceChecker

Said = tuple[str, str]
"""Anchor, passage."""


@dataclass(frozen=True)
class Models:
    """Those that the settings name. Vectors and scores are kept by text and weights, so that a second run loads none of them."""

    teacher: Dense | None = None
    promoter: Checker | SentenceChecker | None = None
    kept: Kept | None = None

    def cosines(self, pairs: Sequence[Said]) -> Mapping[Said, float]:
        """The teacher's cosine of each pair; nothing without a teacher."""
        if self.teacher is None:
            return {}
        wanted = list(dict.fromkeys(pairs))
        found = self.teacher.cosines([anchor for anchor, _ in wanted], [passage for _, passage in wanted])
        return dict(zip(wanted, found, strict=True))

    def answers(self, pairs: Sequence[Said]) -> Mapping[Said, float]:
        """How likely each passage answers; nothing without a promoter."""
        if self.promoter is None:
            return {}
        wanted = list(dict.fromkeys(pairs))
        return dict(zip(wanted, self.promoter.scores(wanted), strict=True))


@contextmanager
def open_models(context: Context) -> Iterator[Models]:
    """The teacher and the promoter of `[mine]`. Raises SettingsError when there is no such model."""
    mine, verify = context.settings.mine, context.settings.verify
    teacher_name = teacher_of(mine)
    if teacher_name is None and mine.promote_model is None:
        yield Models()
        return
    from curate.verify.kept import Kept

    with Kept(Path(context.folder)) as kept, ExitStack() as opened:
        teacher, promoter = None, None
        if teacher_name is not None:
            from curate.verify.dense import open_dense

            settings = verify.model_copy(update={"dense_model": teacher_name})
            teacher = opened.enter_context(closing(open_dense(settings, kept, "mine.teacher" if mine.teacher else "mine.model")))
        if mine.promote_model is not None:
            from curate.verify.checker import open_checker

            settings = verify.model_copy(update={"checker": mine.promote_model})
            promoter = opened.enter_context(closing(open_checker(settings, kept)))
        yield Models(teacher, promoter, kept)


def teacher_of(mine: MineSettings) -> str | None:
    """Whose cosines margins are taken on: the teacher, else the model that searches; None: the scores of BM25."""
    return mine.teacher or (mine.model if mine.engine in ("dense", "hybrid") else None)


@contextmanager
def open_search(context: Context, models: Models, texts: Iterable[list[str]], size: int) -> Iterator[Dense]:
    """The passages of a split, searchable by `mine.model`."""
    import numpy as np

    from curate.verify.dense import open_dense

    if models.kept is None:
        raise AssertionError("an engine with a model has a teacher, so vectors are kept")
    settings = context.settings.verify.model_copy(update={"dense_model": context.settings.mine.model})
    with closing(open_dense(settings, models.kept, "mine.model")) as dense:
        dense.index(texts, np.arange(size, dtype=np.int64), context.progress)
        yield dense
