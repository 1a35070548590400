"""Run everything that is due, once, straight from PostgreSQL: no broker, no worker."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.db.models import Count, Max
from rich.console import Console
from rich.table import Table

from config.celery import TIMETABLE, app
from core.models import Journal
from core.refusal import Refusal


class Command(BaseCommand):
    help = "Run everything that is due, straight from PostgreSQL without a broker, until nothing moves any more."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--passes", type=int, default=10, help="stop after so many rounds (default: 10)")
        parser.add_argument(
            "--every", type=float, default=0.0, help="go on, again after so many seconds, until stopped"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(file=cast("IO[str]", self.stdout))
        while options["every"]:
            try:
                self._sweep(console, options["passes"])
            except (CommandError, DatabaseError) as error:  # what failed is tried again, as a worker would
                console.print(f"{type(error).__name__}: {error}", markup=False)
                connection.close()
            time.sleep(options["every"])
        self._sweep(console, options["passes"])

    def _sweep(self, console: Console, passes: int) -> None:
        before = _newest()
        failed: dict[str, str] = {}
        rounds = 0
        for rounds in range(1, passes + 1):  # noqa: B007 (told below)
            mark = _newest()
            failed = sweep()
            if _newest() == mark:
                break
        table = Table("what", "was", "became", "how many", title=f"moved in {rounds} round(s)")
        for row in moved_since(before):
            table.add_row(row["noun"], row["was"] or "–", row["became"], str(row["many"]))
        if table.row_count:
            console.print(table)
        else:
            console.print("Nothing was due.")
        for name, error in failed.items():
            console.print(f"{name} failed: {error}", markup=False)
        if failed:
            raise CommandError(f"{len(failed)} of {len(TIMETABLE)} sweeps failed.")


def sweep() -> dict[str, str]:
    """Ring every task of the timetable here and now; gives back which failed, and why."""
    app.loader.import_default_modules()
    failed = {}
    for name in TIMETABLE:
        try:
            app.tasks[name]()
        except (DatabaseError, Refusal, OSError) as error:
            failed[name] = f"{type(error).__name__}: {error}"
    return failed


def moved_since(journal_id: int) -> list[dict[str, Any]]:
    """What the journals say happened after the row `journal_id`, counted by move."""
    rows = Journal.objects.filter(id__gt=journal_id).values("noun", "was", "became")
    return [dict(row) for row in rows.annotate(many=Count("id")).order_by("noun", "was", "became")]


def _newest() -> int:
    return Journal.objects.aggregate(newest=Max("id"))["newest"] or 0
