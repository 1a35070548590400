"""Queries that are asked with every booking become SQL once: to do it anew costs more than PostgreSQL's answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Expression, Model, QuerySet
from django.db.models.query import get_related_populators
from django.db.transaction import TransactionManagementError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Row = TypeVar("Row", bound=Model)


def ask(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows that a statement gives, none where it gives none; of one that is the same each time but for its values.

    PostgreSQL plans it once for each connection (`core/driver/wire.py`). Errors are Django's.
    """
    database = _database()
    with database.wrap_database_errors:
        if _watched(database):
            return _told(database, sql, values)
        rows: list[tuple[Any, ...]] = database.connection.ask(sql, values)
        return rows


def soon(sql: str, values: Sequence[Any], then: Callable[[list[tuple[Any, ...]]], object] | None = None) -> None:
    """Like `ask` for whoever can wait for the answer: it is done before whatever comes next, which raises its errors.

    For a lock before what is read under it, or the last row before the commit. What comes next also calls `then` with
    the rows, and raises what it raises.
    """
    database = _database()
    with database.wrap_database_errors:
        if not _watched(database):
            database.connection.soon(sql, values, then)
            return
        rows = _told(database, sql, values)
    if then:
        then(rows)


def catch_up() -> None:
    """Have all done that is to be done `soon`, or was dispatched."""
    database: Any = connections[DEFAULT_DB_ALIAS]
    with database.wrap_database_errors:
        database.connection.catch_up()


def _database() -> Any:
    database = connections[DEFAULT_DB_ALIAS]
    if database.connection is None:
        database.ensure_connection()
    if database.needs_rollback:
        database.validate_no_broken_transaction()
    return database


def _watched(database: Any) -> bool:
    """Whether somebody wants to hear of each statement, as Django's own cursors tell them."""
    return bool(database.queries_logged or database.execute_wrappers)


def _told(database: Any, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    cursor = database._prepare_cursor(psycopg.Cursor(database.connection))
    cursor.execute(sql, values)
    return cursor.fetchall() if cursor.description else []


class Given(Expression):
    """Stands in a compiled query for a value that is known only when it is asked, by its name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", [self]


class Compiled(Generic[Row]):
    """`Compiled(lambda: Order.objects.filter(pk=Given("order")))`, then `rows(order=3)` or `first(order=3)`.

    For querysets of rows of one model, with what is joined to them; what Django would read in a query of its own
    (prefetching) is left out. Values go to the driver as they are. One that locks refuses to be asked outside a
    transaction, as Django's do.
    """

    def __init__(self, ask: Callable[[], QuerySet[Row, Row]]) -> None:
        self._ask = ask  # once the models are there
        self._plan: Plan | None = None

    def rows(self, **given: Any) -> list[Row]:
        """The rows for these values, in the queryset's order."""
        plan = self.plan()
        return [plan.row(told) for told in plan.converted(ask(*plan.said(given)))]

    def soon(self, **given: Any) -> None:
        """Have the rows for these values locked before whatever comes next, for whoever does not look at them."""
        soon(*self.plan().said(given))

    def plan(self) -> Plan:
        """The query as SQL, made when it is first asked for."""
        if self._plan is None:
            self._plan = planned(self._ask())
        return self._plan

    def first(self, **given: Any) -> Row | None:
        """The first row for these values, or None."""
        return next(iter(self.rows(**given)), None)


@dataclass(frozen=True, slots=True)
class Plan:
    """A query as Django compiles it, and what Django's own iterator would find out anew about its columns."""

    sql: str
    locks: bool
    params: Sequence[Any]
    model: type[Model]
    columns: Sequence[str]
    joined: Sequence[Any]
    annotations: Sequence[tuple[str, int]]
    converters: Sequence[tuple[int, Any, Any]]

    def said(self, given: Mapping[str, Any]) -> tuple[str, list[Any]]:
        if self.locks and not connection.in_atomic_block:
            raise TransactionManagementError("a lock outside a transaction holds nothing")
        return self.sql, [given[param.name] if isinstance(param, Given) else param for param in self.params]

    def converted(self, found: Iterable[Sequence[Any]]) -> Iterable[Sequence[Any]]:
        if not self.converters:
            return found
        told = [list(row) for row in found]
        for row in told:
            for place, convert, expression in self.converters:
                row[place] = convert(row[place], expression, connection)
        return told

    def row(self, told: Sequence[Any]) -> Any:
        made = self.model.from_db(DEFAULT_DB_ALIAS, self.columns, told[: len(self.columns)])
        for one in self.joined:
            one.populate(told, made)
        for name, place in self.annotations:
            setattr(made, name, told[place])
        return made


def planned(queryset: QuerySet[Any, Any]) -> Plan:
    """Let Django compile a queryset."""
    compiler: Any = queryset.query.get_compiler(connection=connection)
    sql, params = compiler.as_sql()
    select, info = compiler.select, compiler.klass_info
    converters = compiler.get_converters([column for column, _sql, _alias in select])
    return Plan(
        sql=sql,
        locks=queryset.query.select_for_update,
        params=params,
        model=info["model"],
        columns=[select[place][0].target.attname for place in info["select_fields"]],
        joined=get_related_populators(info, select, connection.alias),  # type: ignore[call-arg]  # stubs of Django 6
        annotations=list((compiler.annotation_col_map or {}).items()),
        converters=[
            (place, convert, expression) for place, (some, expression) in converters.items() for convert in some
        ],
    )
