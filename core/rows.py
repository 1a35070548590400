"""Rows of models as they come from the database, by the thousand."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models.base import ModelState

if TYPE_CHECKING:
    from collections.abc import Collection


class Read(models.Model):
    """A row that takes all its columns at once when it is read; to let Django set each takes four times as long."""

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **more: Any) -> Self:
        names = _attributes(cls)
        if more or len(values) != len(names):  # some are deferred
            return super().from_db(db, field_names, values, **more)
        row = cls.__new__(cls)
        row.__dict__.update(zip(names, values, strict=True))
        row._state = ModelState()
        row._state.adding, row._state.db = False, db
        return row


@functools.cache
def _attributes(model: type[models.Model]) -> tuple[str, ...]:
    return tuple(field.attname for field in model._meta.concrete_fields)
