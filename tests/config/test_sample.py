"""The sample library: alive at every hour, lawful, and nowhere but in the sandbox."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from config import invariants, sample, sample_beside, sample_days
from config.management.commands import seed_sample
from core import clock
from lending.models import Account, Contact, Copy, Library, Loan, Patron, Posting, Reservation
from notifications import phone
from notifications import queries as notification_queries
from notifications.models import Message
from notifications.sandbox import past
from notifications.sandbox.models import Text
from pickup import board, point_queries, queries, waits
from pickup.models import Appointment, Note, Order, OrderLine, PointRules, Visit
from tests import rows

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

HOURS = {
    "a Monday, closed, in the night": datetime(2026, 11, 30, 3, 0, tzinfo=rows.SEOUL),
    "a Sunday evening": datetime(2026, 11, 29, 20, 10, tzinfo=rows.SEOUL),
    "New Year's Day": datetime(2027, 1, 1, 12, 5, tzinfo=rows.SEOUL),
    "a Tuesday in the lane's hours": datetime(2026, 12, 1, 11, 20, tzinfo=rows.SEOUL),
}


def states(model: type[Order | OrderLine | Appointment | Visit | Loan | Reservation | Copy]) -> set[str]:
    return set(model.objects.values_list("state", flat=True))


@pytest.mark.long
@pytest.mark.parametrize("hour", HOURS)
def test_the_sample_is_alive_at_every_hour(no_redis, hour):
    now = HOURS[hour]
    with transaction.atomic():
        seed_sample.found(now)
        sample_days.live(now=now.astimezone(UTC), deliver=past.deliver, answer=past.answer)
        _is_alive(hour, now)
        transaction.set_rollback(True)


def _is_alive(hour: str, now: datetime) -> None:
    assert states(Order) == {"picking", "ready", "handed_over", "cancelled", "expired"}, hour
    assert states(OrderLine) >= {"to_pick", "packed", "given", "missing", "dropped", "to_unpack", "unpacked"}, hour
    assert states(Appointment) == {
        "offered", "confirmed", "kept", "missed", "lapsed", "cancelled", "changed"
    }, hour  # fmt: skip
    assert states(Visit) == {"waiting", "called", "served", "left"}, hour
    assert states(Loan) == {"out", "returned", "voided"}, hour
    assert states(Reservation) >= {"waiting", "suspended", "bagged", "fulfilled", "cancelled", "expired"}, hour
    today = now.date()
    assert Loan.objects.filter(state="out", due_on__lt=today).exists(), hour
    assert Loan.objects.filter(state="out", due_on__range=(today, today + timedelta(days=3))).exists(), hour
    _is_told_beside(hour)
    for point in point_queries.points(library__training=False):
        shown = board.snapshot(point_id=point.pk, now=now)
        assert shown.called, (hour, point.code)
        assert shown.waiting, (hour, point.code)
        assert waits.now_at(point_id=point.pk, now=now).waiting, (hour, point.code)
        assert Order.objects.filter(point=point, state="ready", visit=None).exists(), (hour, point.code)
    for code in ("seongdong", "geumho"):
        library = Library.objects.get(code=code)
        assert queries.to_fetch(library.pk).exists(), (hour, code)
        assert queries.to_unpack(library.pk).exists(), (hour, code)
    sender = [sample.SENDERS[0]["key"]]
    assert notification_queries.calls_due(sender).exists(), hour
    assert notification_queries.calls_unreached(sender).exists(), hour
    assert Note.objects.filter(settled_at=None).exists(), hour
    assert Text.objects.filter(direction="outbound-api").count() > 30, hour
    late = Message.objects.filter(state__in=["queued", "sending", "in_doubt", "accepted"], not_before__lte=now)
    assert not late.exists(), hour


def _is_told_beside(hour: str) -> None:
    """The library beside another system has work on each of its pages."""
    told = Posting.objects.filter(library__circulation="beside")
    assert set(told.values_list("state", flat=True)) == {"pending", "done", "refused"}, hour
    assert set(told.values_list("kind", flat=True)) == {"check_out", "check_in"}, hour
    assert told.filter(state="pending", export=None).exists(), hour
    assert told.filter(state="pending", export__isnull=False).exists(), hour
    assert told.filter(copy=None).exists(), hour
    assert not Loan.objects.filter(library__circulation="beside").exists(), hour
    lines = OrderLine.objects.filter(order__library__circulation="beside")
    assert set(lines.values_list("state", flat=True)) >= {"to_pick", "packed", "given", "missing"}, hour


@pytest.mark.long  # the running samples of tests/faults are asked for their laws each time
def test_the_sample_is_lawful_and_is_written_once(no_redis):
    call_command("seed_sample", stdout=io.StringIO())
    assert invariants.breaches() == []
    parked = notification_queries.parked([sample.SENDERS[0]["key"]])
    assert {row.why for row in parked} == {"not_understood", "unknown_number"}
    orders = Order.objects.count()
    call_command("sweep", stdout=io.StringIO())
    assert invariants.breaches() == []
    call_command("seed_sample", stdout=io.StringIO())
    assert Order.objects.count() == orders
    of_lists = len(sample_beside.BEFORE) + len(sample_beside.TODAY)
    assert Patron.objects.count() == len(sample.PEOPLE) + of_lists
    assert len(sample.PEOPLE) >= 60
    assert max(Order.objects.values_list("opened_at", flat=True)) <= clock.now()
    assert all(PointRules.objects.values_list("bag_places", flat=True))
    beside = Contact.objects.filter(patron__home__circulation="beside").values_list("number", flat=True)
    assert all(phone.is_invented(number) for number in beside)


def test_every_number_of_the_sample_belongs_to_nobody():
    numbers = {person.number for person in sample.PEOPLE} | {person.collector[1] for person in sample.PEOPLE} - {""}
    for number in numbers:
        assert phone.is_invented(number) or number.startswith("+121255501"), number


def test_outside_the_sandbox_there_is_no_sample(settings):
    settings.SANDBOX = False
    with pytest.raises(CommandError, match="SANDBOX"):
        call_command("seed_sample")
    assert not Library.objects.exists()
    assert not Account.objects.exists()
