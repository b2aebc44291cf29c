"""The command `evaluate`: rows, intervals and texts of a small dataset, for people and as JSON."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from curate.llm.scripted import ScriptedServer
from pipelines import evaluation as module
from pipelines.cli import main
from pipelines.evaluation import Contest, bm25_run
from pipelines.evaluation_text import evaluation_lines
from pipelines.hosted import kept_folder
from schemas.errors import SettingsError, VerdictError
from schemas.evaluation import EvaluateSettings
from train.evaluate import COMPARISONS
from train.metrics import CHIEF, METRICS
from train.verdict import Outcome

WORDS = [f"w{number}" for number in range(60)]
FAST = ("--set", "draws=200", "--set", "device=cpu")


def evaluate(*arguments: str | Path, expect: int = 0) -> str:
    done = CliRunner().invoke(main, ["evaluate", *map(str, arguments), *FAST])
    assert done.exit_code == expect, done.output
    return done.stdout if expect == 0 else done.output


@pytest.fixture
def dataset(make_dataset: Callable[..., Path]) -> Path:
    return make_dataset()


@pytest.fixture(scope="module")
def other_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model in a folder of another name."""
    return Path(shutil.copytree(tiny_model, tmp_path_factory.mktemp("models") / "other-model"))


def test_rows_and_intervals_as_json(dataset: Path, tiny_model: Path, other_model: Path) -> None:
    body: dict[str, Any] = json.loads(evaluate(tiny_model, dataset, "--base", other_model, "--compare", other_model, "--json"))
    found = body["evaluation"]
    rows = {row["name"]: row for row in found["systems"]}
    assert list(rows) == ["BM25", "base", "tuned", "hybrid", "other-model"]
    # The passage before the right one has both of the question's words too, and the smaller id.
    assert (rows["BM25"]["metrics"]["mrr@10"], rows["BM25"]["metrics"]["hit@3"]) == (0.5, 1.0)
    assert rows["tuned"]["metrics"] == rows["base"]["metrics"] == rows["other-model"]["metrics"]
    assert set(rows["tuned"]["metrics"]) == set(METRICS)
    assert rows["tuned"]["similarity"]["right"] > 0
    made = [(item["system"], item["against"]) for item in found["comparisons"] if item["metric"] == "ndcg@10"]
    assert made == [*COMPARISONS, ("tuned", "other-model")]
    assert found["changed"] == {"worse": 0, "better": 0, "regressions": [], "gains": []}
    assert body["verdict"]["outcome"] == "NOT PROVEN"


def test_text_fits_a_hundred_columns_and_names_the_chief_metrics(dataset: Path, tiny_model: Path, other_model: Path) -> None:
    text = evaluate(tiny_model, dataset, "--base", other_model)
    lines = text.splitlines()
    assert lines[0].startswith("NOT PROVEN: BM25 beats the tuned model")
    assert lines[2].split() == list(CHIEF)
    assert [line.split()[0] for line in lines[3:7]] == ["BM25", "base", "tuned", "hybrid"]
    assert [line for line in lines[3:] if len(line) > 100 and not line.startswith("- ")] == []
    differences = [line.split("  ndcg@10")[0].strip() for line in lines if " − " in line]
    assert differences == ["tuned − base", "tuned − BM25", "hybrid − BM25", "hybrid − tuned"]
    assert "tuned against base: 0 queries better, 0 worse, 8 the same" in lines
    assert "recall@3" not in text
    everything = evaluate(tiny_model, dataset, "--base", other_model, "--all-metrics")
    assert all(metric in everything for metric in METRICS)


def test_bases_are_compared_before_tuning(dataset: Path, tiny_model: Path, other_model: Path) -> None:
    body = json.loads(evaluate(dataset, "--compare", tiny_model, "--compare", other_model, "--json"))
    assert body["verdict"] is None
    assert [row["name"] for row in body["evaluation"]["systems"]] == ["BM25", "model", "other-model"]
    made = {(item["system"], item["against"]) for item in body["evaluation"]["comparisons"]}
    assert made == {("model", "BM25"), ("other-model", "BM25"), ("other-model", "model")}
    assert body["evaluation"]["changed"] is None
    text = evaluate(dataset, "--compare", tiny_model)
    assert text.splitlines()[0].split() == list(CHIEF)


def test_what_got_worse_is_told_with_its_texts(tiny_model: Path) -> None:
    from tests.train.test_changes import AFTER, BEFORE, SET
    from train.evaluate import evaluate as ranked

    systems = {"base": BEFORE.run, "tuned": AFTER.run}
    evaluation = ranked(systems, SET, EvaluateSettings(draws=200))
    lines = list(evaluation_lines(evaluation, None))
    start = lines.index("tuned against base: 2 queries better, 1 worse, 1 the same")
    assert lines[start + 2 : start + 7] == [
        "  1.000 → 0.500  first?",
        "    right, rank 1 → 3",
        "      one",
        "    ranked first now, rank not found → 1",
        "      four",
    ]


def test_texts_of_documents_do_not_steer_the_terminal() -> None:
    from dataclasses import replace

    from tests.train.test_changes import AFTER, BEFORE, SET
    from train.evaluate import evaluate as ranked

    nasty = replace(
        SET, corpus={**SET.corpus, "c1": "\x1b[2Jgone\nnext line " + "x" * 200}, queries={**SET.queries, "q1": "a\x07b"}
    )
    text = "\n".join(evaluation_lines(ranked({"base": BEFORE.run, "tuned": AFTER.run}, nasty, EvaluateSettings(draws=200)), None))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[2Jgone next line xxx" in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_rows_are_named_by_the_last_part_and_never_twice() -> None:
    found = Contest(others=("org/one", "openai:text-3", "other/one", "my/tuned")).systems()
    assert found == {name: name for name in ("openai:text-3", "other/one", "my/tuned")} | {"one": "org/one"}
    with pytest.raises(SettingsError, match="a/b is named twice"):
        Contest(others=("a/b", "a/b")).systems()


def test_faults_of_the_command_line(dataset: Path, tiny_model: Path) -> None:
    assert "nothing to evaluate" in evaluate(dataset, expect=2)
    assert "further models with --compare" in evaluate("a", "b", dataset, expect=2)
    assert "--qrels needs --queries" in evaluate(tiny_model, dataset, "--qrels", "x.tsv", expect=2)


def test_bm25_is_as_deep_as_asked(dataset: Path) -> None:
    eval_set = module.Test().load(dataset)
    assert {len(ranked) for ranked in bm25_run(eval_set, 2).values()} == {2}


def test_hosted_embeddings_are_a_row_and_are_asked_for_once(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with ScriptedServer() as server:
        command = (dataset, "--compare", "openai:scripted", "--set", f"hosted_base_url={server.url}", "--json")
        found = json.loads(evaluate(*command))["evaluation"]
        assert [row["name"] for row in found["systems"]] == ["BM25", "openai:scripted"]
        assert found["systems"][1]["metrics"]["hit@3"] > 0.8
        assert sum(len(body["input"]) for body in server.history) == 58 + 8
        server.history.clear()
        assert json.loads(evaluate(*command))["evaluation"] == found
        assert server.history == []
    assert (tmp_path / "cache" / "curate" / "scores.sqlite").is_file()


def test_vectors_lie_in_the_build_of_the_dataset_or_where_it_is_said(tmp_path: Path) -> None:
    build = tmp_path / "curated"
    (build / "dataset").mkdir(parents=True)
    (build / "curate.duckdb").touch()
    assert kept_folder(build / "dataset", EvaluateSettings()) == build
    assert kept_folder(build / "dataset", EvaluateSettings(hosted_folder=str(tmp_path / "x"))) == tmp_path / "x"


def test_an_address_with_a_secret_is_refused(dataset: Path) -> None:
    command = (dataset, "--compare", "openai:m", "--set", "hosted_base_url=http://me:pass@127.0.0.1/v1")
    assert "keys come from hosted_api_key_env" in evaluate(*command, expect=2)
    assert "names no model" in evaluate(dataset, "--compare", "openai:", expect=2)


def task(folder: Path, *order: str) -> Path:
    """A retrieval task of three passages; the queries ask for the passages in this order."""
    (folder / "qrels").mkdir(parents=True)
    passages = {"d1": "w1 w2", "d2": "w3 w4", "d3": "w5 w6"}
    write = {"corpus": passages, "queries": {f"q{n}": passages[item] for n, item in enumerate(order)}}
    for name, texts in write.items():
        (folder / f"{name}.jsonl").write_text(
            "".join(json.dumps({"_id": key, "text": text}) + "\n" for key, text in texts.items())
        )
    lines = "".join(f"q{n}\t{item}\t1\n" for n, item in enumerate(order))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + lines)
    return folder


def test_a_folder_of_tasks_gives_the_mean_over_tasks(tmp_path: Path, tiny_model: Path) -> None:
    tasks = tmp_path / "nano"
    task(tasks / "one", "d1", "d2")
    task(tasks / "two", "d3")
    (tasks / "notes").mkdir()
    (tasks / "two" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq0\td1\t1\n")  # nobody finds it first
    body = json.loads(evaluate(tasks, "--compare", tiny_model, "--json"))
    assert [item["eval_set"] for item in body["tasks"]] == ["one", "two"]
    assert (body["mean"]["BM25"]["hit@1"], body["mean"]["model"]["hit@1"]) == (0.5, 0.5)
    lines = evaluate(tasks, "--compare", tiny_model).splitlines()
    assert (lines[0], lines[1].split()) == ("ndcg@10 of 2 tasks", ["BM25", "model"])
    assert [line.split()[0] for line in lines[2:5]] == ["one", "two", "mean"]
    assert lines[2].split()[1] == "1.0000"
    assert "not for a folder of tasks" in evaluate(tasks, "--compare", tiny_model, "--queries", "x.jsonl", expect=2)


def rated_pairs(path: Path) -> Path:
    rows = [f"{WORDS[n]} {WORDS[n + 1]},{WORDS[n]} {WORDS[(n * 7) % 50]},{n % 6}" for n in range(40)]
    path.write_text("\n".join(["sentence1,sentence2,score", *rows]) + "\n")
    return path


def test_what_the_tuned_model_forgot_on_texts_of_elsewhere(
    dataset: Path, tiny_model: Path, other_model: Path, tmp_path: Path
) -> None:
    general = rated_pairs(tmp_path / "general.csv")
    body = json.loads(evaluate(tiny_model, dataset, "--base", other_model, "--general", general, "--json"))
    lost = body["evaluation"]["forgetting"]
    assert (lost["pairs"], lost["loss"], lost["low"], lost["high"]) == (40, 0.0, 0.0, 0.0)
    assert lost["base"] == lost["tuned"] != 0
    assert not any("forgetting" in said for said in body["verdict"]["missing"])
    text = evaluate(tiny_model, dataset, "--base", other_model, "--general", general)
    assert "general similarity, Spearman with people's ratings of 40 pairs of texts" in text
    assert "rated pairs, at least 30" in evaluate(tiny_model, dataset, "--general", few(tmp_path), expect=3)


def few(folder: Path) -> Path:
    (folder / "few.csv").write_text("sentence1,sentence2,score\na,b,1\n")
    return folder / "few.csv"


def test_a_required_verdict_is_an_exit_code(dataset: Path, tiny_model: Path, other_model: Path) -> None:
    untouched = ("--base", other_model)
    said = evaluate(tiny_model, dataset, *untouched, "--require", "ship", expect=9)
    assert "the verdict is NOT PROVEN, SHIP was required" in said
    # The table is printed all the same.
    assert "BM25" in said
    evaluate(tiny_model, dataset, *untouched, "--require", "not-proven")
    assert "needs a tuned MODEL" in evaluate(dataset, "--compare", tiny_model, "--require", "ship", expect=2)


@pytest.mark.parametrize(
    ("required", "outcome", "enough"),
    [
        ("ship", Outcome.SHIP, True),
        ("ship", Outcome.DO_NOT_SHIP, False),
        ("not-proven", Outcome.SHIP, True),
        ("not-proven", Outcome.NOT_PROVEN, True),
        ("not-proven", Outcome.DO_NOT_SHIP, False),
    ],
)
def test_which_verdict_is_enough(required: str, outcome: Outcome, enough: bool) -> None:
    if enough:
        module.check_required(required, outcome, "dataset")
    else:
        with pytest.raises(VerdictError, match=f"the verdict is {outcome}"):
            module.check_required(required, outcome, "dataset")


def test_a_single_task_is_evaluated_like_a_dataset(tmp_path: Path, tiny_model: Path, other_model: Path) -> None:
    folder = task(tmp_path / "mine", "d1", "d2", "d3")
    body = json.loads(evaluate(tiny_model, folder, "--base", other_model, "--json"))
    assert (body["evaluation"]["eval_set"], body["evaluation"]["real_queries"]) == ("mine", 3)
    assert body["verdict"]["outcome"] == "NOT PROVEN"
    assert body["evaluation"]["systems"][0]["metrics"]["hit@1"] == 1.0


def test_rows_of_the_dataset_and_of_files_are_judged_too(dataset: Path, tiny_model: Path, tmp_path: Path) -> None:
    rated = tmp_path / "rated.csv"
    rated.write_text("sentence1,sentence2,score\nw1 w2,w1 w2,5\nw1 w2,w9 w8,0\nw3,w3 w4,3\n")
    body = json.loads(evaluate(dataset, "--compare", tiny_model, "--pairs", rated, "--json"))
    assert [(item["task"], item["judged"], item["rows"]) for item in body["pairs"]] == [
        ("triplets/test", "triplets", 8),
        ("rated.csv", "similarity", 3),
    ]
    assert set(body["pairs"][0]["systems"]) == {"model"}
    text = evaluate(dataset, "--compare", tiny_model, "--pairs", rated)
    assert "triplets/test (triplets, 8 rows)" in text
    assert "rated.csv (similarity, 3 rows)" in text
    assert "spearman" in text


def test_tasks_of_mteb_stand_beside(dataset: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.train.test_mteb_tasks import StandIn

    monkeypatch.setitem(sys.modules, "mteb", StandIn())
    command = (dataset, "--compare", tiny_model, "--mteb", "OneTask")
    assert json.loads(evaluate(*command, "--json"))["mteb"] == {"OneTask": {"model": 0.5}}
    assert "MTEB OneTask: model 0.5000" in evaluate(*command).splitlines()
