"""States move along a table, in one place, with a journal row in the same transaction."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, TypeVar, cast

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connection, models
from django.db.models.sql import UpdateQuery
from django.utils.translation import gettext_lazy as _
from psycopg.adapt import PyFormat, Transformer

from core.among import Among
from core.compiled import ask, soon
from core.refusal import Refusal
from core.rows import Read

Row = TypeVar("Row", bound="Moving")

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from core.actor import Actor

    Moves: TypeAlias = "Mapping[str, Collection[str]]"
    Said: TypeAlias = "tuple[str, Sequence[Any]]"  # SQL and its values


class NothingToBeginWith(Exception):
    """A row was to begin with what a statement gives, and it gave nothing."""


MANY = 200
"""So many rows are copied rather than inserted, which takes a fifth of the time."""

KNOWN_WORDS = 500
"""So many statements of each kind are put together once; there are fewer, but for those of several rows."""


def state_label(noun: str, state: str) -> str:
    """A state of a noun (`pickup.order`) in the reader's language; as it is when the noun's table has no such state."""
    known = apps.get_model(noun).MOVES if noun else {}
    return str(next((getattr(one, "label", one) for one in known if one == state), state))


class OfState(Refusal):
    """A refusal that tells a state: programs read the word of the table, people its label."""

    def __str__(self) -> str:
        told = state_label(self.facts.get("noun", ""), self.facts.get("state", ""))
        return str(self.sentence) % {**self.facts, "state": told}


class MoveRefused(OfState):
    """The table of moves has no such pair."""

    code = "not_in_this_state"
    sentence = _("This cannot be done any more: it is already “%(state)s”.")


class MovedMeanwhile(OfState):
    """Somebody else moved the row first; the facts say who and when (UTC), the sentence only what it is now."""

    code = "moved_meanwhile"
    sentence = _("Somebody was faster: it is already “%(state)s”. Please look again.")


class Journal(models.Model):
    """One move of one row. Append-only: a trigger refuses UPDATE and DELETE. Holds nothing personal."""

    noun = models.CharField(max_length=60)
    row = models.BigIntegerField()
    was = models.CharField(max_length=20, blank=True)
    became = models.CharField(max_length=20)
    at = models.DateTimeField()
    principal = models.CharField(max_length=40)
    channel = models.CharField(max_length=10)

    class Meta:
        app_label = "core"
        indexes: ClassVar = [models.Index(fields=["noun", "row", "id"], name="core_journal_of_row")]

    def __str__(self) -> str:
        return f"{self.noun} {self.row}: {self.was} > {self.became}"


class Moving(Read):
    """A row with a state. `begin` and `move` (and their bulk forms) are the only writers of that state."""

    MOVES: ClassVar[Moves]
    FIRST: ClassVar[str]

    state = models.CharField(max_length=20)
    moved_at = models.DateTimeField()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save named columns; a state is moved, never saved."""
        fields = kwargs.get("update_fields")
        if fields is None or not {"state", "moved_at"}.isdisjoint(fields):
            raise TypeError("begin or move a row that has a state; save other columns with update_fields")
        super().save(*args, **kwargs)

    def get_state_display(self) -> str:
        """The state in the reader's language, under the name that Django gives to columns with choices."""
        return state_label(self.noun(), self.state)

    @classmethod
    def noun(cls) -> str:
        return cls._meta.label_lower

    @classmethod
    def begin(
        cls,
        *,
        at: datetime,
        by: Actor,
        then: str = "",
        out_of: Said | None = None,
        beside: Sequence[Said] = (),
        key: int | None = None,
        **columns: Any,
    ) -> Self:
        """Insert a row in its first state, with its journal, in one statement.

        It moves on to the state `then` at once. The statement `out_of` comes first and gives one row; where it gives
        none nothing happens (NothingToBeginWith). Statements `beside` it are done with it and read `changed`, which
        has its `key`. For a row whose `key` was taken ahead it is done `soon` (`core.compiled`): what comes next fails
        (NotNullViolation) where `out_of` gave nothing. Refuses with `not_in_this_state` a pair that the table lacks.
        """
        way = [("", cls.FIRST), *([(cls.FIRST, then)] if then else [])]
        if then and then not in cls.MOVES.get(cls.FIRST, ()):
            raise MoveRefused(noun=cls.noun(), state=cls.FIRST, asked=then)
        row = cls.made(**columns, state=way[-1][1], moved_at=at)
        _insert([row], _Story(cls, way, at, by), out_of, beside, key)
        return row

    @classmethod
    def begin_many(cls, rows: Iterable[Mapping[str, Any]], *, at: datetime, by: Actor) -> list[Self]:
        """Insert many rows in their first state, with their journal; one statement, or two for very many."""
        told = [{**columns, "state": cls.FIRST, "moved_at": at} for columns in rows]
        story = _Story(cls, [("", cls.FIRST)], at, by)
        if len(told) >= MANY:
            copied = _copy(cls, told)
            story.write([row.pk for row in copied])
            return copied
        made = [cls.made(**columns) for columns in told]
        if made:
            _insert(made, story)
        return made

    def move(self, to: str, *, at: datetime, by: Actor, **columns: Any) -> None:
        """Move this row to the state `to`, and set `columns` in the same statement.

        Refuses a pair that is not in the table (`not_in_this_state`) and a row that somebody else has moved since
        it was read (`moved_meanwhile`).
        """
        was = self.state
        if to not in self.MOVES.get(was, ()):
            raise MoveRefused(noun=self.noun(), state=was, asked=to)
        if not _update_one(self.pk, _Story(type(self), [(was, to)], at, by), columns):
            raise self._moved_meanwhile()
        self._became(to, at, columns)

    @classmethod
    def move_many(cls, rows: Iterable[Self], to: str, *, at: datetime, by: Actor, **columns: Any) -> list[Self]:
        """Move those rows that are still in the state they were read in; gives back the ones that moved."""
        moved: list[Self] = []
        of_state: dict[str, list[Self]] = {}
        for row in rows:
            of_state.setdefault(row.state, []).append(row)
        for was, group in of_state.items():
            if to not in cls.MOVES.get(was, ()):
                raise MoveRefused(noun=cls.noun(), state=was, asked=to)
            by_key = {row.pk: row for row in group}
            still = cls._default_manager.filter(Among("pk", by_key, "bigint"), state=was)
            locked = still.select_for_update(no_key=True).order_by("pk").values("pk")  # in one order for everybody
            there = cls._default_manager.filter(pk__in=locked)
            for key in _update(there, _Story(cls, [(was, to)], at, by), columns):
                by_key[key]._became(to, at, columns)
                moved.append(by_key[key])
        return moved

    def _became(self, to: str, at: datetime, columns: Mapping[str, Any]) -> None:
        for name, value in {**columns, "state": to, "moved_at": at}.items():
            setattr(self, name, value)

    def _moved_meanwhile(self) -> Refusal:
        last = Journal.objects.filter(noun=self.noun(), row=self.pk).order_by("-id").first()
        if last is None:
            return MoveRefused(noun=self.noun(), state="", asked="")
        at = last.at.isoformat(timespec="seconds")
        return MovedMeanwhile(noun=self.noun(), state=last.became, at=at, by=last.principal)


@dataclass(frozen=True, slots=True)
class _Story:
    """What the journal says of some rows, which differ in their key alone: each of their moves, in order."""

    model: type[Moving]
    way: Sequence[tuple[str, str]]
    at: datetime
    by: Actor

    @property
    def was(self) -> str:
        return self.way[0][0]

    @property
    def became(self) -> str:
        return self.way[-1][1]

    def write(self, keys: Sequence[int]) -> None:
        """Write it down for rows that are there already."""
        with connection.cursor() as cursor:
            cursor.execute(*self._journal("unnest(%s::bigint[]) AS key", list(keys)))

    def told_with(
        self,
        statement: str,
        params: Iterable[Any],
        *,
        one: bool = False,
        wait: bool = True,
        out_of: Said | None = None,
        beside: Sequence[Said] = (),
    ) -> list[tuple[Any, ...]]:
        """Run a statement that changes rows and write it down for each of them, in one.

        Gives the key of each row, in the statement's order, or nothing to whoever does not `wait`. The same words
        again and again, which `one` row gives, are planned once.
        """
        journal, written = self._journal("changed")
        words = _in_one(
            statement,
            str(self.model._meta.pk.column),
            out_of and out_of[0],
            (("told", journal), *((f"beside{number}", sql) for number, (sql, _values) in enumerate(beside))),
        )
        values = [*(out_of[1] if out_of else ()), *params, *written, *(one for _sql, given in beside for one in given)]
        if not wait:
            soon(words, values)
            return []
        if one:
            return ask(words, values)
        with connection.cursor() as cursor:
            cursor.execute(words, values)
            return list(cursor.fetchall())

    def _journal(self, rows: str, *params: Any) -> tuple[str, list[Any]]:
        """The statement that writes it down for `rows`, which give each `key`, and its values."""
        moves = ", ".join(["(%s, %s)"] * len(self.way))
        words = (
            "INSERT INTO core_journal (noun, row, was, became, at, principal, channel)"  # noqa: S608
            f" SELECT %s, key, was, became, %s, %s, %s FROM {rows}, (VALUES {moves}) AS move (was, became)"
        )
        of_all = [self.model.noun(), self.at, self.by.principal, self.by.channel]
        return words, [*of_all, *params, *(state for move in self.way for state in move)]


def _update(rows: models.QuerySet[Any], story: _Story, columns: Mapping[str, Any]) -> list[int]:
    """Move rows, with their journal, in one statement; the keys of those that moved, ascending."""
    query = cast("UpdateQuery", rows.query.chain(UpdateQuery))
    query.add_update_values({"state": story.became, "moved_at": story.at, **columns})
    return sorted(key for (key,) in story.told_with(*query.get_compiler(connection=connection).as_sql()))


def _update_one(key: int, story: _Story, columns: Mapping[str, Any]) -> bool:
    """`_update` of the one row with this key and state. Written out: to compile it takes longer than to run it."""
    meta: Any = story.model._meta
    quote, columns = connection.ops.quote_name, {"state": story.became, "moved_at": story.at, **columns}
    fields = [meta.get_field(name) for name in columns]
    if any(hasattr(value, "resolve_expression") for value in columns.values()):
        return bool(_update(story.model._default_manager.filter(pk=key, state=story.was), story, columns))
    told = story.told_with(
        f"UPDATE {quote(meta.db_table)} SET {', '.join(f'{quote(field.column)} = %s' for field in fields)}"  # noqa: S608
        f" WHERE {quote(meta.pk.column)} = %s AND state = %s",
        [*(_stored(field, value) for field, value in zip(fields, columns.values(), strict=True)), key, story.was],
        one=True,
    )
    return bool(told)


def _insert(
    rows: Sequence[Moving],
    story: _Story,
    out_of: Said | None = None,
    beside: Sequence[Said] = (),
    key: int | None = None,
) -> None:
    """Insert rows, with their journal, in one statement; written out like `_update_one`.

    NothingToBeginWith if `out_of` gives no row; otherwise it gives one, for one row. With its `key` nobody waits.
    """
    values = [_stored(field, field.pre_save(row, add=True)) for row in rows for field in _columns(story.model)]
    told = story.told_with(
        _inserting(story.model, len(rows), out_of is not None, key is not None),
        values if key is None else [key, *values],
        one=len(rows) == 1,
        wait=key is None,
        out_of=out_of,
        beside=beside,
    )
    keys = [pk for (pk,) in told] if key is None else [key]
    if out_of and not keys:
        raise NothingToBeginWith
    for row, pk in zip(rows, keys, strict=True):
        row.pk = pk
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


@functools.cache
def _columns(model: type[Moving]) -> list[Any]:
    """What a new row is written into: the fields but for the key."""
    return [field for field in model._meta.concrete_fields if not field.primary_key]


@functools.lru_cache(KNOWN_WORDS)
def _inserting(model: type[Moving], rows: int, drawn: bool, keyed: bool) -> str:
    """Where nothing is drawn no row is made, and of one whose key is known the key is missing, which no law allows."""
    quote = connection.ops.quote_name
    names = [quote(str(field.column)) for field in _columns(model)]
    values = ", ".join(["%s"] * len(names))
    if keyed:
        names.insert(0, quote(str(model._meta.pk.column)))
        own = "(SELECT %s::bigint FROM drawn)" if drawn else "%s"
        source = f"VALUES ({own}, {values})"
    else:
        source = f"SELECT {values} FROM drawn" if drawn else f"VALUES {', '.join([f'({values})'] * rows)}"  # noqa: S608
    return f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(names)}) {source}"


@functools.lru_cache(KNOWN_WORDS)
def _in_one(changing: str, key: str, drawn: str | None, beside: tuple[tuple[str, str], ...]) -> str:
    """One statement of several: what is `drawn`, what changes rows and gives their keys, what is done with it."""
    steps = [("drawn", drawn)] if drawn else []
    steps += [("changed (key)", f"{changing} RETURNING {connection.ops.quote_name(key)}"), *beside]
    return f"WITH {', '.join([f'{name} AS ({sql})' for name, sql in steps])} SELECT key FROM changed"  # noqa: S608


_PLAIN: Mapping[type[Any], Collection[type]] = {
    models.CharField: {str},
    models.TextField: {str},
    models.BooleanField: {bool},
    models.PositiveSmallIntegerField: {int},
    models.DateTimeField: {datetime, type(None)},
    models.ForeignKey: {int, type(None)},
    models.OneToOneField: {int, type(None)},
}
"""The values that a field of this kind gives to the driver as they are."""


def _stored(field: Any, value: Any) -> Any:
    """A value as the driver takes it for a column; a row stands for its key. ValueError for a row without one."""
    if isinstance(value, models.Model):
        if value.pk is None:
            raise ValueError(f"{field}: {value!r} is not saved")
        value = value.pk
    if type(value) in _PLAIN.get(type(field), ()) and (type(value) is not datetime or value.tzinfo is not None):
        return value  # what Django would come to, in a tenth of the time
    return field.get_db_prep_save(value, connection)


def _copy(model: type[Row], rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Insert rows through COPY, with ids taken ahead; every law and trigger of the table counts as for an INSERT.

    TypeError or KeyError for rows that do not all name the same columns.
    """
    if len(set(map(len, rows))) > 1:
        raise TypeError("rows that are begun together name the same columns")
    fields, quote = model._meta.concrete_fields, connection.ops.quote_name
    table, names = quote(model._meta.db_table), ", ".join(quote(str(field.column)) for field in fields)
    links = [field.name for field in fields if field.is_relation and field.name in rows[0]]
    made: list[Row] = []
    with connection.wrap_database_errors, connection.cursor() as cursor:
        cursor.execute(
            "WITH its AS MATERIALIZED (SELECT pg_get_serial_sequence(%s, %s)::regclass AS sequence)"
            " SELECT array_agg(nextval(sequence)) FROM its, generate_series(1, %s)",
            [table, str(model._meta.pk.column), len(rows)],
        )
        (keys,) = cursor.fetchone()
        filled = [keys if field.primary_key else _filled(field, rows) for field in fields]
        lines = map("\t".join, zip(*map(_spelled, filled), strict=True))
        with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            while some := list(islice(lines, 1000)):
                copy.write("\n".join([*some, ""]))
            alias = connection.alias
            for columns, values in zip(rows, zip(*filled, strict=True), strict=True):  # while PostgreSQL still reads
                row = model.from_db(alias, [], values)
                row._state.fields_cache = {name: columns[name] for name in links}
                made.append(row)
    return made


def _filled(field: Any, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What stands in one column of many rows."""
    name = field.name if field.name in rows[0] else field.attname
    if name not in rows[0]:
        return [field.get_default() for _ in rows] if callable(field.default) else [field.get_default()] * len(rows)
    told = [row[name] for row in rows]
    if name != field.attname:
        return [None if value is None else value.pk for value in told]
    return told


def _spelled(values: Sequence[Any]) -> Sequence[str]:
    """One column as COPY reads it; what stands in many rows is spelled once, which moments take long for."""
    kinds = set(map(type, values))
    if kinds == {int}:
        return list(map(str, values))
    if kinds == {str} and not _ESCAPED.search("".join(values)):
        return values
    if not kinds.isdisjoint({list, dict}):
        return list(map(_word, values))
    if datetime in kinds:  # two at one time on the wall are equal, but not in UTC
        values = [at and at.astimezone(UTC) for at in values]
    words = {value: _word(value) for value in set(values)}
    return [words[value] for value in values]


_ESCAPED = re.compile(r"[\\\t\n\r]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _word(value: Any) -> str:
    """A value as COPY reads it."""
    if isinstance(value, datetime):
        return str(value)
    if isinstance(value, Enum):
        value = value.value
    if not isinstance(value, str):
        dumped = (
            None if value is None else Transformer(connection.connection).get_dumper(value, PyFormat.TEXT).dump(value)
        )
        if dumped is None:
            return "\\N"
        value = str(dumped, "utf-8")
    return str(value).translate(_ESCAPES)


def state_law(name: str, moves: Moves) -> models.CheckConstraint:
    """The law that a state is one of the table's."""
    return models.CheckConstraint(condition=models.Q(state__in=sorted(moves)), name=name)
