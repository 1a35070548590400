"""The sample library, made with the service's own verbs; safe to run again."""

from __future__ import annotations

import random
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from rich.console import Console

from config import sample
from core import clock
from core.actor import RULE, Actor
from core.refusal import Refusal
from lending import accounts, call_numbers, catalogue, marc
from lending.models import (
    Account,
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
from lending.reservations import Item
from notifications.models import Sender
from pickup import appointments, lane, orders, slots
from pickup.models import Lane, Order, PointRules, Window

RECORDS = ("loc_korean_sample.mrc", "loc_mixed_sample.mrc")
SAMPLES = Path(marc.__file__).parent / "samples"
DESK = Actor("staff", channel="desk")


class Command(BaseCommand):
    help = "Fills an empty database with the sample library: branches, books, invented people and a dozen orders."

    def handle(self, *_args: object, **_options: object) -> None:
        console = Console()
        if Library.objects.exists():
            console.print("There are libraries already: nothing to do.")
            return
        now = clock.now()
        with transaction.atomic():
            points = _libraries()
            _books(now)
            people = _people(now)
            _staff()
            slots.make(now=now)
        _day(points, people, now)
        console.print(
            f"Sample library: {Title.objects.count()} titles, {Copy.objects.count()} copies,"
            f" {Patron.objects.count()} patrons, {Order.objects.count()} orders."
        )


def _libraries() -> dict[str, PickupPoint]:
    for row in sample.SENDERS:
        Sender.objects.create(**row)
    programme = Programme.objects.create(**sample.PROGRAMME)
    libraries = {
        row["code"]: Library.objects.create(
            programme=programme, sender="seongdong", weekly_closed=[0], position=place, **row
        )
        for place, row in enumerate(sample.LIBRARIES)
    }
    points: dict[str, PickupPoint] = {}
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
        points[point.code] = point
    return points


def _books(now: datetime) -> None:
    """Every record of the samples; one to three copies of each, most of them at the two lending branches."""
    for name in RECORDS:
        with (SAMPLES / name).open("rb") as file:
            read = [record for record in marc.read_titles(file) if isinstance(record, marc.ParsedRecord)]
        rows = [row for record in read if (row := catalogue.row_of(record, source=sample.SOURCE)) is not None]
        catalogue.put_titles(rows)
    chance = random.Random(2020)
    branches = list(Library.objects.order_by("position"))
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


def _people(now: datetime) -> dict[str, Patron]:
    homes = {library.code: library for library in Library.objects.all()}
    households: dict[str, Household] = {}
    people: dict[str, Patron] = {}
    for person in sample.PEOPLE:
        if person.household and person.household not in households:
            households[person.household] = Household.objects.create(key=person.household, together=person.together)
        patron = Patron.objects.create(
            card_number=person.card,
            name=person.name,
            language=person.language,
            household=households.get(person.household),
            home=homes[person.home],
            accessible_place=person.accessible,
            needs=person.needs,
        )
        Contact.objects.create(patron=patron, number=person.number, language=person.language)
        accounts.set_pin(patron_id=patron.pk, pin=sample.PIN, by=RULE, now=now)
        people[person.card[-2:]] = patron
    return people


def _staff() -> None:
    for username, name, language, roles in sample.STAFF:
        account = Account.objects.create_user(
            username=username, password=sample.PASSWORD, first_name=name, language=language
        )
        for code, role in roles.items():
            Membership.objects.create(account=account, library=Library.objects.get(code=code), role=role)
    Account.objects.create_superuser(username="admin", password=sample.PASSWORD, first_name="admin")


def _day(points: dict[str, PickupPoint], people: dict[str, Patron], now: datetime) -> None:
    """A dozen orders in different states around now, each moved there by the verbs that a day would use."""
    drive, door, geumho = points["seongdong-lane"], points["seongdong-door"], points["geumho-lane"]
    shelves = {library.code: _titles_at(library) for library in Library.objects.all()}

    def ask(who: str, point: PickupPoint, books: int) -> Order | None:
        titles = [shelves[point.library.code].pop() for _ in range(books)]
        patron = people[who]
        try:
            with transaction.atomic():
                return orders.request(
                    patron_id=patron.pk,
                    point_id=point.pk,
                    items=[Item(title) for title in titles],
                    by=Actor("patron", patron.pk),
                    now=now,
                ).order
        except Refusal:  # at an hour when no session can be ordered for, a sample order less is fine
            return None

    def pack(order: Order | None, *, ready: bool = True) -> Order | None:
        if order is None:
            return None
        for line in order.lines.select_related("copy"):
            orders.pack(order_id=order.pk, barcode=line.copy.barcode, by=DESK, now=now)
        return orders.mark_ready(order_id=order.pk, by=DESK, now=now) if ready else order

    pack(ask("03", drive, 2))  # she has a landline: the call list
    ask("06", drive, 2)
    ask("07", drive, 3)
    ask("05", geumho, 1)
    pack(ask("13", drive, 2), ready=False)  # packed, not said to be ready yet
    pack(ask("04", geumho, 2))  # a time is offered to her, and her answer arrives
    pack(ask("10", geumho, 1))
    pack(ask("12", geumho, 2))
    pack(ask("09", door, 2))  # on foot, no time needed
    family = [pack(ask("01", drive, 2)), pack(ask("02", drive, 1))]  # two cards in one car
    here = pack(ask("08", drive, 2))
    served = pack(ask("11", drive, 2))
    cancelled = ask("14", geumho, 2)
    appointments.offer_ready(now=now)
    if cancelled is not None:
        orders.cancel(order_id=cancelled.pk, by=DESK, now=now)
    for order in (family[0], here):
        if order is not None:
            lane.arrive(point_id=order.point_id, order_id=order.pk, by=DESK, now=now)
    if served is not None:
        lane.serve(point_id=drive.pk, order_number=served.number, by=DESK, now=now)
    last = served.lines.select_related("copy").first() if served is not None else None
    if last is not None:  # somebody waits for a book that is out
        patron = people["14"]
        orders.request(
            patron_id=patron.pk,
            point_id=drive.pk,
            items=[Item(last.copy.title_id)],
            by=Actor("patron", patron.pk),
            now=now,
        )


def _titles_at(library: Library) -> list[int]:
    """Korean titles that stand at a library, always the same ones, the last to be taken first."""
    here = Copy.objects.filter(at_library=library, title__language="kor").order_by("-barcode")
    return list(dict.fromkeys(here.values_list("title_id", flat=True)))[:60]
