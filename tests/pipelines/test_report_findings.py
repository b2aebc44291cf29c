"""Each finding on facts that call for it, and none on facts that do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipelines.reporting.findings import Facts, findings
from pipelines.reporting.verdict import verdict
from schemas.report import Audit, Bin, Corpus, Count, Gate, Loss, Negatives, Questions, Rate, RealQueries, Split, Step, Used
from schemas.settings import Settings, load_settings


def corpus(**values: Any) -> Corpus:
    usual: dict[str, Any] = {
        "documents": 100, "chunks": 400, "languages": (Count(name="en", count=100),), "formats": (), "sources": (), "document_words": (),
        "chunk_tokens": (), "duplicates": (Count(name="none", count=100),), "largest_clusters": (), "copies": (),
    }  # fmt: skip
    return Corpus(**{**usual, **values})


def questions(**values: Any) -> Questions:
    usual: dict[str, Any] = {
        "kept": 900, "styles": (), "origins": (Count(name="llm", count=600), Count(name="extractive", count=300)), "first_words": (),
        "words": (), "overlap": (), "repeats": (), "most_repeated": (),
    }  # fmt: skip
    return Questions(**{**usual, **values})


def negatives(**values: Any) -> Negatives:
    usual: dict[str, Any] = {
        "pairs": 900, "wanted": 1, "short": 0, "states": (), "reasons": (), "ranks": (), "margins": (), "origins": (Count(name="bm25", count=900),),
        "most_used": (Used(chunk_id="c1", source="a.txt", text="A", pairs=9),),
    }  # fmt: skip
    return Negatives(**{**usual, **values})


def bins(width: float, **counts: int) -> tuple[Bin, ...]:
    """A bin for each place, named `_PLACE`."""
    low = {name: int(name[1:]) * width for name in counts}
    return tuple(Bin(low=low[name], high=low[name] + width, count=count) for name, count in counts.items())


def real(**values: Any) -> RealQueries:
    usual: dict[str, Any] = {
        "queries": 40, "first_words": (), "words": bins(2, _3=40), "overlap": bins(0.1, _6=40), "compared": 40, "searched": 400,
    }  # fmt: skip
    return RealQueries(**{**usual, **values})


def beside(words: int, overlap: int, **values: Any) -> dict[str, Any]:
    """Kept questions with their medians in these bins, beside real queries with theirs in the bins 3 (7 words) and 6 (65%)."""
    kept = questions(words=bins(2, **{f"_{words}": 900}), overlap=bins(0.1, **{f"_{overlap}": 900}), real=real(**values))
    return {"questions": kept, "settings": WITH_EXAMPLES}


WITH_EXAMPLES = load_settings(None, ["generate.examples=asked/queries.txt"])
WITHOUT_A_MODEL = "A language model can write questions like them: set `llm.generator.model` (docs/llm.md)."


def gate(**values: Any) -> Gate:
    usual: dict[str, Any] = {
        "reason": "question_too_short",
        "text": "short",
        "rejected": 3,
        "quarantined": 0,
        "caught": Rate(share=0.9, of=50),
    }
    return Gate(**{**usual, **values})


def stage(name: str = "export", owed: int = 0) -> dict[str, Any]:
    return {"stage": name, "owed": owed, "kept": {}, "reasons": {}}


GOOD = Facts(
    folder="built",
    settings=Settings(),
    stages=(stage(),),
    funnel=(Step(name="kept pairs", stage="filter", kept=900, lost=()),),
    corpus=corpus(),
    questions=questions(),
    gates=(gate(),),
    negatives=negatives(),
    splits=(Split(name="test", documents=10, chunks=40, pairs=90, queries=90),),
    audits=(Audit(claim="holds", description="All is well", broken=0, examples=()),),
    dataset={"pairs": {"train": 700}},
    evaluations=(),
)


def test_nothing_to_find() -> None:
    assert findings(GOOD) == ()
    said = verdict(GOOD, ())
    assert (said.state, said.headline) == ("ready", "700 training pairs from 100 documents, nothing to fix.")
    assert said.next_step == "curate train built/dataset --out model --model sentence-transformers/all-MiniLM-L6-v2"


def lost(count: int, stage: str = "filter") -> tuple[Step, ...]:
    loss = Loss(stage=stage, state="rejected", reason="question_malformed", text="not a question", count=count)
    return (Step(name="kept pairs", stage=stage, kept=900, lost=(loss,)),)


OUTCOME = {"model": "tuned", "verdict": {"outcome": "DO NOT SHIP", "headline": "DO NOT SHIP: worse."}}


@pytest.mark.parametrize(
    ("change", "kind", "severity", "text", "step"),
    [
        (
            {"audits": (Audit(claim="c", description="No leak", broken=3, examples=("p1",)),)},
            "audit_failed", "stop", "No leak does not hold: 3 rows break it.", "curate why built p1",
        ),
        (
            {"questions": None, "stages": (stage("verify"),)},
            "unfinished", "stop", "the build ended after stage verify: there are no pairs yet.", "Run the same `curate build` again: it goes on from here.",
        ),
        (
            {"questions": questions(kept=0, origins=()), "funnel": lost(10)},
            "no_pairs", "stop", "no pair was kept. The commonest reason: not a question.", "curate rejects built --limit 20",
        ),
        (
            {"stages": (stage(owed=4), stage(owed=1))},
            "answers_owed", "fix", "5 answers of language models are still owed (faults of the endpoint, or the budget was spent).",
            "Run the same `curate build` again: answers that are here cost nothing.",
        ),
        (
            {"dataset": {"pairs": {"train": 499}}},
            "few_pairs", "fix", "499 training pairs are few: below 500 a gain seldom lasts.",
            "Add documents, or let a language model write more questions (docs/llm.md).",
        ),
        (
            {"funnel": lost(300)},
            "one_reason_takes_many", "fix", "25% of what stage filter saw was rejected: not a question.",
            "curate rejects built --stage filter --reason question_malformed --limit 20",
        ),
        (
            {"gates": (gate(caught=None),)},
            "gates_unmeasured", "fix", "nobody knows yet how many bad questions of the language model the gates let through.", "curate calibrate built",
        ),
        (
            {"gates": (gate(false_kills=Rate(share=0.2, of=90, low=0.06, high=0.3)),)},
            "gate_kills_good_questions", "fix", "the gate question_too_short rejects 20% of sound questions.",
            "Read `curate rejects built --reason question_too_short --limit 20`, and take the thresholds of `curate calibrate`.",
        ),
        (
            {"negatives": negatives(short=19)},
            "short_of_negatives", "fix", "19 of 900 pairs have no negative.", 'Raise `mine.last_rank`, or set `mine.shortage="random"`.',
        ),
        (
            {"negatives": negatives(most_used=(Used(chunk_id="c9", source="a", text="A", pairs=21),))},
            "one_passage_is_everybodys_negative", "fix", "one passage is the negative of 21 pairs: the model would learn to avoid it.",
            "`curate why built c9` shows it; `curate mine built --set mine.max_uses=20` caps it.",
        ),
        (
            {"negatives": negatives(origins=(Count(name="random", count=46),))},
            "random_negatives", "note", "46 negatives were drawn by lot, because the search left too few.", "",
        ),
        (
            {"questions": questions(origins=(Count(name="extractive", count=450), Count(name="llm", count=450)))},
            "questions_are_extracts", "note", "50% of the kept questions are sentences, headings and words of their passages: people ask otherwise.",
            "For questions in people's words set `llm.generator.model` (docs/llm.md).",
        ),
        (
            beside(words=7, overlap=9), "unlike_real_queries", "fix",
            "the kept questions are unlike those of queries.txt: half of the kept questions have 15 words or more, half of the real queries 7; "
            "95% of a kept question's words stand in its passage, 65% of a real query's (medians).", WITHOUT_A_MODEL,
        ),
        (
            beside(words=1, overlap=3), "unlike_real_queries", "fix",
            "the kept questions are unlike those of queries.txt: half of the kept questions have 3 words or more, half of the real queries 7; "
            "35% of a kept question's words stand in its passage, 65% of a real query's (medians).", WITHOUT_A_MODEL,
        ),
        (
            {**beside(words=3, overlap=9), "settings": load_settings(None, ["generate.examples=q.csv", "llm.generator.model=m"])},
            "unlike_real_queries", "fix", "the kept questions are unlike those of q.csv: 95% of a kept question's words stand in its passage, "
            "65% of a real query's (medians).",
            "Turn `generate.extractive` off, or raise `generate.questions_per_chunk`: the model's questions follow the real ones.",
        ),
        (
            {"splits": (Split(name="test", documents=1, chunks=1, pairs=60, queries=49),)},
            "few_test_queries", "note", "49 test queries prove nothing by themselves.",
            "Bring questions that people asked: `curate evaluate … --queries FILE --qrels FILE`.",
        ),
        (
            {"corpus": corpus(languages=(Count(name="en", count=97), Count(name="de", count=2), Count(name="und", count=1)))},
            "several_languages", "note", "the documents are in several languages (en 97, de 2).",
            "Take a multilingual base model, or build a folder for each language.",
        ),
        (
            {"corpus": corpus(duplicates=(Count(name="none", count=80), Count(name="near", count=15), Count(name="exact", count=5)))},
            "many_copies", "note", "20 of 100 documents repeat another; one of each cluster is asked about.", "",
        ),
        (
            {"corpus": corpus(untitled=100)},
            "documents_without_title", "note",
            "25% of the passages are parts of documents without a title: where they do not say what they are about, nothing does.",
            "Give the documents their titles: a column `title`, a first heading, or a first line of its own.",
        ),
        ({"evaluations": (OUTCOME,)}, "model_is_worse", "fix", "the model tuned: DO NOT SHIP: worse.", "Read the regressions below."),
    ],
)  # fmt: skip
def test_each_finding(change: dict[str, Any], kind: str, severity: str, text: str, step: str) -> None:
    facts = replace(GOOD, **change)
    (found,) = findings(facts)
    assert (found.kind, found.severity, found.text, found.next_step) == (kind, severity, text, step)
    said = verdict(facts, (found,))
    assert said.state == ("ready" if severity == "note" else severity)
    assert text in said.headline or severity == "note"


@pytest.mark.parametrize(
    "change",
    [
        {"negatives": negatives(short=18)},
        beside(words=6, overlap=8),
        beside(words=9, overlap=9, queries=19, compared=19),
        beside(words=3, overlap=9, compared=19),
        {"negatives": negatives(most_used=(Used(chunk_id="c9", source="a", text="A", pairs=20),))},
        {"negatives": negatives(origins=(Count(name="random", count=45),))},
        {"funnel": lost(299)},
        {"corpus": corpus(languages=(Count(name="en", count=99), Count(name="de", count=1)))},
        {"corpus": corpus(duplicates=(Count(name="none", count=81), Count(name="near", count=19)))},
        {"corpus": corpus(untitled=99)},
        {"corpus": corpus(untitled=400), "settings": load_settings(None, ["chunk.heading_prefix=false"])},
        {"gates": (gate(false_kills=Rate(share=0.2, of=9, low=0.05, high=0.6)),)},
        {"gates": (gate(caught=None),), "questions": questions(origins=(Count(name="imported", count=900),))},
        {"evaluations": ({"model": "m", "verdict": {"outcome": "NOT PROVEN", "headline": "NOT PROVEN"}},)},
    ],
)
def test_just_below_the_bounds(change: dict[str, Any]) -> None:
    assert findings(replace(GOOD, **change)) == ()


def test_the_gravest_stands_first_and_others_are_counted() -> None:
    facts = replace(
        GOOD,
        stages=(stage(owed=1),),
        dataset={"pairs": {"train": 10}},
        audits=(Audit(claim="c", description="No leak", broken=1, examples=()),),
        splits=(),
    )
    found = findings(facts)
    assert [finding.kind for finding in found] == ["audit_failed", "answers_owed", "few_pairs"]
    assert found[0].next_step == ""
    assert verdict(facts, found).headline == "Do not train on this: No leak does not hold: 1 row breaks it. (and 2 more below)"
    written = replace(facts, settings=load_settings(None, ["llm.generator.model=m"]), audits=())
    assert verdict(written, findings(written)).headline.startswith("10 training pairs from 100 documents. First: 1 answers of")


def test_a_cause_stands_before_what_follows_from_it() -> None:
    facts = replace(GOOD, funnel=lost(600), dataset={"pairs": {"train": 300}}, negatives=negatives(wanted=3, short=90))
    assert [(finding.kind, finding.text) for finding in findings(facts)] == [
        ("one_reason_takes_many", "40% of what stage filter saw was rejected: not a question."),
        ("few_pairs", "300 training pairs are few: below 500 a gain seldom lasts."),
        ("short_of_negatives", "90 of 900 pairs have fewer than 3 negatives."),
    ]
    one = replace(GOOD, splits=(Split(name="test", documents=1, chunks=1, pairs=1, queries=1),))
    assert findings(one)[0].text == "1 test query proves nothing by itself."


@pytest.mark.parametrize(
    ("outcome", "step"),
    [
        ("SHIP", "curate train built/dataset --out final --refit m"),
        ("NOT PROVEN", "curate evaluate m built/dataset --queries FILE --general FILE"),
    ],
)
def test_a_verdict_on_a_model_stands_beside_the_data(outcome: str, step: str) -> None:
    facts = replace(GOOD, evaluations=({"model": "m", "verdict": {"outcome": outcome, "headline": f"{outcome}."}},))
    said = verdict(facts, findings(facts))
    assert (said.headline, said.next_step) == (f"700 training pairs from 100 documents, nothing to fix. {outcome}.", step)
