"""Managers set when a point hands over: looked at first, followed by the slots, and nobody who has a time loses it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

from config import invariants
from core import clock
from core.actor import Actor
from core.refusal import BadInput
from lending import programmes
from lending.staff_forms import RulesForm
from notifications.models import Call, Message
from pickup import appointments, arrivals, closing, fitting, hours, sessions, slots, waits
from pickup.errors import WindowNotFound, WindowsOverlap
from pickup.hours_forms import PointRulesForm
from pickup.models import PointChange, PointRules, Slot, Window
from tests import api, rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db(transaction=True)

BOSS = Actor("staff", 7, "desk")
TUESDAY = date(2026, 11, 24)
HOUR = {"opens": time(16), "closes": time(17), "slot_minutes": 15, "capacity": 3}


@pytest.fixture
def point():
    """Tuesdays 16 to 17, three parties a quarter of an hour, for two weeks; a time is chosen while ordering."""
    made = rows.point(rows.library(), rules={"promise": "at_order", "horizon_days": 14})
    rows.window(made)
    slots.make(now=rows.NOW)
    return made


@pytest.fixture
def window(point):
    return Window.objects.get(point=point)


def at(hour, minute=0, *, day=TUESDAY):
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=rows.SEOUL)


def slot_at(point, hour=16, minute=0, *, day=TUESDAY):
    return Slot.objects.get(point=point, starts_at=at(hour, minute, day=day))


def booked(point, count, *, now=rows.NOW, slot=None, **who):
    """So many visits of today's first slot, packed and ready, the first one promised first."""
    slot = slot or slot_at(point)
    return [
        steps.ready(
            steps.asked(rows.patron(point.library, **who), point, slot_id=slot.pk, now=now + timedelta(minutes=n)),
            now=now + timedelta(minutes=n),
        )
        for n in range(count)
    ]


def change(window, *, move=False, now=rows.NOW + timedelta(minutes=30), **values):
    return hours.set_window(point_id=window.point_id, window_id=window.pk, values=values, move=move, by=BOSS, now=now)


def add(point, *, move=False, now=rows.NOW, **values):
    return hours.set_window(point_id=point.pk, window_id=None, values={**HOUR, **values}, move=move, by=BOSS, now=now)


def remove(window, *, move=False, now=rows.NOW + timedelta(minutes=30)):
    return hours.remove_window(point_id=window.point_id, window_id=window.pk, move=move, by=BOSS, now=now)


def look(point, window=None, values=None, now=rows.NOW + timedelta(minutes=30)):
    return hours.effect_of_window(point_id=point.pk, window_id=window.pk if window else None, values=values, now=now)


def broken():
    """The laws that are broken now, but for those that ask how long something waits by the real clock."""
    return [breach.law.sentence for breach in invariants.breaches() if breach.law.number not in {"I4", "I5"}]


def times_of(orders):
    return [steps.again(order).appointment.slot.starts_at for order in orders]


# Capacity lowered below what is booked


def test_fewer_places_than_booked_keep_everybody_and_take_nobody(point, window):
    made = booked(point, 3)
    done = change(window, capacity=1)
    assert (done.moved, done.called, done.kept) == (0, 0, 2)
    slot = slot_at(point)
    assert (slot.capacity, slot.capacity_wanted, slot.booked) == (3, 1, 3)
    assert set(times_of(made)) == {at(16)}
    assert slot not in slots.free(point_id=point.pk, now=rows.NOW, limit=99)
    assert len(hours.standing(point_id=point.pk, now=rows.NOW)) == 2
    assert broken() == []


def test_a_place_given_back_is_not_there_any_more(point, window):
    first, _second, _third = booked(point, 3)
    change(window, capacity=1)
    appointments.cancel(appointment_id=steps.again(first).appointment_id or 0, by=BOSS, now=rows.NOW)
    slot = slot_at(point)
    assert (slot.capacity, slot.booked) == (2, 2)
    assert not steps.taken(slot)
    assert broken() == []


def test_moved_are_those_promised_last_and_they_are_told(point, window):
    made = booked(point, 3)
    Message.objects.all().delete()
    looked = look(point, window, {"capacity": 1})
    assert {one.orders[0].pk for one in looked.visits} == {made[1].pk, made[2].pk}
    done = change(window, capacity=1, move=True)
    assert (done.moved, done.called, done.kept) == (2, 0, 0)
    assert times_of(made) == [at(16), at(16, 15), at(16, 30)]
    slot = slot_at(point)
    assert (slot.capacity, slot.booked) == (1, 1)
    told = Message.objects.filter(template="hours")
    assert {text.about for text in told} == {f"appointment:{steps.again(one).appointment_id}" for one in made[1:]}
    assert all("운영 변경" in text.body for text in told)
    assert broken() == []


def test_who_said_yes_stays_before_whom_only_an_offer_was_made(point, window):
    (second,) = booked(point, 1)
    first = steps.asked(rows.patron(point.library), point)
    before = rows.NOW - timedelta(minutes=5)
    appointments.promise(order_id=first.pk, slot_id=slot_at(point).pk, by=rows.RULE, now=before, chosen=False)
    change(window, capacity=1, move=True)
    assert times_of([first, second]) == [at(16, 15), at(16)]


def test_nobody_who_is_here_is_moved(point, window):
    first, second, third = booked(point, 3)
    for one in (second, third):
        arrivals.arrive(point_id=point.pk, order_id=one.pk, by=BOSS, now=rows.NOW)
    Message.objects.all().delete()
    done = change(window, capacity=1, move=True)
    assert (done.moved, done.kept) == (1, 0)
    assert times_of([first, second, third]) == [at(16, 15), at(16), at(16)]
    assert Message.objects.filter(template="hours").count() == 1


def test_who_leaves_the_car_stays_unless_such_places_are_short(point, window):
    change(window, accessible=2, now=rows.NOW)
    (plain,), (wide,) = booked(point, 1), booked(point, 1, accessible_place=True)
    change(window, capacity=1, accessible=1, move=True)
    assert times_of([plain, wide]) == [at(16, 15), at(16)]
    later = rows.NOW + timedelta(hours=1)
    done = change(window, accessible=0, move=True, now=later)
    assert (done.moved, done.called) == (0, 1)  # no other slot has such a place either
    slot = slot_at(point)
    assert (slot.booked, slot.accessible, slot.booked_accessible) == (0, 0, 0)
    assert broken() == []


def test_those_who_stand_are_moved_later_with_one_click(point, window):
    made = booked(point, 3)
    change(window, capacity=1)
    assert hours.move_standing(point_id=point.pk, by=BOSS, now=rows.NOW + timedelta(hours=1)).moved == 2
    assert times_of(made) == [at(16), at(16, 15), at(16, 30)]
    assert hours.standing(point_id=point.pk, now=rows.NOW) == []


# Times that go, come, and become other ones


def test_times_that_go_take_nobody_and_leave_those_who_have_one(point, window):
    (order,) = booked(point, 1)
    looked = look(point, window)
    assert (looked.new, looked.gone, looked.booked, len(looked.visits)) == (0, 12, 1, 1)
    done = remove(window)
    assert (done.window, done.kept) == (None, 1)
    assert not Slot.objects.filter(point=point, open=True).exists()
    assert times_of([order]) == [at(16)]
    assert len(hours.standing(point_id=point.pk, now=rows.NOW)) == 1
    assert broken() == []


def test_times_that_come_again_are_the_old_slots(point, window):
    before = set(Slot.objects.filter(point=point).values_list("pk", flat=True))
    remove(window)
    assert look(point, None, {**HOUR, "weekday": 1}).new == 12
    add(point, weekday=1)
    assert set(Slot.objects.filter(point=point, open=True).values_list("pk", flat=True)) == before


def test_moved_from_times_that_go_one_gets_the_next_ones(point, window):
    add(point, weekday=2, opens=time(10), closes=time(11))
    made = booked(point, 2)
    done = remove(window, move=True)
    assert (done.moved, done.called, done.kept) == (2, 0, 0)
    wednesday = TUESDAY + timedelta(days=1)
    assert times_of(made) == [at(10, day=wednesday)] * 2


def test_without_another_time_the_bag_is_kept_and_staff_call(point, window):
    (order,) = booked(point, 1)
    done = remove(window, move=True)
    assert (done.moved, done.called) == (0, 1)
    assert "운영 변경" in Call.objects.get().say
    order = steps.again(order)
    assert (order.state, order.appointment) == ("ready", None)
    assert broken() == []


def test_hours_that_begin_later_and_other_lengths_follow(point, window):
    looked = look(point, window, {"opens": time(16, 30), "slot_minutes": 10})
    change(window, opens=time(16, 30), slot_minutes=10)
    today = Slot.objects.filter(point=point, open=True, starts_at__lt=at(23)).order_by("starts_at")
    assert [one.starts_at for one in today] == [at(16, 30), at(16, 40), at(16, 50)]
    assert [one.ends_at for one in today] == [at(16, 40), at(16, 50), at(17)]
    assert (looked.new, looked.gone) == (6, 9)


def test_a_slot_with_room_of_its_own_keeps_it_until_its_window_changes(point, window):
    Slot.objects.filter(pk=slot_at(point).pk).update(capacity=1, capacity_wanted=1)
    add(point, weekday=2)
    assert slot_at(point).capacity == 1
    change(window, session_en="Evening")
    assert (slot_at(point).capacity, slot_at(point).session_en) == (3, "Evening")


def test_what_staff_closed_by_hand_stays_closed(point, window):
    Slot.objects.filter(pk=slot_at(point).pk).update(open=False)
    change(window, capacity=5)
    assert not slot_at(point).open


def test_a_second_saturday_replaces_the_week_and_a_date_replaces_both(point):
    second = date(2026, 12, 12)
    point.rules.horizon_days = 30
    point.rules.save()
    add(point, weekday=5)
    add(point, weekday=5, nth=2, opens=time(9), closes=time(10))
    add(point, weekday=None, date=date(2026, 12, 19), opens=time(12), closes=time(13))

    def hours_on(day):
        found = Slot.objects.filter(point=point, open=True, starts_at__date=day).order_by("starts_at")
        return {one.starts_at.astimezone(rows.SEOUL).hour for one in found}

    assert hours_on(second) == {9}
    assert hours_on(second + timedelta(days=7)) == {12}
    assert hours_on(second - timedelta(days=7)) == {16}


def test_an_order_until_noon_is_noted_in_the_slots(point, window):
    change(window, cutoff_time=time(12))
    assert slot_at(point).orders_until == at(12)
    change(window, cutoff_days=1, cutoff_time=time(17))
    assert slot_at(point).orders_until == at(17, day=TUESDAY - timedelta(days=1))


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        # New York leaves 02:00 to 03:00 out in March, and has 01:00 to 02:00 twice in November
        ("America/New_York", date(2027, 3, 14), ["01:00", "01:30", "03:00", "03:30"]),
        ("America/New_York", date(2026, 11, 1), ["01:00", "01:30", "02:00", "02:30", "03:00", "03:30"]),
        # Lord Howe moves by half an hour
        ("Australia/Lord_Howe", date(2026, 10, 4), ["01:00", "01:30", "02:30", "03:00", "03:30"]),
        ("Asia/Seoul", date(2026, 11, 1), ["01:00", "01:30", "02:00", "02:30", "03:00", "03:30"]),
    ],
)
def test_hours_are_local_on_nights_when_the_clock_changes(zone, day, expected):
    place = ZoneInfo(zone)
    point = rows.point(rows.library(zone=zone), rules={"horizon_days": 3})
    now = datetime(day.year, day.month, day.day, 12, tzinfo=place) - timedelta(days=2)
    add(point, date=day, opens=time(1), closes=time(4), slot_minutes=30, now=now)
    made = list(Slot.objects.filter(point=point, open=True).order_by("starts_at"))
    assert [f"{one.starts_at.astimezone(place):%H:%M}" for one in made] == expected
    looked = look(point, Window.objects.get(point=point), {"opens": time(3)}, now=now)
    assert looked.gone == sum(text < "03:00" for text in expected)


# Rules


def test_a_nearer_horizon_takes_free_times_away_and_leaves_promises(point):
    (order,) = booked(point, 1, slot=slot_at(point, day=TUESDAY + timedelta(days=14)))
    looked = hours.effect_of_rules(point_id=point.pk, values={"horizon_days": 5}, now=rows.NOW)
    assert (looked.new, looked.gone, looked.booked, looked.visits) == (0, 8, 1, [])
    hours.set_rules(point_id=point.pk, values={"horizon_days": 5}, by=BOSS, now=rows.NOW)
    assert Slot.objects.filter(point=point).count() == 5
    assert times_of([order]) == [at(16, day=TUESDAY + timedelta(days=14))]
    hours.set_rules(point_id=point.pk, values={"horizon_days": 14}, by=BOSS, now=rows.NOW)
    assert Slot.objects.filter(point=point, open=True).count() == 12


def test_beyond_a_nearer_horizon_a_booked_time_takes_nobody_new_until_its_day_comes(point, window):
    day = TUESDAY + timedelta(days=14)
    (order,) = booked(point, 1, slot=slot_at(point, day=day))
    hours.set_rules(point_id=point.pk, values={"horizon_days": 5}, by=BOSS, now=rows.NOW)
    assert not slot_at(point, day=day).open
    assert hours.standing(point_id=point.pk, now=rows.NOW) == []
    assert hours.move_standing(point_id=point.pk, by=BOSS, now=rows.NOW).moved == 0
    week_before = rows.NOW + timedelta(days=8)
    assert fitting.follow_due(now=week_before) == 0
    assert fitting.follow_due(now=week_before + timedelta(days=1)) == 1
    assert slot_at(point, day=day).open
    assert times_of([order]) == [at(16, day=day)]


def test_a_window_that_goes_lists_who_has_a_time_in_it_beyond_the_horizon(point, window):
    booked(point, 1, slot=slot_at(point, day=TUESDAY + timedelta(days=14)))
    hours.set_rules(point_id=point.pk, values={"horizon_days": 5}, by=BOSS, now=rows.NOW)
    assert remove(window).kept == 1
    assert len(hours.standing(point_id=point.pk, now=rows.NOW)) == 1


def test_more_time_to_pack_moves_the_limit_for_orders(point):
    looked = hours.effect_of_rules(point_id=point.pk, values={"lead_minutes": 60}, now=rows.NOW)
    assert (looked.new, looked.gone, looked.other) == (0, 0, 12)
    hours.set_rules(point_id=point.pk, values={"lead_minutes": 60}, by=BOSS, now=rows.NOW)
    assert slot_at(point).orders_until == at(15)


def test_what_is_promised_keeps_its_terms(point):
    (order,) = booked(point, 1)
    before = steps.again(order)
    hours.set_rules(point_id=point.pk, values={"grace_minutes": 5, "keep_days": 0}, by=BOSS, now=rows.NOW)
    after = steps.again(order)
    assert (after.keep_until, after.appointment.miss_after) == (before.keep_until, before.appointment.miss_after)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"horizon_days": 0}, "horizon_days"),
        ({"horizon_days": 5000}, "horizon_days"),
        ({"offers": 0}, "offers"),
        ({"silence": "shout"}, "silence"),
        ({"answer_minutes": -1}, "answer_minutes"),
        ({"keep_days": "soon"}, "keep_days"),
    ],
)
def test_rules_that_nobody_can_mean_are_refused(point, values, field):
    for verb in (hours.effect_of_rules, lambda **about: hours.set_rules(by=BOSS, **about)):
        with pytest.raises(BadInput) as refused:
            verb(point_id=point.pk, values=values, now=rows.NOW)
        assert refused.value.field == field
    assert not PointChange.objects.exists()


# What is refused, and the history


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"weekday": None}, "weekday"),
        ({"weekday": 1, "date": TUESDAY}, "weekday"),
        ({"weekday": 7}, "weekday"),
        ({"weekday": 2, "nth": 6}, "nth"),
        ({"weekday": 2, "closes": time(16)}, "closes"),
        ({"weekday": 2, "closes": time(16, 10)}, "slot_minutes"),
        ({"weekday": 2, "slot_minutes": 1}, "slot_minutes"),
        ({"weekday": 2, "capacity": 0}, "capacity"),
        ({"weekday": 2, "accessible": 4}, "accessible"),
        ({"weekday": 2, "regime": "never"}, "regime"),
        ({"weekday": 2, "cutoff_days": 40}, "cutoff_days"),
        ({"weekday": None, "date": TUESDAY - timedelta(days=1)}, "date"),
        ({"weekday": None, "date": date(2099, 1, 1)}, "date"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(point, values, field):
    with pytest.raises(BadInput) as refused:
        add(point, **values)
    assert refused.value.field == field
    with pytest.raises(BadInput):
        look(point, None, {**HOUR, **values})
    assert not PointChange.objects.exists()


def test_two_windows_never_lie_across_each_other(point, window):
    with pytest.raises(WindowsOverlap) as refused:
        add(point, weekday=1, opens=time(16, 30), closes=time(18))
    assert refused.value.facts == {"window": window.pk, "opens": "16:00", "closes": "17:00"}
    add(point, weekday=1, opens=time(17), closes=time(18))
    add(point, weekday=1, nth=1)
    with pytest.raises(WindowsOverlap):
        change(window, closes=time(17, 15))


def test_a_window_of_another_point_is_unknown(point):
    other = rows.window(rows.point(point.library))
    with pytest.raises(WindowNotFound):
        hours.remove_window(point_id=point.pk, window_id=other.pk, move=False, by=BOSS, now=rows.NOW)


def test_every_change_is_kept_with_who_and_what_and_cannot_be_changed(point, window):
    change(window, capacity=2)
    change(window, capacity=2)
    hours.set_rules(point_id=point.pk, values={"keep_days": 5}, by=BOSS, now=rows.NOW)
    remove(window)
    removed, rules, changed = hours.history(point.pk)
    assert (changed.principal, changed.was["capacity"], changed.became["capacity"]) == ("staff:7", 3, 2)
    assert (rules.window, rules.was, rules.became) == (None, {"keep_days": 3}, {"keep_days": 5})
    assert (removed.was["opens"], removed.became) == ("16:00:00", {})
    for spoil in (lambda rows: rows.update(principal="staff:8"), lambda rows: rows.delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            spoil(PointChange.objects.all())


def test_looking_changes_nothing(point, window):
    booked(point, 2)
    before = list(Slot.objects.filter(point=point).order_by("pk").values())
    look(point, window, {"capacity": 1, "opens": time(15)})
    look(point, window)
    look(point, None, {**HOUR, "weekday": 3})
    hours.effect_of_rules(point_id=point.pk, values={"horizon_days": 3}, now=rows.NOW)
    assert list(Slot.objects.filter(point=point).order_by("pk").values()) == before
    assert not PointChange.objects.exists()


# The page and the API


@pytest.fixture
def boss(point):
    client = Client(headers={"accept-language": "en"})
    client.force_login(rows.staff(point.library, role="manager"))
    return client


TYPED = {
    "weekday": "1",
    "nth": "",
    "date": "",
    "opens": "16:00",
    "closes": "17:00",
    "slot_minutes": "15",
    "capacity": "3",
    "accessible": "0",
    "cutoff_days": "0",
    "cutoff_time": "",
    "session_ko": "",
    "session_en": "",
    "regime": "both",
    "by_arrival": "False",
}


def typed(step, **values):
    return {**TYPED, **values, "step": step, "key": uuid4().hex}


def soon(point):
    """The first slot for which one may still order now, by the real clock, booked twice."""
    slots.make(now=clock.now())
    later = clock.now() + timedelta(minutes=5)
    slot = Slot.objects.filter(point=point, starts_at__gt=later, orders_until__gt=later).earliest("starts_at")
    for _ in range(2):
        steps.asked(rows.patron(point.library), point, slot_id=slot.pk, now=clock.now())
    return slot


def test_fewer_places_are_looked_at_and_then_saved_on_the_page(point, window, boss):
    slot = soon(point)
    page = f"/staff/times/{window.pk}/?point={point.pk}"
    shown = boss.post(page, typed("look", capacity="1")).content.decode()
    assert "1 visit is promised for which there would be no place any more." in shown
    assert "Change, and they keep their times" in shown
    going = boss.post(page, typed("look-remove")).content.decode()
    assert "Remove these times, and they keep theirs" in going
    assert "Change, " not in going
    assert Window.objects.get(pk=window.pk).capacity == 3
    kept = boss.post(page, typed("keep", capacity="1"), follow=True).content.decode()
    assert "1 visit keeps its time." in kept
    assert "Visits beyond these times" in kept
    assert "Cars at one time: 3 →" in kept
    moved = boss.post(f"/staff/times/?point={point.pk}", {"step": "move", "key": uuid4().hex}, follow=True)
    assert "1 visit has a new time." in moved.content.decode()
    slot.refresh_from_db()
    assert (slot.booked, slot.capacity) == (1, 1)


def test_times_are_added_and_removed_on_the_page(point, boss):
    slots.make(now=clock.now())  # so that what is new comes from the new windows alone
    new = f"/staff/times/new/?point={point.pk}"
    assert boss.get(new).status_code == 200
    end_of_week = {"weekdays": ["3", "4"], "opens": "10:00", "closes": "11:00"}
    shown = boss.post(new, typed("look", **end_of_week))
    assert "Friday 10:00–11:00" in shown.content.decode()
    assert shown.context["effect"].new == 16
    boss.post(new, typed("keep", **end_of_week))
    assert Window.objects.get(point=point, weekday=3).opens == time(10)
    made = Window.objects.get(point=point, weekday=4)
    page = f"/staff/times/{made.pk}/?point={point.pk}"
    going = boss.post(page, {"step": "look-remove"}).content.decode()
    assert "When these times go" in going
    assert "nobody has booked one of them" in going
    assert Window.objects.filter(pk=made.pk).exists()
    gone = boss.post(page, {"step": "remove", "key": uuid4().hex}, follow=True).content.decode()
    assert "Removed: Friday 10:00–11:00" in gone
    assert boss.get(page).status_code == 404


def test_where_no_time_has_a_place_for_who_leaves_the_car_it_is_said(point, window, boss):
    said, pages = "whoever needs one can book nothing", f"?point={point.pk}"
    assert said in boss.get(f"/staff/times/{pages}").content.decode()
    assert look(point, window, {"capacity": 4}).excludes
    assert not look(point, window, {"accessible": 1}).excludes
    Window.objects.update(accessible=1)
    assert said not in boss.get(f"/staff/times/{pages}").content.decode()


def test_the_form_says_until_when_orders_are_taken_without_a_time_of_their_own(point, boss):
    shown = boss.get(f"/staff/times/new/?point={point.pk}").content.decode()
    assert "until the end of that day; on the same day until the time to pack is left" in shown


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"weekdays": []}, "Please choose the date."),
        ({"weekdays": ["7"]}, "7"),
        ({"closes": "16:00"}, "Please give an end that is later than the beginning."),
        ({"slot_minutes": "90"}, "This is longer than the whole."),
        ({"accessible": "4"}, "This is more than all places."),
        ({"opens": "15:30", "closes": "16:30"}, "This lies across the times 16:00–17:00"),
        ({"weekdays": ["2", "1"]}, "This lies across the times 16:00–17:00"),
        ({"weekdays": [], "date": "2020-01-01"}, "Please look at this again."),
    ],
)
@pytest.mark.parametrize("step", ["look", "keep"])
def test_nonsense_is_shown_beside_it(point, boss, values, said, step):
    shown = boss.post(f"/staff/times/new/?point={point.pk}", typed(step, **{"weekdays": ["1"], **values}))
    assert shown.status_code == 400
    assert said in shown.content.decode()
    assert Window.objects.filter(point=point).count() == 1


def as_typed(rules, **others):
    """What the form of the rules sends."""
    return {
        name: ", ".join(value) if isinstance(value, list) else str(value)
        for name, value in (hours.values_of(rules) | others).items()
    }


def test_every_rule_of_a_point_and_of_a_programme_is_on_a_page():
    set_elsewhere = {"id", "point", "shut_until"}  # closed for today: a switch at the window
    assert {field.name for field in PointRules._meta.concrete_fields} - set_elsewhere == set(hours.RULES)
    assert set(hours.RULES) == set(PointRulesForm.base_fields)
    assert set(programmes.RULES) <= set(RulesForm.base_fields)


def test_what_a_place_lends_promises_and_where_bags_stand_is_set_on_the_page(point, boss):
    soon(point)
    page = f"/staff/times/rules/?point={point.pk}"
    other = {
        "by_appointment": False,
        "lend_at": "packing",
        "service_seconds": 120,
        "auto_call": True,
        "bag_places": ["A1", "A2", "문 옆"],
    }
    sent = as_typed(point.rules, **other)
    looked = boss.post(page, {**sent, "step": "look"})
    assert (
        looked.context["effect"].gone == Slot.objects.filter(point=point, open=True, starts_at__gt=clock.now()).count()
    )
    shown = looked.content.decode()
    assert "1 of them is booked" in shown
    assert "a time is promised →" in shown
    assert "people come when they like" in shown
    assert "a librarian calls the next car →" in shown
    assert "A1, A2, 문 옆" in shown
    assert 'type="hidden" name="bag_places" value="A1, A2, 문 옆"' in shown
    assert boss.post(page, {**sent, "step": "save", "key": uuid4().hex}).status_code == 303
    point.rules.refresh_from_db()
    assert {name: getattr(point.rules, name) for name in other} == other
    change = PointChange.objects.get()
    assert (change.was["lend_at"], change.became["bag_places"]) == ("hand_over", ["A1", "A2", "문 옆"])
    told = boss.get(f"/staff/times/?point={point.pk}").content.decode()
    assert "when handed over →" in told
    assert boss.post(page, {**sent, "step": "look", "bag_places": "A1, A1"}).status_code == 400
    assert boss.post(page, {**sent, "step": "look", "bag_places": "A" * 13}).status_code == 400
    assert boss.post(page, {**sent, "step": "look", "lend_at": "never"}).status_code == 400


def test_where_no_times_are_promised_any_more_slots_take_nobody_and_all_keep_theirs(point):
    (visit,) = booked(point, 1)
    hours.set_rules(point_id=point.pk, values={"by_appointment": False}, by=BOSS, now=rows.NOW)
    assert not Slot.objects.filter(point=point, open=True, starts_at__gt=rows.NOW).exists()
    assert (steps.again(visit).appointment.state, steps.again(visit).appointment.slot.starts_at) == (
        "confirmed",
        at(16),
    )
    hours.set_rules(point_id=point.pk, values={"by_appointment": True}, by=BOSS, now=rows.NOW)
    assert slot_at(point).open
    assert broken() == []


def test_where_no_times_are_promised_any_more_the_hours_stay(point):
    week = timedelta(days=7)
    before = waits.now_at(point_id=point.pk, now=at(16, 5) + week)
    hours.set_rules(point_id=point.pk, values={"by_appointment": False}, by=BOSS, now=rows.NOW)
    after = waits.now_at(point_id=point.pk, now=at(16, 5) + week)
    assert (after.closed, after.open_until) == (False, at(17) + week) == (before.closed, before.open_until)
    assert waits.now_at(point_id=point.pk, now=at(9) + week).next_open == at(16) + week


def test_rules_that_are_saved_while_the_window_closes_for_today_do_not_open_it(point, monkeypatch):
    check = hours.check_rules

    def check_and_close(found):
        check(found)
        closing.shut(point_id=point.pk, by=BOSS, now=rows.NOW)

    monkeypatch.setattr(hours, "check_rules", check_and_close)
    hours.set_rules(point_id=point.pk, values={"keep_days": 9}, by=BOSS, now=rows.NOW)
    kept = PointRules.objects.get(point=point)
    assert (kept.keep_days, kept.shut_until is not None) == (9, True)


def test_who_waited_for_an_offer_is_told_that_the_bag_is_there():
    point = rows.point()
    bag = steps.ready(steps.asked(rows.patron(point.library), point))
    assert not Message.objects.exists()
    hours.set_rules(point_id=point.pk, values={"by_appointment": False}, by=BOSS, now=rows.NOW)
    assert bag.shown in Message.objects.get().body
    hours.set_rules(point_id=point.pk, values={"keep_days": 9}, by=BOSS, now=rows.NOW)
    assert Message.objects.count() == 1


# Until midnight


def test_a_window_may_last_until_midnight(point):
    late = add(point, weekday=1, opens=time(22), closes=time(0), slot_minutes=60).window
    assert late.until == "24:00"
    evening = slot_at(point, 23)
    assert evening.ends_at == at(0, day=TUESDAY + timedelta(days=1))
    session = sessions.of(evening, point.library.zone)
    assert (session.key, session.ends_at) == ("2026-11-24T22:00", evening.ends_at)
    assert Slot.objects.filter(window=late, starts_at__lt=at(0, day=TUESDAY + timedelta(days=1))).count() == 2
    with pytest.raises(WindowsOverlap) as refused:
        add(point, weekday=1, opens=time(21), closes=time(22, 30))
    assert refused.value.facts["closes"] == "24:00"
    with pytest.raises(BadInput):
        add(point, weekday=2, opens=time(23, 58), closes=time(0))
    whole = add(point, weekday=3, opens=time(0), closes=time(0), slot_minutes=60).window
    assert Slot.objects.filter(window=whole).values("starts_at__date").exists()


def test_midnight_is_typed_and_shown(point, boss):
    page = f"/staff/times/new/?point={point.pk}"
    said = typed("keep", weekdays=["4"], opens="20:00", closes="00:00")
    assert boss.post(page, said).status_code == 303
    assert "20:00–24:00" in boss.get(f"/staff/times/?point={point.pk}").content.decode()
    window = api.signed_in(rows.staff(point.library, role="manager"))
    told = window.get(f"pickup-points/{point.pk}/windows")["windows"]
    assert ("20:00", "00:00") in [(one["opens"], one["closes"]) for one in told]


def test_programs_set_every_rule_of_a_place(point):
    boss = api.signed_in(rows.staff(point.library, role="manager"))
    path = f"pickup-points/{point.pk}/rules"
    said = {
        "by_appointment": False,
        "lend_at": "packing",
        "keep_counts": "all",
        "service_seconds": 75,
        "auto_call": True,
        "bag_places": ["A1", "B1"],
    }
    done = boss.post(path, said)
    assert {name: done[name] for name in said} == said
    assert boss.post(path, {"bag_places": ["A1", "A1"]}, status=400)["field"] == "bag_places"
    assert boss.post(path, {"service_seconds": 0}, status=400)["field"] == "service_seconds"


def test_rules_are_looked_at_and_then_saved_on_the_page(point, boss):
    page = f"/staff/times/rules/?point={point.pk}"
    sent = as_typed(point.rules) | {"keep_days": "5"}
    shown = boss.post(page, {**sent, "step": "look"}).content.decode()
    assert "Days that a ready bag is kept: 3 →" in shown
    assert boss.post(page, {**sent, "step": "save", "key": uuid4().hex}).status_code == 303
    point.rules.refresh_from_db()
    assert point.rules.keep_days == 5
    assert boss.post(page, {**sent, "step": "look", "offers": "0"}).status_code == 400


@pytest.mark.parametrize("page", ["", "new/", "rules/"])
def test_only_managers_set_times(point, page):
    client = Client()
    client.force_login(rows.staff(point.library))
    assert client.get(f"/staff/times/{page}?point={point.pk}").status_code == 403


@pytest.mark.parametrize("page", ["", "new/", "rules/"])
def test_a_step_that_is_none_is_refused(point, boss, page):
    assert boss.post(f"/staff/times/{page}?point={point.pk}", {"step": "fly", "key": "k"}).status_code == 400


def test_programs_read_and_set_windows_and_rules(point, window):
    boss = api.signed_in(rows.staff(point.library, role="manager"))
    slot = soon(point)
    path = f"pickup-points/{point.pk}/windows"
    (told,) = boss.get(path)["windows"]
    assert (told["id"], told["weekday"], told["opens"], told["capacity"]) == (window.pk, 1, "16:00", 3)
    seen = boss.post(f"{path}/{window.pk}", {"capacity": 1, "preview": True})
    assert len(seen["effect"]["visits"]) == 1
    assert seen["effect"]["visits"][0]["starts_at"].startswith(slot.starts_at.astimezone(rows.SEOUL).date().isoformat())
    done = boss.post(f"{path}/{window.pk}", {"capacity": 1})
    assert (done["window"]["capacity"], done["moved"], done["kept"]) == (1, 0, 1)
    assert len(boss.get(path)["standing"]) == 1
    assert boss.post(f"pickup-points/{point.pk}/move-standing")["moved"] == 1
    added = boss.post(
        path, {"weekday": 5, "nth": 2, "opens": "10:00", "closes": "11:00", "slot_minutes": 15, "capacity": 2}
    )
    assert added["window"]["nth"] == 2
    gone = boss.post(f"{path}/{added['window']['id']}/remove")
    assert (gone["window"], gone["kept"]) == (None, 0)
    rules = f"pickup-points/{point.pk}/rules"
    assert boss.post(rules, {"keep_days": 6})["keep_days"] == 6
    assert boss.get(rules)["keep_days"] == 6


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "required", "opens"),
        ({"opens": "25:00"}, "invalid", "opens"),
        ({"opens": 16}, "invalid", "opens"),
        ({"opens": "16:00:00"}, "invalid", "opens"),
        ({"capacity": True}, "invalid", "capacity"),
        ({"capacity": "3"}, "invalid", "capacity"),
        ({"weekday": 7}, None, "weekday"),
        ({"date": "2026-02-30"}, "invalid", "date"),
        ({"weekday": None}, "invalid", "weekday"),
        ({"weekday": 1}, "windows_overlap", "opens"),
        ({"regime": "x"}, None, "regime"),
        ({"colour": "red"}, "unknown_field", "colour"),
        ({"session_ko": "가" * 31}, None, "session_ko"),
        ({"session_ko": "a\x00b"}, None, "session_ko"),
    ],
)
def test_a_program_is_told_what_is_wrong(point, body, code, field):
    boss = api.signed_in(rows.staff(point.library, role="manager"))
    good = {"weekday": 2, "opens": "16:00", "closes": "17:00", "slot_minutes": 15, "capacity": 2}
    said = boss.post(f"pickup-points/{point.pk}/windows", {**good, **body} if body else {}, status=400)
    assert said["field"] == field
    assert code is None or said["code"] in {code, "invalid"}
    assert Window.objects.filter(point=point).count() == 1


def test_a_foreign_point_is_unknown_and_librarians_only_read(point, window):
    path = f"pickup-points/{point.pk}/windows"
    librarian, stranger = api.librarian(point.library), api.librarian(rows.library())
    assert librarian.get(path)["windows"]
    assert librarian.post(f"{path}/{window.pk}", {"capacity": 1}, status=403)["code"]
    assert librarian.post(f"pickup-points/{point.pk}/rules", {"offers": 1}, status=403)["code"]
    stranger.get(path, status=404)
    stranger.post(f"{path}/{window.pk}/remove", status=404)
    _who, reader = api.patron()
    reader.get(path, status=403)
    boss = api.signed_in(rows.staff(point.library, role="manager"))
    boss.post(f"{path}/999999", {"capacity": 1}, status=404)
    boss.post(f"{path}/{window.pk}", {"capacity": 1}, status=400, key=None)
