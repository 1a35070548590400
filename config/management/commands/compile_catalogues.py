"""Compile the translations without a gettext binary."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import polib
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    """Write django.mo beside each django.po of LOCALE_PATHS that is newer than it."""

    help = "Compile the translations (config/locale/*/LC_MESSAGES/django.po) that have changed."
    requires_system_checks: list[str] = []

    def handle(self, *_args: Any, **options: Any) -> None:
        """Refuse a catalogue that cannot be read, with its file and line."""
        for catalogue in sorted(
            po for folder in settings.LOCALE_PATHS for po in Path(folder).glob("*/LC_MESSAGES/*.po")
        ):
            compiled = catalogue.with_suffix(".mo")
            if compiled.exists() and compiled.stat().st_mtime_ns >= catalogue.stat().st_mtime_ns:
                continue
            try:
                found = polib.pofile(str(catalogue), check_for_duplicates=True)
            except (OSError, ValueError) as error:
                raise CommandError(f"{catalogue}: {error}") from error
            beside = compiled.with_suffix(f".{os.getpid()}.mo")  # `make run` and `make check` may compile at once
            found.save_as_mofile(str(beside))
            beside.replace(compiled)
            if options["verbosity"]:
                done = len(found.translated_entries())
                self.stdout.write(f"{catalogue.parent.parent.name}: {done} of {len(found)} sentences")
