"""Record the titles of MARC files (MARC 21 or KORMARC, ISO 2709)."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from lending import imports
from lending.catalogue import Tally

SHOWN = 50  # bad records that are listed for one file


class Command(BaseCommand):
    help = (
        "Record the titles of MARC files. The same file twice changes nothing. Records that cannot be read are left "
        "out and listed with the byte at which they begin; then the command ends with 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument(
            "--source", default="", help="where the records come from, with 001 the key of a title (default: file name)"
        )
        parser.add_argument(
            "--encoding", default=None, help="utf-8, cp949 (legacy KORMARC), marc8; default: what each record says"
        )
        parser.add_argument("--dry-run", action="store_true", help="read and count, record nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(
            file=cast("IO[str]", self.stdout), highlight=False, width=None if self.stdout.isatty() else 120
        )
        summary = Table("file", "read", "new", "changed", "same", "left out")
        encoding = options["encoding"]
        if encoding is not None and encoding != "marc8":
            try:
                "".encode(encoding)
            except LookupError as error:
                raise CommandError(f"There is no encoding named {encoding}.") from error
        bad, titles = 0, Tally()
        for path in options["files"]:
            loaded = self._load(path, options, console)
            summary.add_row(
                path.name,
                *map(str, (loaded.read, loaded.titles.new, loaded.titles.changed, loaded.titles.same, len(loaded.bad))),
            )
            bad, titles = bad + len(loaded.bad), titles + loaded.titles
            if loaded.bad:
                left_out = Table("begins at byte", "reason", "what was found", title=f"Left out of {path.name}")
                for record in loaded.bad[:SHOWN]:
                    left_out.add_row(str(record.offset), record.reason, record.detail)
                console.print(left_out)
                if len(loaded.bad) > SHOWN:
                    console.print(f"… and {len(loaded.bad) - SHOWN} more.")
        console.print(summary)
        if options["dry_run"]:
            console.print("Dry run: nothing was recorded.")
        if bad:
            raise CommandError(
                f"{bad} of {bad + sum((titles.new, titles.changed, titles.same))} records were left out."
            )

    def _load(self, path: Path, options: dict[str, Any], console: Console) -> imports.Loaded[Any]:
        source = options["source"] or path.stem
        if len(source) > 20 and not options["source"]:
            source = source[:20]
        if len(source) > 20:
            raise CommandError("--source has at most 20 characters.")
        try:
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
                return imports.load_marc(
                    stream,
                    source=source,
                    encoding=options["encoding"],
                    dry_run=options["dry_run"],
                    progress=lambda read: progress.update(task, description=f"{path.name}: {read} records"),
                )
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
