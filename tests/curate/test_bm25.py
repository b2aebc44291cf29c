"""BM25: both engines against each other and against the formula, order of ties, hard inputs."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from curate.bm25 import K1, B, Engine, Index, Variant, build, build_numbered, number_texts, ranking, search_terms, tokenise

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


def test_scores_are_those_of_the_library_bm25s_to_the_bit() -> None:
    passages = [*corpus(400), ["group1"] * 9, []]
    library = bm25s.BM25(k1=K1, b=B, method="lucene", dtype="float32", backend="numpy")
    library.index(passages, show_progress=False)
    index = build("bm25s", passages)
    for i in range(60):
        query = [f"group{i % 9}", f"w{i}", f"w{i * 3}", f"only{i}"]
        terms = index.terms(query)
        # The library numbers its words otherwise; it is asked in our order, because sums of floats depend on it.
        names = {number: word for word, number in index.vocabulary.items()}
        theirs = library.get_scores([names[term] for term in terms])
        assert index.score(terms).tobytes() == theirs.tobytes()


def zipf_corpus(size: int) -> list[list[str]]:
    """Words by Zipf's law: the commonest stand in more than half of the passages."""
    random = np.random.default_rng(7)
    return [[f"w{word}" for word in random.zipf(1.3, length) if word < 5000] for length in random.integers(1, 90, size)]


def okapi_of(passages: list[list[str]], query: list[str]) -> list[float]:
    """By the library."""
    return [float(score) for score in BM25Okapi(passages, k1=K1, b=B).get_scores(query)]


def test_okapi_variant_has_the_scores_of_rank_bm25_on_zipf_text() -> None:
    passages = zipf_corpus(400)
    index = build("bm25s", passages, "okapi")
    common = [word for word in index.vocabulary if sum(word in passage for passage in passages) > 200]
    assert len(common) >= 2
    for i in range(50):
        query = [*common, f"w{i}", f"w{i * i}", "nowhere"]
        assert np.allclose(index.score(index.terms(query)), okapi_of(passages, query), atol=1e-4, rtol=1e-4)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=8), min_size=1, max_size=12).filter(any),
    st.lists(st.sampled_from("abcdefghz"), min_size=1, max_size=6),
)
def test_okapi_variant_has_the_scores_of_rank_bm25(passages: list[list[str]], query: list[str]) -> None:
    index = build("bm25s", passages, "okapi")
    assert np.allclose(index.score(index.terms(query)), okapi_of(passages, query), atol=1e-4, rtol=1e-4)
    found, scores = index.search([query], 5)
    _, reference_scores = build("rank-bm25", passages).search([query], 5)
    assert np.allclose(scores, reference_scores, atol=1e-4)
    assert (found >= 0).sum() == (scores > 0).sum()


def test_okapi_keeps_what_lucene_would_find_by_a_word_of_most_passages() -> None:
    passages = [["common", f"x{i}"] for i in range(9)] + [["rare", "rare"]]
    index = build("bm25s", passages, "okapi")
    mean = index.postings.idf.mean() if index.postings else 0.0
    raw = [math.log((10 - n + 0.5) / (n + 0.5)) for n in (9, *[1] * 10)]
    assert index.weights(index.terms(["common"])).tolist() == pytest.approx([0.25 * sum(raw) / 11])
    assert mean > 0


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("variant", ["lucene", "okapi"])
def test_scores_of_a_few_passages_are_those_of_all(engine: Engine, variant: Variant) -> None:
    index = build(engine, [*corpus(90), []], variant)
    terms = index.terms(["group3", "w5", "w5", "only7"])
    some = [0, 7, 3, 90, 12]
    assert index.scores_at(terms, some).tolist() == index.score(terms)[some].astype(np.float64).tolist()
    assert index.scores_at([], some).tolist() == [0.0] * 5


@pytest.mark.parametrize("variant", ["lucene", "okapi"])
def test_score_of_a_passage_outside_is_its_score_inside(variant: Variant) -> None:
    passages = corpus(50)
    index = build("bm25s", passages, variant)
    terms = index.terms(["group3", "w5", "only7"])
    assert index.score_outside(terms, passages[7]) == pytest.approx(float(index.score(terms)[7]), rel=1e-6)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abcdefghij"), max_size=9), min_size=1, max_size=40),
    st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=7),
    st.integers(1, 6),
    st.sampled_from(["lucene", "okapi"]),
)
def test_search_is_a_stable_sort_of_all_scores(passages: list[list[str]], query: list[str], k: int, variant: Variant) -> None:
    index = build("bm25s", passages, variant)
    terms = index.terms(query)
    scores = index.score(terms).tolist() if terms else [0.0] * len(passages)
    expected = sorted((i for i, score in enumerate(scores) if score > 0), key=lambda i: -scores[i])[:k]
    ids, found = index.search([query], k)
    assert ids[0, : len(expected)].tolist() == expected
    assert found[0, : len(expected)].tolist() == [scores[i] for i in expected]
    assert (ids[0, len(expected) :] == -1).all()


@pytest.mark.parametrize("variant", ["lucene", "okapi"])
def test_leaving_common_words_out_changes_no_bit(variant: Variant, monkeypatch: pytest.MonkeyPatch) -> None:
    passages = zipf_corpus(1500)
    index = build("bm25s", passages, variant)
    random = np.random.default_rng(3)
    # Rare words, common words, a word asked twice, a passage as its own query.
    queries = [[f"w{word}" for word in random.zipf(1.2, 6)] for _ in range(60)] + [
        ["w1", "w1", "w900", "w2"],
        ["w1"],
        passages[3],
    ]
    for k in (1, 10, 50):
        monkeypatch.setattr(ranking, "MANY", 10**9)
        added = index.search(queries, k)
        monkeypatch.setattr(ranking, "MANY", 0)
        left_out = index.search(queries, k)
        assert added[0].tobytes() == left_out[0].tobytes()
        assert added[1].tobytes() == left_out[1].tobytes()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("aaaabbbccdefghij"), max_size=9), min_size=1, max_size=60),
    st.lists(st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=7), min_size=1, max_size=3),
    st.integers(1, 6),
)
def test_leaving_common_words_out_changes_no_bit_of_small_corpora(
    passages: list[list[str]], queries: list[list[str]], k: int
) -> None:
    index = build("bm25s", passages)
    added = index.search(queries, k)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "MANY", 0)
        left_out = index.search(queries, k)
    assert [part.tobytes() for part in added] == [part.tobytes() for part in left_out]


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


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Error HTTP_404 again?", ["error", "http_404", "http", "404"]),
        ("Call foo.bar() here", ["call", "foo.bar", "foo", "bar"]),
        ("C++ and C#, or .NET.", ["c", "c++", "c", "c#", "net", ".net"]),
        ("pass --max-calls=5", ["pass", "max-calls", "max", "calls", "5"]),
        ("state-of-the-art", ["state-of-the-art", "state", "art"]),
        ("the heron's nest", ["heron's", "heron", "nest"]),
        ("pi is 3.14", ["pi", "3.14"]),
        ("release 2.0.1-rc1", ["release", "2.0.1-rc1", "2", "0", "1", "rc1"]),
        ("北京大学 HTTP_404", ["北", "京", "大", "学", "北京", "京大", "大学", "http_404", "http", "404"]),
        ("", []),
        ("... -- ++ #", []),
        ("see #1 and C+", ["see", "1", "c"]),
    ],
)
def test_identifiers_are_searched_whole_and_in_parts(text: str, terms: list[str]) -> None:
    assert search_terms(text) == terms


@pytest.mark.parametrize("query", ["HTTP_404", "404", "foo.bar()", "bar", "C++", "--max-calls", "max calls"])
def test_an_identifier_finds_its_passage_first(query: str) -> None:
    texts = [
        "Error HTTP_404 is raised by foo.bar() in C++ when --max-calls is reached.",
        *(f"Plain text {i} of class C." for i in range(9)),
    ]
    index = build_numbered("bm25s", [number_texts(texts)])
    assert index.search([index.tokens(query)], 1)[0].tolist() == [[0]]


def test_marks_tell_names_apart() -> None:
    index = build_numbered("bm25s", [number_texts(["A class in C.", "A class in C#.", "A class in C++."])])
    assert index.search([index.tokens("class C++"), index.tokens("class C#")], 1)[0].tolist() == [[2], [1]]


def test_a_stemmer_joins_forms_of_a_word() -> None:
    assert search_terms("Herons were nesting", "english") == ["heron", "nest"]
    assert search_terms("heron nest of max_calls", "english") == ["heron", "nest", "max_calls", "max", "call"]
    index = build_numbered("bm25s", [number_texts(["Herons were nesting.", "Owls."], "english")], stemmer="english")
    assert index.search([index.tokens("nested heron")], 1)[0].tolist() == [[0]]


TEXTS = st.lists(st.text("ab C+#._-'\u2019\n\u4eac\u90fd\u00df1!", max_size=25), max_size=8)


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS)
def test_numbered_texts_are_their_terms_whatever_came_before(texts: list[str], before: list[str]) -> None:
    number_texts(before)
    numbered = number_texts(texts)
    ends = np.cumsum(numbered.lengths).tolist()
    read = [
        [numbered.vocabulary[number] for number in numbered.numbers[end - length : end].tolist()]
        for end, length in zip(ends, numbered.lengths.tolist(), strict=True)
    ]
    assert read == [search_terms(text) for text in texts]
    assert numbered.vocabulary == list(dict.fromkeys(term for terms in read for term in terms))


def test_blocks_of_passages_make_one_index() -> None:
    texts = [" ".join(passage) for passage in corpus(100)]
    whole = build_numbered("bm25s", [number_texts(texts)])
    blocks = build_numbered("bm25s", (number_texts(texts[start : start + 7]) for start in range(0, 100, 7)))
    listed = build("bm25s", [search_terms(text) for text in texts])
    query = [["w5", "group3", "only40"]]
    for other in (blocks, listed):
        assert other.vocabulary == whole.vocabulary
        assert other.score(other.terms(query[0])).tobytes() == whole.score(whole.terms(query[0])).tobytes()
