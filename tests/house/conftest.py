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
    AccessReview,
    Account,
    Allowance,
    Consent,
    Contact,
    Copy,
    Grant,
    Guess,
    Household,
    Library,
    ListedCopy,
    Loan,
    Membership,
    OneTimeCode,
    Patron,
    Pause,
    PickupPoint,
    Posting,
    Programme,
    RecoveryCode,
    RememberedDevice,
    Reservation,
    SecondFactor,
    ShelfLook,
    SpecialDay,
    Strike,
    SurgeChange,
    Tablet,
    Title,
    Token,
    Transfer,
)
from notifications.models import Call, InboundMessage, Message, OptOut, OwnWords, Sender
from pickup.models import (
    Appointment,
    Lane,
    Link,
    Note,
    Order,
    OrderLine,
    PointRules,
    Preference,
    Question,
    Rehearsal,
    RehearsalCar,
    Slot,
    Visit,
    Window,
)

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
    known.own_words = OwnWords.objects.create(sender=sender, key="t", language="ko", body="b", at=NOW)
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
    known.special_day = SpecialDay.objects.create(library=library, day=date(2026, 11, 30))
    known.point = point = PickupPoint.objects.create(library=library, code="pt", layout="file")
    account = Account.objects.create(username="a")
    known.membership = Membership.objects.create(account=account, library=library)
    known.token = Token.objects.create(digest="t", account=account, created_at=NOW, expires_at=NOW + HOUR)
    known.guess = Guess.objects.create(key="g", last_at=NOW, wait_until=NOW + HOUR)
    known.remembered = RememberedDevice.objects.create(
        account=account, digest="r", name="Chrome", made_at=NOW, seen_at=NOW, expires_at=NOW + HOUR
    )
    known.second_factor = SecondFactor.objects.create(account=account, secret="a" * 40, made_at=NOW)
    known.recovery_code = RecoveryCode.objects.create(account=account, digest="d")
    known.review = AccessReview.objects.create(library=library, month=date(2026, 10, 1), by="staff:1", at=NOW)
    known.tablet = Tablet.objects.create(
        library=library, digest="t", name="Chrome", made_at=NOW, made_by="staff:1", expires_at=NOW + HOUR
    )
    household = Household.objects.create(key="h")
    known.patron = patron = Patron.objects.create(card_number="1000", home=library, household=household)
    known.allowance = allowance = Allowance.objects.create(programme=programme, key="extra")
    known.grant = Grant.objects.create(patron=patron, allowance=allowance)
    known.strike = Strike.objects.create(patron=patron, programme=programme, kind="missed", on=NOW.date())
    known.pause = Pause.objects.create(
        patron=patron, programme=programme, days_overdue=1, since=NOW.date(), until=NOW.date()
    )
    known.other_patron = Patron.objects.create(card_number="1001", home=library)
    known.one_time_code = OneTimeCode.objects.create(
        key="k", patron=patron, digest="d", asked_at=NOW, made_at=NOW, expires_at=NOW + HOUR
    )
    known.consent = Consent.objects.create(
        patron=patron, what="privacy", version="2026-11", given=True, at=NOW, by="patron", channel="web"
    )
    known.contact = contact = Contact.objects.create(patron=patron, number="+821000000001")
    known.title = title = Title.objects.create(source="x", control_number="1", title="t", searchable="t", grams="")
    here = {"title": title, "library": library, "at_library": library}
    known.copy, known.other_copy = Copy.begin_many([{**here, "barcode": "B1"}, {**here, "barcode": "B2"}], **at)
    other_library = Library.objects.create(code="l2", programme=programme, sender="s", phone="02")
    known.transfer = Transfer.begin(
        **at,
        copy=known.copy,
        from_library=library,
        to_library=other_library,
        requested_at=NOW,
        expected_on=NOW.date(),
    )
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
    known.shelf_look = ShelfLook.objects.create(copy=known.other_copy, on=NOW.date(), at=NOW, principal="staff:1")
    known.surge_change = SurgeChange.objects.create(
        library=library, at=NOW, principal="staff:1", channel="desk", surge=True
    )
    known.loan = Loan.begin(
        **at, copy=known.copy, patron=patron, library=library, programme=programme, lent_at=NOW, due_on=NOW.date()
    )
    known.packed_loan = Loan.begin(
        **at,
        copy=known.other_copy,
        patron=patron,
        library=library,
        programme=programme,
        reservation=known.reservation,
        lent_at=NOW,
        due_on=NOW.date(),
        packed_due_on=NOW.date(),
    )
    known.posting = Posting.begin(
        **at,
        library=library,
        kind="check_out",
        barcode="B1",
        copy=known.copy,
        patron=patron,
        reservation=known.reservation,
        happened_at=NOW,
    )
    known.counter_posting = Posting.begin(
        **at, library=library, kind="check_in", barcode="B1", undoes=known.posting, happened_at=NOW
    )
    known.listed = ListedCopy.objects.create(
        library=library, day=NOW.date(), patron=patron, copy=known.copy, reservation=known.reservation
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
    known.preference = Preference.objects.create(patron=patron, weekdays=[1, 3], begins=time(17), ends=time(19))
    known.appointment = appointment = Appointment.begin(
        **at, point=point, slot=slot, offered_at=NOW, answer_by=NOW, miss_after=NOW + HOUR
    )
    known.lane = lane = Lane.objects.create(point=point, name="1", open=True)
    known.visit = Visit.begin(
        **at, point=point, patron=patron, plate="12가3456", door="desk", arrived_at=NOW, queued_at=NOW
    )
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
    known.order.move("ready", **at, ready_at=NOW, keep_until=NOW + HOUR, place="A1")
    known.line = OrderLine.begin(**at, order=known.order, reservation=known.reservation, copy=known.copy)
    known.link = Link.objects.create(order=known.order, digest="l" * 64, made_at=NOW)
    known.note = Note.objects.create(order=known.order, text="10분 늦습니다", channel="link", written_at=NOW)
    known.question = Question.objects.create(number="+12125550101", kind="offer", order=known.order, asked_at=NOW)
    known.rehearsal = Rehearsal.begin(
        **at, library=library, point=point, minutes=10, started_at=NOW, begun_by="staff:1"
    )
    known.rehearsal_car = RehearsalCar.begin(
        **at, rehearsal=known.rehearsal, number=1, kind="plain", due_at=NOW, patron=patron, order=known.order
    )
    return known
