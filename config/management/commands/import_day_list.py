"""Make bags of tomorrow's list of the system that keeps the loans."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, no_translations
from rich.console import Console
from rich.table import Table

from core import clock
from core.actor import RULE
from core.refusal import Refusal
from lending import day_lists, sheets
from lending.models import Library, PickupPoint
from pickup import day_lists as lists

SHOWN = 100  # bad rows that are listed


class Command(BaseCommand):
    help = (
        "Make bags of a day's list (CSV, TSV, XLSX) of the system that keeps a library's loans. Titles, copies and "
        "patrons that are new are recorded. All or nothing: with one bad row nothing is kept, unless --skip-bad. The "
        "same list twice adds nothing. Ends with 1 when a row was left out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--library", required=True, metavar="CODE")
        parser.add_argument("--point", metavar="CODE", help="pickup place; may be left out where there is one")
        parser.add_argument("--map", default="", help="kolas, koha, or a TOML file; found out when left out")
        parser.add_argument("--day", type=date.fromisoformat, help="YYYY-MM-DD (default: the next open day)")
        parser.add_argument(
            "--packed", action="store_true", help="the bags are packed already: people are told at once"
        )
        parser.add_argument("--encoding", default="", help=f"of a text file: {', '.join(sheets.ENCODINGS)}")
        parser.add_argument(
            "--lent", action="store_true", help="a list of what is lent out there: only mark the copies"
        )
        parser.add_argument("--skip-bad", action="store_true", help="leave bad rows out, take the others")
        parser.add_argument("--dry-run", action="store_true", help="do all of it, tell of it, keep nothing")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        library = Library.objects.filter(code=options["library"]).first()
        if library is None:
            raise CommandError(f"There is no library {options['library']}. Known: {_codes(Library.objects)}.")
        console = Console(
            file=cast("IO[str]", self.stdout), highlight=False, width=None if self.stdout.isatty() else 120
        )
        now = clock.now()
        try:
            day_lists.refuse_unless_beside(library)
            sheet = sheets.read(path.read_bytes(), encoding=options["encoding"])
            listed = day_lists.read(
                sheet, day_lists.maps_named(options["map"]), region=library.region, lent=options["lent"]
            )
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
        except day_lists.BadMap as error:
            raise CommandError(str(error)) from error
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
        encoding = f", {sheet.encoding}" if sheet.encoding else ""
        console.print(f"{path.name}: {sheet.form}{encoding}, columns of {listed.map.name_en}")
        console.print("Columns: " + ", ".join(f"{name} = {heading}" for name, heading in listed.found.items()))
        if listed.unknown:
            console.print("Not used: " + ", ".join(listed.unknown))
        if options["lent"]:
            if options["dry_run"]:
                told = day_lists.look_at_lent(entries=listed.entries, library=library)
            else:
                told = day_lists.mark_lent(entries=listed.entries, library=library, by=RULE, now=now)
            console.print(f"{told.marked} copies marked as lent there; {told.unknown} are not in the catalogue.")
            for copy in told.held:
                console.print(f"Left, for it is set aside for somebody here: {copy.barcode}")
            if options["dry_run"]:
                console.print("Dry run: nothing was kept.")
            return
        point = _point(library, options["point"])
        days = lists.days(library, now=now)
        day = options["day"] or days.usual
        if day not in days:
            raise CommandError(f"{day} is not within the next {lists.FURTHEST.days} days.")
        result = lists.take_over(
            listed=listed,
            point=point,
            day=day,
            packed=options["packed"],
            skip_bad=options["skip_bad"],
            dry_run=options["dry_run"],
            by=RULE,
            now=now,
        )
        self._tell(result, listed, console, day=day, point=point, dry_run=options["dry_run"])

    def _tell(
        self,
        result: lists.TakenOver,
        listed: day_lists.DayList,
        console: Console,
        *,
        day: date,
        point: PickupPoint,
        dry_run: bool,
    ) -> None:
        if result.bad:
            wrong = Table("line", "column", "value", "reason", title="Cannot be taken")
            for row in result.bad[:SHOWN]:
                wrong.add_row(str(row.line), row.column, row.value, f"{row.reason}: {row.sentence}")
            console.print(wrong)
        console.print(
            f"{day}, {point.code}: {result.bags} bags with {result.books} books, {result.ready} ready; "
            f"{result.same} rows were there already; new: {result.new_people} people, {result.new_books} books."
        )
        if dry_run:
            console.print("Dry run: nothing was kept.")
        elif not result.kept:
            raise CommandError(f"{len(result.bad)} rows cannot be taken, so nothing was kept. See --skip-bad.")
        elif result.bad:
            raise CommandError(f"{len(result.bad)} of {len(listed.entries) + len(listed.bad)} rows were left out.")


def _point(library: Library, code: str | None) -> PickupPoint:
    points = PickupPoint.objects.filter(library=library).select_related("library__programme")
    found = list(points.filter(code=code) if code else points.filter(open=True))
    if len(found) != 1:
        raise CommandError(f"Please name a pickup place with --point. Known: {_codes(points)}.")
    return found[0]


def _codes(rows: Any) -> str:
    return ", ".join(rows.values_list("code", flat=True)) or "none"
