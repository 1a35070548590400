"""Forget what nobody needs any more; safe to run at any time and again."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import IO, Any, cast

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.table import Table

from config import erasure
from core import clock


class Command(BaseCommand):
    help = "Erase what is past its retention: who borrowed, phone links, plates, bodies of texts, notes, old looks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count, erase nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        dry = options["dry_run"]
        counts = erasure.forget_due(now=clock.database_now(), dry=dry)
        table = Table("what", "rows", title="would be erased" if dry else "erased")
        for name, count in counts.items():
            table.add_row(name, str(count))
        Console(file=cast("IO[str]", self.stdout)).print(table)
