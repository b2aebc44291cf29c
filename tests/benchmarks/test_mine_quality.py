"""The benchmark of mined negatives: plants are what their kinds say, the same every time, and the figures are right on a table made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.false_negatives import Ranks, figures, stopped_by
from benchmarks.mine_quality import main
from benchmarks.mined_case import Case, known_answers
from benchmarks.planted_negatives import COPIES, SHARES, Material, Question, material, natural, plant, write_corpus
from benchmarks.rewriting import reordered, reworded, sentences
from curate.near import jaccard
from curate.text import normalise, words

TOPICS = ("Orsk", "Uralsk", "Perm", "Ufa", "Omsk", "Tomsk", "Kazan", "Samara", "Tula", "Kursk")
FACTS = (
    "In 19{n}3, the large dam of {t} was built by several people from the area.",
    "It caused a major change because the river was often flooded.",
    "The mayor of {t}, Ivan Petrov{n}, said that about {n}0% of the land was used.",
    "Many children lived near the water, however.",
    "Three firms helped to reduce the risk in order to keep the city safe.",
)


def made_material() -> Material:
    passages, questions = {}, []
    for number, topic in enumerate(TOPICS * 4):
        name = f"p{number:02}"
        passages[name] = " ".join(fact.format(t=f"{topic}{number}", n=number) for fact in FACTS)
        answer = f"Ivan Petrov{number}"
        questions.append(
            Question(f"q{number:02}", f"Who was mayor of {topic}{number}?", name, answer, passages[name].index(answer))
        )
        questions.append(
            Question(f"r{number:02}", f"What was built in {topic}{number}?", name, "dam", passages[name].index("dam"))
        )
    return material(passages, {name: TOPICS[int(name[1:]) % 10] for name in passages}, questions)


def test_planting_is_the_same_every_time_and_has_every_kind() -> None:
    source = made_material()
    planted = plant(source, 40)
    assert planted == plant(made_material(), 40)
    assert {one.kind for one in planted} == SHARES.keys()
    assert len({one.id for one in planted}) == len(planted)
    # One plant a passage: none may answer for two.
    owners = [source_of(source, one.answers[0]) for one in planted]
    assert len(set(owners)) == len(owners)


def source_of(source: Material, question: str) -> str:
    return next(name for name, asked in source.questions.items() if any(one.id == question for one in asked))


def test_kinds_are_what_they_say() -> None:
    source = made_material()
    for one in plant(source, 40):
        name = source_of(source, one.answers[0])
        text = source.passages[name]
        asked = {question.id: question for question in source.questions[name]}
        near = jaccard(text, one.text, 5)
        for question in one.answers:
            assert normalise(asked[question].answer) in normalise(one.text), one
        if one.kind in COPIES:
            assert near >= 0.8
            assert set(one.answers) == set(asked)
            assert (one.text == text) == (one.kind != "near_copy")
            assert bool(one.title) == (one.kind == "titled_copy")
        if one.kind == "reordered":
            assert sorted(words(one.text)) == sorted(words(text))
            assert one.text != text
        if one.kind in ("reworded", "rewritten"):
            assert near < 0.8
        if one.kind == "excerpt":
            assert one.text in text
            assert len(sentences(one.text)) == 3
        if one.kind in ("pasted", "pasted_near"):
            hosts = [other for other in source.passages if all(part in one.text for part in sentences(source.passages[other]))]
            assert [question.id for host in hosts for question in source.questions[host]] == list(one.host_answers)
            assert all((source.groups[host] == source.groups[name]) == (one.kind == "pasted_near") for host in hosts)


def test_a_passage_that_seems_to_answer_by_nature_is_found() -> None:
    passages = {"a": "The mayor of Orsk was Petrov.", "b": "Petrov was a mayor in Orsk until 1934.", "c": "Petrov sang."}
    source = material(passages, dict.fromkeys(passages, "g"), [Question("q", "Who was the mayor of Orsk?", "a", "Petrov", 22)])
    assert natural(source) == [("q", "b")]


@pytest.mark.parametrize(
    ("said", "other"),
    [
        ("In 1971, the large town was built there.", "The big town was constructed there in 1971."),
        ("It cost 1,200 dollars on March 4, 1999.", "It cost 1200 dollars on 4 March 1999."),
        ("Seven of three large dams are often used.", "Seven of 3 big dams are frequently employed."),
        ("It helps, such as at least 5 children in the 19th century.", None),
    ],
)
def test_rewording(said: str, other: str | None) -> None:
    found = reworded(said)
    if other is None:
        assert found == "It assists, like no fewer than five youngsters in the nineteenth century."
    else:
        assert found == other


def test_the_answer_is_not_reworded() -> None:
    assert (
        reworded("The large dam was built by several people.", ["several people"])
        == "The big dam was constructed by several people."
    )
    assert reworded("Rain fell on Orsk.") is None


def test_sentences_change_places() -> None:
    mixed = reordered("One came. Two saw. Three won.", "lot")
    assert mixed is not None
    assert mixed != "One came. Two saw. Three won."
    assert sorted(sentences(mixed)) == ["One came.", "Three won.", "Two saw."]
    assert reordered("One came. Two saw.", "lot") is None


def hand_made() -> tuple[Case, Ranks]:
    passages = {name: name for name in ("own", "copy", "other", "far", "host")}
    known = {"p": {"copy": "exact_copy", "far": "reworded"}, "q": {"copy": "exact_copy", "host": "host"}, "r": {}}
    case = Case({"p": "P", "q": "Q", "r": "R"}, dict.fromkeys("pqr", "own"), passages, known)
    ranks = {"p": ["own", "copy", "other"], "q": ["own", "copy", "host"], "r": ["own", "other"]}
    return case, Ranks([ranks])


def test_figures_of_a_table_made_by_hand() -> None:
    case, ranks = hand_made()
    found = figures({"p": ["other"], "q": ["copy"], "r": []}, case, ranks, 1)
    # "far" was never within reach, so nobody is praised for leaving it out.
    assert found["kinds"]["exact_copy"] == {"planted": 2, "reached": 2, "exported": 1, "share": 0.5}
    assert found["kinds"]["reworded"] == {"planted": 1, "reached": 0, "exported": 0, "share": None}
    assert found["copies"] == 0.5
    assert found["overall"] == round(1 / 3, 4)
    assert found["hard"] == 1.0
    assert found["short"] == round(1 / 3, 4)
    assert found["of_chosen"] == 0.5
    beyond = figures({"p": ["far"]}, case, ranks, 2)
    assert beyond["kinds"]["reworded"]["share"] == 1.0
    assert (beyond["hard"], beyond["short"]) == (0.0, 1.0)


def test_what_stopped_a_plant() -> None:
    case, ranks = hand_made()
    stopped = stopped_by({("p", "copy"): "negative_equals_positive", ("q", "copy"): "negative"}, case, ranks)
    assert stopped == {"exact_copy": {"negative": 1, "negative_equals_positive": 1}, "host": {"not looked at": 1}}


def test_a_plant_answers_every_pair_with_the_wording() -> None:
    source = made_material()
    one = next(one for one in plant(source, 40) if one.kind == "pasted")
    said = {question.id: question.text for asked in source.questions.values() for question in asked}
    pairs = [{"pair_id": f"pair {name}", "anchor": text.upper()} for name, text in said.items()]
    known = known_answers(pairs, source, [one], {one.id: "chunk"})
    kinds = {name.removeprefix("pair "): answers["chunk"] for name, answers in known.items() if answers}
    assert kinds == dict.fromkeys(one.host_answers, "host") | dict.fromkeys(one.answers, "pasted")


def test_the_road_on_a_tiny_set(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.mine_quality.read_squad", lambda *_: made_material())
    main(
        [
            "--data",
            str(tmp_path),
            "--set",
            "squad",
            "--work",
            str(tmp_path / "work"),
            "--plants",
            "40",
            "--variant",
            "one",
            "--variant",
            "two",
            "mine.last_rank=5",
        ]
    )
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["pairs"] == 80
    assert list(report["results"]) == ["one", "two"]
    for result in report["results"].values():
        assert result["kinds"]["exact_copy"]["exported"] == 0
        assert result["chosen"] == 80
        assert result["short"] == 0


def test_the_corpus_names_everything_by_its_id(tmp_path: Path) -> None:
    source = made_material()
    planted = plant(source, 10)
    folder = write_corpus(tmp_path / "raw", source, planted)
    rows = [json.loads(line) for line in (folder / "plants.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in rows] == [one.id for one in planted]
    assert not (folder / "passages.jsonl").exists()
