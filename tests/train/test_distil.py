"""The hybrid teacher, batches of neighbours, and the loss that brings the one to the model."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from schemas.training import TrainSettings
from train import fit, prepare
from train.data import to_dataset
from train.distil import FAR, POSITIVE, SCALE, SHARPNESS, asked, hybrid_distillation, refusals, without_anchors
from train.known import Known
from train.models import embed, load_model
from train.sampler import NO_CLASHES, Neighbourhoods, clashes
from train.teacher import FEEDBACK_SHARE, LEXICAL, NEAREST, Teacher, index, load, make_teacher, read_texts, save, tokens
from train.trainer import train_model

PASSAGES = [f"w{n} w{n + 1} w{n + 2} is about the one and only thing of topic" for n in range(0, 30, 3)]
ANCHORS = [text for n in range(0, 30, 3) for text in (f"what is w{n}", f"w{n + 1} w{n + 2}")]
POSITIVES = [passage for passage in PASSAGES for _ in range(2)]


@pytest.fixture
def encoder(tiny_model: Path) -> Any:
    loaded = load_model(str(tiny_model), device="cpu")
    loaded.eval()
    return loaded


@pytest.fixture
def teacher(encoder: Any) -> Teacher:
    return make_teacher(encoder, read_texts(encoder, ANCHORS, POSITIVES), "fp32")


def test_scores_are_shares_of_bm25_and_cosines_after_feedback(encoder: Any, teacher: Teacher) -> None:
    assert teacher.place.tolist() == [n // 2 for n in range(20)]
    rows, columns = np.array([0, 7]), np.array([0, 3, 5])
    # By hand, from the definition.
    bm25 = index(tokens(encoder, PASSAGES))
    vectors = embed(encoder, PASSAGES, "document")
    for line, row in enumerate(rows):
        own = embed(encoder, [ANCHORS[row]], "query")[0]
        lexical = np.array(bm25.get_batch_scores(tokens(encoder, [ANCHORS[row]])[0], list(range(10))))
        cosines = vectors @ own
        hybrid = LEXICAL * lexical / lexical.max() + (1 - LEXICAL) * (cosines - cosines.min()) / (cosines.max() - cosines.min())
        moved = own + FEEDBACK_SHARE * vectors[np.argsort(-hybrid, kind="stable")[:3]].mean(axis=0)
        moved /= np.linalg.norm(moved)
        after = vectors @ moved
        wanted = LEXICAL * lexical / lexical.max() + (1 - LEXICAL) * (after - after.min()) / (after.max() - after.min())
        assert teacher.scores(rows, columns)[line] == pytest.approx(wanted[columns], abs=1e-4)
    # The words of the anchor are in its own passage alone.
    assert teacher.scores(np.array([1]), np.arange(10))[0].argmax() == 0


def test_progress_counts_texts_and_a_kept_teacher_is_the_same(encoder: Any, teacher: Teacher, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    make_teacher(encoder, read_texts(encoder, ANCHORS, POSITIVES), "fp32", lambda done, total: told.append((done, total)))
    assert told == [(10, 30), (30, 30)]
    save(teacher, tmp_path / "teacher.npz")
    again = load(teacher.texts, tmp_path / "teacher.npz")
    rows, columns = np.arange(20), np.arange(10)
    assert np.array_equal(again.scores(rows, columns), teacher.scores(rows, columns))
    assert [path.name for path in tmp_path.iterdir()] == ["teacher.npz"]


def features(encoder: Any, texts: list[str]) -> dict[str, Any]:
    return dict(encoder.preprocess(texts))


def value(encoder: Any, teacher: Teacher, rows: list[int], clashing: Any = NO_CLASHES) -> float:
    clashing = clashing if clashing.brings else clashes(list(zip(ANCHORS, POSITIVES, strict=True)))
    loss = hybrid_distillation(encoder, teacher, clashing)
    with torch.no_grad():
        texts = ([ANCHORS[row] for row in rows], [POSITIVES[row] for row in rows])
        return float(loss([features(encoder, column) for column in texts], torch.tensor(rows)))


def test_the_loss_is_the_divergence_over_other_passages_plus_the_contrast_of_the_own(encoder: Any, teacher: Teacher) -> None:
    rows, columns = [0, 1, 6, 13], [0, 3, 6]
    cosines = (
        embed(encoder, [ANCHORS[row] for row in rows], "query") @ embed(encoder, [PASSAGES[c] for c in columns], "document").T
    )
    wanted = teacher.scores(np.array(rows), np.array(columns))
    divergence, contrast, far = 0.0, 0.0, 0.0
    vectors = embed(encoder, PASSAGES, "document")
    for line, row in enumerate(rows):
        own = columns.index(row // 2)
        others = [place for place in range(3) if place != own]
        said = np.log(np.exp(SCALE * cosines[line, others]) / np.exp(SCALE * cosines[line, others]).sum())
        told = np.exp(SHARPNESS * wanted[line, others])
        told /= told.sum()
        divergence += float((told * (np.log(told) - said)).sum())
        contrast -= float(SCALE * cosines[line, own] - np.log(np.exp(SCALE * cosines[line]).sum()))
        elsewhere = SCALE * vectors[teacher.nearest[row]] @ embed(encoder, [ANCHORS[row]], "query")[0]
        aim = np.exp(SHARPNESS * teacher.nearest_scores[row])
        aim /= aim.sum()
        far += float((aim * (np.log(aim) - elsewhere + np.log(np.exp(elsewhere).sum()))).sum())
    wanted_loss = divergence / 4 + POSITIVE * contrast / 4 + FAR * far / 4
    assert value(encoder, teacher, rows) == pytest.approx(wanted_loss, abs=1e-3)


def test_two_passages_have_no_others_to_be_ranked_but_the_nearest_elsewhere(encoder: Any, teacher: Teacher) -> None:
    whole = value(encoder, teacher, [0, 6])
    teacher.nearest_scores[:] = 0
    level = value(encoder, teacher, [0, 6])
    assert level != pytest.approx(whole, abs=1e-6)


def test_the_nearest_are_what_the_teacher_ranks_first_without_the_own(teacher: Teacher) -> None:
    assert teacher.nearest.shape == teacher.nearest_scores.shape == (20, 9)
    for row in range(20):
        scores = teacher.scores(np.array([row]), np.arange(10))[0]
        order = [place for place in np.argsort(-scores, kind="stable") if place != row // 2]
        assert teacher.nearest[row].tolist() == order
        assert teacher.nearest_scores[row] == pytest.approx(scores[order], abs=1e-5)


def test_many_passages_are_looked_for_among_the_nearest(encoder: Any) -> None:
    passages = [f"topic number {n} of the many topics there are" for n in range(300)]
    found = make_teacher(encoder, read_texts(encoder, [f"topic {n}" for n in range(300)], passages), "fp32")
    assert found.nearest.shape == (300, NEAREST)
    assert all(row not in nearest for row, nearest in enumerate(found.nearest.tolist()))
    assert all((np.diff(scores) <= 0).all() for scores in found.nearest_scores)
    every = found.scores(np.array([7]), np.arange(300))[0]
    assert found.nearest_scores[7] == pytest.approx(every[found.nearest[7]], abs=1e-5)


def test_equal_passages_pass_the_model_once(encoder: Any, teacher: Teacher) -> None:
    seen: list[int] = []
    encoder[0].register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0]["input_ids"])))
    value(encoder, teacher, [0, 1, 6, 7, 13])
    assert seen == [5, 3]


def test_what_may_answer_is_no_negative(encoder: Any, teacher: Teacher) -> None:
    texts = list(zip(ANCHORS, POSITIVES, strict=True))
    known = Known(
        copies={PASSAGES[0]: "g", PASSAGES[3]: "g"},
        withheld={ANCHORS[13]: frozenset({"h"})},
    )
    known = Known({**known.copies, PASSAGES[5]: "h"}, known.withheld)
    rows, columns = np.array([0, 6, 13, 10]), np.array([0, 3, 5, 6])
    found = refusals(clashes(texts, known), rows, columns, teacher.place)
    # Its own, its own's copy, what mining withheld.
    assert found.tolist() == [
        [True, True, False, False],
        [True, True, False, False],
        [False, False, True, True],
        [False, False, True, False],
    ]
    plain = value(encoder, teacher, [0, 6, 13, 10])
    assert value(encoder, teacher, [0, 6, 13, 10], clashes(texts, known)) < plain


@pytest.mark.parametrize(
    ("anchor", "passage", "left"),
    [
        (
            "Doors close at two.",
            "The market opens late. Doors close at two. Nobody minds.",
            "The market opens late.   Nobody minds.",
        ),
        # Whatever stands between the words, and every time.
        (
            "a  b (c)",
            "a\nb (c) stands first, and then a b (c) stands last of all",
            "  stands first, and then   stands last of all",
        ),
        ("art", "A party of artists.", "A party of artists."),
        ("doors close", "The Doors close at two, as everybody knows.", "The Doors close at two, as everybody knows."),
        # Half is left, or nothing is cut.
        ("four", "four and", "four and"),
        ("four", "four xyz", "four xyz"),
        ("four", "four wxyzv", "  wxyzv"),
        ("what is it", "Nothing of the kind.", "Nothing of the kind."),
    ],
)
def test_an_anchor_is_cut_out_of_its_own_passage(anchor: str, passage: str, left: str) -> None:
    rows = pl.DataFrame({"anchor": [anchor, "another"], "positive": [passage, passage], "row": [0, 1]})
    assert without_anchors(rows).rows() == [(anchor, left, 0), ("another", passage, 1)]


@pytest.mark.parametrize(
    ("anchor", "title", "wanted"),
    [
        ("w9 is a bird", "Herons of the north", "Herons of the north w9 is a bird"),
        ("w0 is a bird", "Herons of the north", "w0 is a bird"),
        ("w9 is a bird", "W9", "w9 is a bird"),
        ("swan is a bird", "Wan", "Wan swan is a bird"),
        ("w7 of the Herons", "Heron", "w7 of the Herons"),
        ("w9 is a bird", "鳥" * 32, "鳥" * 32 + " w9 is a bird"),
        ("w9 is a bird", "鳥" * 33, "w9 is a bird"),
        ("w9 is a bird", "a b c d e f g h", "a b c d e f g h w9 is a bird"),
        ("w9 is a bird", "a b c d e f g h i", "w9 is a bird"),
        ("w9 is a bird", None, "w9 is a bird"),
    ],
)
def test_half_of_the_anchors_come_after_a_title_that_they_do_not_name(anchor: str, title: str | None, wanted: str) -> None:
    rows = pl.DataFrame({"anchor": [anchor], "positive": ["It stands."]})
    assert asked(rows, {} if title is None else {"It stands.": title}).to_list() == [wanted]


def test_anchors_that_come_after_a_title_are_half_of_all() -> None:
    rows = pl.DataFrame({"anchor": [f"w{n}" for n in range(2000)], "positive": ["p"] * 2000})
    assert 900 < (asked(rows, {"p": "Title"}) != rows["anchor"]).sum() < 1100


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The anchors that the teacher and the trainer got."""
    found: dict[str, list[str]] = {}
    monkeypatch.setattr(fit, "to_dataset", lambda rows: found.update(trainer=rows["anchor"].to_list()) or to_dataset(rows))
    monkeypatch.setattr(
        prepare, "read_texts", lambda encoder, *texts: found.update(teacher=list(texts[0])) or read_texts(encoder, *texts)
    )
    return found


@pytest.mark.parametrize("prefixed", [True, False])
def test_training_and_teacher_see_the_titles(tiny_model: Path, make_dataset: Any, toy: Any, seen: Any, prefixed: bool) -> None:
    dataset = make_dataset()
    write_provenance(dataset, "pairs")
    toy.seal(dataset, heading_prefix=prefixed)
    options = TrainSettings(loss="HybridDistillLoss", max_steps=1, batch_size=4, max_seq_length=32, device="cpu")
    result = train_model(dataset, dataset.parent / "out", str(tiny_model), options)
    plain = [toy.question(n) for n in range(40)]
    rows = pl.DataFrame({"anchor": plain, "positive": [toy.passage(n) for n in range(40)]})
    wanted = asked(rows, {toy.passage(n): f"Topic {n // 2}" for n in range(40)}).to_list() if prefixed else plain
    assert seen == {"trainer": wanted, "teacher": wanted}
    named = sum(one.startswith("Topic") for one in wanted)
    assert (0 < named < 40) is prefixed
    note = f"{named} of 40 training questions come after the title of their document."
    assert (note in result.notes) is prefixed


def write_provenance(dataset: Path, name: str) -> None:
    """Every two passages are the parts of a document with a title."""
    folder = dataset / "provenance"
    (folder / name).mkdir(parents=True)
    ids = [f"c{n}" for n in range(40)]
    pl.DataFrame({"chunk_id": ids}).write_parquet(folder / name / "train.parquet")
    more = {"document_id": [f"d{n // 2}" for n in range(40)], "title": [f"Topic {n // 2}" for n in range(40)]}
    pl.DataFrame({"chunk_id": ids, "chunk_cluster_id": ids, **more}).write_parquet(folder / "chunks.parquet")


@pytest.mark.parametrize(("loss", "cut"), [("HybridDistillLoss", True), ("MultipleNegativesRankingLoss", False)])
def test_passages_are_learnt_without_their_anchors(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: Any, cut: bool
) -> None:
    path = tmp_path / "rows.jsonl"
    whole = [
        {"anchor": f"w{n} is said here", "positive": f"w{n} is said here and w{n} w{n + 1} stand after it"} for n in range(12)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in whole), encoding="utf-8")
    seen: list[pl.DataFrame] = []
    monkeypatch.setattr(fit, "to_dataset", lambda rows: seen.append(rows) or to_dataset(rows))
    train_model(path, tmp_path / "out", str(tiny_model), TrainSettings(loss=loss, max_steps=1, batch_size=4, device="cpu"))
    wanted = [f"  and w{n} w{n + 1} stand after it" if cut else whole[n]["positive"] for n in range(12)]
    assert seen
    assert all(rows["positive"].to_list() == wanted for rows in seen)


def test_gradients_reach_the_model(encoder: Any, teacher: Teacher) -> None:
    loss = hybrid_distillation(encoder, teacher, clashes(list(zip(ANCHORS, POSITIVES, strict=True))))
    rows = [0, 1, 6, 13, 18]
    loss([features(encoder, [texts[row] for row in rows]) for texts in (ANCHORS, POSITIVES)], torch.tensor(rows)).backward()
    gradients = [float(weights.grad.abs().sum()) for weights in encoder.parameters() if weights.grad is not None]
    assert all(math.isfinite(gradient) for gradient in gradients)
    assert sum(gradients) > 0


def neighbourhoods(vectors: Any, anchors: int, size: int) -> Neighbourhoods:
    place = [passage for passage in range(len(vectors)) for _ in range(anchors)]
    return Neighbourhoods(rows=len(place), size=size, seed=1, place=place, vectors=vectors)


def test_batches_hold_neighbours_and_every_passage_some_times_an_epoch() -> None:
    # Four directions, eight passages each.
    vectors = np.repeat(np.eye(4, dtype=np.float32), 8, axis=0)
    batches = neighbourhoods(vectors, 2, 8)
    assert batches.steps == 32
    for number in (0, 1):
        epoch = batches.epoch(number)
        passages = [sorted({row // 2 for row in batch}) for batch in epoch]
        assert sorted(passages) == [list(range(start, start + 8)) for start in (0, 8, 16, 24) for _ in range(8)]
        assert sorted(row for batch in epoch for row in batch) == sorted([*range(64)] * 8)
    assert batches.epoch(0) == neighbourhoods(vectors, 2, 8).epoch(0) != batches.epoch(1)


@pytest.mark.parametrize(
    ("passages", "steps", "times"),
    [
        # Eight times at most.
        (8, 8, {8}),
        (56, 56, {8}),
        # Sixty batches of eight: the last pass is cut where it is more than enough.
        (64, 60, {7, 8}),
        (240, 60, {2}),
        (328, 60, {1, 2}),
        (472, 60, {1, 2}),
        # Once at least.
        (480, 60, {1}),
        (2_000, 250, {1}),
    ],
)
def test_an_epoch_of_few_passages_has_them_more_often(passages: int, steps: int, times: set[int]) -> None:
    vectors = np.eye(8, dtype=np.float32)[np.arange(passages) % 8]
    batches = neighbourhoods(vectors, 1, 8)
    for number in range(2):
        epoch = batches.epoch(number)
        seen = Counter(row for batch in epoch for row in batch)
        assert (len(epoch), len(seen), set(seen.values())) == (steps, passages, times)
    assert batches.steps == steps


@pytest.mark.parametrize(("passages", "anchors", "epochs"), [(400, 6, 2), (472, 6, 2), (240, 6, 1), (200, 12, 2), (480, 6, 2)])
def test_all_anchors_have_their_turn_where_the_last_pass_is_cut(passages: int, anchors: int, epochs: int) -> None:
    vectors = np.eye(8, dtype=np.float32)[np.arange(passages) % 8]
    batches = neighbourhoods(vectors, anchors, 8)
    seen = {row for number in range(epochs) for batch in batches.epoch(number) for row in batch}
    assert len(seen) == passages * anchors


@pytest.mark.parametrize(
    ("passages", "processes", "accumulation", "steps"),
    [
        (240, 2, 1, 120),
        (240, 1, 2, 120),
        (240, 2, 2, 240),
        (104, 8, 1, 104),
        (4_000, 8, 1, 504),
        (1_928, 3, 1, 243),
        (40, 3, 1, 42),
    ],
)
def test_steps_are_those_of_all_processes_and_parts_and_none_lacks_a_passage(
    passages: int, processes: int, accumulation: int, steps: int
) -> None:
    vectors = np.eye(8, dtype=np.float32)[np.arange(passages) % 8]
    batches = replace(neighbourhoods(vectors, 1, 8), processes=processes, accumulation=accumulation)
    for number in range(2):
        epoch = batches.epoch(number)
        assert (len(epoch), {row for batch in epoch for row in batch}) == (steps, set(range(passages)))
    assert batches.steps == steps


def test_anchors_take_turns_and_a_small_rest_joins_the_last_batch() -> None:
    vectors = np.eye(9, dtype=np.float32)
    batches = neighbourhoods(vectors, 30, 8)
    assert batches.steps == 8
    for number in range(2):
        epoch = batches.epoch(number)
        assert [len(batch) for batch in epoch] == [27] * 8
        assert all({row // 30 for row in batch} == set(range(9)) for batch in epoch)
        # Twenty-four of the thirty anchors of each passage, and in two epochs all.
        assert len({row for batch in epoch for row in batch}) == 9 * 24
    assert {row for number in range(2) for batch in batches.epoch(number) for row in batch} == set(range(9 * 30))
