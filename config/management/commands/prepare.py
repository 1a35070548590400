"""Bring the database, the translations and the static files up to this version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    """Safe to run again; `make run` and every deploy run it before the first process starts."""

    help = "Migrate the database, compile the translations, collect the static files."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--sample", action="store_true", help="fill an empty database with the sample library")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do each step; `--sample` leaves a database alone that already has a library."""
        call_command("migrate", interactive=False, verbosity=options["verbosity"])
        call_command("compile_catalogues", verbosity=options["verbosity"])
        collect(Path(settings.STATIC_ROOT))
        if options["sample"] and not apps.get_model("lending", "Library").objects.exists():
            self.stdout.write("The database is empty: loading the sample library ...")
            call_command("seed_sample")  # in one transaction: half a sample would pass for a library


def collect(to: Path) -> None:
    """Collect the static files; if that was cut short, all of them anew: half a file looks newer than its source."""
    begun = to.with_name(f"{to.name}.begun")
    cut_short = begun.exists()
    to.parent.mkdir(parents=True, exist_ok=True)
    begun.touch()
    call_command("collectstatic", interactive=False, clear=cut_short, verbosity=0)
    begun.unlink()
