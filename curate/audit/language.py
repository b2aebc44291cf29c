"""Texts in another language than the dataset's: a cheap look at common words first, the detector for what that leaves in doubt."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import polars as pl

from curate.audit.findings import findings
from curate.audit.texts import Dataset, slices
from curate.languages import LANGUAGES
from curate.stage import Engine
from curate.text import UNSPACED_CHARACTER, detect_language, words
from schemas.audit import DatasetFinding

_SAMPLE = 1500
_LOOKED_AT = 400
"""Characters of a text that are looked at."""
_COMMON_WORDS = 60
_COMMON_SHARE = 0.12
"""Share of a text's words that are common words of the dataset, from which it is in its language: of English texts 0.3 to 0.5."""
MOST = 0.8
"""Share of the sample that must be in one language for others to be a minority."""
LEAST_LETTERS = 40
"""Of shorter texts names and terms mislead the detector."""
LEAD = 10.0
"""Log probability by which the language leads the dataset's."""
_AT_ONCE = 500


def languages(dataset: Dataset, engine: Engine) -> tuple[list[pl.DataFrame], list[DatasetFinding]]:
    """Findings about rows, and about the dataset when it has no main language."""
    texts = dataset.texts["text"]
    sample = texts.gather_every(max(1, len(texts) // _SAMPLE))
    seen = _detected(sample.str.slice(0, _LOOKED_AT).to_list(), "", engine)
    told = Counter(code for code in seen if code != "und")
    if not told:
        return [], []
    (main, most), total = told.most_common(1)[0], told.total()
    if most < MOST * total:
        shares = ", ".join(
            f"{LANGUAGES.get(code, code)} {count / total:.0%}"
            for code, count in sorted(told.items(), key=lambda item: (-item[1], item[0]))
            if count >= 0.02 * total
        )
        mixed = (
            [DatasetFinding(kind="several_languages", group="language", detail=f"of a sample {shares}")] if len(told) > 1 else []
        )
        return _mixed(dataset, _others(texts, "", [], engine)) if shares else [], mixed
    common = _common_words([text for text, code in zip(sample.to_list(), seen, strict=True) if code == main])
    return _minority(dataset, _others(texts, main, common, engine), main), []


def _detected(texts: Sequence[str], main: str, engine: Engine) -> list[str]:
    blocks = [([*texts[start : start + _AT_ONCE]], main) for start in range(0, len(texts), _AT_ONCE)]
    return [code for block in engine.map(detected, blocks) for code in block]


def detected(block: tuple[Sequence[str], str]) -> list[str]:
    """The language of each text; "und" where it cannot be told, or does not clearly lead the main one."""
    texts, main = block
    return [_language(text, main) for text in texts]


def _language(text: str, main: str) -> str:
    if not main:
        code = detect_language(text, LEAST_LETTERS)
        return code if code in LANGUAGES else "und"
    if UNSPACED_CHARACTER.search(text) is None and sum(character.isalpha() for character in text) < LEAST_LETTERS:
        return "und"
    import py3langid  # 0.6 s to load

    scores = {str(code): float(score) for code, score in py3langid.rank(text)}
    first = max(scores, key=lambda code: scores[code])
    return first if first == main or (first in LANGUAGES and scores[first] - scores.get(main, -math.inf) >= LEAD) else "und"


def _common_words(texts: Sequence[str]) -> list[str]:
    """Words of two letters or more in the most texts of the sample: function words, whatever the language."""
    counts = Counter(word for text in texts for word in set(words(text[:_LOOKED_AT])) if len(word) > 1 and word.isalpha())
    return sorted(word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_COMMON_WORDS])


def _others(texts: pl.Series, main: str, common: Sequence[str], engine: Engine) -> pl.DataFrame:
    """text, language of the texts that are not clearly in the main language; "und" where it cannot be told."""
    found: list[tuple[int, str]] = []
    pattern = r"\b(?:" + "|".join(common) + r")\b"
    for start, block in slices(texts):
        frame = block.str.slice(0, _LOOKED_AT).to_frame("value").with_row_index("text", offset=start)
        if common:
            low = pl.col("value").str.to_lowercase()
            frame = frame.filter(low.str.count_matches(pattern) < _COMMON_SHARE * low.str.count_matches(r"\p{L}+"))
        codes = _detected(frame["value"].to_list(), main, engine)
        found += [(number, code) for number, code in zip(frame["text"].to_list(), codes, strict=True) if code != main]
    return pl.DataFrame(found, schema={"text": pl.UInt32, "language": pl.String}, orient="row")


def _minority(dataset: Dataset, others: pl.DataFrame, main: str) -> list[pl.DataFrame]:
    """Rows in another language, and rows of which one text is; what cannot be told counts for neither."""
    named = others.with_columns(pl.col("language").replace(LANGUAGES))
    hits = dataset.sides.join(named.filter(pl.col("language") != "und"), on="text", how="inner", maintain_order="left")
    own = dataset.sides.join(hits.select("row").unique(), on="row", how="semi").join(named.select("text"), on="text", how="anti")
    first = hits.unique("row", keep="first", maintain_order=True)
    said = pl.format("{} in {}, the dataset is in {}", "role", "language", pl.lit(LANGUAGES.get(main, main)))
    beside = own.select("row").unique()
    return [
        findings(first.join(beside, on="row", how="anti", maintain_order="left"), "minority_language", said),
        findings(first.join(beside, on="row", how="semi", maintain_order="left"), "mixed_languages", said),
    ]


def _mixed(dataset: Dataset, codes: pl.DataFrame) -> list[pl.DataFrame]:
    """In a dataset of several languages: anchor and first passage that differ."""
    known = codes.filter(pl.col("language") != "und").with_columns(pl.col("language").replace(LANGUAGES))
    anchors = dataset.side("anchor").join(known, on="text", how="inner", maintain_order="left").select("row", asked="language")
    others = dataset.side("positive", "passage").join(known, on="text", how="inner", maintain_order="left")
    differ = others.join(anchors, on="row", how="inner", maintain_order="left").filter(pl.col("asked") != pl.col("language"))
    return [findings(differ, "mixed_languages", pl.format("anchor in {}, {} in {}", "asked", "role", "language"), error=False)]
