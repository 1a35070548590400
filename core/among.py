"""One of many values, as one parameter: `IN` names each of them, and ten thousand names take longer than the search."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import BooleanField, F, Func
from django.db.models.expressions import Expression


class Among(Func):
    """`filter(Among("pk", keys, "bigint"))`: whether a column holds one of some values of an SQL type."""

    template = "%(expressions)s"
    arg_joiner = " = ANY"
    conditional = True
    output_field = BooleanField()

    def __init__(self, column: str, values: Collection[Any], kind: str) -> None:
        super().__init__(F(column), _Values(list(values), kind))


class _Values(Expression):
    def __init__(self, values: list[Any], kind: str) -> None:
        super().__init__(output_field=BooleanField())
        self.values, self.kind = values, kind

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return f"(%s::{self.kind}[])", [self.values]
