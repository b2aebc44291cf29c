"""The report of a build: its figures are the tables', its page is inert, and the same build gives the same bytes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from pipelines.earlier_build import reported
from pipelines.look import rejects, sql, status
from pipelines.reporting.gather import gather
from pipelines.reporting.samples import A_REASON
from schemas.report import Report, Sample
from tests.pipelines.conftest import ROOT, run_curate, write_corpus

EVIL = '</script><script>alert(1)</script><img src=x onerror=alert(2)> "quoted" & [x](javascript:alert(3))'


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of ordinary and of hostile documents."""
    home = tmp_path_factory.mktemp("reported")
    docs = write_corpus(home / "docs")
    sentence = f"The gatekeeper of the old archive wrote {EVIL} on every letter that he received in the winter of 1843. "
    (docs / "evil.txt").write_text(
        f"Letters {EVIL}\n\n{sentence * 6}\n\n\u202eThe mirrored letters of the archive were read aloud.\u202c 🦊\n"
    )
    (docs / "empty.md").write_text("")
    (docs / "<img src=x onerror=alert(4)>.txt").write_text("The keeper of the lighthouse counted every ship of the season. " * 8)
    run_curate("build", docs, cwd=home)
    return home / "curated"


@pytest.fixture(scope="module")
def found(built: Path) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((built / "report.json").read_text(encoding="utf-8"))
    return kept


@pytest.fixture(scope="module")
def rows(built: Path) -> tuple[Sample, ...]:
    return gather(built, reported(built)[0], None)[1]


def one(folder: Path, query: str) -> Any:
    return next(iter(sql(folder, query)[0].values()))


def test_its_figures_are_those_of_the_tables(built: Path, found: dict[str, Any]) -> None:
    stages = {row["stage"]: row for row in status(built)}
    assert [(step["name"], step["kept"]) for step in found["funnel"]] == [
        ("documents", one(built, "SELECT count(*) FROM documents")),
        ("chunks", one(built, "SELECT count(*) FROM chunks")),
        ("candidate questions", one(built, "SELECT count(*) FROM questions")),
        ("kept pairs", one(built, "SELECT count(*) FROM pairs")),
        ("pairs with negatives", one(built, "SELECT count(DISTINCT pair_id) FROM negatives WHERE chosen = 1")),
    ]
    for step in found["funnel"]:
        assert {loss["reason"]: loss["count"] for loss in step["lost"]} == stages[step["stage"]]["reasons"]
        assert all(loss["text"] for loss in step["lost"])
    assert found["funnel"][0]["lost"] == [
        {"stage": "ingest", "state": "rejected", "reason": "file_empty", "text": "the file has no text in it", "count": 1}
    ]
    assert found["corpus"]["documents"] == found["funnel"][0]["kept"] == 38
    for column, of in (("style", "styles"), ("origin", "origins")):
        query = f"SELECT {column} AS name, count(*) AS count FROM pairs GROUP BY 1 ORDER BY 2 DESC, 1"
        assert found["questions"][of] == sql(built, query)
    assert sum(part["count"] for part in found["questions"]["words"]) == found["questions"]["kept"]
    assert sum(part["count"] for part in found["corpus"]["chunk_tokens"]) == found["corpus"]["chunks"]
    ranks = one(built, "SELECT count(*) FROM negatives WHERE chosen IS NOT NULL AND rank IS NOT NULL")
    assert sum(part["count"] for part in found["negatives"]["ranks"]) == ranks
    by_split = {split["name"]: split["pairs"] for split in found["splits"]}
    assert {name: by_split[name] for name in ("train", "dev", "test")} == found["dataset"]["pairs"]
    assert [audit["broken"] for audit in found["audits"]] == [0] * len(found["audits"])
    used = found["negatives"]["most_used"][0]
    assert used["pairs"] == one(
        built, f"SELECT count(*) FROM negatives WHERE chosen IS NOT NULL AND chunk_id = '{used['chunk_id']}'"
    )


def test_the_first_screen_says_what_to_do(built: Path, found: dict[str, Any]) -> None:
    pairs = found["dataset"]["pairs"]["train"]
    few = f"{pairs} training pairs are few: below 500 a gain seldom lasts."
    assert found["verdict"]["state"] == "fix"
    assert found["verdict"]["headline"] == f"{pairs} training pairs from 38 documents. First: {few}"
    assert [(finding["kind"], finding["severity"]) for finding in found["findings"]] == [
        ("few_pairs", "fix"),
        ("random_negatives", "note"),
        ("questions_are_extracts", "note"),
        ("few_test_queries", "note"),
    ]
    lines = run_curate("report", built, cwd=built.parent).stdout.splitlines()
    assert " ".join(lines[:2]) == f"FIX FIRST: {found['verdict']['headline']}"
    assert lines[2] == "next: Add documents, or let a language model write more questions (docs/llm.md)."
    assert len(lines) <= 24
    assert lines[-1] == f"report: {built}/report.html"
    page = (built / "report.html").read_text(encoding="utf-8")
    assert html.fromstring(page).cssselect("h1")[0].text_content().split() == f"Fix first {found['verdict']['headline']}".split()


def test_the_same_build_gives_the_same_bytes(built: Path) -> None:
    before = {name: (built / name).read_bytes() for name in ("report.html", "report.json")}
    run_curate("report", built, cwd=built.parent, seed="1")
    assert {name: (built / name).read_bytes() for name in before} == before
    assert len(before["report.html"]) < 5_000_000
    assert not list(built.glob("*.tmp"))


def test_documents_never_become_markup(built: Path, rows: tuple[Sample, ...]) -> None:
    page = html.fromstring((built / "report.html").read_text(encoding="utf-8"))
    scripts = page.cssselect("script")
    assert [script.get("type") for script in scripts] == ["application/json", None]
    assert page.cssselect("img, iframe, object, embed, base, form[action]") == []
    assert [link.get("href") for link in page.cssselect("link")] == ["data:,"]
    assert all(link.get("href").startswith("#") for link in page.cssselect("a"))
    assert not [name for element in page.iter() for name in element.attrib if name.startswith("on")]
    for element in page.iter():
        assert not any(str(value).strip().lower().startswith(("javascript:", "http:", "https:", "//")) for name, value in element.attrib.items() if not name.startswith("xmlns"))  # fmt: skip
    data = json.loads(scripts[0].text)
    assert data == [row.model_dump(mode="json") for row in rows]
    assert any("</script><script>alert(1)</script>" in row["text"] + row["passage"] for row in data)
    assert "<" not in scripts[0].text
    assert page.cssselect("meta[http-equiv]")[0].get("content").startswith("default-src 'none'")


def test_every_reason_has_rows_to_read(built: Path, rows: tuple[Sample, ...]) -> None:
    reasons = {(row["stage"], row["reason"]): 0 for row in rejects(built)}
    for row in rejects(built):
        reasons[row["stage"], row["reason"]] += 1
    shown: dict[tuple[str, str], int] = {}
    for sample in rows:
        if sample.kind in ("rejected", "quarantined"):
            shown[sample.stage, sample.reason] = shown.get((sample.stage, sample.reason), 0) + 1
    assert shown == {key: min(count, A_REASON) for key, count in reasons.items()}
    kept = [sample for sample in rows if sample.kind == "kept"]
    pair = kept[0]
    own = sql(built, f"SELECT * FROM pairs WHERE pair_id = '{pair.id}'")[0]
    assert (pair.text, pair.passage, pair.split, pair.style) == (own["anchor"], own["positive"][:1199] + "…" if len(own["positive"]) > 1200 else own["positive"], own["split"], own["style"])  # fmt: skip
    story = dict(pair.story)
    negative = sql(built, f"SELECT text, rank FROM negatives WHERE pair_id = '{pair.id}' AND chosen = 1")[0]
    assert next(value for name, value in pair.story if name.startswith("negative 1")).startswith(negative["text"][:500])
    assert story["gate question_too_short"].startswith("passes, score ")
    aside = next(sample for sample in rows if sample.kind == "negative")
    assert (aside.stage, aside.detail) == ("mine", "quarantined")
    assert dict(aside.story)["candidate"]


def test_against_an_earlier_build(built: Path, tmp_path: Path) -> None:
    docs = built.parent / "docs"
    run_curate("build", docs, "--out", tmp_path / "later", "--set", "filter.min_question_words=6", cwd=tmp_path)
    run_curate("report", tmp_path / "later", "--against", built, cwd=tmp_path)
    found = json.loads((tmp_path / "later" / "report.json").read_text())["against"]
    assert found["folder"] == "curated"
    assert found["settings"] == [{"name": "filter.min_question_words", "before": 3, "after": 6}]
    changed = {row["name"]: (row["before"], row["after"]) for row in found["figures"]}
    short = one(tmp_path / "later", "SELECT count(*) FROM rejected WHERE reason = 'question_too_short'")
    assert changed["filter: question_too_short"][1] == short > 0
    before, after = (one(folder, "SELECT count(*) FROM pairs") for folder in (built, tmp_path / "later"))
    assert changed["filter: pairs"] == (before, after)
    assert (found["pairs_new"] + found["pairs_same"], found["pairs_gone"] + found["pairs_same"]) == (after, before)
    assert "Against curated" in (tmp_path / "later" / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("nothing",), 4, "no build here"),
        (("curated", "--against", "curated"), 3, "this is the same build"),
        (("curated", "--against", "docs"), 3, "no report.json of a build here"),
        ((), 2, "Missing argument 'DIR'"),
    ],
)
def test_what_cannot_be_reported(built: Path, words: tuple[str, ...], code: int, message: str) -> None:
    assert message in run_curate("report", *words, cwd=built.parent, expect=code).stderr


def test_a_build_that_ended_early_says_so(built: Path, tmp_path: Path) -> None:
    run_curate("build", built.parent / "docs", "--out", "early", "--until", "chunk", cwd=tmp_path)
    found = json.loads((tmp_path / "early" / "report.json").read_text())
    assert found["verdict"]["headline"] == "Do not train on this: the build ended after stage chunk: there are no pairs yet."
    assert [step["name"] for step in found["funnel"]] == ["documents", "chunks"]
    assert (found["questions"], found["negatives"], found["gates"]) == (None, None, [])


def test_tables_of_another_version_are_named(built: Path, tmp_path: Path) -> None:
    import duckdb

    folder = Path(shutil.copytree(built, tmp_path / "old"))
    with duckdb.connect(str(folder / "curate.duckdb")) as connection:
        connection.execute("ALTER TABLE documents DROP COLUMN language")
    said = run_curate("report", folder, cwd=tmp_path, expect=4).stderr
    assert "the tables are not those of this version of curate" in said
    assert "run `curate build` again" in said


def test_the_schema_is_published(found: dict[str, Any]) -> None:
    Report.model_validate(found)
    schema = run_curate("report", "--schema", cwd=ROOT).stdout
    assert json.loads(schema) == json.loads((ROOT / "docs" / "report.schema.json").read_text())
    assert schema == (ROOT / "docs" / "report.schema.json").read_text()
    assert set(found) == set(Report.model_fields)
