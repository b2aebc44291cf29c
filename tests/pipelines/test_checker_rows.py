"""Training a checker from a build and from labelled files, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from curate.store import open_store
from pipelines.checker_rows import planted_rows
from pipelines.cli import main
from schemas.errors import StoreError
from tests.pipelines.conftest import run_curate


@pytest.fixture(scope="module")
def build(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build up to the filter; nothing may write into it."""
    folder = tmp_path_factory.mktemp("build")
    run_curate("build", corpus, "--out", folder / "curated", "--until", "filter", cwd=folder)
    return folder / "curated"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of one layer that reads single characters, as a plain transformers folder."""
    torch = pytest.importorskip("torch")
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    letters = [chr(code) for code in range(97, 123)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder / "bert")
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder / "bert")
    return folder / "bert"


def test_rows_of_a_build(build: Path) -> None:
    rows = planted_rows(build, 13)
    assert planted_rows(build, 13) == rows
    with open_store(build, read_only=True) as store:
        kept = store.reader(("pairs",)).query("SELECT anchor, cluster_id FROM pairs WHERE split = 'train' AND is_positive")
        others = store.reader(("pairs",)).query("SELECT anchor FROM pairs WHERE split <> 'train'")
    good = [row for row in rows if row.label]
    assert sorted((row.question, row.group) for row in good) == sorted(kept.iter_rows())
    assert len(others) > 0
    assert not {row.question for row in rows} & set(others["anchor"])
    # Faults are of the document of the question they were planted into, and every one can be seen.
    faults = [row for row in rows if not row.label]
    assert len(faults) > len(good)
    assert not {(row.question, row.passage) for row in good} & {(row.question, row.passage) for row in faults}
    home = {row.question: row.group for row in good}
    moved = [row for row in faults if row.question in home]
    assert len(moved) > len(good)
    assert all(row.group == home[row.question] for row in moved)


def test_no_build(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        planted_rows(tmp_path, 13)


def test_the_command(build: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Two threads that wait for each other on a busy machine take minutes for what one does in seconds.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    labelled = tmp_path / "labelled.csv"
    rows = [{"question": f"q {n}", "context": f"p {n}", "is_impossible": n % 2 == 0, "title": f"t {n}"} for n in range(6)]
    pl.DataFrame(rows).write_csv(labelled)
    sets = [part for item in ("max_steps=2", "max_seq_length=32", "limit=60", "device=cpu") for part in ("--set", item)]
    command = [
        "train",
        "--task",
        "checker",
        build,
        "--out",
        tmp_path / "model",
        "--model",
        encoder,
        "--labelled",
        labelled,
        *sets,
    ]
    done = run_curate(*command, "--json", cwd=tmp_path)
    result = json.loads(done.stdout)
    assert result["sources"] == ["curated", "labelled.csv"]
    assert (result["task"], result["steps"], result["reused"]) == ("checker", 2, False)
    assert result["train_rows"]["documents"] > result["dev_rows"]["documents"] > 0
    assert result["notes"][0].startswith("60 of ")
    assert {"config.json", "model.safetensors", "training.json", "README.md"} <= {p.name for p in (tmp_path / "model").iterdir()}
    again = run_curate(*command, cwd=tmp_path)
    assert "(already trained: nothing to do)" in again.stdout
    assert f"recommended threshold: {result['threshold']:.4f}" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--task", "checker"], "nothing to train on"),
        (["--task", "checker", "--labelled", "none.csv"], "no such file"),
        (["--task", "checker", "--set", "epochs=0"], "epochs: Input should be greater than or equal to 1"),
        (["a", "b"], "an embedder is trained on one DATASET folder"),
        ([], "an embedder is trained on one DATASET folder"),
        (["a", "--labelled", "b.csv"], "an embedder is trained on one DATASET folder"),
    ],
)
def test_what_the_command_refuses(tmp_path: Path, arguments: list[str], says: str) -> None:
    expect = 3 if "none.csv" in arguments else 2
    assert says in run_curate("train", *arguments, "--out", "m", "--model", "x", cwd=tmp_path, expect=expect).stderr
    assert not (tmp_path / "m").exists()


def labelled_file(path: Path) -> Path:
    """Six documents: a question of each of two passages with its own passage (answered) and with the other one (not)."""
    lines = []
    for number in range(6):
        about = [f"The w{number * 4 + i} dam was built near w{number * 4 + i + 1}. It is old." for i in (0, 2)]
        for asked, held in ((0, 0), (1, 1), (0, 1), (1, 0)):
            question = f"what was built near w{number * 4 + asked * 2 + 1}?"
            lines.append({"question": question, "passage": about[held], "label": int(asked == held), "document": f"d{number}"})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_a_sentence_checker_is_fitted_from_the_command_line_and_found_again(encoder: Path, tmp_path: Path) -> None:
    labelled = labelled_file(tmp_path / "labelled.jsonl")
    command = ["train", "--task", "checker", "--labelled", str(labelled), "--model", str(encoder), "--set", "kind=sentences"]
    run = CliRunner().invoke(main, [*command, "--out", str(tmp_path / "checker"), "--set", "dev_share=0.3", "--json"])
    assert run.exit_code == 0, run.output
    found = json.loads(run.stdout)
    assert (found["train_rows"]["answerable"], found["dev_rows"]["answerable"], found["dev"]["roc_auc"]) == (8, 4, 1.0)
    assert {path.name for path in (tmp_path / "checker").iterdir()} == {"encoder", "sentence_checker.json", "training.json"}
    weights = json.loads((tmp_path / "checker" / "sentence_checker.json").read_text())["weights"]
    assert weights["passage_share"] > 0 > weights["passage_missing"]
    assert not (tmp_path / "checker.partial").exists()
    again = CliRunner().invoke(main, [*command, "--out", str(tmp_path / "checker"), "--set", "dev_share=0.3"])
    assert "already trained: nothing to do" in again.stdout
    other = CliRunner().invoke(main, [*command, "--out", str(tmp_path / "checker"), "--set", "dev_share=0.5"])
    assert (other.exit_code, "the folder holds something else" in other.output) == (2, True)
