"""A connection on which statements travel together: to wait for an answer costs as much as most statements do."""

from __future__ import annotations

import itertools
import re
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

CANCEL_SECONDS = 1.0
MOST = 500  # plans that a connection keeps; there are fewer, unless somebody makes a statement's words of what is typed


class Packed(NamedTuple):
    """A statement with its values as they travel."""

    sql: str
    types: tuple[int, ...]
    values: Sequence[Any]
    formats: Sequence[Any] | None
    then: Callable[[PGresult], object] | None


COMMIT = Packed("COMMIT", (), (), None, None)
OUTDATED = {"0A000", "26000"}  # a column has another type than when it was planned, or somebody threw the plans away


class Wire(psycopg.Connection[Any]):
    """The driver's connection, for statements that are asked again and again: PostgreSQL plans them once.

    What is asked takes along, in one packet, the BEGIN of its transaction and all that was to be done `soon`; what is
    left of these goes with COMMIT. Whatever else the driver does comes after them. Their errors are raised by what took
    them along.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unsent: list[Packed] = []
        self._unheard: list[Callable[[PGresult], object] | tuple[Plan, bytes] | None] = []
        self._planned: dict[Plan, bytes] = {}
        self._outdated = False
        self._numbers = itertools.count(1)
        self._spoken: Any = None

    def ask(self, sql: str, values: Sequence[Any]) -> Rows:
        """The rows that a statement gives; none where it gives none."""
        self._send(self._packed(sql, values))
        return self._rows(self._heard())

    def soon(self, sql: str, values: Sequence[Any], then: Callable[[Rows], object] | None = None) -> None:
        """Have a statement done before whatever comes next, which calls `then` with its rows and raises what it does.

        Of what came next in the same packet PostgreSQL has done all by then, the commit too. `then` asks nothing.
        """
        self._unsent.append(self._packed(sql, values, then and (lambda told: then(self._rows(told)))))
        if self.autocommit:
            self.catch_up()

    def dispatch(self) -> None:
        """Let PostgreSQL begin with what is to be done soon; what comes next waits for it."""
        if self._unsent:
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
        self.forget()
        super().rollback()

    def forget(self) -> None:
        """Leave undone what was only to be done soon; of what was dispatched nobody waits for the answer any more."""
        self._unsent.clear()
        if self._unheard:
            self._hang_up()

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
        line = self.pgconn
        if not self.autocommit and line.transaction_status == TransactionStatus.IDLE:
            statements.insert(0, Packed(str(self._get_tx_start_command(), "ascii"), (), (), None, None))
        anew = self._outdated or len(self._planned) >= MOST
        if anew:
            self._planned.clear()
        new: dict[Plan, tuple[bytes, bytes]] = {}
        for one in statements:
            if one[:2] not in self._planned and one[:2] not in new:
                new[one[:2]] = b"wire_%d" % next(self._numbers), _worded(one.sql, len(one.values))
        sent: list[Callable[[PGresult], object] | tuple[Plan, bytes] | None] = []
        try:
            line.enter_pipeline_mode()
            if anew:
                line.send_query_params(b"DEALLOCATE ALL", None)
                sent.append(None)
            for plan, (name, words) in new.items():
                line.send_prepare(name, words, plan[1])
                sent.append((plan, name))
            for sql, types, values, formats, then in statements:
                line.send_query_prepared(self._planned.get((sql, types)) or new[sql, types][0], values, formats)
                sent.append(then)
            line.pipeline_sync()
        except BaseException:
            self._hang_up()
            raise
        self._unheard, self._outdated = sent, False

    def _heard(self) -> PGresult:
        """The answer to the last of what was sent; raises what any of it ran into."""
        sent, self._unheard = self._unheard, []
        try:
            answers = super().wait(_answers(self.pgconn, len(sent)))
        except BaseException:
            self._hang_up()
            raise
        both = list(zip(sent, answers, strict=False))  # fewer if PostgreSQL has hung up
        for what, answer in both:
            if answer.status == ExecStatus.COMMAND_OK and isinstance(what, tuple):
                plan, name = what
                self._planned[plan] = name
        for what, answer in both:
            if answer.status == ExecStatus.FATAL_ERROR:
                error = error_from_result(answer)
                self._outdated = self._outdated or error.sqlstate in OUTDATED
                raise error
            if callable(what):
                what(answer)
        return answers[-1]

    def _hang_up(self) -> None:
        """End the connection, and what PostgreSQL does for it: the answers would be taken for those to other questions.

        Only where a commit is done by then is it kept.
        """
        self._unheard = []
        if self.pgconn.status == ConnStatus.OK and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
            self._try_cancel(timeout=CANCEL_SECONDS)
        self.pgconn.finish()


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


def _worded(sql: str, values: int) -> bytes:
    """A statement with its values numbered, as PostgreSQL wants them; ProgrammingError for another number of them."""
    numbers = itertools.count(1)
    words = re.sub("%%|%s", lambda found: "%" if found[0] == "%%" else f"${next(numbers)}", sql)
    if next(numbers) != values + 1:
        raise psycopg.ProgrammingError(f"{values} values for another number of places: {sql}")
    return words.encode()
