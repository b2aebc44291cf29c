"""Wording that makes a question depend on its passage: "this passage", "the author", an "it" without a noun before it.

Tables of phrases and a few rules of position, no model; kept narrow, because a good question killed costs more than a poor one that a later
gate still sees. Text in double quotes or backticks is talked about, not used, and is left out.
"""

from __future__ import annotations

import re

from curate.text import STOPWORDS
from curate.verify.form import LONGEST

_TEXTS = (
    r"(?:passages?|documents?|sections?|articles?|texts?|chapters?|paragraphs?|excerpts?|extracts?|snippets?|code snippets?|code blocks?|code examples?"
    r"|papers?|studies|study|reports?|examples?|tables?|figures?|diagrams?|images?|pictures?|charts?|graphs?|listings?|tutorials?|guides?"
    r"|contexts?|scenarios?|stories|story|essays?|sentences?|statements?|quotes?|quotations?|abstracts?|summary|pages?|website|blog post|post"
    r"|fragments?|notes?|transcript|dialogue|conversation|interview)"
)
_PLAIN_TEXTS = r"(?:passage|text|document|article|excerpt|extract|paragraph|section|chapter|snippet|author'?s? (?:text|words)|context|material|reading|selection|story|study|paper|report|table|figure|example)"
_SAYS = (
    r"(?:say|state|mention|suggest|imply|argue|discuss|describe|claim|recommend|conclude|explain|refer|mean|think|believe|present|provide"
    r"|propose|emphasi[sz]e|highlight|cover|focus|indicate|define|warn|advise|compare|contrast|list|give|tell|outline|assert|note|point out|illustrate"
    r"|consider|criticize|view|feel|want|hope|intend|attribute|cite|identify|use|find|show|address)(?:s|d|ed)?"
)
_GIVEN = r"(?:mentioned|described|listed|shown|discussed|given|stated|outlined|presented|provided|explained|noted|referred to|referenced|highlighted|cited|quoted|used|defined|illustrated|depicted|specified|covered|introduced)"
_PEOPLE = r"(?:authors?|writers?|narrators?|speakers?|interviewees?|researchers|reporters?)"
_TIME = r"(?:years?|days?|weeks?|months?|decades?|century|centuries|seasons?|morning|evening|night|summer|winter|spring|autumn|fall|time|era|period|age|moment|date|way|kind|sort|type|world|planet|country)"

_PHRASES: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"\b(?:this|these|those) (?:\w+ )?{_TEXTS}\b(?! of (?:life|origin))",
        rf"\bthe (?:given|above|following|preceding|previous|provided|present|current|quoted|attached|accompanying) (?:\w+ )?{_TEXTS}\b",
        r"\bthe (?:given|provided) (?:code|function|information|data|options|problem|content|details|description)\b",
        r"\b(?:which|what|who|any|one|all|none|each|some|most|both|two|three|either|neither) of the (?:following|above)\b",
        r"\bthe (?:above|aforementioned|above-mentioned)\b",
        rf"\bthe following (?!{_TIME}\b)(?:\w+ )*?(?:is|are|does|do|code|statements?|options?|list|steps?|functions?|questions?|words?|command)\b",
        rf"\b{_GIVEN} (?:above|below|earlier|previously|here|herein)\b",
        rf"\bthe (?:method|thing|function|approach|technique|process|tool|option|feature|command|problem|system|concept|person|event|class|setting|way|case|situation|step|procedure|mechanism|one)s? (?:above|{_GIVEN})\b(?! (?:by|in|on|as|for|at|with|from|to|of|when|where|the|a|an|\w+'s)\b)",
        rf"\b{_GIVEN} (?:in|by|on|within|throughout) (?:the|this|that) {_PLAIN_TEXTS}\b(?! (?:of|from|by|on|about|tag|element|called|named|titled)\b)",
        rf"\b(?:according to|based on|based upon|from|per) (?:the|this|that) {_PLAIN_TEXTS}(?: above| below| provided)?\s*(?:[?,.]|$|what|which|who|how|why|when|where|is|are|does|do)",
        rf"\b(?:according to|based on) (?:the|this) (?:{_PEOPLE}|information|content|source|provided \w+|given \w+)(?:\s*[?,.]|\s*$| provided| given| in the)",
        r"\b(?:this|these|those) (?:type|kind|sort)s? of\b",
        r"\bsuch an? \w+\b(?! \w+ (?:as|that)\b|,? (?:as|that)\b)|\bsuch (?:cases|situations|problems|errors|issues|scenarios|things|attacks|methods)\b(?!,? (?:as|that)\b)",
        r"\bin the (?:passage|excerpt|given text|text|article|paragraph)\s*[?,.]?\s*$",
        r"\b(?:the|this) (?:passage|excerpt)(?:'s)?\b(?! (?:of|through|from|to|for|between|into|rate|time|tomb|grave|tombs|graves|number|way|ship)\b)",
        rf"\b(?:does|do|did|is|are|was|were|can|could|would|might|has|have|had) the (?:text|article|document|section|chapter|study|paper|report|story|example|essay|snippet|{_PEOPLE})(?: \w+ly)? (?:{_SAYS}|discussing|describing|referring|trying|mainly|primarily|saying|about)\b",
        rf"\bthe {_PEOPLE}(?:'s|s'|’s|s’)? (?:{_SAYS}|main|primary|purpose|opinion|view|attitude|tone|point|argument|intention|perspective|claim|thesis)\b",
        r"\b(?:by|to|of|for|with) the (?:authors?|narrator)\s*(?:[?,.]|$)",
        r"\b(?:fig\.|figure|table|equation|listing) \d+(?:\.\d+)*\b(?! (?:of|in) [A-Z])",
        r"\b(?:main|central|primary) (?:idea|topic|theme|point|purpose|focus|subject|argument) (?:of|in) (?:the|this) (?:text|article|document|section|chapter|paragraph|passage|story|essay)\b",
    )
)
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|`[^`]*`|«[^»]*»|„[^“]*“|「[^」]*」|『[^』]*』")

_WH = r"(?:what|which|who|whom|whose|where|when|why|how)"
_HELP = r"(?:is|are|was|were|be|do|does|did|has|have|had|can|could|may|might|must|shall|should|will|would|isn't|aren't|wasn't|weren't|don't|doesn't|didn't|can't|won't)"
_IT = r"(?:it|they|he|she|this|these)"
_LEADING = re.compile(
    rf"^\W*(?:(?:in|on|at|to|from|of|for|by|with|under|into)\s+)?{_WH}(?P<noun>(?:\s+[\w'’-]+){{0,3}}?)\s+{_HELP}(?:n't|\s+not)?\s+(?P<it>{_IT})\b(?P<rest>.*)",
    re.I | re.S,
)
_YES_NO = re.compile(rf"^\W*{_HELP}\s+(?P<it>{_IT})\b(?P<rest>.*)", re.I | re.S)
_STATEMENT = re.compile(r"^\W*(?P<it>it|they|he|she|this|these|those|its|their|his|her)\b(?P<rest>.*)", re.I | re.S)
# "Before this, …", "Because of that, …": a sentence that goes on from the one before it.
_OPENING = re.compile(
    r"^\W*(?:(?:before|after|because of|due to|owing to|despite|in spite of|besides|with|without|from|in|for|by|until|since|like|unlike|on"
    r"|instead of|in addition to|as a result of|apart from|other than|following|given|along with|together with|prior to|thanks to|beyond)"
    r"\s+)(?:this|that|these|those|it|them|all this|all that|which)\s*,",
    re.I,
)
_OWNED = re.compile(rf"^\W*{_WH}(?:\s+\w+)?\s+(?:is|are|was|were|do|does|did|can|will)\s+(?P<it>its|their|his|her)\s", re.I)
_NAME_OF = re.compile(
    r"\b(?:name|purpose|role|age|size|date|title|cause|meaning) of (?P<it>his|her|its|their|him|it|them)\b", re.I
)
_ENDING = re.compile(r"^\W*(?:\S+\s+){1,5}(?P<it>this|these|it|them)\s*[?.]?\s*$", re.I)
# "those defined at configuration time" says itself which ones.
_WHICH_ONES = r"[^\W\d_]+(?:ed|ing|en)\s+(?:about|as|at|by|during|for|from|in|into|of|on|to|under|with|without)\b"
_POINTED = re.compile(rf"\b(?P<it>this|these|those(?!\s+{_WHICH_ONES}))\s+(?!{_TIME}\b)(?P<noun>[^\W\d_]{{3,}})", re.I)
_AT_THE_END = re.compile(r"\b(?:this|these|those) (?P<noun>[^\W\d_]{3,}(?: [^\W\d_]+){0,2})\s*[?.]?\s*$", re.I)
_TIME_WORD = re.compile(rf"^{_TIME}\b", re.I)
_PERSON = re.compile(r"\b(?P<it>he|she|his|her|him|himself|herself)\b", re.I)
_SOMEONE = re.compile(
    r"\b(?:a|an|each|every|any|no|the|his|her|your|my|our)\s+[\w-]+(?:\s+[\w-]+)?|\b(?:someone|somebody|anyone|one|person|people|who|god|mother|father|child|women|men)\b",
    re.I,
)

# "It is possible to …", "How long does it take to …", "What does it mean to …": an "it" that stands for nothing.
_EXPLETIVE = re.compile(
    r"^\s+(?:(?:\w+\s+){0,4}?(?:to|that|if|whether|when|while|how|what|which|who|for\s+\w+\s+\w+|like\s+to|\w+ing)\b|(?:take|cost|mean|feel|hurt|matter|seem|appear|make|look|help|require|rain|snow|happen)\w*\s+(?:\w+\s+){0,4}?(?:to|for|that|when|if|as)\b|(?:raining|snowing|dark|hot|cold|time)\b)",
    re.I,
)
_EXPLETIVE_DO = re.compile(
    r"^\s+(?:take|cost|mean|feel|hurt|matter|seem|appear|make|look|help|require|rain|snow|happen)\w*\s+(?:\w+\s+){0,8}?(?:to|for|that|when|if|as)\b",
    re.I,
)

_OTHER_LANGUAGES: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        # German
        r"\b(?:dies(?:er|em|en|es|e)|(?:de[rmns]|die|das) (?:vorliegenden?|obigen?|folgenden?|genannten|gegebenen?)) (?:text(?:es|s)?|abschnitt(?:e?s)?|artikels?|dokuments?|dokumente|kapitels?|absatz(?:es)?|passage|tabelle|abbildung|studie|beispiels?|auszugs?)\b",
        r"\b(?:laut|gemäß|nach) (?:dem|der) (?:text|abschnitt|artikel|dokument|passage|autor|autorin|studie)\b|\bim (?:text|abschnitt|artikel|dokument|auszug)(?: (?:erwähnt|genannt|beschrieben)|\s*\?|\s*$)",
        r"\b(?:der autor|die autorin|die autoren|des autors)\b(?! (?:von|des|der)\b)|\boben (?:genannt|erwähnt|beschrieben)\w*",
        # French
        r"\bc(?:e|et|ette) (?:passage|texte|document|article|section|chapitre|paragraphe|extrait|tableau|figure|étude)\b",
        r"\b(?:selon|d['’]après|dans) (?:le|la|l['’]) ?(?:passage|texte|document|article|extrait|auteure?)\b(?! d)|\bci-dessus\b|\bl['’]auteure?\b(?! d)",
        # Spanish
        r"\best[ea] (?:pasaje|texto|documento|artículo|sección|capítulo|párrafo|fragmento|tabla|figura|estudio)\b",
        r"\b(?:según|en) el (?:pasaje|texto|documento|artículo|fragmento|autor)\b(?! de)|\b(?:el autor|la autora|los autores)\b(?! del?\b)|\bmencionad[oa]s? (?:arriba|anteriormente)\b",
        # Chinese
        r"本文|本节|本節|本章|本段|该文|該文|(?:这|這|该|該)(?:篇|段|个|個|一)?(?:文章|段落|话|話|文字|文本|章节|表格|文档|文檔|短文|材料|研究)|上述|上文|下文|以上(?:内容|文字|文本|段落|材料)|文中|文章中|文本中|短文中|根据(?:文章|段落|文本|内容|材料|短文)|給定的|给定的|(?<!的)作者",
        r"^\W*(?:它|他|她|这|那|這)(?:们|們)?(?:是|有|的|为|為|在|什么|什麼|怎)",
        # Japanese
        r"この(?:文章|記事|文書|節|章|段落|表|図|論文|研究|例|テキスト|文|資料)|本文|本稿|本書|上記|以下の|前述|(?<!の)筆者|(?<!の)(?:著者|作者)[はのが]|文中|与えられた",
        r"^\W*(?:それ|これ|彼|彼女|彼ら)[はがのを]",
    )
)


def context_bound(question: str) -> str | None:
    """The wording that needs the passage in view, as it stands in the question's first `LONGEST` characters, or None."""
    text = _QUOTED.sub(" Q1 ", question[:LONGEST])
    for pattern in (*_PHRASES, *_OTHER_LANGUAGES):
        match = pattern.search(text)
        if match:
            return " ".join(match.group().split()).strip(" ?,.")
    return _unresolved(text)


def _unresolved(text: str) -> str | None:
    """A pronoun or "this …" with nothing before it that it could stand for."""
    found = _subject(text)
    if found is None and not _names(text):
        found = _owner(text) or _pointed_at(text) or _person(text)
    return found or _at_the_end(text)


def _subject(text: str) -> str | None:
    """ "What does it do?", "Is this important?", "It is …": the pronoun is the first noun."""
    opening = _OPENING.search(text)
    if opening:
        return " ".join(opening.group().split()).strip(" ,")
    leading = _LEADING.search(text)
    if leading and not _named(leading["noun"]) and not _stands_for_nothing(leading):
        return leading["it"]
    asked = _YES_NO.search(text)
    if asked and not _stands_for_nothing(asked):
        return asked["it"]
    stated = _STATEMENT.search(text)
    if stated and not (stated["it"].lower() == "it" and _EXPLETIVE.search(re.sub(rf"^\s+{_HELP}\b", "", stated["rest"]))):
        return stated["it"]
    return None


def _owner(text: str) -> str | None:
    """ "What is its purpose?", "the name of his wife", "What causes this?"."""
    matches = (pattern.search(text) for pattern in (_OWNED, _NAME_OF, _ENDING))
    return next((match["it"] for match in matches if match and not _has_noun(text[: match.start("it")])), None)


def _pointed_at(text: str) -> str | None:
    """ "the charter for this church" where nothing before it is a church."""
    match = _POINTED.search(text)
    if match is None or match["noun"].lower() in STOPWORDS or _has_noun(text[: match.start()]):
        return None
    return match.group()


def _at_the_end(text: str) -> str | None:
    """ "… of the same dependency in this path operation?" where nothing before it is a path operation."""
    match = _AT_THE_END.search(text)
    if match is None or _TIME_WORD.search(match["noun"]):
        return None
    before = text[: match.start()].lower()
    return None if any(word.lower().rstrip("s") in before for word in match["noun"].split()) else match.group().strip(" ?.")


def _person(text: str) -> str | None:
    """A "he" or "her" without any person before it. In a text without capitals, names cannot be told."""
    match = _PERSON.search(text)
    if match is None or text == text.lower():
        return None
    before = text[: match.start()]
    return None if _SOMEONE.search(before) or _has_noun(before, 3) else match["it"]


def _stands_for_nothing(match: re.Match[str]) -> bool:
    """Whether an "it" is only grammar ("Is it safe to …"), or a "this" belongs to a noun that `_POINTED` judges."""
    word, rest = match["it"].lower(), match["rest"]
    if word in ("this", "these"):
        return _points_at_noun(rest)
    if word != "it":
        return False
    before = match.group()[: match.start("it") - match.start()].lower()
    return bool((_EXPLETIVE_DO if re.search(r"\b(?:do|does|did|don't|doesn't|didn't)\s*$", before) else _EXPLETIVE).search(rest))


def _points_at_noun(rest: str) -> bool:
    """True for "this function return …"; false where it stands alone, as in "this important?" or "this be avoided"."""
    following = rest.split()
    return len(following) > 1 and following[0].lower() not in STOPWORDS and not re.match(r"\w+(?:ed|ing)\b", following[0])


def _named(words: str) -> bool:
    return any(word[:1].isupper() or any(c.isdigit() or c in "._" for c in word) for word in words.split())


def _names(text: str) -> bool:
    """Whether the text names something: a capital inside it, or an identifier such as `foo.bar`."""
    found = text.strip().strip("?!.").split()
    return any(
        (i > 0 and word[:1].isupper() and word not in ("I", "Q1?")) or re.search(r"\w[._(]\w|\(\)|[a-z][A-Z]|\w_\w", word)
        for i, word in enumerate(found)
    )


_GENERIC = frozenset(
    """main primary purpose role name type kind sort effect effects cause causes reason reasons use used using benefit benefits advantage advantages
    difference result results meaning example examples function value happens happen work works affect make made makes give given way ways feature features
    important significance significant impact key goal goals part parts step steps year time people person many much long mean means called required
    required treat treated treatment symptoms prevent handle""".split()
)


def _has_noun(text: str, enough: int = 2) -> bool:
    """Whether words stand here that a later pronoun could stand for: anything but function words and words such as "purpose"."""
    found = [word for word in re.findall(r"[\w'’-]+", text.lower()) if word not in STOPWORDS and word not in _GENERIC]
    return len(found) >= enough
