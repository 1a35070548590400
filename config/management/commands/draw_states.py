"""Draw docs/states.md from the tables of moves."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core.moves import Moving

HEAD = """# States and their moves

Drawn by `manage.py draw_states` from the tables in each room's `states.py`; a test fails when it is out of date.
Every pair that is not drawn is refused with `not_in_this_state`.
"""


def nouns() -> list[type[Moving]]:
    """Every noun with a state, room by room."""
    return [model for model in apps.get_models() if issubclass(model, Moving)]


def drawing() -> str:
    """The page as it should be."""
    return HEAD + "".join(_section(noun) for noun in nouns())


def _section(noun: type[Moving]) -> str:
    lines = [f"\n## {noun._meta.label}\n", "```mermaid", "stateDiagram-v2", f"    [*] --> {noun.FIRST}"]
    lines += [f"    {was!s} --> {became!s}" for was, to in noun.MOVES.items() for became in sorted(to)]
    lines += [f"    {state!s} --> [*]" for state, to in noun.MOVES.items() if not to]
    return "\n".join([*lines, "```", ""])


class Command(BaseCommand):
    help = "Draw docs/states.md from the tables of moves."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is out of date")

    def handle(self, *args: Any, **options: Any) -> None:
        page = settings.BASE_DIR / "docs" / "states.md"
        wanted = drawing()
        current = page.read_text(encoding="utf-8") if page.exists() else ""
        if current == wanted:
            self.stdout.write("docs/states.md is up to date.")
            return
        if options["check"]:
            raise CommandError("docs/states.md is out of date: run `manage.py draw_states`.")
        page.parent.mkdir(exist_ok=True)
        page.write_text(wanted, encoding="utf-8")
        self.stdout.write("docs/states.md drawn.")
