"""Look at everything outside the code that texts and calls need."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config import doctor


class Command(BaseCommand):
    help = "Ask everything outside whether it is right; say what is wrong and what to do, and fail if anything is."
    requires_system_checks: list[str] = []  # they would stop it where the database is what is wrong

    def handle(self, *args: Any, **options: Any) -> None:
        found = []
        for one in doctor.look():
            found.append(one)
            said = f"{one.wrong}; {one.then}" if one.wrong else one.told
            self.stdout.write(f"{'WRONG' if one.wrong else 'OK':<6} {one.about}: {said}")
        wrong = sum(bool(one.wrong) for one in found)
        if wrong:
            raise CommandError(f"{wrong} of {len(found)} are wrong.")
        self.stdout.write(f"All {len(found)} are right.")
