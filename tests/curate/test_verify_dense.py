"""Exact search with an embedding model: against brute force with a stand-in, and with a tiny real one."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.llm import weights
from curate.verify import dense, models
from curate.verify.dense import Dense, DensePlace, Own, open_dense
from curate.verify.kept import Kept
from curate.verify.models import check_gate_models, load_model, weights_id
from schemas.errors import ContractError, SettingsError, StoreError
from schemas.settings import VerifySettings
from tests.curate.tiny_gate_models import save_tiny_embedder

ROOT = Path(__file__).resolve().parents[2]
WHERE = "verify.dense_model"
EXTRA = 'pip install "curate-embeddings[train]"'


class FakeModel:
    """Embeds "x,y,z" as these numbers; fails at call number `fails_at`."""

    def __init__(self, fails_at: int = 0, error: BaseException | None = None) -> None:
        self.fails_at, self.error = fails_at, error or KeyboardInterrupt()
        self.calls: list[tuple[str, list[str]]] = []

    def encode_query(self, texts: list[str], **options: Any) -> np.ndarray:
        return self._encoded("query", texts)

    def encode_document(self, texts: list[str], **options: Any) -> np.ndarray:
        return self._encoded("document", texts)

    def _encoded(self, kind: str, texts: list[str]) -> np.ndarray:
        self.calls.append((kind, texts))
        if len(self.calls) == self.fails_at:
            raise self.error
        return np.array([[float(number) for number in text.split(",")] for text in texts], dtype=np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stand-in is said to be loaded from."""
    place = tmp_path_factory.mktemp("weights")
    (place / "config.json").write_text("{}")
    return place


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_embedder(tmp_path_factory.mktemp("tiny"), prompts={"query": "query : ", "document": ""})


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with Kept(tmp_path / "build") as opened:
        yield opened


def opened(kept: Kept, folder: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> Dense:
    monkeypatch.setattr(dense, "load_model", lambda *_: model)
    return open_dense(VerifySettings(dense_model=str(folder)), kept)


def brute_force(passages: list[list[float]], clusters: list[int], query: list[float], own: Own) -> DensePlace:
    """All cosines one by one, sorted."""
    cosines = [round(float(np.dot(query, passage)), 4) for passage in passages]
    near = [number for number, cluster in enumerate(clusters) if cluster == clusters[own.position]]
    others = sorted((cosine for number, cosine in enumerate(cosines) if number not in near), reverse=True)
    score = cosines[own.position]
    best = max(cosines[number] for number in near)
    if own.passage is not None:
        score = best = round(float(np.dot(query, [float(number) for number in own.passage.split(",")])), 4)
    rank = 1 + sum(cosine > best for cosine in others)
    return DensePlace(rank, score, round(score - others[0], 4) if others else None)


# Quarters: every product is exact, and equal cosines are common.
numbers = st.lists(st.sampled_from([-0.5, -0.25, 0.0, 0.25, 0.5]), min_size=4, max_size=4)


def written(vector: Sequence[float]) -> str:
    return ",".join(map(str, vector))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_places_are_those_of_brute_force(data: st.DataObject, folder: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "_PASSAGES_AT_ONCE", 3)
    monkeypatch.setattr(dense, "_QUESTIONS_AT_ONCE", 2)
    passages = data.draw(st.lists(numbers, min_size=1, max_size=9))
    clusters = data.draw(st.lists(st.integers(-2, 4), min_size=len(passages), max_size=len(passages)))
    questions = data.draw(st.lists(numbers, min_size=1, max_size=5))
    altered = st.none() | numbers.map(written)
    own = [Own(data.draw(st.integers(0, len(passages) - 1)), data.draw(altered)) for _ in questions]
    texts = [written(passage) for passage in passages]
    search = opened(kept, folder, FakeModel(), monkeypatch)
    search.index([texts[:2], texts[2:]], np.array(clusters))
    found = search.places([written(question) for question in questions], own)
    assert found == [brute_force(passages, clusters, query, target) for query, target in zip(questions, own, strict=True)]


def test_a_place_read_by_eye(kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = opened(kept, folder, FakeModel(), monkeypatch)
    # Chunks 1 and 3 are near-copies.
    search.index([["0.9,0", "0.5,0", "0.7,0", "0.8,0", "0.1,0"]], np.array([0, 1, 2, 1, 3]))
    own = [Own(1), Own(0), Own(4), Own(1, "0.6,0"), Own(1, "1.0,0")]
    assert search.places(["1,0"] * 5, own) == [
        DensePlace(2, 0.5, -0.4),  # its near-copy is second, it is itself behind the first by 0.4
        DensePlace(1, 0.9, 0.1),
        DensePlace(5, 0.1, -0.8),
        DensePlace(3, 0.6, -0.3),  # near-copies of the true chunk stand aside
        DensePlace(1, 1.0, 0.1),
    ]
    assert search.places([], []) == []


def test_nothing_outside_the_cluster_means_no_margin(kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = opened(kept, folder, FakeModel(), monkeypatch)
    search.index([["0.5,0", "0.25,0"]], np.array([7, 7]))
    assert search.places(["1,0"], [Own(1)]) == [DensePlace(1, 0.25, None)]


def test_the_last_bits_of_a_cosine_decide_nothing(kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = opened(kept, folder, FakeModel(), monkeypatch)
    search.index([["0.50000001,0", "0.50000202,0", "1.0000001,0"]], np.array([0, 1, 2]))
    assert search.places(["1,0", "1,0"], [Own(0), Own(2)]) == [DensePlace(2, 0.5, -0.5), DensePlace(1, 1.0, 0.5)]


def test_closing_gives_back_the_model_and_the_vectors(kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[bool] = []
    monkeypatch.setattr(dense, "free_memory", lambda: freed.append(search._model is None))
    search = opened(kept, folder, FakeModel(), monkeypatch)
    search.index([["1,0"]], np.arange(1))
    search.close()
    search.close()
    assert freed == [True]
    assert search._vectors.size == 0


def test_an_empty_corpus_is_indexed(kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = opened(kept, folder, FakeModel(), monkeypatch)
    search.index([], np.empty(0, dtype=np.int64))
    assert search.places([], []) == []


def test_passages_and_clusters_must_be_as_many(kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = opened(kept, folder, FakeModel(), monkeypatch)
    with pytest.raises(ContractError, match="1 passages for 2 clusters"):
        search.index([["1,0"]], np.array([0, 1]))


def test_every_text_is_embedded_once_and_in_its_own_role(kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = FakeModel()
    search = opened(kept, folder, model, monkeypatch)
    search.index([["1,0", "0,1", "1,0"], ["0,1", "1,1"]], np.arange(5))
    search.places(["1,0", "1,0"], [Own(0), Own(1, "0,0")])
    assert model.calls == [
        ("document", ["0,1", "1,0"]),
        ("document", ["1,1"]),
        ("query", ["1,0"]),
        ("document", ["0,0"]),
    ]


def test_a_kill_loses_one_block_and_the_rest_is_never_computed_again(
    kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "_TEXTS_A_COMMIT", 2)
    texts = ["1,0", "0,1", "0.5,0", "0,0.5", "0.25,0.25"]
    broken, whole = FakeModel(fails_at=2), FakeModel()
    with pytest.raises(KeyboardInterrupt):
        opened(kept, folder, broken, monkeypatch).index([texts], np.arange(5))
    told: list[tuple[int, int | None]] = []
    opened(kept, folder, whole, monkeypatch).index([texts], np.arange(5), lambda done, total: told.append((done, total)))
    assert [texts for _, texts in broken.calls] == [["0,1", "1,0"], ["0,0.5", "0.5,0"]]
    assert [texts for _, texts in whole.calls] == [["0,0.5", "0.5,0"], ["0.25,0.25"]]
    assert told == [(4, 5), (5, 5), (5, 5)]


def test_vectors_of_other_weights_are_not_taken(
    kept: Kept, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "config.json").write_text('{"pooling": "cls"}')
    for place in (folder, other):
        model = FakeModel()
        opened(kept, place, model, monkeypatch).index([["1,0"]], np.arange(1))
        assert model.calls == [("document", ["1,0"])]


def test_kept_vectors_of_two_lengths_are_told(kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(kept, folder, FakeModel(), monkeypatch).index([["1,0"]], np.arange(1))
    with pytest.raises(StoreError, match="kept vectors of one model differ in length"):
        opened(kept, folder, FakeModel(), monkeypatch).index([["1,0", "1,0,0"]], np.arange(2))
    with pytest.raises(StoreError, match="kept vectors of one model differ in length"):
        opened(kept, folder, FakeModel(), monkeypatch).index([["1,0"], ["1,0,0"]], np.arange(2))


def test_numbers_that_are_none_are_refused_and_not_kept(kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="the model's embeddings are not numbers"):
        opened(kept, folder, FakeModel(), monkeypatch).index([["nan,1"]], np.arange(1))
    assert kept._connection.execute("SELECT count(*) FROM vectors").fetchone() == (0,)


def test_memory_that_runs_out_is_told_with_the_way_out(kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = FakeModel(1, RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"))
    with pytest.raises(SettingsError) as caught:
        opened(kept, folder, model, monkeypatch).index([["1,0"]], np.arange(1))
    assert caught.value.next_step == "lower verify.model_batch, or use a smaller model"
    bug = FakeModel(1, RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        opened(kept, folder, bug, monkeypatch).index([["1,0"]], np.arange(1))


def test_a_real_model_searches_with_its_own_prompts(kept: Kept, tiny: Path) -> None:
    from sentence_transformers import SentenceTransformer

    passages = [f"w{number} w{number + 1} w{number + 2}" for number in range(30)]
    questions = [f"what is w{number}" for number in range(8)]
    search = open_dense(VerifySettings(dense_model=str(tiny), device="cpu", model_batch=4), kept)
    search.index([passages], np.arange(30))
    found = search.places(questions, [Own(number) for number in range(8)])
    library = SentenceTransformer(str(tiny), device="cpu")
    cosines = (
        library.encode([f"query : {text}" for text in questions], prompt="", normalize_embeddings=True)
        @ library.encode(passages, prompt="", normalize_embeddings=True).T
    )
    assert [place.score for place in found] == pytest.approx(cosines.diagonal().tolist(), abs=1e-4)
    others = cosines.copy()
    np.fill_diagonal(others[:, :8], -2)
    margins = cosines.diagonal() - others.max(axis=1)
    assert [place.margin for place in found] == pytest.approx(margins.tolist(), abs=2e-4)
    ranks = 1 + (others > cosines.diagonal()[:, None]).sum(axis=1)
    assert np.abs(ranks - [place.rank for place in found]).max() <= 1  # cosines nearer than 0.0001 are equal here
    assert len({place.score for place in found}) == 8
    # The prompt tells: without it the numbers are others.
    bare = library.encode(questions, prompt="", normalize_embeddings=True) @ library.encode(passages, prompt="").T
    assert np.abs(bare - cosines).max() > 0.01


def test_a_second_run_loads_no_library(kept: Kept, tiny: Path) -> None:
    options = VerifySettings(dense_model=str(tiny), device="cpu")
    first = open_dense(options, kept)
    first.index([["w1 w2", "w3 w4"]], np.arange(2))
    expected = first.places(["w1"], [Own(0)])
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from curate.verify.kept import Kept; from curate.verify.dense import Own, open_dense\n"
        "from schemas.settings import VerifySettings\n"
        "with Kept(Path(sys.argv[1])) as kept:\n"
        "    search = open_dense(VerifySettings(dense_model=sys.argv[2]), kept)\n"
        "    search.index([['w1 w2', 'w3 w4']], np.arange(2))\n"
        "    place = search.places(['w1'], [Own(0)])[0]\n"
        "heavy = [name for name in ('torch', 'transformers', 'sentence_transformers') if name in sys.modules]\n"
        "print(place.rank, place.score, place.margin, heavy)\n"
    )
    arguments = [sys.executable, "-c", code, str(kept.path.parent), str(tiny)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=3) == [*map(str, (expected[0].rank, expected[0].score, expected[0].margin)), "[]\n"]


@pytest.mark.parametrize(
    "change", ["1_Pooling/config.json", "modules.json", "config_sentence_transformers.json", "model.safetensors"]
)
def test_what_shapes_vectors_is_part_of_the_weights_name(tiny: Path, tmp_path: Path, change: str) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy")
    assert weights_id(str(copy), WHERE) == weights_id(str(tiny), WHERE)
    path = copy / change
    path.write_bytes(path.read_bytes() + b" ")
    assert weights_id(str(copy), WHERE) != weights_id(str(tiny), WHERE)


def test_what_shapes_none_is_no_part_of_it(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy")
    (copy / "README.md").write_text("Read me.")
    for aside in ("onnx", ".cache", "checkpoint-8"):
        (copy / aside).mkdir()
        (copy / aside / "config.json").write_text("{}")
    assert weights_id(str(copy), WHERE) == weights_id(str(tiny), WHERE)


@pytest.mark.parametrize("name", ["./nowhere", "/no/where", "a/b/c", "nowhere", "~/nowhere", "a\\b", ""])
def test_a_path_that_is_not_there_is_refused_first_of_all(name: str, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(f"{name} was imported"))
    asked = VerifySettings.model_construct(dense_model=name, checker=None)
    for look in (lambda: open_dense(asked, kept), lambda: check_gate_models(asked)):
        with pytest.raises(SettingsError) as caught:
            look()
        assert (
            str(caught.value) == f"verify.dense_model: no model folder at {name}\n  next: give a folder, or a hub id (owner/name)"
        )


def test_a_missing_extra_is_named_with_its_command(kept: Kept, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sentence_transformers", "torch", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    search = open_dense(VerifySettings(dense_model=str(tiny)), kept)
    with pytest.raises(SettingsError, match="the model needs what is not installed: sentence_transformers") as caught:
        search.index([["w1"]], np.arange(1))
    assert caught.value.where == WHERE
    assert caught.value.next_step == f"{EXTRA}, or unset verify.dense_model"


def test_a_missing_extra_can_be_told_before_anything_runs(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_gate_models(VerifySettings(dense_model=str(tiny), checker="some/model"))
    monkeypatch.setattr(models, "find_spec", lambda name: None if name == "torch" else object())
    check_gate_models(VerifySettings())
    with pytest.raises(SettingsError, match=r"verify\.checker: the model needs what is not installed: torch"):
        check_gate_models(VerifySettings(checker="some/model"))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def note_commit(cache: Path, name: str, commit: str) -> None:
    ref = cache / f"models--{name.replace('/', '--')}" / "refs" / "main"
    ref.parent.mkdir(parents=True)
    ref.write_text(commit)


def test_a_hub_model_is_named_by_its_commit_and_loaded_at_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sentence_transformers

    def offline_first(name: str, **options: Any) -> str:
        seen.append((name, options))
        if options["local_files_only"]:
            raise OSError("not whole")
        return "model"

    seen: list[tuple[str, dict[str, Any]]] = []
    note_commit(cache, "some/model", "abc123")
    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", offline_first)
    assert weights_id("some/model", WHERE) == "some/model@abc123"
    assert load_model("SentenceTransformer", "some/model", WHERE, "auto") == "model"
    options = {
        "device": None,
        "trust_remote_code": False,
        "model_kwargs": {"dtype": "float32", "use_safetensors": True},
        "revision": "abc123",
    }
    assert seen == [("some/model", options | {"local_files_only": local}) for local in (True, False)]


def test_the_hub_is_asked_for_the_commit_when_the_cache_has_none(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def fetched(name: str, file: str) -> None:
        note_commit(cache, name, "def456")
        raise OSError("no config.json in there, but its commit is known now")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetched)
    assert weights_id("some/model", WHERE) == "some/model@def456"


def test_an_unreachable_hub_is_told_with_the_way_out(cache: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(name: str, file: str) -> None:
        raise OSError("We couldn't connect\nto the hub")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    with pytest.raises(SettingsError) as caught:
        open_dense(VerifySettings(dense_model="some/model"), kept)
    assert str(caught.value) == (
        "verify.dense_model: some/model could not be fetched from the Hugging Face hub: We couldn't connect\n"
        "  next: check the name and the network, or download the model elsewhere and pass its folder: --set verify.dense_model=FOLDER"
    )


def test_without_the_extra_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.setitem(sys.modules, "huggingface_hub.constants", None)
    assert weights.cached_revision("some/model") is None
    with pytest.raises(SettingsError, match="the model needs what is not installed: huggingface_hub"):
        weights_id("some/model", WHERE)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no usable model in") as caught:
        load_model("SentenceTransformer", str(tmp_path), WHERE, "cpu")
    assert (
        caught.value.next_step == "give a folder that sentence-transformers loads: config.json, tokenizer files and *.safetensors"
    )


@pytest.mark.parametrize(("kind", "told"), [("evil.Module", "such code is never run"), (None, "no usable model in")])
def test_code_of_a_model_is_never_run(tiny: Path, tmp_path: Path, kind: str | None, told: str) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy")
    ran = tmp_path / "ran"
    (copy / "evil.py").write_text(f"open({str(ran)!r}, 'w')\nclass Module: pass\n")
    modules = json.loads((copy / "modules.json").read_text())
    modules[1] |= {"type": kind}
    (copy / "modules.json").write_text(json.dumps(modules if kind else {"no": "list"}))
    with pytest.raises(SettingsError, match=told):
        load_model("SentenceTransformer", str(copy), WHERE, "cpu")
    assert not ran.exists()


def test_code_of_a_model_in_transformers_is_never_run(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy")
    ran = tmp_path / "ran"
    (copy / "evil.py").write_text(f"open({str(ran)!r}, 'w')\nclass Config: pass\nclass Model: pass\n")
    config = json.loads((copy / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(SettingsError, match="needs code that comes with it, and such code is never run"):
        load_model("SentenceTransformer", str(copy), WHERE, "cpu")
    assert not ran.exists()


def test_a_device_that_is_not_there(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SettingsError, match=r"verify\.device: there is no cuda device here"):
        load_model("SentenceTransformer", str(tiny), WHERE, "cuda")


def test_loading_says_nothing(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_model("SentenceTransformer", str(tiny), WHERE, "cpu")
    assert capfd.readouterr() == ("", "")


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_best_passages_are_those_of_brute_force(
    data: st.DataObject, folder: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "_PASSAGES_AT_ONCE", 3)
    monkeypatch.setattr(dense, "_QUESTIONS_AT_ONCE", 2)
    passages = data.draw(st.lists(numbers, min_size=1, max_size=9))
    questions = data.draw(st.lists(numbers, min_size=1, max_size=5))
    k = data.draw(st.integers(1, 11))
    search = opened(kept, folder, FakeModel(), monkeypatch)
    search.index([[written(passage) for passage in passages]], np.arange(len(passages)))
    ids, scores = search.top([written(question) for question in questions], k)
    for question, row, cosines in zip(questions, ids.tolist(), scores.tolist(), strict=True):
        products = [round(float(np.dot(question, passage)), 4) for passage in passages]
        best = sorted(range(len(passages)), key=lambda place: (-products[place], place))[:k]
        assert row == best + [-1] * (k - len(best))
        assert cosines == [products[place] for place in best] + [0.0] * (k - len(best))
        assert [search.cosine(written(question), place) for place in best] == [products[place] for place in best]
    pairs = [(question, passage) for question in questions for passage in passages]
    found = search.cosines([written(question) for question, _ in pairs], [written(passage) for _, passage in pairs])
    assert found == [round(float(np.dot(question, passage)), 4) for question, passage in pairs]
