"""How many words of a question set its passage apart from the rest of the corpus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from curate.bm25 import tokenise
from curate.verify.quotes import stemmer

COMMON_SHARE = 0.25
"""A word that stands in more chunks than this is the subject of the whole corpus."""
FEWEST_CHUNKS = 8
"""With fewer chunks no word counts as common: there is nothing to be set apart from."""

_SAYS_NOTHING = """main primary key common general typical basic overall other different various several certain specific particular important best
good better purpose purposes role roles name names type types kind kinds sort way ways thing things part parts step steps component components
element elements aspect aspects feature features benefit benefits advantage advantages disadvantage disadvantages example examples case cases use uses used using usage
usage difference differences work works working do does done make makes made get gets give gives given mean means meaning definition define explain
describe provide list option options objective objectives goal goals reason reasons result results effect effects process processes
method methods approach information detail details question questions answer answers tool tools people person user users help"""


@lru_cache(maxsize=1)
def _nothing() -> frozenset[str]:
    return stems(_SAYS_NOTHING.split())


def specific_words(question: str, common: frozenset[str]) -> int:
    """Distinct words (stems) of the question besides function words, words that any question may hold, and those common to the corpus."""
    return len(stems(tokenise(question, drop_stopwords=True)) - _nothing() - common)


def common_stems(counts: Mapping[str, int], chunks: int) -> frozenset[str]:
    """Stems in more than a quarter of the chunks; `counts` says in how many chunks each stands."""
    if chunks < FEWEST_CHUNKS:
        return frozenset()
    return frozenset(stem for stem, count in counts.items() if count > COMMON_SHARE * chunks)


def stems(tokens: Iterable[str]) -> frozenset[str]:
    """Stems of tokens; single letters are none, and unspaced scripts are left as they are."""
    stem = stemmer()
    return frozenset(stem(token) if token.isascii() else token for token in tokens if len(token) > 1)
