"""Which form the API reads and answers in: JSON, which nearly everybody asks for without further words."""

from __future__ import annotations

from collections.abc import Iterable

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

ANYTHING = frozenset({"*/*", "application/json"})


class MostlyJSON(DefaultContentNegotiation):
    """Weighs media types against each other only for those who name some; that takes as long as a look into a table."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        plain = next((parser for parser in parsers if parser.media_type == request.content_type), None)
        return plain or super().select_parser(request, parsers)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        plain = next(iter(renderers))
        if (
            plain.media_type == "application/json"
            and not request.META.get("QUERY_STRING")
            and format_suffix is None
            and request.META.get("HTTP_ACCEPT", "*/*") in ANYTHING
        ):
            return plain, plain.media_type
        chosen: tuple[BaseRenderer, str] = super().select_renderer(request, renderers, format_suffix)
        return chosen
