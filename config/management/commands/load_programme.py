"""Load a programme's rules from a file, and let libraries follow them."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from config import programme_files
from core import clock
from core.actor import RULE


class Command(BaseCommand):
    help = "Load a programme's lending and pickup rules from a file; --library names who follows them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        ready = ", ".join(sorted(path.stem for path in programme_files.FOLDER.glob("*.toml")))
        parser.add_argument("file", help=f"a TOML file, or one of: {ready}")
        parser.add_argument("--library", action="append", default=[], metavar="CODE", help="may be given several times")
        parser.add_argument(
            "--surge",
            action="store_true",
            help="the libraries lend by it only while their building is closed; calendar and pickup places stay",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be written, and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["surge"] and not options["library"]:
            raise CommandError("--surge needs a --library to lend by it while the building is closed.")
        ready = programme_files.FOLDER / f"{options['file']}.toml"
        path = ready if ready.is_file() else Path(options["file"])
        try:
            with transaction.atomic():
                loaded = programme_files.load(
                    programme_files.read(path),
                    library_codes=options["library"],
                    surge=options["surge"],
                    by=RULE,
                    now=clock.now(),
                )
                transaction.set_rollback(options["dry_run"])
        except programme_files.BadFile as error:
            raise CommandError(str(error)) from error
        would = "Would load" if options["dry_run"] else "Loaded"
        followed = (
            " lend by it while their building is closed; calendar and pickup places stay as they are."
            if options["surge"]
            else f", {loaded.points} pickup places and {loaded.windows} windows follow it."
        )
        self.stdout.write(f"{would} {loaded.programme.key}: {loaded.libraries} libraries{followed}")
