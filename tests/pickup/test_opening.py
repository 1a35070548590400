"""A day is closed or opened: forty people get another time or a call, the slots follow, and one page does it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from config import invariants
from core import clock
from core.actor import Actor
from core.refusal import BadInput
from lending import opening as lending_opening
from lending import queries as lending_queries
from lending.models import Library, SpecialDay
from notifications.models import Call, Message
from pickup import appointments, arrivals, fitting, hours, lapses, opening, orders, queries, slots
from pickup.models import Appointment, Order, Slot, Window
from tests import api, rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db(transaction=True)

BOSS = Actor("staff", 7, "desk")
TOMORROW = date(2026, 11, 25)


@pytest.fixture
def point():
    """Every day 14 to 16, five parties a quarter of an hour; a time is chosen while ordering."""
    made = rows.point(rows.library(), rules={"promise": "at_order", "horizon_days": 7})
    for weekday in range(7):
        rows.window(made, weekday=weekday, opens=time(14), closes=time(16), capacity=5)
    slots.make(now=rows.NOW)
    return made


def booked(point, day, count):
    """So many visits on a day, packed and ready."""
    times = list(slots_of(point, day))
    made = []
    for n in range(count):
        order = steps.asked(rows.patron(point.library), point, slot_id=times[n % len(times)].pk)
        made.append(steps.ready(order))
    return made


def slots_of(point, day):
    local = rows.NOW.astimezone(rows.SEOUL).replace(hour=0)
    start = local + (day - local.date())
    return Slot.objects.filter(point=point, starts_at__gte=start, starts_at__lt=start + timedelta(days=1)).order_by(
        "pk"
    )


def close(point, day=TOMORROW, now=rows.NOW):
    return opening.close(library_id=point.library_id, day=day, reason="정전", by=BOSS, now=now)


def broken():
    """The laws that are broken now, but for those that ask how long something waits by the real clock."""
    return [breach.law.sentence for breach in invariants.breaches() if breach.law.number not in {"I4", "I5"}]


def test_of_forty_each_has_a_new_time_and_a_text(point):
    made = booked(point, TOMORROW, 40)
    Message.objects.all().delete()
    assert close(point) == opening.Closed(moved=40, called=0)
    for order in Order.objects.filter(pk__in=[one.pk for one in made]).select_related("appointment__slot"):
        assert order.appointment.state == "offered"
        assert order.appointment.slot.starts_at.astimezone(rows.SEOUL).date() > TOMORROW
        assert order.keep_until is not None
        assert order.keep_until >= order.appointment.miss_after
    texts = Message.objects.filter(template="closing")
    assert {text.about for text in texts} == {
        f"appointment:{one.pk}" for one in Appointment.objects.filter(state="offered")
    }
    assert all("휴관" in text.body for text in texts)
    assert not Call.objects.exists()
    assert Appointment.objects.filter(state="changed").count() == 40
    assert set(slots_of(point, TOMORROW).values_list("booked", "open")) == {(0, False)}
    assert broken() == []


def test_whom_no_text_reaches_before_the_old_time_is_called(point):
    booked(point, TOMORROW, 1)
    night = slots_of(point, TOMORROW).first().starts_at - timedelta(hours=3)
    Message.objects.all().delete()
    from notifications.models import Sender

    Sender.objects.update(quiet_from=time(0), quiet_until=time(23, 59))
    assert close(point, now=night).moved == 1
    assert Call.objects.get().say.startswith("[")
    assert not Message.objects.filter(template="closing", state="queued").exists()


def test_without_any_other_time_the_bag_is_kept_and_staff_call(point):
    (order,) = booked(point, TOMORROW, 1)
    Slot.objects.exclude(pk__in=slots_of(point, TOMORROW)).update(open=False, outside=False)
    before = order.keep_until
    assert close(point) == opening.Closed(moved=0, called=1)
    order = steps.again(order)
    assert (order.state, order.appointment) == ("ready", None)
    assert order.keep_until >= before
    assert "휴관" in Call.objects.get().say
    assert broken() == []


def test_a_closed_day_takes_nobody_and_opened_again_it_does(point):
    close(point)
    calendar = lending_queries.calendar_of(point.library)
    assert not calendar.is_open(TOMORROW)
    assert not slots_of(point, TOMORROW).filter(open=True).exists()
    opening.forget(library_id=point.library_id, day=TOMORROW, by=BOSS, now=rows.NOW)
    assert slots_of(point, TOMORROW).filter(open=True).count() == 8
    assert not SpecialDay.objects.exists()


def test_what_staff_closed_by_hand_stays_closed(point):
    mine = slots_of(point, TOMORROW).first()
    Slot.objects.filter(pk=mine.pk).update(open=False)
    close(point)
    opening.forget(library_id=point.library_id, day=TOMORROW, by=BOSS, now=rows.NOW)
    assert slots_of(point, TOMORROW).filter(open=False).get() == mine


def test_a_holiday_can_be_opened(point):
    Library.objects.filter(pk=point.library_id).update(weekly_closed=[2])
    slots.make(now=rows.NOW)
    opening.rule(library_id=point.library_id, weekly_closed=[2], nth_closed=[], holidays="", by=BOSS, now=rows.NOW)
    assert not slots_of(point, TOMORROW).filter(open=True).exists()
    opening.open_up(library_id=point.library_id, day=TOMORROW, reason="", by=BOSS, now=rows.NOW)
    assert slots_of(point, TOMORROW).filter(open=True).count() == 8


def test_a_new_rule_moves_nobody_by_itself_and_says_how_many_lie_outside(point):
    (order,) = booked(point, TOMORROW, 1)
    told = opening.rule(
        library_id=point.library_id, weekly_closed=[2], nth_closed=["1-0"], holidays="kr", by=BOSS, now=rows.NOW
    )
    assert told == 1
    assert steps.again(order).appointment_id == order.appointment_id
    assert Library.objects.get(pk=point.library_id).holidays == "KR"


def test_whoever_is_late_in_the_day_is_served_and_the_rest_moves(point):
    made = booked(point, TOMORROW, 8)
    noon = slots_of(point, TOMORROW)[3].starts_at
    done = close(point, now=noon)
    assert done.moved == 5
    kept = [one for one in made if steps.again(one).appointment_id == one.appointment_id]
    assert len(kept) == 3


def test_whoever_is_here_already_keeps_the_time_and_is_told_nothing(point):
    early, other = booked(point, TOMORROW, 2)
    arrivals.arrive(point_id=point.pk, order_id=early.pk, by=BOSS, now=rows.NOW)
    Message.objects.all().delete()
    promised = steps.again(early).appointment_id
    assert [one.orders[0].pk for one in opening.visits(library=point.library, day=TOMORROW, now=rows.NOW)] == [other.pk]
    assert close(point) == opening.Closed(moved=1, called=0)
    assert steps.again(early).appointment_id == promised
    assert {text.about for text in Message.objects.all()} == {f"appointment:{steps.again(other).appointment_id}"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"weekly_closed": list(range(7))}, "weekly_closed"),
        ({"nth_closed": ["9-9"]}, "nth_closed"),
        ({"holidays": "ATLANTIS"}, "holidays"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(point, change, field):
    plain = {"weekly_closed": [], "nth_closed": [], "holidays": ""}
    with pytest.raises(BadInput) as refused:
        lending_opening.set_week(library_id=point.library_id, **{**plain, **change})
    assert refused.value.field == field


@pytest.mark.parametrize("day", [date.min, date(2026, 11, 23), date(2030, 1, 1), date.max])
def test_a_day_that_is_over_or_far_away_is_refused(point, day):
    for verb in (partial(opening.close, reason=""), partial(opening.open_up, reason=""), opening.move, opening.forget):
        with pytest.raises(BadInput) as refused:
            verb(library_id=point.library_id, day=day, by=BOSS, now=rows.NOW)
        assert refused.value.field == "day"


def kept_until(point, day):
    """A packed bag without a time that is kept until the end of a day."""
    order = steps.ready(steps.asked(rows.patron(point.library), point))
    order.keep_until = datetime.combine(day + timedelta(days=1), time(), tzinfo=rows.SEOUL)
    order.save(update_fields=["keep_until"])
    if (promised := queries.live_appointment(order)) is not None:
        appointments.cancel(appointment_id=promised.pk, by=BOSS, now=rows.NOW)
    return steps.again(order)


@pytest.mark.parametrize("how", ["close", "rule", "forget"])
def test_a_bag_that_is_kept_until_a_day_that_is_closed_is_kept_until_the_next_open_one(point, how):
    about: Any = {"library_id": point.library_id, "by": BOSS, "now": rows.NOW}
    if how == "forget":
        opening.open_up(**about, day=TOMORROW, reason="")
        Library.objects.update(weekly_closed=[TOMORROW.weekday()])
    today, tomorrow = kept_until(point, TOMORROW - timedelta(days=1)), kept_until(point, TOMORROW)
    (promised,) = booked(point, TOMORROW + timedelta(days=2), 1)
    Message.objects.all().delete()
    assert list(opening.kept_until(library=point.library, day=TOMORROW)) == [tomorrow]
    if how == "close":
        close(point)
    elif how == "rule":
        opening.rule(**about, weekly_closed=[TOMORROW.weekday()], nth_closed=[], holidays="")
    else:
        opening.forget(**about, day=TOMORROW)
    assert steps.again(tomorrow).keep_until == tomorrow.keep_until + timedelta(days=1)
    assert [steps.again(one).keep_until for one in (today, promised)] == [today.keep_until, promised.keep_until]
    assert list(Message.objects.values_list("about", "template")) == [(f"order:{tomorrow.pk}", "ready_until")]
    assert orders.expire_due(now=tomorrow.keep_until) == 1
    assert steps.again(tomorrow).state == "ready"
    assert broken() == []


# The page and the API


@pytest.fixture
def boss(point):
    client = Client(headers={"accept-language": "en"})
    client.force_login(rows.staff(point.library, role="manager"))
    return client


def soon(point):
    """The point with slots around the real clock, and the local day after today."""
    slots.make(now=clock.now())
    return lending_queries.today(point.library, clock.now()) + timedelta(days=1)


def stands_tomorrow(point):
    """`soon`, with a visit on that day."""
    day = soon(point)
    steps.asked(rows.patron(point.library), point, slot_id=slots_near(point, day).pk, now=clock.now())
    return day


def test_tomorrow_is_closed_on_one_page_with_one_click(point, boss):
    day = stands_tomorrow(point)
    order = Order.objects.get()
    kept_until(point, day)
    shown = boss.get(f"/staff/days/?point={point.pk}&day={day}").content.decode()
    assert "1 visit is promised on this day." in shown
    assert "1 bag without a time is kept until this day." in shown
    assert order.shown in shown
    done = boss.post(
        f"/staff/days/?point={point.pk}",
        {"key": uuid4().hex, "step": "close", "day": day, "reason": "정전"},
        follow=True,
    )
    assert "1 visit has a new time." in done.content.decode()
    assert "정전" in done.content.decode()


def slots_near(point, day):
    start = datetime.combine(day, time(), tzinfo=rows.SEOUL)
    return Slot.objects.filter(point=point, starts_at__gte=start).order_by("starts_at").first()


def test_the_rule_is_changed_on_the_page_and_nonsense_is_shown_beside_it(point, boss):
    sent = {"key": uuid4().hex, "step": "week", "weekly_closed": ["0"], "nth_closed": ["1-1", "3-1"], "holidays": "KR"}
    assert boss.post(f"/staff/days/?point={point.pk}", sent).status_code == 303
    library = Library.objects.get(pk=point.library_id)
    assert (library.weekly_closed, library.nth_closed, library.holidays) == ([0], ["1-1", "3-1"], "KR")
    wrong = {**sent, "key": uuid4().hex, "weekly_closed": list("0123456"), "holidays": "ATLANTIS"}
    answer = boss.post(f"/staff/days/?point={point.pk}", wrong)
    shown = answer.content.decode()
    assert answer.status_code == 400
    assert 'value="ATLANTIS"' in shown
    assert "The public holidays of “ATLANTIS” are not known." in shown
    assert "A library is open on one weekday at least." in shown


def test_a_reason_that_is_too_long_is_shown_beside_the_day_that_was_chosen(point, boss):
    sent = {"key": uuid4().hex, "step": "close", "day": soon(point), "reason": "정전 " * 40}
    answer = boss.post(f"/staff/days/?point={point.pk}", sent)
    assert answer.status_code == 400
    assert "at most 80 characters" in answer.content.decode()
    assert "Close this day" in answer.content.decode()
    assert not SpecialDay.objects.exists()


def test_a_day_without_any_window_is_opened_with_the_way_to_its_times(point, boss):
    day = soon(point)
    Library.objects.update(weekly_closed=[day.weekday()])
    sent = {"key": uuid4().hex, "step": "open", "day": day, "reason": ""}
    told = boss.post(f"/staff/days/?point={point.pk}", sent, follow=True)
    assert "its times can be had" in told.content.decode()
    Window.objects.filter(point=point, weekday=day.weekday()).delete()
    told = boss.post(f"/staff/days/?point={point.pk}", {**sent, "key": uuid4().hex}, follow=True)
    assert "No pickup times are set for it" in told.content.decode()
    assert told.redirect_chain[-1][0].startswith("/staff/times/")


def test_visits_that_a_rule_leaves_on_a_closed_day_are_counted_and_moved_with_a_click(point, boss):
    day = stands_tomorrow(point)
    week = {"key": uuid4().hex, "step": "week", "weekly_closed": [day.weekday()], "holidays": ""}
    told = boss.post(f"/staff/days/?point={point.pk}", week, follow=True).content.decode()
    assert "1 promised visit lies outside the hours now, and stands" in told
    page = f"/staff/days/?point={point.pk}&day={day}"
    assert "They stand although it is closed." in boss.get(page).content.decode()
    sent = {"key": uuid4().hex, "step": "close", "day": day, "reason": ""}
    assert "1 visit has a new time." in boss.post(page, sent, follow=True).content.decode()
    assert "Move them" not in boss.get(page).content.decode()


def test_programs_read_and_change_the_rule(point):
    closed = [stands_tomorrow(point).weekday()]
    address = f"libraries/{point.library.code}/week"
    rule = {"weekly_closed": [], "nth_closed": [], "holidays": ""}
    assert api.anyone().get(address) == rule
    manager = api.signed_in(rows.staff(point.library, role="manager"))
    assert manager.post(address, {"weekly_closed": closed}) == {**rule, "weekly_closed": closed, "standing": 1}
    assert manager.post(address, {"holidays": "KR"})["weekly_closed"] == closed
    assert manager.post(address, {"holidays": "ATLANTIS"}, 400)["field"] == "holidays"
    assert manager.post(address, {"weekly_closed": [7]}, 400)["code"] == "invalid"
    assert api.signed_in(rows.staff(point.library)).post(address, {}, 403)["code"] == "forbidden"


def test_only_managers_change_days(point):
    client = Client()
    client.force_login(rows.staff(point.library))
    assert client.get(f"/staff/days/?point={point.pk}").status_code == 403


@pytest.mark.parametrize("day", ["", "tomorrow", "2026-02-30", "1999-01-01", "9999-12-31"])
def test_a_day_that_is_none_shows_the_weeks_and_which_days_there_are(point, boss, day):
    answer = boss.get(f"/staff/days/?point={point.pk}&day={day}")
    assert answer.status_code == 200
    assert ("can be changed" in answer.content.decode()) == bool(day)


def test_programs_read_and_set_days(point):
    day = soon(point)
    code = point.library.code
    told = api.anyone().get(f"libraries/{code}/days", first=day, last=day)
    assert told["days"] == [{"day": str(day), "open": True, "differs": False, "reason": ""}]
    boss = api.signed_in(rows.staff(point.library, role="manager"))
    assert boss.post(f"libraries/{code}/days", {"day": str(day), "open": False, "reason": "정전"}) == {
        "moved": 0,
        "called": 0,
    }
    assert not api.anyone().get(f"libraries/{code}/days", first=day, last=day)["days"][0]["open"]
    assert boss.post(f"libraries/{code}/days", {"day": str(day)}) == {"moved": 0, "called": 0}
    assert api.anyone().get(f"libraries/{code}/days", first=day, last=day)["days"][0]["open"]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"first": "9999-12-31"}, "first"),
        ({"first": "0001-01-01"}, "first"),
        ({"last": "9999-12-31"}, "last"),
        ({"first": "20261124"}, "first"),
    ],
)
def test_days_that_no_calendar_knows_are_refused(point, asked, field):
    told = api.anyone().get(f"libraries/{point.library.code}/days", 400, **asked)
    assert told["field"] == field


def test_the_new_time_is_confirmed_by_silence(point):
    (order,) = booked(point, TOMORROW, 1)
    close(point)
    later = steps.again(order).appointment.answer_by
    lapses.answers_due(now=later)
    assert steps.again(order).appointment.state == "confirmed"


# What was changed where lending alone is known


def test_after_another_zone_the_old_times_take_nobody_and_who_has_one_keeps_it_and_is_listed():
    library = rows.library(zone="America/New_York", region="US")
    point = rows.point(library, rules={"promise": "at_order", "horizon_days": 7})
    rows.window(point)  # Tuesdays, 16:00 to 17:00
    slots.make(now=rows.NOW)
    taken = Slot.objects.filter(point=point).earliest("starts_at")
    order = steps.asked(rows.patron(library), point, slot_id=taken.pk)
    Library.objects.filter(pk=library.pk).update(zone="America/Chicago")
    slots.make(now=rows.NOW)
    assert fitting.follow_due(now=rows.NOW) == 1
    ahead = Slot.objects.filter(point=point)
    chicago = ZoneInfo("America/Chicago")
    open_at = {slot.starts_at.astimezone(chicago).strftime("%H:%M") for slot in ahead.filter(open=True)}
    assert open_at == {"16:00", "16:15", "16:30", "16:45"}
    assert [slot.pk for slot in ahead.filter(open=False, booked__gt=0)] == [taken.pk]
    assert [one.orders[0].pk for one in hours.standing(point_id=point.pk, now=rows.NOW)] == [order.pk]
    assert Appointment.objects.get().state == "confirmed"
    assert hours.move_standing(point_id=point.pk, by=BOSS, now=rows.NOW).moved == 1
    assert fitting.follow_due(now=rows.NOW) == 0
    assert broken() == []


def test_a_day_that_somebody_closed_elsewhere_takes_nobody_new_after_the_next_sweep(point):
    SpecialDay.objects.create(library=point.library, day=TOMORROW, open=False)
    rows.window(rows.point(rows.library(), rules={}))  # of another library, where nothing differs
    slots.make(now=rows.NOW)
    assert slots_of(point, TOMORROW).filter(open=True).exists()
    assert fitting.follow_due(now=rows.NOW) == 1
    assert not slots_of(point, TOMORROW).filter(open=True).exists()
    assert slots_of(point, TOMORROW + timedelta(days=1)).filter(open=True).exists()
    assert fitting.follow_due(now=rows.NOW) == 0
