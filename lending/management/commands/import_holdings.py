"""Add the copies of a library from a holdings file (정보나루, 장서 대출목록)."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from core import clock
from core.actor import RULE
from lending import imports
from lending.models import Library

SHOWN = 50  # bad rows that are listed


class Command(BaseCommand):
    help = (
        "Add the copies that a holdings file (CSV, code page 949) lists for a library. The same file twice adds "
        "nothing. Rows that cannot be read are left out and listed; then the command ends with 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--library", required=True, help="code of the library whose copies these are")
        parser.add_argument(
            "--prefix", default=None, help="what barcodes begin with, before the row's number (default: code and -)"
        )
        parser.add_argument("--encoding", default="cp949", help="of the file, unless it has a byte order mark")
        parser.add_argument("--dry-run", action="store_true", help="read and count, record nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        library = Library.objects.filter(code=options["library"]).first()
        if library is None:
            known = ", ".join(Library.objects.values_list("code", flat=True)) or "none"
            raise CommandError(f"There is no library {options['library']}. Known: {known}.")
        prefix = options["prefix"] if options["prefix"] is not None else f"{library.code[:15].upper()}-"
        console = Console(
            file=cast("IO[str]", self.stdout), highlight=False, width=None if self.stdout.isatty() else 120
        )
        try:
            "".encode(options["encoding"])
            with (
                path.open("rb") as stream,
                Progress(
                    SpinnerColumn(),
                    TextColumn("{task.description}"),
                    console=console,
                    transient=True,
                    disable=not console.is_terminal,
                ) as progress,
            ):
                task = progress.add_task(path.name)
                loaded = imports.load_holdings(
                    stream,
                    library=library,
                    prefix=prefix,
                    by=RULE,
                    now=clock.now(),
                    encoding=options["encoding"],
                    dry_run=options["dry_run"],
                    progress=lambda read: progress.update(task, description=f"{path.name}: {read} rows"),
                )
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
        except LookupError as error:
            raise CommandError(f"There is no encoding named {options['encoding']}.") from error
        self._tell(loaded, console, dry_run=options["dry_run"])

    def _tell(self, loaded: imports.Loaded[Any], console: Console, *, dry_run: bool) -> None:
        summary = Table("", "new", "changed", "same")
        for name, tally in (("titles", loaded.titles), ("copies", loaded.copies)):
            summary.add_row(name, str(tally.new), str(tally.changed), str(tally.same))
        if loaded.bad:
            left_out = Table("line", "column", "value", "reason", title="Left out")
            for row in loaded.bad[:SHOWN]:
                left_out.add_row(str(row.line), row.column, row.value[:60], row.reason)
            console.print(left_out)
        console.print(summary)
        if loaded.doubtful:
            console.print(f"{loaded.doubtful} rows hold a “?”, perhaps for a lost character; they were kept.")
        if dry_run:
            console.print("Dry run: nothing was recorded.")
        if loaded.bad:
            raise CommandError(f"{len(loaded.bad)} of {loaded.read} rows were left out.")
