"""JSON as RFC 8259 has it, and no more: what Python would silently mend is refused with the place where it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import isfinite
from typing import IO, Any

from django.utils.translation import gettext_lazy as _
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

from core.refusal import BadInput

DEEPEST = 32
UNSAYABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL cannot store them


class UnreadableBody(BadInput):
    """`why` is not_utf8, not_json, too_deep, duplicate_key, not_a_number or bad_character; `field` names the place."""

    code = "unreadable_json"
    sentence = _("What was sent is not JSON that can be read (%(why)s).")


class _NotANumber:
    """Stands for NaN and the infinities until their place is known."""


class StrictJSONParser(BaseParser):
    """Parses request bodies of the API."""

    media_type = "application/json"
    renderer_class = JSONRenderer

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The value that the body says; refuses with `unreadable_json`."""
        return loads(stream.read())


def loads(raw: bytes) -> Any:
    """Read UTF-8 JSON: no NaN, no name twice, no NUL or half surrogate, nothing nested deeper than 32."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise UnreadableBody(why="not_utf8") from None
    try:
        value = json.loads(
            text, object_pairs_hook=_names_once, parse_constant=lambda _name: _NotANumber(), parse_float=_finite
        )
    except RecursionError:
        raise UnreadableBody(why="too_deep") from None
    except ValueError:
        raise UnreadableBody(why="not_json") from None
    _check(value, "", 1)
    return value


def _finite(digits: str) -> float | _NotANumber:
    number = float(digits)
    return number if isfinite(number) else _NotANumber()


def _names_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise UnreadableBody(field=name[:100], why="duplicate_key")
        found[name] = value
    return found


def _check(value: Any, path: str, depth: int) -> None:
    if depth > DEEPEST:
        raise UnreadableBody(field=path[:100], why="too_deep")
    match value:
        case _NotANumber():
            raise UnreadableBody(field=path, why="not_a_number")
        case str() if UNSAYABLE.search(value):
            raise UnreadableBody(field=path, why="bad_character")
        case dict():
            for name, inner in value.items():
                _check(name, path, depth)
                _check(inner, f"{path}.{name}".lstrip("."), depth + 1)
        case list():
            for index, inner in enumerate(value):
                _check(inner, f"{path}.{index}".lstrip("."), depth + 1)
        case _:
            pass
