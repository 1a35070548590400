"""Rows of models as they come from the database, by the thousand."""

from __future__ import annotations

import functools
import gc
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from django.db import models
from django.db.models.base import ModelState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


Act = TypeVar("Act", bound="Callable[..., Any]")


def by_the_thousand(act: Act) -> Act:
    """Look for no garbage while something is done with many rows, though not with any number of them.

    They are none, and to look through them took a twentieth of the time. All that it made goes when it returns.
    """

    @functools.wraps(act)
    def without_looking(*args: Any, **kwargs: Any) -> Any:
        looks = gc.isenabled()
        gc.disable()
        try:
            return act(*args, **kwargs)
        finally:
            if looks:
                gc.enable()

    return cast("Act", without_looking)


class Read(models.Model):
    """A row that takes all its columns at once when it is read; to let Django set each takes four times as long.

    Its key is `id`: to look up what the key is called takes longer than to look at it.
    """

    class Meta:
        abstract = True

    @property
    def pk(self) -> Any:
        return self.id

    @pk.setter
    def pk(self, key: Any) -> None:
        self.id = key

    @classmethod
    def made(cls, **columns: Any) -> Self:
        """A row that is not stored yet, as the class itself makes one of fields or of keys, in a third of the time."""
        defaults, links = _blank(cls)
        row = cls.__new__(cls)
        values = row.__dict__
        values.update({name: default() for name, default in defaults})
        row._state = ModelState()
        for name, value in columns.items():
            key = links.get(name)
            if key is not None:
                row._state.fields_cache[name] = value
                values[key] = None if value is None else value.pk
            elif name in values:
                values[name] = value
            else:
                raise TypeError(f"{cls.__name__} has no column {name}")
        return row

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **more: Any) -> Self:
        if more:
            return super().from_db(db, field_names, values, **more)
        names = _attributes(cls)
        row = cls.__new__(cls)
        row.__dict__.update(zip(names if len(values) == len(names) else field_names, values, strict=True))
        row._state = ModelState()
        row._state.adding, row._state.db = False, db
        return row


@functools.cache
def _blank(model: type[models.Model]) -> tuple[list[tuple[str, Any]], dict[str, str]]:
    """What makes a new row's columns unless they are said, and the keys of those that link to rows."""
    fields = model._meta.concrete_fields
    defaults = [(field.attname, field._get_default) for field in fields]  # type: ignore[attr-defined]  # as Django asks
    return defaults, {field.name: field.attname for field in fields if field.is_relation}


def all_but(model: type[models.Model], *needed: str, link: str = "") -> list[str]:
    """For `defer`: the columns of a row, or of one that comes along by `link`, but for its key and those needed."""
    steps = link.split("__") if link else []
    for step in steps:
        model = cast("type[models.Model]", model._meta.get_field(step).related_model)
    names = (field.name for field in model._meta.concrete_fields if not field.primary_key and field.name not in needed)
    return ["__".join([*steps, name]) for name in names]


@functools.cache
def _attributes(model: type[models.Model]) -> tuple[str, ...]:
    return tuple(field.attname for field in model._meta.concrete_fields)
