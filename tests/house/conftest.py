"""One valid row of each kind, for the tests that break laws and try moves."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from core.actor import RULE
from core.models import Access, Answer, Counter
from lending.models import (
    Account,
    ClosedDay,
    Contact,
    Copy,
    Household,
    Library,
    Loan,
    Membership,
    Patron,
    PickupPoint,
    Programme,
    Reservation,
    Title,
    Token,
)
from notifications.models import Call, InboundMessage, Message, OptOut, Sender
from pickup.models import Appointment, Lane, Link, Order, OrderLine, PointRules, Question, Slot, Visit, Window

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def rows(db: None) -> SimpleNamespace:
    """One valid row of each kind, in the middle of its life."""
    known = SimpleNamespace()
    at: dict[str, Any] = {"at": NOW, "by": RULE}
    known.answer = Answer.objects.create(
        principal="patron:1", key="k", fingerprint="f", status=200, body={"ok": True}, at=NOW
    )
    known.access = Access.objects.create(
        principal="staff:1", about="patron:1", purpose="lane", at=NOW, keep_until=NOW + HOUR
    )
    known.counter = Counter.objects.create(key="k", since=NOW, count=1)
    known.sender = sender = Sender.objects.create(
        key="s", number="+12125550100", phone="02", quiet_from=time(21), quiet_until=time(8)
    )
    known.message = Message.begin(
        **at,
        sender=sender,
        to="+821000000001",
        language="ko",
        kind="notice",
        template="t",
        dedup_key="d",
        created_at=NOW,
        not_before=NOW,
        not_after=NOW + HOUR,
        provider_id="SM1",
    )
    known.inbound = InboundMessage.begin(
        **at, sender=sender, provider_id="SM9", from_number="+12125550101", to_number="+12125550100", received_at=NOW
    )
    known.opt_out = OptOut.objects.create(number="+12125550101", since=NOW, source="inbound")
    known.call = Call.begin(
        **at,
        sender=sender,
        number="+8221000001",
        language="ko",
        dedup_key="c",
        created_at=NOW,
        due_at=NOW,
        not_after=NOW + HOUR,
    )
    known.programme = programme = Programme.objects.create(key="p", volumes=5)
    known.library = library = Library.objects.create(code="l", programme=programme, sender="s", phone="02")
    known.closed_day = ClosedDay.objects.create(library=library, day=date(2026, 11, 30))
    known.point = point = PickupPoint.objects.create(library=library, code="pt", layout="file")
    account = Account.objects.create(username="a")
    known.membership = Membership.objects.create(account=account, library=library)
    known.token = Token.objects.create(digest="t", account=account, created_at=NOW, expires_at=NOW + HOUR)
    household = Household.objects.create(key="h")
    known.patron = patron = Patron.objects.create(card_number="1000", home=library, household=household)
    known.other_patron = Patron.objects.create(card_number="1001", home=library)
    known.contact = contact = Contact.objects.create(patron=patron, number="+821000000001")
    known.title = title = Title.objects.create(source="x", control_number="1", title="t", searchable="t", grams="")
    here = {"title": title, "library": library, "at_library": library}
    known.copy, known.other_copy = Copy.begin_many([{**here, "barcode": "B1"}, {**here, "barcode": "B2"}], **at)
    known.reservation = Reservation.begin(
        **at,
        patron=patron,
        title=title,
        pickup_point=point,
        programme=programme,
        request=uuid4(),
        placed_at=NOW,
        placed_on=NOW.date(),
        channel="web",
    )
    known.other_reservation = Reservation.begin(
        **at,
        patron=known.other_patron,
        title=title,
        pickup_point=point,
        programme=programme,
        request=uuid4(),
        placed_at=NOW,
        placed_on=NOW.date(),
        channel="web",
    )
    known.reservation.move("allocated", **at, copy=known.copy)
    known.reservation.move("bagged", **at)
    known.loan = Loan.begin(
        **at, copy=known.copy, patron=patron, library=library, programme=programme, lent_at=NOW, due_on=NOW.date()
    )
    known.rules = PointRules.objects.create(point=point)
    known.window = Window.objects.create(
        point=point, weekday=1, opens=time(10), closes=time(12), slot_minutes=30, capacity=2
    )
    known.slot = slot = Slot.objects.create(
        point=point,
        starts_at=NOW,
        ends_at=NOW + HOUR,
        orders_until=NOW,
        capacity=2,
        capacity_wanted=2,
        booked=1,
        accessible=1,
    )
    known.appointment = appointment = Appointment.begin(
        **at, point=point, slot=slot, offered_at=NOW, answer_by=NOW, miss_after=NOW + HOUR
    )
    known.lane = lane = Lane.objects.create(point=point, name="1", open=True)
    known.visit = Visit.begin(**at, point=point, patron=patron, plate="12가3456", door="desk", arrived_at=NOW)
    known.visit.move("called", **at, lane=lane, called_at=NOW)
    known.order = Order.begin(
        **at,
        library=library,
        point=point,
        number="4721",
        patron=patron,
        collector=contact,
        appointment=appointment,
        opened_at=NOW,
    )
    known.order.move("ready", **at, ready_at=NOW, keep_until=NOW + HOUR)
    known.line = OrderLine.begin(**at, order=known.order, reservation=known.reservation, copy=known.copy)
    known.link = Link.objects.create(order=known.order, digest="l" * 64, made_at=NOW)
    known.question = Question.objects.create(number="+12125550101", kind="offer", order=known.order, asked_at=NOW)
    return known
