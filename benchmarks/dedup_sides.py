"""The sides of `benchmarks/dedup.py`, each from a list of texts to a cluster label a text; `python dedup_sides.py SIDE TEXTS LABELS` runs one."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

THRESHOLD, PERMUTATIONS, SHINGLE, SEED = 0.8, 128, 5, 42
BANDS = 16
"""Of 8 rows: finds 95% of the pairs at 0.8 by signature. The peers' own choice, where they have one, finds 40% (datasketch)."""


def curate_near(texts: Sequence[str]) -> list[int]:
    """curate.near as the stages use it: signing in batches, bands, true Jaccard of each candidate pair."""
    from curate.near import Nearness, near_duplicate_clusters

    members = near_duplicate_clusters(((f"{n:09}", text) for n, text in enumerate(texts)), Nearness(THRESHOLD))
    numbers: dict[str, int] = {}
    return [numbers.setdefault(member.cluster_id, len(numbers)) for member in members]


def curate_stage(texts: Sequence[str]) -> list[int]:
    """The whole deduplicate stage over a DuckDB file, in this process; filling the table is not timed."""
    return _stage(texts, 1)


def curate_stage_2(texts: Sequence[str]) -> list[int]:
    """The same, signing in two worker processes."""
    return _stage(texts, 2)


def rensa_lsh(texts: Sequence[str]) -> list[int]:
    """rensa: R-MinHash of all shingles, RMinHashLSH; whatever shares a band is one cluster, unverified."""
    from rensa import RMinHash, RMinHashLSH

    minhashes = RMinHash.from_token_sets([_shingles(text) for text in texts], num_perm=PERMUTATIONS, seed=SEED)
    index = RMinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS, num_bands=BANDS)
    index.insert_many(minhashes)
    return _joined(len(texts), enumerate(index.query_all(minhashes)))


def rensa_deduplicator(texts: Sequence[str]) -> list[int]:
    """rensa: RMinHashDeduplicator with LSH and its check of the estimated similarity; a text joins the one it repeats."""
    from rensa import RMinHash, RMinHashDeduplicator

    minhashes = RMinHash.from_token_sets([_shingles(text) for text in texts], num_perm=PERMUTATIONS, seed=SEED)
    index = RMinHashDeduplicator(threshold=THRESHOLD, num_perm=PERMUTATIONS, use_lsh=True, num_bands=BANDS, seed=SEED)
    kept = index.add_pairs((str(n), minhash) for n, minhash in enumerate(minhashes))
    repeated = [n for n, is_kept in enumerate(kept) if not is_kept]
    found = index.get_duplicate_sets([minhashes[n] for n in repeated])
    return _joined(len(texts), ((n, map(int, others)) for n, others in zip(repeated, found, strict=True)))


def rensa_rho_flags(texts: Sequence[str]) -> list[int]:
    """rensa's fastest way (rho sketch, one shot): says only which texts have a duplicate, not of what: 1 or 0 for each text."""
    from rensa import RMinHash, RMinHashLSH

    matrix = RMinHash.digest_matrix_from_token_sets_rho([_shingles(text) for text in texts], num_perm=PERMUTATIONS, seed=SEED)
    index = RMinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS, num_bands=BANDS)
    return [int(flag) for flag in index.query_duplicate_flags_matrix_one_shot(matrix)]


def datasketch_lsh(texts: Sequence[str]) -> list[int]:
    """datasketch: MinHash.generator and MinHashLSH with 16 bands of 8; whatever shares a band is one cluster, unverified."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, PERMUTATIONS // BANDS))
    sets = ([shingle.encode() for shingle in _shingles(text)] for text in texts)
    minhashes = list(MinHash.generator(sets, num_perm=PERMUTATIONS, seed=SEED))
    with index.insertion_session() as session:
        for n, minhash in enumerate(minhashes):
            session.insert(n, minhash, check_duplication=False)
    return _joined(len(texts), ((n, index.query(minhash)) for n, minhash in enumerate(minhashes)))


def datatrove_steps(texts: Sequence[str]) -> list[int]:
    """datatrove: signature, buckets and cluster steps run in this process over a temporary folder, 14 buckets of 8 (its default).

    Words are split at blanks, in place of its spaCy tokeniser, which alone would take many times longer.
    """
    import numpy as np
    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupSignature
    from loguru import logger

    class Blanks:
        word_tokenize = staticmethod(str.split)

    logger.remove()
    config = MinhashConfig(n_grams=SHINGLE)
    with tempfile.TemporaryDirectory() as folder:
        signature = MinhashDedupSignature(f"{folder}/signatures", config)
        signature.word_tokenizer = Blanks()
        signature.run((Document(text=text, id=str(n)) for n, text in enumerate(texts)), 0, 1)
        for bucket in range(config.num_buckets):
            MinhashDedupBuckets(f"{folder}/signatures", f"{folder}/pairs", config=config).run(None, bucket, config.num_buckets)
        MinhashDedupCluster(f"{folder}/pairs", f"{folder}/clusters", config, save_cluster_id=True).run(None, 0, 1)
        rows = np.fromfile(f"{folder}/clusters/000000.clusters", dtype="<u4").reshape(-1, 2)
    first: dict[int, int] = {}
    return _joined(len(texts), ((n, [first.setdefault(cluster, n)]) for n, cluster in rows.tolist()))


SIDES: dict[str, tuple[Callable[[Sequence[str]], list[int]], str]] = {
    "curate": (curate_near, "numpy"),
    "curate stage": (curate_stage, "duckdb"),
    "curate stage 2 workers": (curate_stage_2, "duckdb"),
    "rensa": (rensa_lsh, "rensa"),
    "rensa deduplicator": (rensa_deduplicator, "rensa"),
    "rensa rho flags": (rensa_rho_flags, "rensa"),
    "datasketch": (datasketch_lsh, "datasketch"),
    "datatrove": (datatrove_steps, "datatrove"),
}
"""Name → the side and the library that it needs."""


def _stage(texts: Sequence[str], workers: int) -> list[int]:
    from curate import deduplicate
    from curate.stage import Context
    from curate.store import open_store
    from pipelines.engine import ProcessEngine
    from schemas.settings import Settings
    from schemas.tables import TABLES, frame

    start, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store, ProcessEngine(workers) as engine:
        store.create("documents")
        for first in range(0, len(texts), 10_000):
            store.insert("documents", frame(TABLES["documents"], _rows(texts[first : first + 10_000], first)))
        _untimed[:] = time.perf_counter() - start, time.process_time() - cpu
        context = Context(Settings(), store.reader(("documents",)), engine, lambda _done, _total: None, print)
        numbers: dict[str, int] = {}
        labels = [0] * len(texts)
        for batch in deduplicate.STAGE.produce(context):
            for row in batch.rows:
                labels[int(row["document_id"])] = numbers.setdefault(row["cluster_id"], len(numbers))
    return labels


_untimed = [0.0, 0.0]


def _rows(texts: Sequence[str], first: int) -> list[dict[str, object]]:
    row = {"source": "s", "title": "", "blocks": [], "format": "text", "language": "en", "as_is": False}
    return [{"document_id": f"{first + n:09}", "text": text, **row} for n, text in enumerate(texts)]


def _shingles(text: str) -> list[str]:
    words = text.lower().split()
    return [" ".join(words[n : n + SHINGLE]) for n in range(len(words) - SHINGLE + 1)]


def _joined(count: int, links: Iterable[tuple[int, Iterable[int]]]) -> list[int]:
    parents = list(range(count))

    def root(n: int) -> int:
        while parents[n] != n:
            parents[n] = n = parents[parents[n]]
        return n

    for n, others in links:
        for other in others:
            parents[max(root(n), root(other))] = min(root(n), root(other))
    return [root(n) for n in range(count)]


def main() -> None:
    """Run one side; its labels go to a file, its seconds and memory to stdout."""
    side, texts_file, labels_file = sys.argv[1:]
    with Path(texts_file).open(encoding="utf-8") as file:
        texts = [json.loads(line) for line in file]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, cpu = time.perf_counter(), time.process_time()
    labels = SIDES[side][0](texts)
    seconds, cpu = time.perf_counter() - start - _untimed[0], time.process_time() - cpu - _untimed[1]
    cpu += resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    Path(labels_file).write_text(json.dumps(labels), encoding="utf-8")
    print(
        json.dumps(
            {
                "seconds": round(seconds, 2),
                "cpu_seconds": round(cpu, 2),
                "peak_mib": after // 1024,
                "over_texts_mib": (after - before) // 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
