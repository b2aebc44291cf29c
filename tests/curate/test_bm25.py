"""BM25: both engines against each other and against the formula, order of ties, hard inputs."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.bm25 import K1, B, Engine, Index, build, tokenise

ENGINES: tuple[Engine, ...] = ("bm25s", "rank-bm25")


def corpus(size: int) -> list[list[str]]:
    """Passages of words with a long tail, from arithmetic alone; no word stands in half of them."""
    return [
        [f"w{(i * 7919 + j * j * 31) % (11 + (j % 5) * 97)}" for j in range(5 + i % 23)] + [f"only{i}", f"group{i % 9}"]
        for i in range(size)
    ]


def lucene_scores(passages: list[list[str]], query: list[str]) -> list[float]:
    """BM25 as Kamphuis et al. (2020) write it for Lucene, term by term."""
    mean = sum(map(len, passages)) / len(passages)
    total = []
    for passage in passages:
        score = 0.0
        for term in query:
            holding = sum(term in other for other in passages)
            if holding == 0:
                continue
            idf = math.log(1 + (len(passages) - holding + 0.5) / (holding + 0.5))
            frequency = passage.count(term)
            score += idf * frequency / (frequency + K1 * (1 - B + B * len(passage) / mean))
        total.append(score)
    return total


@pytest.mark.parametrize("engine", ENGINES)
def test_finds_the_passage_that_holds_the_rare_word(engine: Engine) -> None:
    ids, scores = build(engine, corpus(60)).search([["only17"], ["only3", "group3"]], 3)
    assert ids[0].tolist() == [17, -1, -1]
    assert scores[0, 1:].tolist() == [0.0, 0.0]
    assert ids[1, 0] == 3
    assert (ids.shape, scores.shape, ids.dtype, scores.dtype) == ((2, 3), (2, 3), np.dtype("int64"), np.dtype("float64"))


def test_bm25s_scores_are_the_formula() -> None:
    passages = corpus(40)
    query = ["group4", "w5", "w5", "absent"]
    ids, scores = build("bm25s", passages).search([query], 10)
    expected = lucene_scores(passages, query)
    order = sorted(range(40), key=lambda i: (-round(expected[i], 5), i))[:10]
    assert np.allclose(scores[0], sorted(expected, reverse=True)[:10], rtol=1e-5)
    assert ids[0].tolist() == order


def test_bm25s_with_okapi_weights_ranks_like_rank_bm25() -> None:
    passages = corpus(300)
    queries = [[f"group{i % 9}", f"w{i}", f"w{i + 40}", f"only{i}"] for i in range(80)]
    ids, scores = build("bm25s", passages, "okapi").search(queries, 10)
    reference_ids, reference_scores = build("rank-bm25", passages).search(queries, 10)
    assert np.allclose(scores, reference_scores, rtol=1e-4)
    for mine, theirs, score in zip(ids, reference_ids, reference_scores, strict=True):
        # Scores that differ only by float32 rounding may swap places, so compare those clear of the tenth.
        clear = [int(i) for i, s in zip(theirs, score, strict=True) if s > score[-1] * 1.0001]
        assert set(clear) <= set(mine.tolist())


def test_default_engines_agree_on_nearly_all_of_the_top_ten() -> None:
    passages = corpus(300)
    queries = [[f"group{i % 9}", f"w{i}", f"w{i + 40}", f"only{i}"] for i in range(80)]
    ids, _ = build("bm25s", passages).search(queries, 10)
    reference, _ = build("rank-bm25", passages).search(queries, 10)
    shared = [len(set(a.tolist()) & set(b.tolist())) / 10 for a, b in zip(ids, reference, strict=True)]
    assert sum(shared) / len(shared) > 0.9
    assert (ids[:, 0] == reference[:, 0]).mean() > 0.95


@pytest.mark.parametrize("engine", ENGINES)
def test_equal_scores_come_in_order_of_position(engine: Engine) -> None:
    passages = [["filler", f"x{i}"] for i in range(30)] + [["target", f"y{i}"] for i in range(20)]
    ids, scores = build(engine, passages).search([["target"]], 7)
    assert ids[0].tolist() == [30, 31, 32, 33, 34, 35, 36]
    assert len(set(scores[0].tolist())) == 1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("passages", "queries"),
    [([], [["a"]]), ([[], []], [["a"]]), ([["a"], ["b"], ["c"]], [[]]), ([["a"], ["b"], ["c"]], [["zz"]])],
)
def test_nothing_to_find(engine: Engine, passages: list[list[str]], queries: list[list[str]]) -> None:
    ids, scores = build(engine, passages).search(queries, 2)
    assert ids.tolist() == [[-1, -1]]
    assert scores.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("engine", ENGINES)
def test_no_queries_and_no_places(engine: Engine) -> None:
    index = build(engine, corpus(5))
    assert index.search([], 4)[0].shape == (0, 4)
    assert index.search([["only1"]], 0)[0].shape == (1, 0)
    assert index.size == 5


def test_bm25s_works_on_two_passages() -> None:
    ids, _ = build("bm25s", [["shared", "left"], ["shared", "right"]]).search([["right"], ["shared"]], 2)
    assert ids.tolist() == [[1, -1], [0, 1]]


@pytest.mark.parametrize("engine", ENGINES)
def test_threads_and_batches_give_the_same_bytes(engine: Engine) -> None:
    index = build(engine, corpus(120))
    queries = [[f"group{i % 9}", f"w{i}"] for i in range(40)]
    whole = index.search(queries, 8)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda start: index.search(queries[start : start + 5], 8), range(0, 40, 5)))
    assert np.concatenate([ids for ids, _ in parts]).tobytes() == whole[0].tobytes()
    assert np.concatenate([scores for _, scores in parts]).tobytes() == whole[1].tobytes()


@pytest.mark.parametrize("engine", ENGINES)
def test_word_order_of_the_query_changes_nothing(engine: Engine) -> None:
    index = build(engine, corpus(120))
    query = [f"w{i}" for i in range(12)] + ["group2", "only40"]
    first, second = index.search([query], 20), index.search([query[::-1]], 20)
    assert first[0].tobytes() == second[0].tobytes()
    assert first[1].tobytes() == second[1].tobytes()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6), max_size=12),
    st.lists(st.sampled_from("abcdefghz"), max_size=5),
    st.integers(1, 15),
    st.sampled_from(ENGINES),
)
def test_rows_are_ordered_and_padded(passages: list[list[str]], query: list[str], k: int, engine: Engine) -> None:
    index: Index = build(engine, passages)
    ids, scores = index.search([query], k)
    kept = [(int(i), float(s)) for i, s in zip(ids[0], scores[0], strict=True) if i >= 0]
    assert ids[0, len(kept) :].tolist() == [-1] * (k - len(kept))
    assert all(s > 0 for _, s in kept)
    assert all((-a[1], a[0]) < (-b[1], b[0]) for a, b in pairwise(kept))
    assert all(set(query) & set(passages[i]) for i, _ in kept)


def test_tokens_of_chinese_hold_characters_and_pairs() -> None:
    assert tokenise("北京大学 HTTP") == ["北", "京", "大", "学", "http", "北京", "京大", "大学"]


def test_chinese_query_finds_its_passage() -> None:
    texts = ["大学生活很有趣。", "北京大学成立于一八九八年。", "学习大提琴需要时间。", "京剧是北方的戏。"]
    index = build("bm25s", [tokenise(text) for text in texts])
    ids, _ = index.search([tokenise("北京大学什么时候成立")], 1)
    assert ids.tolist() == [[1]]


def test_stopwords_are_dropped_on_request() -> None:
    assert tokenise("What is the capital of Peru?", drop_stopwords=True) == ["capital", "peru"]
    assert tokenise("What is the capital of Peru?") == ["what", "is", "the", "capital", "of", "peru"]
