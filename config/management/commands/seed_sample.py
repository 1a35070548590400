"""The sample library, made with the service's own verbs; safe to run again."""

from __future__ import annotations

import random
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from rich.console import Console

from config import sample, sample_days
from core import clock
from core.actor import RULE, Actor
from lending import call_numbers, catalogue, consents, marc
from lending.models import (
    Account,
    Consent,
    Contact,
    Copy,
    Household,
    Library,
    Membership,
    Patron,
    PickupPoint,
    Programme,
    Title,
)
from notifications import inbound
from notifications.models import Sender
from pickup.models import Lane, Order, PointRules, Window

What = Consent.What
RECORDS = ("loc_korean_sample.mrc", "loc_mixed_sample.mrc")
SAMPLES = Path(marc.__file__).parent / "samples"


class Command(BaseCommand):
    help = "Fills an empty database with the sample library: branches, books, invented people and their last weeks."

    def handle(self, *_args: object, **_options: object) -> None:
        console = Console()
        if Library.objects.exists():
            console.print("There are libraries already: nothing to do.")
            return
        if not settings.SANDBOX:
            raise CommandError("The sample's texts go to the phones of the sandbox: it needs SANDBOX=1.")
        past = import_module("notifications.sandbox.past")  # its tables are there with the sandbox alone
        now = clock.now()
        with transaction.atomic():  # all of it or nothing: half a sample would never be mended
            found(now)
            sample_days.live(now=now, deliver=past.deliver, answer=past.answer)
        inbound.apply(now=now)
        past.deliver(now=now)
        console.print(
            f"Sample library: {Title.objects.count()} titles, {Copy.objects.count()} copies,"
            f" {Patron.objects.count()} patrons, {Order.objects.count()} orders."
        )


def found(now: datetime) -> None:
    """The libraries with their books, patrons and staff, before anybody has asked for anything."""
    _libraries()
    _books(now)
    _people(now)
    _staff()


def _libraries() -> None:
    for row in sample.SENDERS:
        Sender.objects.create(**row)
    followed = (sample.PROGRAMME, sample.TRAINING_PROGRAMME, sample.BESIDE_PROGRAMME)
    programmes = {str(row["key"]): Programme.objects.create(**row) for row in followed}
    usual = {"programme": sample.PROGRAMME["key"], "sender": "seongdong", "weekly_closed": [0]}
    libraries = {}
    for place, row in enumerate(sample.LIBRARIES):
        columns = {**usual, **row}
        columns["programme"] = programmes[columns["programme"]]
        libraries[row["code"]] = Library.objects.create(position=place, **columns)
    for place, row in enumerate(sample.POINTS):
        columns = {key: value for key, value in row.items() if key not in {"library", "rules", "lanes"}}
        point = PickupPoint.objects.create(library=libraries[row["library"]], position=place, **columns)
        PointRules.objects.create(point=point, **row["rules"])
        for number, name in enumerate(row["lanes"]):
            Lane.objects.create(point=point, name=name, open=number == 0)
        if row["rules"].get("by_appointment", True):
            Window.objects.bulk_create(
                Window(point=point, weekday=weekday, **sample.SLOT, **session)
                for weekday in sample.WEEKDAYS
                for session in sample.SESSIONS
            )


def _books(now: datetime) -> None:
    """Every record of the samples; one to three copies of each, most of them at the two lending branches."""
    for name in RECORDS:
        with (SAMPLES / name).open("rb") as file:
            read = [record for record in marc.read_titles(file) if isinstance(record, marc.ParsedRecord)]
        rows = [row for record in read if (row := catalogue.row_of(record, source=sample.SOURCE)) is not None]
        catalogue.put_titles(rows)
    chance = random.Random(2020)
    branches = list(Library.objects.filter(programme__key=sample.PROGRAMME["key"]).order_by("position"))
    copies: list[dict[str, Any]] = []
    for title in Title.objects.filter(source=sample.SOURCE).order_by("control_number"):
        count = chance.choices([1, 2, 3], weights=[6, 3, 1])[0]
        at = chance.sample(branches, k=min(count, 3)) if count > 1 else chance.choices(branches, weights=[5, 4, 1])
        for number, library in enumerate(at, start=1):
            copies.append(
                catalogue.copy_row(
                    title.pk,
                    library,
                    barcode=f"SD{len(copies) + 1:08d}",
                    call_number=_call_number(title, number, chance),
                )
            )
    catalogue.add_copies(copies, by=RULE, now=now)


def _call_number(title: Title, number: int, chance: random.Random) -> str:
    """A call number as Korean labels bear it; the class is roughly that of the record, the rooms are drawn."""
    found = title.classification
    number_class = found if found[:3].isdigit() else call_numbers.rough_kdc(found) or f"{chance.randrange(10)}00"
    mark = call_numbers.author_mark(title.author or title.title, title.title) or "미"
    room = chance.choices(["", "아동", "큰글자"], weights=[8, 1, 1])[0]
    try:
        return call_numbers.compose(
            number_class[:8].rstrip("./ "), mark, room=room, copy=number if number > 1 else None
        )
    except call_numbers.NotACallNumber:
        return call_numbers.compose("000", mark, room=room)


def _people(now: datetime) -> None:
    """Patrons with their telephones and accounts. All have the same PIN, so that one slow hash is made for all."""
    homes = {library.code: library for library in Library.objects.all()}
    shared = {person.household: person.together for person in sample.PEOPLE if person.household}
    households = {key: Household.objects.create(key=key, together=together) for key, together in sorted(shared.items())}
    pin = make_password(sample.PIN)
    accounts = Account.objects.bulk_create(
        Account(username=person.card, language=person.language, password=pin) for person in sample.PEOPLE
    )
    patrons = Patron.objects.bulk_create(
        Patron(
            account=account,
            card_number=person.card,
            name=person.name,
            language=person.language,
            household=households.get(person.household),
            home=homes[person.home],
            accessible_place=person.accessible,
            needs=list(person.needs),
            needs_note=person.note,
        )
        for person, account in zip(sample.PEOPLE, accounts, strict=True)
    )
    Consent.objects.bulk_create(
        Consent(
            patron=patron,
            what=what,
            version=consents.VERSION,
            given=True,
            at=now,
            by=Actor("patron").principal,
            channel="desk",
        )
        for person, patron in zip(sample.PEOPLE, patrons, strict=True)
        for what in _agreed(person)
    )
    Contact.objects.bulk_create(
        Contact(patron=patron, number=person.number, language=person.language)
        for person, patron in zip(sample.PEOPLE, patrons, strict=True)
    )


def _agreed(person: sample.Person) -> list[str]:
    """To what they agreed when they came: what everybody is asked, and what the rest of their row needs."""
    more = [What.NEEDS] if person.needs or person.note else []
    return [*consents.ASKED_AT_ENROLMENT, *more, *([What.TOGETHER] if person.together else [])]


def _staff() -> None:
    password = make_password(sample.PASSWORD)
    for username, name, language, roles in sample.STAFF:
        account = Account.objects.create(username=username, password=password, first_name=name, language=language)
        for code, role in roles.items():
            Membership.objects.create(account=account, library=Library.objects.get(code=code), role=role)
    Account.objects.create(username="admin", password=password, first_name="admin", is_staff=True, is_superuser=True)
