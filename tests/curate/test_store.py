from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from curate.store import Store, open_store, tables_of, validated
from schemas.errors import ContractError, StoreError
from schemas.tables import AuditResults, frame

ROW = {"claim": "a", "description": "d", "broken": 0, "examples": ["x"]}


def add(store: Store, *rows: dict[str, object]) -> None:
    store.insert("audit_results", frame(AuditResults, rows))


def test_batches_come_in_key_order(store: Store) -> None:
    store.create("audit_results")
    add(store, {**ROW, "claim": "b"}, {**ROW, "claim": "a"})
    rows = [row for batch in store.reader(["audit_results"]).batches("audit_results") for row in batch.to_dicts()]
    assert rows == [ROW, {**ROW, "claim": "b"}]


def test_a_failed_transaction_leaves_the_old_table(store: Store) -> None:
    store.create("audit_results")
    add(store, ROW)
    with pytest.raises(RuntimeError), store.transaction():
        store.create("audit_results")
        add(store, {**ROW, "claim": "new"})
        raise RuntimeError
    assert store.rows("SELECT claim FROM audit_results") == [{"claim": "a"}]


def test_a_reader_sees_committed_rows_only(store: Store) -> None:
    store.create("audit_results")
    add(store, ROW)
    with store.transaction():
        store.create("audit_results")
        assert store.reader(["audit_results"]).count("audit_results") == 1


def test_a_reader_refuses_undeclared_tables(store: Store) -> None:
    store.create("audit_results")
    reader = store.reader(["chunks"])
    with pytest.raises(ContractError, match="reads audit_results without declaring it"):
        reader.query("SELECT * FROM audit_results")
    with pytest.raises(ContractError, match="reads audit_results"):
        list(reader.batches("audit_results"))


def test_tables_of_leaves_with_names_out(store: Store) -> None:
    sql = "WITH w AS (SELECT * FROM chunks) SELECT * FROM w JOIN (SELECT * FROM pairs) USING (chunk_id)"
    assert tables_of(store.connection, sql) == {"chunks", "pairs"}
    with pytest.raises(ContractError, match="not one SELECT"):
        tables_of(store.connection, "DROP TABLE chunks")


def test_content_hash_depends_on_the_set_of_rows_alone(store: Store) -> None:
    hashes = []
    for rows in ([ROW, {**ROW, "claim": "b"}], [{**ROW, "claim": "b"}, ROW], [ROW]):
        store.create("audit_results")
        add(store, *rows)
        hashes.append(store.content_hash("audit_results"))
    assert hashes[0] == hashes[1] != hashes[2]


def test_repeated_keys_are_named(store: Store) -> None:
    store.create("audit_results")
    add(store, ROW, ROW)
    assert store.repeated_keys("audit_results") == ["a"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**ROW, "broken": -1}, "broken"),
        ({**ROW, "claim": None}, "claim"),
        ({**ROW, "examples": "x"}, "do not fit AuditResults"),
        ({"claim": "a"}, "do not fit AuditResults"),
    ],
)
def test_a_row_outside_its_contract_is_our_bug(row: dict[str, object], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        validated(AuditResults, [row], "stage validate")


def test_reading_where_nothing_was_built_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no build here") as caught, open_store(tmp_path, read_only=True):
        pass
    assert "curate build" in caught.value.next_step


def test_a_second_process_is_told_who_holds_the_file(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from curate.store import open_store; from schemas.errors import StoreError\n"
        "try:\n  with open_store(Path(sys.argv[1])): pass\n"
        "except StoreError as error: print(error.what)"
    )
    with open_store(tmp_path):
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "is using this build" in done.stdout


def test_sql_reaches_no_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with pytest.raises(Exception, match="disabled by configuration"):
        store.rows(f"SELECT * FROM read_csv('{tmp_path / 'secret.csv'}')")
