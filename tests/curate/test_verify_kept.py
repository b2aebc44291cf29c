"""Vectors and scores kept by text and model."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.verify.kept import Kept, pair_sha256, text_sha256
from schemas.errors import StoreError

ROOT = Path(__file__).resolve().parents[2]


def vectors(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def test_vectors_come_back_bit_by_bit_for_their_own_model_alone(tmp_path: Path) -> None:
    given = vectors([0.1, -2.5e-20, 3.0], [1 / 3, 0.0, -1.0])
    with Kept(tmp_path) as kept:
        kept.put_vectors("one", ["a", "b"], given)
        kept.put_vectors("two", ["a"], vectors([9.0]))
    with Kept(tmp_path) as kept:
        found = kept.vectors("one", ["b", "a", "c", "a"])
        assert {key: vector.tolist() for key, vector in found.items()} == {
            text_sha256("a"): given[0].tolist(),
            text_sha256("b"): given[1].tolist(),
        }
        assert {vector.dtype for vector in found.values()} == {np.dtype(np.float32)}
        assert kept.vectors("two", ["a", "b"])[text_sha256("a")].tolist() == [9.0]
        assert kept.vectors("three", ["a"]) == {}


def test_vectors_lie_as_little_endian_floats_of_four_bytes(tmp_path: Path) -> None:
    with Kept(tmp_path) as kept:
        kept.put_vectors("one", ["a"], vectors([1.0, -2.0]))
    with sqlite3.connect(tmp_path / "scores.sqlite") as connection:
        rows = connection.execute("SELECT text, vector FROM vectors").fetchall()
    connection.close()
    assert rows == [(bytes.fromhex(text_sha256("a")), bytes.fromhex("0000803f000000c0"))]


def test_scores_belong_to_a_pair_and_a_model(tmp_path: Path) -> None:
    with Kept(tmp_path) as kept:
        kept.put_scores("one", [("a", "b"), ("b", "a"), ("ab", "")], [0.25, 0.5, 1.0])
        kept.put_scores("one", [("a", "b")], [0.75])
        pairs = [("a", "b"), ("b", "a"), ("", "ab"), ("ab", "")]
        assert kept.scores("one", pairs) == {
            pair_sha256("a", "b"): 0.75,
            pair_sha256("b", "a"): 0.5,
            pair_sha256("ab", ""): 1.0,
        }
        assert kept.scores("two", pairs) == {}


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_two_pairs_share_a_key_only_when_they_are_the_same(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (pair_sha256(*one) == pair_sha256(*other)) == (one == other)


def test_lone_surrogates_have_keys_of_their_own() -> None:
    assert len({text_sha256("\ud800"), text_sha256("\ud801"), text_sha256("?")}) == 3


def test_more_texts_than_one_question_to_the_file_takes(tmp_path: Path) -> None:
    texts = [str(number) for number in range(1203)]
    with Kept(tmp_path) as kept:
        kept.put_vectors("one", texts, np.arange(1203, dtype=np.float32)[:, None])
        found = kept.vectors("one", texts)
    assert [found[text_sha256(text)].tolist() for text in texts] == [[float(number)] for number in range(1203)]


def test_what_is_no_number_is_never_kept(tmp_path: Path) -> None:
    with Kept(tmp_path) as kept:
        with pytest.raises(ValueError, match="a vector is not finite"):
            kept.put_vectors("one", ["a", "b"], vectors([1.0], [np.nan]))
        with pytest.raises(ValueError, match="a score is not finite"):
            kept.put_scores("one", [("a", "b")], [np.inf])
        assert kept.vectors("one", ["a", "b"]) == {}
        assert kept.scores("one", [("a", "b")]) == {}


@pytest.mark.parametrize("blob", [b"", b"\0\0\0", b"\0\0\xc0\x7f", "text", None])
def test_a_damaged_vector_is_not_given_out(tmp_path: Path, blob: object) -> None:
    with Kept(tmp_path) as kept:
        kept.put_vectors("one", ["a", "b"], vectors([1.0], [2.0]))
    with sqlite3.connect(tmp_path / "scores.sqlite") as connection:
        connection.execute("UPDATE vectors SET vector = coalesce(?, 7) WHERE text = ?", (blob, bytes.fromhex(text_sha256("a"))))
    connection.close()
    with Kept(tmp_path) as kept:
        assert list(kept.vectors("one", ["a", "b"])) == [text_sha256("b")]


def test_a_file_that_is_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / "scores.sqlite").write_text("no database " * 100)
    with pytest.raises(StoreError) as caught:
        Kept(tmp_path)
    assert caught.value.what == "cannot use the store of vectors and scores: file is not a database"
    assert caught.value.where == str(tmp_path / "scores.sqlite")
    assert caught.value.next_step == (
        "check the folder's rights and free space; a damaged file can be deleted, its numbers are then computed again"
    )


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot use the store of vectors and scores"):
        Kept(tmp_path / "file")


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with Kept(tmp_path) as kept:
        kept.put_vectors("one", ["a"], vectors([1.0]))
        kept._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreError, match="attempt to write a readonly database"):
            kept.put_vectors("one", ["b"], vectors([2.0]))


def test_two_builds_may_write_at_once(tmp_path: Path) -> None:
    with Kept(tmp_path) as one, Kept(tmp_path) as other:
        one.put_scores("m", [("a", "b")], [0.5])
        other.put_scores("m", [("a", "b"), ("c", "d")], [0.5, 0.25])
        assert one.scores("m", [("c", "d")]) == {pair_sha256("c", "d"): 0.25}


def test_a_kill_leaves_whole_blocks(tmp_path: Path) -> None:
    code = (
        "import os, sys, numpy as np; from pathlib import Path; from curate.verify.kept import Kept\n"
        "kept = Kept(Path(sys.argv[1]))\n"
        "kept.put_vectors('m', ['a', 'b'], np.ones((2, 3), np.float32))\n"
        "kept._connection.execute('BEGIN IMMEDIATE')\n"
        "kept._connection.execute('INSERT INTO vectors VALUES (1, x\\'00\\', x\\'00000000\\')')\n"
        "os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == 9
    with Kept(tmp_path) as kept:
        assert sorted(kept.vectors("m", ["a", "b", "c"])) == sorted([text_sha256("a"), text_sha256("b")])
        assert kept._connection.execute("SELECT count(*) FROM vectors").fetchone() == (2,)
