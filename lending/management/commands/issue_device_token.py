"""Give a device of a library, such as its plate camera, a key to the API."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations
from django.db import transaction

from core import clock
from core.actor import RULE
from lending import accounts
from lending.models import Library, Token


class Command(BaseCommand):
    help = "Print a token for a device of a library, once: only its digest is kept. /admin/ lists and revokes them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help='what it is, such as "plate camera"; 60 characters at most')
        parser.add_argument("--library", required=True, metavar="CODE")
        parser.add_argument(
            "--may",
            action="append",
            choices=Token.Scope.values,
            help="; ".join(f"{scope.value}: {scope.label}" for scope in Token.Scope) + "; arrive unless given",
        )
        parser.add_argument("--days", type=int, default=accounts.DEVICE_TOKEN.days, help="how long it is good for")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        library = Library.objects.filter(code=options["library"]).first()
        if library is None:
            known = ", ".join(Library.objects.values_list("code", flat=True)) or "none"
            raise CommandError(f"There is no library {options['library']}. Known: {known}.")
        if not 1 <= len(options["name"].strip()) <= 60:
            raise CommandError("A device has a name of 1 to 60 characters.")
        if not 1 <= options["days"] <= 3650:
            raise CommandError("A token is good for 1 to 3650 days.")
        with transaction.atomic():
            issued = accounts.issue_device_token(
                name=options["name"].strip(),
                library_id=library.pk,
                by=RULE,
                now=clock.now(),
                scopes=options["may"] or [Token.Scope.ARRIVE],
                lasts=timedelta(days=options["days"]),
            )
        self.stdout.write(issued.token)
        self.stderr.write(f"Good until {issued.expires_at:%Y-%m-%d}. Send it as: Authorization: Token <token>")
