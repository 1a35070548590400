"""Record the patrons of a library from a list of the system that knows them."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, no_translations
from rich.console import Console
from rich.table import Table

from core import clock
from core.actor import RULE
from core.refusal import Refusal
from lending import day_lists, patron_lists, sheets
from lending.models import Library

SHOWN = 200  # bad rows that are listed


class Command(BaseCommand):
    help = (
        "Record the patrons of a list (CSV, TSV, XLSX) at their library, without PIN and without any consent. Who has "
        "the card already is brought up to date. Rows that cannot be taken are left out and listed with their line; "
        "then the command ends with 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--library", required=True, metavar="CODE")
        parser.add_argument("--map", default="", help="kolas, koha, or a TOML file; found out when left out")
        parser.add_argument("--encoding", default="", help=f"of a text file: {', '.join(sheets.ENCODINGS)}")
        parser.add_argument("--dry-run", action="store_true", help="do all of it, tell of it, keep nothing")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        library = Library.objects.filter(code=options["library"]).select_related("programme").first()
        if library is None:
            known = ", ".join(Library.objects.values_list("code", flat=True)) or "none"
            raise CommandError(f"There is no library {options['library']}. Known: {known}.")
        console = Console(
            file=cast("IO[str]", self.stdout), highlight=False, width=None if self.stdout.isatty() else 120
        )
        try:
            sheet = sheets.read(
                path.read_bytes(),
                encoding=options["encoding"],
                most_rows=patron_lists.MOST_ROWS,
                largest=patron_lists.LARGEST,
            )
            listed = patron_lists.read(sheet, day_lists.maps_named(options["map"]), region=library.region)
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
        except day_lists.BadMap as error:
            raise CommandError(str(error)) from error
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
        encoding = f", {sheet.encoding}" if sheet.encoding else ""
        console.print(f"{path.name}: {sheet.form}{encoding}, columns of {listed.map.name_en}")
        console.print("Columns: " + ", ".join(f"{name} = {heading}" for name, heading in listed.found.items()))
        taken = patron_lists.take(listed, library=library, dry_run=options["dry_run"], by=RULE, now=clock.now())
        if taken.bad:
            wrong = Table("line", "column", "value", "reason", title="Left out")
            for row in sorted(taken.bad, key=lambda one: one.line)[:SHOWN]:
                wrong.add_row(str(row.line), row.column, row.value, f"{row.reason}: {row.sentence}")
            console.print(wrong)
        console.print(f"{library.code}: {taken.new} new, {taken.changed} changed, {taken.same} as they were.")
        if options["dry_run"]:
            console.print("Dry run: nothing was kept.")
        if taken.bad:
            raise CommandError(f"{len(taken.bad)} of {len(listed.entries) + len(listed.bad)} rows were left out.")
