"""Look for rows that break a law of the house."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from rich.console import Console
from rich.table import Table

from config import invariants


class Command(BaseCommand):
    help = "Check every law as SQL; print the rows that break one and fail if there are any."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=int, default=20, help="rows to print for each law (default: 20)")

    def handle(self, *args: Any, **options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
        console = Console(file=cast("IO[str]", self.stdout))
        broken = invariants.breaches(limit=options["limit"])
        for breach in broken:
            table = Table(*breach.columns, title=f"{breach.law.number}: {breach.law.sentence}")
            for row in breach.rows:
                table.add_row(*(str(value) for value in row))
            console.print(table)
        count = len(list(invariants.laws()))
        if broken:
            raise CommandError(f"{len(broken)} of {count} laws are broken.")
        console.print(f"All {count} laws hold.")
