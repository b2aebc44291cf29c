"""Kinds of questions: which kind a real query is, what mix they make, and which kinds a chunk is asked for."""

from __future__ import annotations

from collections import Counter

import pytest

from curate.generate.styles import OTHER_STYLE, STYLES, drawn, mix_of, named_style, style_of, weights_of
from schemas.settings import StyleWeights


@pytest.mark.parametrize(
    ("query", "style"),
    [
        ("fastapi cors middleware", "keywords"),
        ("apache mod_rewrite redirect https", "keywords"),
        ("how to enable cors in fastapi", "how_to"),
        ("uvicorn not working behind nginx", "how_to"),
        ("TypeError when calling a dependency", "keywords"),
        ("import fails with circular dependency error", "how_to"),
        ("What is a coroutine?", "definition"),
        ("what are path parameters", "definition"),
        ("define idempotent", "definition"),
        ("difference between Body and Form", "comparison"),
        ("nginx vs apache for static files", "comparison"),
        ("Which version introduced lifespan events?", "factoid"),
        ("How many workers does gunicorn start?", "factoid"),
        ("what is the default port of httpd", "factoid"),
        ("Why does my server forget cookies?", "natural"),
        ("Can a dependency be a class?", "natural"),
        ("I moved my site to a new host. Now every login loses its session. What do I have to change?", "situational"),
        ("什么是协程？", "natural"),
        ("路径 参数", "keywords"),
        ("what is " + "." * 300 + " b c d e", "natural"),  # takes minutes where the pattern tries every way to cut it
    ],
)
def test_the_kind_of_a_real_query(query: str, style: str) -> None:
    assert style_of(query) == style


def test_the_mix_is_the_share_of_each_kind_in_a_fixed_order() -> None:
    mix = mix_of(["What is a coroutine?", "cors middleware", "cookies session", "Why does it rain?"])
    assert mix == {"keywords": 0.5, "natural": 0.25, "definition": 0.25}
    assert list(mix) == ["keywords", "natural", "definition"]


def test_weights_of_nought_and_several_chunks_are_left_out() -> None:
    weights = weights_of(StyleWeights(natural=0, multi_chunk=5))
    assert list(weights) == [style for style in STYLES if style != "natural"]


def test_drawn_kinds_differ_follow_the_weights_and_stay_with_the_chunk() -> None:
    mix = {"keywords": 3.0, "natural": 1.0, "how_to": 1.0}
    assert drawn(mix, 3, 13, "a") == drawn(mix, 3, 13, "a")
    assert sorted(drawn(mix, 3, 13, "a")) == sorted(mix)
    assert drawn(mix, 4, 13, "a") == [*drawn(mix, 3, 13, "a"), drawn(mix, 1, 13, "a")[0]]
    first = Counter(drawn(mix, 1, 13, f"chunk {number}")[0] for number in range(1000))
    # The first of a weighted draw is the kind with a chance of its share: 600, 200, 200 of 1,000.
    assert {style: round(count, -2) for style, count in first.items()} == {"keywords": 600, "natural": 200, "how_to": 200}
    assert {drawn(mix, 1, seed, "a")[0] for seed in range(20)} == set(mix)


@pytest.mark.parametrize(
    ("name", "style"),
    [
        ("How-To", "how_to"),
        ("factual", "factoid"),
        ("reason", "natural"),
        ("keywords", "keywords"),
        ("terms", OTHER_STYLE),
        ("", OTHER_STYLE),
    ],
)
def test_what_a_model_calls_a_style(name: str, style: str) -> None:
    assert named_style(name) == style


def test_all_weights_nought_are_refused() -> None:
    nothing = dict.fromkeys(STYLES, 0.0)
    with pytest.raises(ValueError, match="at least one kind"):
        StyleWeights(**nothing, multi_chunk=1)
