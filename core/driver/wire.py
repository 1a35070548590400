"""A connection on which statements travel together: to wait for an answer costs as much as most statements do."""

from __future__ import annotations

import itertools
import re
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import psycopg
from psycopg import generators
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.waiting import Ready, Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn, PGresult

Value = TypeVar("Value")
Rows: TypeAlias = "list[tuple[Any, ...]]"
Plan: TypeAlias = "tuple[str, tuple[int, ...]]"  # a statement, and the types of its values

MOST = 500  # plans that a connection keeps; there are fewer, unless somebody makes a statement's words of what is typed


class Packed(NamedTuple):
    """A statement with its values as they travel."""

    sql: str
    types: tuple[int, ...]
    values: Sequence[Any]
    formats: Sequence[Any] | None
    then: Callable[[PGresult], object] | None


BEGIN, COMMIT = (Packed(words, (), (), None, None) for words in ("BEGIN", "COMMIT"))


class Wire(psycopg.Connection[Any]):
    """The driver's connection, for statements that are asked again and again: PostgreSQL plans them once.

    What is asked takes along, in one packet, the BEGIN of its transaction and all that was to be done `soon`; what is
    left of these goes with COMMIT. Whatever else the driver does comes after them. Their errors are raised by what took
    them along.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unsent: list[Packed] = []
        self._unheard: list[Callable[[PGresult], object] | None] = []
        self._planned: dict[Plan, bytes] = {}
        self._numbers = itertools.count(1)
        self._spoken: Any = None

    def ask(self, sql: str, values: Sequence[Any]) -> Rows:
        """The rows that a statement gives; none where it gives none."""
        self._send(self._packed(sql, values))
        return self._rows(self._heard())

    def soon(self, sql: str, values: Sequence[Any], then: Callable[[Rows], object] | None = None) -> None:
        """Have a statement done before whatever comes next, which calls `then` with its rows and raises what it does.

        Of what came next in the same packet PostgreSQL has done all by then, the commit too.
        """
        self._unsent.append(self._packed(sql, values, then and (lambda told: then(self._rows(told)))))
        if self.autocommit:
            self.catch_up()

    def dispatch(self) -> None:
        """Let PostgreSQL begin with what is to be done soon; what comes next waits for it."""
        self._send()
        super().wait(_sent(self.pgconn))

    def catch_up(self) -> None:
        """Wait until all is done that is to be done soon or was dispatched."""
        if self._unsent:
            self._send()
        if self._unheard:
            self._heard()

    def wait(self, gen: PQGen[Value], *args: Any, **kwargs: Any) -> Value:
        """All that the driver does by itself goes through here."""
        self.catch_up()
        return super().wait(gen, *args, **kwargs)

    def commit(self) -> None:
        """Commit; where that fails, or what went with it, the transaction is over all the same."""
        try:
            if self._unsent:
                self._send(COMMIT)
            super().commit()  # of what is committed by then nothing is left to do
        except BaseException:
            if self.pgconn.status == ConnStatus.OK:
                self.rollback()
            raise

    def rollback(self) -> None:
        self._unsent.clear()
        super().rollback()

    def _packed(self, sql: str, values: Sequence[Any], then: Callable[[PGresult], object] | None = None) -> Packed:
        if self._spoken is None:
            self._spoken = Transformer(self)
        told = self._spoken.dump_sequence(values, [PyFormat.AUTO] * len(values))
        return Packed(sql, self._spoken.types or (), told, self._spoken.formats, then)

    def _rows(self, told: PGresult) -> Rows:
        if not told.nfields:
            return []
        self._spoken.set_pgresult(told)
        rows: Rows = self._spoken.load_rows(0, told.ntuples, tuple)
        return rows

    def _send(self, *more: Packed) -> None:
        if self._unheard:
            self._heard()
        statements, self._unsent = [*self._unsent, *more], []
        line, sent = self.pgconn, self._unheard
        if not self.autocommit and line.transaction_status == TransactionStatus.IDLE:
            statements.insert(0, BEGIN)
        line.enter_pipeline_mode()
        if len(self._planned) >= MOST:
            self._planned.clear()
            line.send_query_params(b"DEALLOCATE ALL", None)
            sent.append(None)
        new: dict[Plan, bytes] = {}
        for sql, types, values, formats, then in statements:
            plan = sql, types
            name = self._planned.get(plan) or new.get(plan)
            if name is None:
                name = new[plan] = b"wire_%d" % next(self._numbers)
                line.send_prepare(name, _worded(sql), types)
                sent.append(partial(self._plans, plan, name))
            line.send_query_prepared(name, values, formats)
            sent.append(then)
        line.pipeline_sync()

    def _plans(self, plan: Plan, name: bytes, _told: PGresult) -> None:
        self._planned[plan] = name

    def _heard(self) -> PGresult:
        """The answer to the last of what was sent; raises what any of it ran into."""
        sent, self._unheard = self._unheard, []
        try:
            answers = super().wait(_answers(self.pgconn, len(sent)))
        except BaseException:
            self.pgconn.finish()  # the rest of the answers would be taken for those to other questions
            raise
        for then, answer in zip(sent, answers, strict=False):  # fewer if PostgreSQL has hung up
            if answer.status == ExecStatus.FATAL_ERROR:
                raise error_from_result(answer)
            if then:
                then(answer)
        return answers[-1]


def _sent(line: PGconn) -> PQGen[None]:
    """Until all has left; PostgreSQL may have something to say first."""
    while line.flush():
        if (yield Wait.RW) & Ready.R:
            line.consume_input()


def _answers(line: PGconn, count: int) -> Generator[Any, Any, list[PGresult]]:
    answers: list[PGresult] = yield from generators.execute(line)
    for _ in range(count - 1):
        if line.status != ConnStatus.OK:
            return answers
        answers += yield from generators.fetch_many(line)
    if line.status == ConnStatus.OK:
        yield from generators.fetch_many(line)  # says that this was all
        line.exit_pipeline_mode()
    return answers


def _worded(sql: str) -> bytes:
    """A statement with its values numbered, as PostgreSQL wants them."""
    numbers = itertools.count(1)
    return re.sub("%%|%s", lambda found: "%" if found[0] == "%%" else f"${next(numbers)}", sql).encode()
