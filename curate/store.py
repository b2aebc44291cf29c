"""The build's DuckDB file: the only module that opens DuckDB."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from schemas.errors import ContractError, StoreError
from schemas.tables import KEYS, TABLES, Table, frame, polars_schema

DATABASE_NAME = "curate.duckdb"
QueryError = duckdb.Error
"""What a query raises that the tables cannot answer."""
_NAME = re.compile(r"[a-z_]+")


class Store:
    """One open database. Use `open_store`; reading cursors see committed tables only."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def close(self) -> None:
        """Close the file; an open transaction is rolled back."""
        self.connection.close()

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The result of one statement as dicts; for small results."""
        return fetch(self.connection, sql, parameters).to_dicts()

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run one statement for its effect."""
        self.connection.execute(sql, parameters or {}).fetchall()

    def tables(self) -> set[str]:
        """Names of the tables in the file."""
        return {row["table_name"] for row in self.rows("SELECT table_name FROM duckdb_tables()")}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: commits at the end, rolls back on any exception."""
        self.connection.begin()
        try:
            yield
        except BaseException:
            self.connection.rollback()
            raise
        self.connection.commit()

    def create(self, table: str) -> None:
        """An empty table with the columns of its contract, in place of any older one."""
        empty = frame(TABLES[table], [])
        self.connection.register("incoming", empty.to_arrow())
        self.connection.execute(f"CREATE OR REPLACE TABLE {_checked(table)} AS SELECT * FROM incoming")  # noqa: S608
        self.connection.unregister("incoming")

    def insert(self, table: str, rows: pl.DataFrame) -> None:
        """Append rows that have exactly the table's columns."""
        if rows.height:
            self.connection.register("incoming", rows.to_arrow())
            self.connection.execute(f"INSERT INTO {_checked(table)} BY NAME SELECT * FROM incoming")  # noqa: S608
            self.connection.unregister("incoming")

    def repeated_keys(self, table: str) -> list[str]:
        """Up to five key values that stand more than once."""
        columns = ", ".join(KEYS[table])
        sql = (
            f"SELECT concat_ws(' ', {columns}) AS key FROM {_checked(table)} GROUP BY ALL HAVING count(*) > 1 ORDER BY 1 LIMIT 5"  # noqa: S608
        )
        return [row["key"] for row in self.rows(sql)]

    def content_hash(self, table: str) -> str:
        """A hash of the set of rows, whatever their order: equal hashes mean equal content."""
        sql = f"SELECT count(*) AS n, bit_xor(md5_number(CAST(to_json(t) AS VARCHAR))) AS h FROM {_checked(table)} AS t"  # noqa: S608
        row = self.rows(sql)[0]
        return f"{row['n']}:{row['h']}"

    def count(self, table: str) -> int:
        """Number of rows."""
        return int(self.rows(f"SELECT count(*) AS n FROM {_checked(table)}")[0]["n"])  # noqa: S608

    def reader(self, reads: Sequence[str]) -> StoreReader:
        """A reader of committed tables that refuses any table outside `reads`."""
        return StoreReader(self.connection, tuple(reads))


class StoreReader:
    """`curate.stage.Reader` over a store; every read has a cursor of its own."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, reads: tuple[str, ...]) -> None:
        self._connection = connection
        self._reads = reads

    def batches(self, table: str, size: int = 4096, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """All rows in key order, about `size` at a time."""
        self._check({table})
        chosen = ", ".join(_checked(name) for name in columns) if columns else "*"
        sql = f"SELECT {chosen} FROM {_checked(table)} ORDER BY {', '.join(KEYS[table])}"  # noqa: S608
        cursor = self._connection.cursor()
        try:
            for batch in cursor.sql(sql).to_arrow_reader(size):
                yield _polars(batch)
        finally:
            cursor.close()

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """The result of a SELECT, or of `curate/sql/NAME.sql` when `sql` is a bare NAME."""
        if _NAME.fullmatch(sql):
            sql = files("curate").joinpath("sql", f"{sql}.sql").read_text(encoding="utf-8")
        cursor = self._connection.cursor()
        try:
            self._check(tables_of(cursor, sql))
            return fetch(cursor, sql, parameters)
        finally:
            cursor.close()

    def count(self, table: str) -> int:
        """Number of rows."""
        return int(self.query(f"SELECT count(*) AS n FROM {_checked(table)}")["n"][0])  # noqa: S608

    def _check(self, tables: set[str]) -> None:
        undeclared = sorted(tables - set(self._reads))
        if undeclared:
            raise ContractError(f"reads {', '.join(undeclared)} without declaring it", where="stage", next_step="report this bug")


@contextmanager
def open_store(folder: Path, *, read_only: bool = False) -> Iterator[Store]:
    """Open the database of a build folder.

    Raises StoreError when the folder is no build (read-only), cannot be written, or another process holds the file.
    """
    path = folder / DATABASE_NAME
    if read_only and not path.is_file():
        raise StoreError(
            "no build here", where=str(folder), next_step="run `curate build SOURCE --out DIR` first, or give its DIR"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(
            str(path),
            read_only=read_only,
            config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"},
        )
        connection.execute("SET enable_external_access = false")
        connection.execute("SET enable_progress_bar = false")
    except (duckdb.Error, OSError) as error:
        raise _store_error(path, error) from error
    store = Store(connection)
    try:
        yield store
    except (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.FatalException) as error:
        raise _store_error(path, error) from error
    finally:
        store.close()


def fetch(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
    """The whole result of a SELECT with $named parameters."""
    relation = connection.sql(sql, params=dict(parameters)) if parameters else connection.sql(sql)
    return pl.DataFrame() if relation is None else _polars(relation.to_arrow_table())


def tables_of(connection: duckdb.DuckDBPyConnection, sql: str) -> set[str]:
    """The tables a SELECT reads, its own WITH names left out. Raises ContractError on anything but one SELECT."""
    answer = connection.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchall()[0][0]
    tree = json.loads(answer)
    if tree.get("error") or len(tree["statements"]) != 1:
        raise ContractError(f"not one SELECT: {tree.get('error_message', sql[:80])}", where="store")
    found: set[str] = set()
    named: set[str] = set()
    _walk(tree, found, named)
    return found - named


def _walk(node: Any, found: set[str], named: set[str]) -> None:
    if isinstance(node, dict):
        if node.get("type") == "BASE_TABLE":
            found.add(node["table_name"])
        for entry in (node.get("cte_map") or {}).get("map", []):
            named.add(entry["key"])
        for value in node.values():
            _walk(value, found, named)
    elif isinstance(node, list):
        for value in node:
            _walk(value, found, named)


def validated(model: type[Table], rows: Sequence[Mapping[str, Any]], where: str) -> pl.DataFrame:
    """Rows as a DataFrame that satisfies the table's contract, or ContractError naming the first faults."""
    import pandera.errors  # half a second to load

    try:
        checked: pl.DataFrame = model.validate(frame(model, rows), lazy=True)
    except pandera.errors.SchemaErrors as error:
        faults = error.failure_cases.head(5).to_dicts()
        text = "; ".join(f"{f.get('column')} {f.get('check')}: {str(f.get('failure_case'))[:80]!r}" for f in faults)
        raise ContractError(
            f"rows break the contract of {model.__name__}: {text}", where=where, next_step="report this bug"
        ) from error
    except (KeyError, TypeError, pl.exceptions.PolarsError) as error:
        expected = ", ".join(polars_schema(model))
        raise ContractError(
            f"rows do not fit {model.__name__} ({expected}): {error!r}", where=where, next_step="report this bug"
        ) from error
    return checked


def _polars(table: Any) -> pl.DataFrame:
    result = pl.from_arrow(table)
    return result if isinstance(result, pl.DataFrame) else result.to_frame()


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ContractError(f"not a name of ours: {name!r}", where="store")
    return f'"{name}"'


def _store_error(path: Path, error: Exception) -> StoreError:
    text = str(error)
    holder = re.search(r"PID (\d+)", text)
    if "lock" in text.lower():
        who = f"process {holder.group(1)}" if holder else "another process"
        return StoreError(
            f"{who} is using this build",
            where=str(path),
            next_step="wait for it to end (`curate status DIR --watch` shows how far it is), or stop it, then run this again",
        )
    return StoreError(
        text.splitlines()[0] if text else repr(error), where=str(path), next_step="check the folder's rights and free space"
    )
