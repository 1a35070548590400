"""What happened while the network was gone: on paper before, noted afterwards."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from core import clock
from core.refusal import BadInput
from lending import strikes
from lending.models import Loan, Strike
from notifications.models import Message
from pickup import appointments, arrivals, catch_up, errors, lane, lapses, offers, run_sheets
from pickup.models import Appointment, Visit
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

committed = pytest.mark.django_db(transaction=True)


@pytest.fixture
def point():
    return rows.point(rules={"by_appointment": False, "bag_places": ["A1", "A2", "A3"]})


def ready(point, *, now=rows.NOW, **columns):
    return steps.ready(steps.asked(rows.patron(point.library, **columns), point, now=now), now=now)


def noted(order, at, now):
    return catch_up.hand_over(order_id=order.pk, at=at, by=DESK, now=now)


# The verb


@pytest.mark.django_db
def test_a_bag_is_noted_at_the_moment_it_went_out(point, now):
    order = ready(point)
    at, later = now + timedelta(minutes=40), now + timedelta(hours=3)
    noted(order, at, later)
    order = steps.again(order)
    loan = Loan.objects.get(patron=order.patron)
    assert (order.state, order.handed_over_at, loan.lent_at) == ("handed_over", at, at)
    assert order.visit is not None
    assert order.visit.ended_at == at


@pytest.mark.django_db
def test_only_this_bag_of_the_car_is_noted_and_nobody_is_left_standing_at_the_window(point, now):
    family = rows.household(together=True)
    first, second = (ready(point, household=family) for _ in range(2))
    noted(first, now + timedelta(minutes=5), now + timedelta(hours=1))
    assert (steps.again(second).state, Visit.objects.get().state) == ("ready", "served")
    noted(second, now + timedelta(minutes=6), now + timedelta(hours=1))
    assert steps.again(second).state == "handed_over"


@pytest.mark.django_db
def test_a_moment_before_the_car_came_or_the_bag_was_ready_means_that_moment(point, now):
    order = ready(point)
    visit = arrivals.arrive(point_id=point.pk, order_id=order.pk, by=DESK, now=now + timedelta(minutes=10))
    noted(order, now - timedelta(hours=1), now + timedelta(hours=1))
    assert steps.again(order).handed_over_at == visit.arrived_at


@pytest.mark.django_db
def test_what_is_still_to_come_was_noted_already_or_is_not_ready_is_refused(point, now):
    order = ready(point)
    with pytest.raises(BadInput):
        noted(order, now + timedelta(minutes=1), now)
    noted(order, now, now)
    with pytest.raises(errors.AlreadyHandedOver):
        noted(order, now, now)
    with pytest.raises(errors.NothingReady):
        noted(steps.asked(rows.patron(point.library), point), now, now)
    with pytest.raises(errors.OrderNotFound):
        catch_up.hand_over(order_id=10**9, at=now, by=DESK, now=now)


@pytest.mark.lawless("I3", why="texts are delivered by hand")
@pytest.mark.django_db
@pytest.mark.parametrize("offers_of_rule", [1, 2])
@pytest.mark.parametrize("minutes_late", [0, 1])
def test_who_was_served_in_time_has_not_missed_it_although_it_is_noted_later(now, offers_of_rule, minutes_late):
    strict = rows.programme(strikes=3, strikes_for=["missed"], strike_days=30, pause_days=10)
    library = rows.library(programme=strict)
    point = rows.point(library, rules={"offers": offers_of_rule, "grace_minutes": 10})
    slot = rows.slot(point)
    order = ready(point)
    missed = appointments.promise(order_id=order.pk, slot_id=slot.pk, by=DESK, now=now)
    rows.slot(point, missed.miss_after + timedelta(hours=3))
    Message.objects.update(state="delivered")
    swept = missed.miss_after + timedelta(minutes=2)
    assert lapses.misses_due(now=swept) == 1
    assert offers.offer_ready(now=swept) == offers_of_rule - 1
    other = strikes.note(patron_id=order.patron_id, library_id=library.pk, kind="missed", now=now - timedelta(days=1))
    noted(order, missed.miss_after + timedelta(minutes=minutes_late), swept + timedelta(hours=1))
    missed.refresh_from_db()
    held = Strike.objects.filter(patron=order.patron, forgiven_at=None)
    kept = not minutes_late
    assert missed.state == ("kept" if kept else "missed")
    assert (held.count(), other in held) == (1 if kept else 2, True)
    assert not Appointment.objects.filter(state__in=["offered", "confirmed"]).exists()


# The sheet


@pytest.mark.django_db
def test_the_run_sheet_is_by_session_and_time_with_masked_names_and_no_title(now):
    point = rows.point(rules={"promise": "at_order", "bag_places": ["A1", "A2", "A3"]})
    late, early, morning = (
        rows.slot(point, now + timedelta(hours=hours), session_ko=name, session_en=name)
        for hours, name in ((6, "2회차"), (5, "2회차"), (1, "1회차"))
    )
    bags = [
        steps.ready(steps.asked(rows.patron(point.library, name="홍길동", needs=["boot"]), point, slot_id=slot.pk))
        for slot in (late, early, morning)
    ]
    walks_in = ready(rows.point(point.library, rules={"by_appointment": False}))
    sessions = run_sheets.of_day(point=point, day=rows.day("2026-11-24"))
    assert [(session.name, [row.bag.number for row in session.rows]) for session in sessions] == [
        ("1회차", [bags[2].number]),
        ("2회차", [bags[1].number, bags[0].number]),
    ]
    row = sessions[0].rows[0]
    assert (row.name, row.bag.place, len(row.bag.needs), row.at) == ("홍*동", "A3", 1, morning.starts_at)
    assert run_sheets.of_day(point=point, day=rows.day("2026-11-25"))[0].starts_at is None  # their time is past
    (timeless,) = run_sheets.of_day(point=walks_in.point, day=rows.day("2026-11-24"))
    assert [row.bag.number for row in timeless.rows] == [walks_in.number]


# The page


@pytest.fixture
def desk(point):
    client = Client(headers={"accept-language": "en"})
    client.force_login(rows.staff(point.library))
    return client


def send(desk: Client, point: Any, **fields: Any) -> Any:
    return desk.post(f"/staff/catch-up/?point={point.pk}", fields)


def outcomes(answer):
    return [(line.label, line.outcome) for line in answer.context["lines"]]


def local(moment: datetime) -> str:
    return f"{moment.astimezone(rows.SEOUL):%H:%M}"


@committed
def test_every_line_is_noted_by_itself_and_what_fails_stays_with_its_reason(point, desk):
    earlier = clock.now() - timedelta(minutes=2)
    lent = ready(point, now=earlier)
    lane.serve(point_id=point.pk, order_number=lent.number, by=DESK, now=earlier)
    barcode = lent.lines.get().copy.barcode
    good, unready = ready(point, now=earlier), steps.asked(rows.patron(point.library), point, now=earlier)
    strange = ready(rows.point(), now=earlier)
    at = local(clock.now())
    form = {
        "bag": [good.pk, unready.pk, strange.pk, "x"],
        f"at-{good.pk}": at,
        f"at-{unready.pk}": at,
        f"at-{strange.pk}": at,
        "barcodes": f"{barcode}\r\nEM0000000000\n",
        "returned_at": at,
    }
    first = send(desk, point, **form)
    assert outcomes(first) == [
        (good.shown, "done"),
        (unready.shown, "failed"),
        (str(strange.pk), "failed"),
        ("x", "failed"),
        (barcode, "done"),
        ("EM0000000000", "failed"),
    ]
    assert steps.again(good).state == "handed_over"
    assert first.context["barcodes"] == "EM0000000000"
    text = first.content.decode()
    assert "Nothing is ready for this visit yet." in text

    again = send(desk, point, **form)
    assert [outcome for _label, outcome in outcomes(again)] == [
        "already",
        "failed",
        "failed",
        "failed",
        "already",
        "failed",
    ]
    assert Loan.objects.filter(patron=good.patron).count() == 1
    assert steps.again(strange).state == "ready"


@committed
@pytest.mark.parametrize("typed", ["", "25:00", "noon", "00:00:00+14:00", "\x00"])
def test_a_time_that_cannot_be_read_is_asked_for_again(point, desk, typed):
    order = ready(point, now=clock.now())
    answer = send(desk, point, bag=order.pk, **{f"at-{order.pk}": typed}, barcodes="EM1", returned_at=typed)
    assert [outcome for _label, outcome in outcomes(answer)] == ["failed", "failed"]
    ticked = [row for one in answer.context["sessions"] for row in one["rows"] if row["ticked"]]
    assert [row["row"].bag.number for row in ticked] == [order.number]


@committed
def test_a_day_that_is_none_or_far_away_is_today(point, desk):
    for day in ("nonsense", "0001-01-01", "9999-12-31", "2026-13-45"):
        for page in ("catch-up", "run-sheet"):
            answer = desk.get(f"/staff/{page}/?point={point.pk}&day={day}")
            today = clock.now().astimezone(rows.SEOUL).date()
            assert (answer.status_code, answer.context["day"]) == (200, today)
