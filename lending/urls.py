"""Addresses of this room: `api` hangs below /api/v1/, `pages` below /."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

api: list[URLPattern | URLResolver] = []

pages: list[URLPattern | URLResolver] = []
