"""The terms of a text that can tell it from others: words, or in scripts without spaces the runs that are likely words."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

from curate.text import STOPWORDS, words

_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*|[^\W\d_]+\d+|\d+[^\W\d_]+")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff々]+")
_JAPANESE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff々]{2,8}|[\u30a1-\u30faー]{2,14}")
_KANA = re.compile(r"[\u3041-\u309f\u30a1-\u30fa]")
_SOUTH_EAST = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]{4,24}")
# Chinese function characters: words seldom go across them.
_HAN_FUNCTION = frozenset(
    "的了是在和与及或也都而被把对从到为以于之其这那有不我们你您他她它等就着过吗呢吧可会能将并但若如因所由更最很又还只则即且让使给向往当每各该此另"
    "个一二三四五六七八九十些种次年月日中上下里后前时"
)
WEAK_WORDS = frozenset(
    """able actually add added adding allow allows already although always another anything available away back based become becomes begin bit call called
    case cases certain change changes come comes common complete completely contain contains create created current default describe described different
    directly easily easy either end enough etc even every exactly example examples explain explained eg feature features find first follow followed
    following follows four full general get gets getting give given gives go goes going good great happen happens help here however ie important
    include included includes including information instead keep kind know known large later least less let lets like list little ll long look lot made main
    make makes making many maybe mean means mentioned much multiple must name need needed needs never new next nice normal normally nothing number often
    ok one ones option optional order original others otherwise part particular people perhaps place possible probably problem provide provided
    provides put quite rather re read really receive recommended related require required right run said say says second section see seem seen
    several show shown similar simple simply since small something sometimes start still support supported sure take taken takes tell thing things think
    though three time together top toward try two type typically understand unless use used useful user users uses using usually value values various
    ve version want wants way ways well whether within without word words work working works would write written year years yes yet beforehand please special turn prefer mind sense implement great course bit thing specific second day today around across become became
    whose several according large small high low long short old young big major minor early late among several""".split()
)
"""English words that seldom say what a passage is about."""

_SNOWBALL = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish", "eu": "basque",
    "fi": "finnish", "fr": "french", "hi": "hindi", "hu": "hungarian", "id": "indonesian", "it": "italian", "nl": "dutch", "no": "norwegian",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip


def terms_of(text: str, language: str) -> dict[str, int]:
    """Terms and how often each stands in the text, in order of first appearance. Function words and lone numbers are none."""
    counts: dict[str, int] = {}
    for word in words(text):
        if is_word(word):
            counts[word] = counts.get(word, 0) + 1
    for run in unspaced_terms(text, language):
        counts[run] = counts.get(run, 0) + 1
    return counts


def is_word(word: str) -> bool:
    """A word of letters (with hyphens, or digits at one end) of three characters or more that carries meaning."""
    return len(word) >= 3 and word not in STOPWORDS and _WORD.fullmatch(word) is not None


def unspaced_terms(text: str, language: str) -> list[str]:
    """Likely words of Chinese (two to four characters between function characters), Japanese (runs of kanji or katakana) and Thai."""
    text = unicodedata.normalize("NFKC", text)
    if language == "ja" or _KANA.search(text):
        return _JAPANESE.findall(text)
    found: list[str] = []
    for run in _HAN.findall(text):
        for piece in _pieces(run):
            if 2 <= len(piece) <= 4:
                found.append(piece)
            elif len(piece) > 4:
                found += [piece[i : i + size] for i in range(len(piece) - 1) for size in (2, 3, 4) if i + size <= len(piece)]
    return found + _SOUTH_EAST.findall(text)


def _pieces(run: str) -> list[str]:
    return "".join(" " if character in _HAN_FUNCTION else character for character in run).split()


def stem(word: str, language: str) -> str:
    """The word's Snowball stem; the word itself where there is no stemmer."""
    stemmer = _stemmer(language)
    return word if stemmer is None else str(stemmer.stemWord(word))


def content_stems(text: str, language: str = "en") -> frozenset[str]:
    """Stems of the words that tell what a text is about; question words and the like are none."""
    terms = (term.split("'")[0].split("’")[0] for term in terms_of(text, language))
    return frozenset(stem(term, language) for term in terms if term and term not in WEAK_WORDS and term not in STOPWORDS)


@lru_cache(maxsize=8)
def _stemmer(language: str) -> Any:
    import Stemmer  # kept out of start-up

    name = _SNOWBALL.get("en" if language == "und" else language)
    return None if name is None else Stemmer.Stemmer(name)
