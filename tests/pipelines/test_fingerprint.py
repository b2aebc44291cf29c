from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.stage import Batch, Context, Stage
from pipelines.fingerprint import Fingerprint, code_digest, differences, fingerprint, used_settings
from schemas.settings import Settings, load_settings


def produce(context: Context) -> Iterator[Batch]:
    yield from ()


def stage(**changes: Any) -> Stage:
    values = {
        "name": "chunk",
        "reads": ("documents",),
        "writes": ("chunks",),
        "produce": produce,
        "settings": ("chunk",),
    } | changes
    return Stage(**values)


@settings(deadline=None)  # a busy machine is no fault
@given(st.integers(16, 4096), st.integers(0, 99))
def test_it_changes_if_and_only_if_a_used_setting_changes(max_tokens: int, seed: int) -> None:
    base = fingerprint(stage(), Settings(), {"documents": "1"})
    other = fingerprint(stage(), load_settings(None, [f"chunk.max_tokens={max_tokens}", f"seed={seed}"]), {"documents": "1"})
    assert (base.digest() == other.digest()) == (max_tokens == Settings().chunk.max_tokens)


def test_differences_are_named_as_the_user_knows_them() -> None:
    old = fingerprint(stage(libraries=("duckdb",)), Settings(), {"documents": "1"})
    new = Fingerprint(
        old.code, {"duckdb": "9.9"}, {}, {**old.settings, "chunk.max_tokens": 512, "chunk.tokenizer": "x"}, {"documents": "2"}
    )
    duckdb = old.libraries["duckdb"]
    assert differences(old, new) == [
        "chunk.max_tokens 256 → 512",
        'chunk.tokenizer unset → "x"',
        "documents changed",
        f"duckdb {duckdb} → 9.9",
    ]
    assert differences(old, old) == []


def test_a_section_that_counts_only_where_a_value_is_set() -> None:
    judged = stage(settings=("verify",), settings_if={"llm.judge.model": ("filter",)})

    def digest(*sets: str) -> str:
        return fingerprint(judged, load_settings(None, sets), {}).digest()

    assert digest() == digest("filter.min_question_words=5")
    assert digest("llm.judge.model=m") != digest("llm.judge.model=m", "filter.min_question_words=5")
    assert digest("llm.judge.model=m") != digest()


def test_it_survives_json() -> None:
    old = fingerprint(stage(libraries=("duckdb", "no-such-library")), Settings(), {"documents": "1"})
    assert Fingerprint.from_json(old.to_json()) == old
    assert old.libraries["no-such-library"] == "absent"


def test_how_calls_are_made_is_no_part_of_it() -> None:
    used = used_settings(Settings(), ("llm.generator",))
    assert "llm.generator.model" in used
    assert not {
        "llm.generator.timeout_s",
        "llm.generator.api_key_env",
        "llm.generator.retries",
        "llm.generator.concurrency",
    } & set(used)


@pytest.fixture
def fresh_caches() -> Iterator[None]:
    from pipelines import fingerprint as module

    module.code_digest.cache_clear()
    module._tree.cache_clear()
    yield
    module.code_digest.cache_clear()
    module._tree.cache_clear()


def test_comments_and_docstrings_shape_no_row(fresh_caches: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    from pipelines import fingerprint as module

    def digest(text: str) -> str:
        path = tmp_path / "stage.py"
        path.write_text(text)
        module.code_digest.cache_clear()
        module._tree.cache_clear()
        monkeypatch.setattr(module, "_source", lambda name: path if name == "curate.stage" else None)
        return code_digest("curate.stage")

    base = digest('"""One."""\ndef f():\n    """Doc."""\n    return 1\n')
    assert digest('"""Two."""\n# a comment\ndef f():\n    """Other."""\n    return 1\n') == base
    assert digest('"""One."""\ndef f():\n    """Doc."""\n    return 2\n') != base


def test_a_file_that_settings_name_counts_by_its_content(tmp_path: Path) -> None:
    generate = stage(name="generate", settings=("generate",))
    file = tmp_path / "queries.txt"
    named = load_settings(None, [f"generate.examples={file}"])
    seen = []
    for text in (None, "one\n", "two\n"):
        if text is not None:
            file.write_text(text)
        seen.append(fingerprint(generate, named, {}).files["generate.examples"])
    assert seen[0] == "missing"
    assert len(set(seen)) == 3
    assert "generate.examples" not in fingerprint(generate, Settings(), {}).files


def test_a_file_of_the_build_folder_counts_by_its_content(tmp_path: Path) -> None:
    labelled = stage(folder_files=("labels.jsonl",))
    file = tmp_path / "labels.jsonl"
    absent = fingerprint(labelled, Settings(), {}, tmp_path)
    file.write_text("")
    empty = fingerprint(labelled, Settings(), {}, tmp_path)
    file.write_text("one\n")
    one = fingerprint(labelled, Settings(), {}, tmp_path)
    assert [name for parts in (absent, empty, one) for name in parts.files] == ["labels.jsonl", "labels.jsonl"]
    assert len({parts.digest() for parts in (absent, empty, one)}) == 3
    assert differences(absent, one) == differences(empty, one) == differences(one, absent) == ["labels.jsonl changed"]


def test_without_the_file_a_build_from_before_it_was_read_stands(tmp_path: Path) -> None:
    before = fingerprint(stage(), Settings(), {"documents": "1"})
    assert differences(before, fingerprint(stage(folder_files=("labels.jsonl",)), Settings(), {"documents": "1"}, tmp_path)) == []


def test_stages_that_do_not_read_the_file_do_not_count_it(tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_text("one\n")
    assert fingerprint(stage(), Settings(), {}, tmp_path) == fingerprint(stage(), Settings(), {})


@pytest.mark.parametrize("key", ["verify.dense_model", "verify.checker"])
def test_a_model_of_a_gate_counts_by_its_files(tmp_path: Path, key: str) -> None:
    verify = stage(name="verify", settings=("verify",))
    folder = tmp_path / "model"
    named = load_settings(None, [f"{key}={folder}"])
    assert fingerprint(verify, named, {}).files == {key: "missing"}
    (folder / "1_Pooling").mkdir(parents=True)
    seen = [fingerprint(verify, named, {})]
    for name, text in (("model.safetensors", "w"), ("model.safetensors", "v2"), ("1_Pooling/config.json", "{}")):
        (folder / name).write_text(text)
        seen.append(fingerprint(verify, named, {}))
    assert len({parts.files[key] for parts in seen}) == 4
    assert differences(seen[0], seen[1]) == [f"{key} changed"]
    (folder / "README.md").write_text("Read me.")
    assert fingerprint(verify, named, {}) == seen[-1]
    assert key not in fingerprint(verify, Settings(), {}).files
    assert key not in fingerprint(stage(), named, {}).files


def test_a_hub_model_of_a_gate_counts_by_the_commit_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verify = stage(name="verify", settings=("verify",))
    named = load_settings(None, ["verify.dense_model=some/model"])
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    ref = tmp_path / "models--some--model" / "refs" / "main"
    ref.parent.mkdir(parents=True)
    for commit in ("abc", "def"):
        ref.write_text(commit)
        assert fingerprint(verify, named, {}).files == {"verify.dense_model": f"some/model@{commit}"}


def test_a_hub_model_that_cannot_be_had_is_left_to_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(name: str, file: str) -> None:
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    named = load_settings(None, ["verify.checker=some/model"])
    assert fingerprint(stage(name="verify", settings=("verify",)), named, {}).files == {"verify.checker": "missing"}


def test_how_models_are_run_is_no_part_of_it() -> None:
    assert not {"verify.device", "verify.model_batch"} & set(used_settings(Settings(), ("verify",)))
