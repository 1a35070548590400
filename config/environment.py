"""Read one setting from the environment, or stop the start with a sentence that names it.

A value that may be a secret is never repeated.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from pathlib import Path

YES = {"1", "true", "yes", "on"}
NO = {"0", "false", "no", "off", ""}
SHORTEST_SECRET = 32


def read_file(path: Path) -> None:
    """Take names that the environment does not know from a file of NAME=value lines, where there is one we may read."""
    if os.access(path, os.R_OK):
        environ.Env.read_env(path)


def text(name: str, *, default: str = "") -> str:
    """Any text; blanks around it are dropped."""
    return os.environ.get(name, default).strip()


def needed(name: str) -> str:
    """A text that has to be there."""
    value = text(name)
    if not value:
        raise ImproperlyConfigured(f"{name} is missing; .env.example says what it is for")
    return value


def secret(name: str) -> str:
    """A secret of at least 32 characters."""
    value = needed(name)
    if len(value) < SHORTEST_SECRET:
        raise ImproperlyConfigured(f"{name} must have at least {SHORTEST_SECRET} characters")
    return value


def switch(name: str, *, default: bool = False) -> bool:
    """On or off; a word that is neither stops the start."""
    value = text(name, default=str(default)).lower()
    if value not in YES | NO:
        raise ImproperlyConfigured(f"{name} must be 1 or 0 (yes, no, true, false, on, off), not {value!r}")
    return value in YES


def number(name: str, *, default: int, least: int, most: int) -> int:
    """A whole number within bounds."""
    value = text(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
        raise ImproperlyConfigured(f"{name} must be a whole number from {least} to {most}, not {value!r}")
    return int(value)


def words(name: str, *, default: list[str]) -> list[str]:
    """Words with commas between them."""
    value = text(name)
    return [word.strip() for word in value.split(",") if word.strip()] if value else default


def matching(name: str, pattern: str, like: str, *, default: str = "") -> str:
    """A text of a form, or the default. `like` is an example for the sentence."""
    value = text(name) or default
    if value != default and not re.fullmatch(pattern, value):
        raise ImproperlyConfigured(f"{name} must look like {like}")
    return value


def address(name: str, *, optional: bool = False) -> str:
    """An http or https address without a path; gives it without a trailing slash, "" where it may be missing."""
    value = text(name) if optional else needed(name)
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        fits = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and not parts.path.strip("/")
    except ValueError:
        fits = False
        parts = urlsplit("")
    if not fits or parts.query or parts.fragment or parts.username:
        raise ImproperlyConfigured(f"{name} must be an address such as https://pickup.example.org, not {value!r}")
    return value.rstrip("/")


def database(name: str) -> dict[str, Any]:
    """Where PostgreSQL is: postgres://user:password@host:port/name."""
    value = needed(name)
    form = f"{name} must look like postgres://user:password@host:5432/name; no other database is supported"
    if not value.startswith(("postgres://", "postgresql://")):
        raise ImproperlyConfigured(form)
    try:
        found: dict[str, Any] = environ.Env.db_url_config(value)
    except ValueError:
        raise ImproperlyConfigured(form) from None
    if not found.get("NAME"):
        raise ImproperlyConfigured(form)
    return found


def mail(name: str) -> dict[str, Any]:
    """How mails leave: Django's settings for smtp+tls://user:password@host:587; nothing where there is none."""
    value = text(name)
    form = f"{name} must look like smtp+tls://user:password@mail.example.org:587 (smtp, smtp+tls, smtp+ssl)"
    try:
        parts = urlsplit(value)
        if value and not (parts.scheme in {"smtp", "smtp+tls", "smtp+ssl"} and parts.hostname and parts.port != 0):
            raise ImproperlyConfigured(form)
        found: dict[str, Any] = environ.Env.email_url_config(value) if value else {}
    except ValueError:
        raise ImproperlyConfigured(form) from None
    standard = {"smtp+tls": 587, "smtp+ssl": 465}.get(parts.scheme, 25)
    return {**found, "EMAIL_PORT": found["EMAIL_PORT"] or standard} if found else {}


def redis(name: str) -> str:
    """Where Redis is: redis://:password@host:port/number."""
    value = needed(name)
    try:
        parts = urlsplit(value)
        fits = parts.scheme in {"redis", "rediss"} and parts.hostname and parts.port != 0
    except ValueError:
        fits = False
        parts = urlsplit("")
    if not fits or not re.fullmatch(r"/?[0-9]{0,3}", parts.path):
        raise ImproperlyConfigured(f"{name} must look like redis://:password@host:6379/0")
    return value
