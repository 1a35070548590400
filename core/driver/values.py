"""How the driver reads and writes what comes in thousands; its own ways look at each value in Python."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from psycopg.adapt import Buffer, Loader
from psycopg.types.array import ListDumper


class Moment(Loader):
    """A `timestamptz` as an aware datetime in UTC, which all connections speak."""

    timezone = UTC
    """Django asks whether it is the connection's."""

    def load(self, data: Buffer) -> datetime:
        return datetime.fromisoformat(str(data, "ascii"))


class Many(ListDumper):
    """A list as an array. Numbers, moments, and strings in which nothing has to be escaped are joined at once."""

    def dump(self, obj: list[Any]) -> Buffer | None:
        if set(map(type, obj)) in ({int}, {str}, {datetime}):
            joined = '","'.join(map(str, obj))
            if joined.count('"') == 2 * (len(obj) - 1) and "\\" not in joined:
                return f'{{"{joined}"}}'.encode()
        return super().dump(obj)
