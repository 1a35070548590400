"""Structured logs on standard error, with telephone numbers masked in one place."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping

NUMBER = re.compile(r"(?<![\w.-])(\+\d{3,4}|01\d)[\d-]{4,9}(\d{2})(?![\w-])")


def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Leave the country and the last two digits of a telephone number."""
    return {name: NUMBER.sub(r"\1…\2", value) if isinstance(value, str) else value for name, value in event.items()}


def configure(*, debug: bool) -> None:
    """Send the standard library's records and structlog's events the same way."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask,
    ]
    line = structlog.dev.ConsoleRenderer() if debug else structlog.processors.JSONRenderer()
    renderer: structlog.typing.Processor = line
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in ("twilio.http_client", "pyBarcode"):
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
