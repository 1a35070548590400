"""Programmes as files: each of those that exist, walked through its rules with dates; and files that say nonsense."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command

from config import programme_files
from lending import errors, loans, quota, strikes, wishes
from lending.models import Copy, Grant, Library, Loan, Programme, ProgrammeChange, Reservation
from lending.reservations import Item
from lending.states import StrikeKind
from pickup import errors as pickup_errors
from pickup import lane, lapses, orders, packing, slots, surge
from pickup.models import PointRules, Slot, Window
from tests import rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db

ALL = sorted(path.stem for path in programme_files.FOLDER.glob("*.toml"))
MONDAY = date(2026, 11, 23)


def at(day: date, hour: int = 10, minute: int = 0, zone: str = "Asia/Seoul") -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def days(count: int) -> date:
    return MONDAY + timedelta(days=count)


def follow(name: str, *, layout: str = "file", **columns):
    """A library with one pickup place that follows the programme of this file."""
    library = rows.library(**columns)
    point = rows.point(library, layout=layout)
    path = programme_files.FOLDER / f"{name}.toml"
    programme_files.load(programme_files.read(path), library_codes=[library.code], by=rows.RULE, now=rows.NOW)
    point.refresh_from_db()
    return type(point).objects.select_related("library__programme").get(pk=point.pk)


def ask(who, point, *titles, now, slot=None):
    wanted = titles or (rows.copy(at=point.library).title,)
    return orders.request(
        patron_id=who.pk,
        point_id=point.pk,
        items=[Item(title.pk) for title in wanted],
        slot_id=slot.pk if slot else None,
        by=rows.patron_actor(who),
        now=now,
    )


def books(point, count):
    return [rows.copy(at=point.library).title for _ in range(count)]


def earliest(point, now):
    """The earliest time that can be chosen at this moment, as a local day and hour."""
    slots.make(now=now)
    slot = slots.earliest(point_ids=[point.pk], now=now)[point.pk]
    local = slot.starts_at.astimezone(ZoneInfo(point.library.zone))
    return local.date(), local.hour


def test_seongdong_five_a_household_and_the_afternoon_of_the_same_day():
    point = follow("seongdong-2020")
    family = rows.household()
    first, second = (rows.patron(point.library, household=family) for _ in range(2))
    assert earliest(point, at(days(1), 11, 59)) == (days(1), 16)
    assert earliest(point, at(days(1), 12, 1)) == (days(2), 11)
    assert earliest(point, at(days(6), 17, 30)) == (
        days(8),
        16,
    )  # Sunday evening: Monday is closed, Tuesday's first is over
    slots.make(now=at(days(1)))
    chosen = slots.earliest(point_ids=[point.pk], now=at(days(1)))[point.pk]
    ask(first, point, *books(point, 3), now=at(days(1)), slot=chosen)
    with pytest.raises(errors.QuotaExceeded) as refused:
        ask(second, point, *books(point, 3), now=at(days(1)), slot=chosen)
    assert (refused.value.facts["taken"], refused.value.facts["again_on"]) == (3, days(7).isoformat())
    assert follow("seongdong-2020", layout="door").rules.by_appointment is False


def test_gangseo_the_next_day_and_at_the_weekend_for_tuesday():
    point = follow("gangseo-2020")
    assert earliest(point, at(days(1), 16, 59)) == (days(2), 10)
    assert earliest(point, at(days(1), 17, 1)) == (days(3), 10)
    assert earliest(point, at(days(5))) == earliest(point, at(days(6), 20)) == (days(8), 10)
    rules = PointRules.objects.get(point=point)
    assert (rules.keep_days, rules.offers, rules.tell_fixed) == (0, 1, True)  # not collected is over


def test_namyangju_three_volumes_once_a_week_no_weekends_no_holidays():
    point = follow("namyangju-2020")
    assert earliest(point, at(days(1), 11)) == (days(2), 10)
    assert earliest(point, at(days(1), 13)) == (days(2), 14)
    assert earliest(point, at(days(4), 11)) == (days(7), 10)  # Friday's on Monday
    assert earliest(point, at(date(2026, 12, 24), 11)) == (date(2026, 12, 28), 10)  # Christmas is a Friday
    reader = rows.patron(point.library)
    slots.make(now=at(days(1)))
    slot = slots.earliest(point_ids=[point.pk], now=at(days(1)))[point.pk]
    with pytest.raises(errors.QuotaExceeded):
        ask(reader, point, *books(point, 4), now=at(days(1)), slot=slot)
    ask(reader, point, *books(point, 1), now=at(days(1)), slot=slot)
    with pytest.raises(errors.OrdersUsedUp) as refused:
        ask(reader, point, now=at(days(2)), slot=slot)
    assert refused.value.facts["again_on"] == days(7).isoformat()


def test_jeju_wednesdays_and_saturdays():
    point = follow("jeju-2020")
    assert earliest(point, at(days(1))) == (days(2), 10)
    assert earliest(point, at(days(2))) == (days(5), 10)
    assert PointRules.objects.get(point=point).keep_days == 0


def test_seoul_education_three_reservations_three_in_line_three_cancellations():
    point = follow("seoul-education")
    reader = rows.patron(point.library)
    now = at(days(1))
    placed = [rows.reserve(reader, rows.copy(at=point.library).title, at=point, now=now)[0] for _ in range(3)]
    with pytest.raises(errors.TooManyReserved) as full:
        rows.reserve(reader, rows.copy(at=point.library).title, at=point, now=now)
    assert (full.value.facts["allowed"], full.value.facts["taken"]) == (3, 3)
    for row in placed:
        wishes.cancel(reservation_id=row.pk, by=rows.patron_actor(reader), now=now)
    with pytest.raises(errors.Paused) as paused:
        rows.reserve(reader, rows.copy(at=point.library).title, at=point, now=now)
    assert (paused.value.facts["why"], paused.value.facts["count"]) == ("strikes", 3)
    assert paused.value.facts["until"] == (days(1) + timedelta(days=30)).isoformat()
    rows.reserve(reader, rows.copy(at=point.library).title, at=point, now=at(days(1) + timedelta(days=31)))

    wanted = rows.copy(at=point.library).title
    for _ in range(4):  # the copy, and three who wait for it
        rows.reserve(rows.patron(point.library), wanted, at=point, now=now)
    with pytest.raises(errors.QueueFull) as queue:
        rows.reserve(rows.patron(point.library), wanted, at=point, now=now)
    assert (queue.value.facts["allowed"], queue.value.facts["waiting"]) == (3, 3)
    assert PointRules.objects.get(point=point).keep_days == 3


def test_seoul_library_seven_books_fifteen_days_and_more_for_a_class():
    point = follow("seoul-library")
    plain, more = rows.patron(point.library), rows.patron(point.library)
    Grant.objects.create(patron=more, allowance=point.library.programme.allowances.get())
    lent_on = date(2026, 11, 25)
    for who, until in ((plain, date(2026, 12, 9)), (more, date(2026, 12, 24))):
        copy = rows.copy(at=point.library)
        loan = loans.check_out(
            copy_id=copy.pk, patron_id=who.pk, library_id=point.library_id, by=steps.DESK, now=at(lent_on)
        )
        assert loan.due_on == until
    with pytest.raises(errors.TooManyAtOnce) as refused:  # the desk's loan counts: one at home, seven more
        rows.reserve(plain, *books(point, 7), at=point, now=at(lent_on))
    assert (refused.value.facts["taken"], refused.value.facts["again_on"]) == (1, "2026-12-09")
    assert len(rows.reserve(plain, *books(point, 6), at=point, now=at(lent_on))) == 6
    assert len(rows.reserve(more, *books(point, 9), at=point, now=at(lent_on))) == 9
    title = rows.title()
    for _ in range(4):
        rows.copy(title, point.library)
    for _ in range(4 + 10):  # three for each copy would be twelve, ten are the most
        rows.reserve(rows.patron(point.library), title, at=point, now=at(lent_on))
    with pytest.raises(errors.QueueFull):
        rows.reserve(rows.patron(point.library), title, at=point, now=at(lent_on))


def test_yongsan_first_come_first_served_without_films_and_supplements():
    point = follow("yongsan")
    Programme.objects.filter(pk=point.library.programme_id).update(orders_weekday=2, orders_weekend=1)
    point.library.programme.refresh_from_db()
    film = rows.copy(rows.title(material="video"), point.library).title
    with pytest.raises(errors.NotThroughProgramme) as refused:
        rows.reserve(rows.patron(point.library), film, at=point, now=at(days(1)))
    assert refused.value.field == "items.0"
    title = rows.title()
    rows.copy(title, point.library, volume="1")
    rows.copy(title, point.library, volume="부록")
    with pytest.raises(errors.NotThroughProgramme):
        rows.reserve(rows.patron(point.library), Item(title.pk, "부록"), at=point, now=at(days(1)))
    with pytest.raises(errors.WhichVolume) as which:
        rows.reserve(rows.patron(point.library), title, at=point, now=at(days(1)))
    assert which.value.facts["volumes"] == ["1"]
    weekday = [rows.reserve(rows.patron(point.library), *books(point, 2), at=point, now=at(days(4))) for _ in range(2)]
    with pytest.raises(errors.DayFull) as full:
        rows.reserve(rows.patron(point.library), *books(point, 1), at=point, now=at(days(4)))
    assert (full.value.facts["taken"], full.value.facts["again_on"]) == (2, days(5).isoformat())
    for row in weekday[0]:  # who takes back the whole order leaves room for another one
        wishes.cancel(reservation_id=row.pk, by=steps.DESK, now=at(days(4)))
    rows.reserve(rows.patron(point.library), *books(point, 1), at=point, now=at(days(4)))
    rows.reserve(rows.patron(point.library), *books(point, 1), at=point, now=at(days(5)))
    with pytest.raises(errors.DayFull):
        rows.reserve(rows.patron(point.library), *books(point, 1), at=point, now=at(days(5)))


def test_the_shipped_yongsan_takes_fifty_and_thirty():
    programme = follow("yongsan").library.programme
    assert (programme.orders_weekday, programme.orders_weekend) == (50, 30)


def test_geochang_lent_when_packed_given_back_that_evening_and_refused_for_seven_days():
    point = follow("geochang")
    reader, title = rows.patron(point.library), rows.copy(at=point.library).title
    morning = at(days(1), 9)
    slots.make(now=morning)
    afternoon = slots.earliest(point_ids=[point.pk], now=morning)[point.pk]
    assert earliest(point, morning) == (days(1), 14)
    order = ask(reader, point, title, now=morning, slot=afternoon).order
    steps.packed(order, now=at(days(1), 11))
    loan = Loan.objects.get()
    assert (loan.state, loan.due_on, loan.reservation.state) == ("out", days(15), "bagged")
    assert (loan.copy.state, loan.copy.title) == ("bag", title)
    order = steps.ready(order, now=at(days(1), 11, 30))
    assert order.keep_until == at(days(2), 0)  # midnight of the same day
    assert lapses.misses_due(now=at(days(1), 23, 59)) == 1
    assert orders.expire_due(now=at(days(1), 23, 59)) == 0
    assert orders.expire_due(now=at(days(2), 0)) == 1
    loan.refresh_from_db()
    assert (loan.state, loan.returned_at, loan.reservation.state) == ("returned", at(days(2), 0), "expired")
    packing.unpack(barcode=loan.copy.barcode, by=steps.DESK, now=at(days(2), 9))
    assert Copy.objects.get(pk=loan.copy_id).state == "to_shelve"
    with pytest.raises(errors.NotAgainYet) as refused:
        ask(reader, point, title, now=at(days(7)))
    assert refused.value.facts["again_on"] == days(9).isoformat()
    ask(reader, point, title, now=at(days(9)))


def test_geochang_who_comes_has_two_weeks_from_that_day():
    point = follow("geochang")
    reader = rows.patron(point.library)
    slots.make(now=at(days(1), 9))
    tomorrow = point.slots.filter(starts_at__gte=at(days(2), 14)).order_by("starts_at").first()
    order = steps.ready(ask(reader, point, now=at(days(1), 9), slot=tomorrow).order, now=at(days(1), 16))
    assert Loan.objects.get().due_on == days(15)
    assert order.keep_until == at(days(3), 0)  # the evening of the day that was promised
    visit = lane.serve(point_id=point.pk, order_number=order.number, by=steps.DESK, now=at(days(2), 14, 5)).visit
    loan = Loan.objects.get()
    assert (loan.state, loan.due_on, loan.lent_at, loan.copy.state) == ("out", days(16), at(days(1), 16), "loan")
    lane.undo(visit_id=visit.pk, by=steps.DESK, now=at(days(2), 14, 10))
    loan.refresh_from_db()
    assert (loan.state, loan.due_on, loan.reservation.state) == ("out", days(15), "bagged")


def test_a_us_county_short_slots_whose_room_changes_in_the_day():
    point = follow("us-county", zone="America/New_York", region="US")
    slots.make(now=at(MONDAY, 9, zone="America/New_York"))
    rooms = {
        slot.starts_at.astimezone(ZoneInfo("America/New_York")).hour: slot.capacity
        for slot in point.slots.filter(starts_at__lt=at(days(1), 0, zone="America/New_York"))
    }
    assert (rooms[10], rooms[12], rooms[17]) == (1, 3, 5)
    days_open = {slot.starts_at.astimezone(ZoneInfo("America/New_York")).date() for slot in point.slots.all()}
    assert date(2026, 11, 26) not in days_open  # Thanksgiving
    rules = PointRules.objects.get(point=point)
    assert (rules.grace_minutes, rules.keep_days) == (10, 3)


def test_cheongju_needs_no_time():
    point = follow("cheongju-2023", layout="locker")
    requested = ask(rows.patron(point.library), point, now=at(MONDAY, 3))
    assert requested.order is not None
    with pytest.raises(pickup_errors.SlotNotChosenHere):
        ask(rows.patron(point.library), point, now=at(MONDAY, 3), slot=rows.slot(point))


@pytest.mark.parametrize("name", ALL)
def test_each_file_can_be_loaded_twice_and_the_second_time_changes_no_rule(name):
    point = follow(name)
    changes = ProgrammeChange.objects.count()
    windows = Window.objects.filter(point=point).count()
    path = programme_files.FOLDER / f"{name}.toml"
    plan = programme_files.read(path)
    programme_files.load(plan, library_codes=[point.library.code], by=rows.RULE, now=rows.NOW)
    assert ProgrammeChange.objects.count() == changes
    assert Window.objects.filter(point=point).count() == windows
    assert plan.key == name


def test_other_windows_take_nobody_at_the_old_times_and_leave_who_has_one():
    point = follow("seongdong-2020")
    slots.make(now=rows.NOW)
    old = Slot.objects.filter(point=point, orders_until__gt=rows.NOW).earliest("starts_at")
    asked = ask(rows.patron(point.library), point, now=rows.NOW, slot=old)
    assert asked.order is not None
    plan = programme_files.read(programme_files.FOLDER / "seongdong-2020.toml")
    for rules in plan.pickup.values():
        rules["windows"] = [
            {"weekdays": [*range(7)], "opens": time(20), "closes": time(21), "slot_minutes": 15, "capacity": 2}
        ]
    programme_files.load(plan, library_codes=[point.library.code], by=rows.RULE, now=rows.NOW)
    ahead = Slot.objects.filter(point=point, starts_at__gt=rows.NOW, open=True)
    assert {one.starts_at.astimezone(rows.SEOUL).hour for one in ahead} == {20}
    assert steps.again(asked.order).appointment.slot_id == old.pk


def test_no_programme_is_named_in_any_code():
    folder = programme_files.FOLDER.parent.parent
    code = [path for room in ("core", "notifications", "lending", "pickup") for path in (folder / room).rglob("*.py")]
    told = {path: path.read_text(encoding="utf-8") for path in code}
    assert not [(name, path) for name in ALL for path, text in told.items() if name in text]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("key = ", "Invalid value"),
        ('key = "x"\nname_ko = "가"\nname_en = "x"\n', "lending is missing"),
        ('key = "x"\nname_ko = "가"\nname_en = "x"\n[lending]\nbooks = 5\n', "books is no rule"),
        ('key = "x"\nname_ko = "가"\nname_en = "x"\n[lending]\nvolumes = 0\n', "volumes"),
        ('key = "x"\nname_ko = "가"\nname_en = "x"\n[lending]\nvolumes = "many"\n', "volumes"),
        (
            'key = "x"\nname_ko = "가"\nname_en = "x"\n[lending]\nstrikes = 3\nstrike_days = 0\n',
            "strike|벌점",
        ),
        ('key = "x"\nname_ko = "가"\nname_en = "x"\n[lending]\n[pickup.boat]\n', "no such layout"),
        ('key = "x"\nname_ko = "가"\nname_en = "x"\n[lending]\n[pickup.any]\npromise = "never"\n', "promise"),
        ('key = "x"\nname_ko = "가"\nname_en = "x"\n[lending]\n[calendar]\nholidays = "XX"\n', "holidays"),
    ],
)
def test_a_file_that_says_nonsense_is_refused_whole(text, said, tmp_path):
    library = rows.library()
    rows.point(library)
    path = tmp_path / "x.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CommandError, match=said):
        call_command("load_programme", str(path), "--library", library.code)
    assert not Programme.objects.filter(key="x").exists()


def test_a_programme_for_the_closed_building_holds_only_meanwhile_and_leaves_places_alone(capsys):
    point = follow("gangseo-2020")
    before = list(Window.objects.filter(point=point).order_by("pk").values())
    call_command("load_programme", "namyangju-2020", "--library", point.library.code, "--surge", "--dry-run")
    assert "Would load namyangju-2020: 1 libraries lend by it while" in capsys.readouterr().out
    assert Library.objects.get(pk=point.library_id).surge_programme is None
    call_command("load_programme", "namyangju-2020", "--library", point.library.code, "--surge")
    library = Library.objects.select_related("programme", "surge_programme").get(pk=point.library_id)
    assert (library.programme.key, library.rules.key, library.weekly_closed) == (
        "gangseo-2020",
        "gangseo-2020",
        point.library.weekly_closed,
    )
    assert list(Window.objects.filter(point=point).order_by("pk").values()) == before
    surge.switch(library_id=library.pk, on=True, by=steps.DESK, now=rows.NOW)
    library.refresh_from_db()
    assert library.rules.key == "namyangju-2020"
    with pytest.raises(errors.QuotaExceeded) as refused:
        ask(rows.patron(library), point, *books(point, 4), now=rows.NOW)
    assert refused.value.facts["allowed"] == 3
    with pytest.raises(CommandError, match="--library"):
        call_command("load_programme", "namyangju-2020", "--surge")


def test_a_dry_run_writes_nothing_and_an_unknown_library_is_answered_with_the_known_ones(capsys):
    library = rows.library()
    rows.point(library)
    call_command("load_programme", "yongsan", "--library", library.code, "--dry-run")
    assert "Would load yongsan: 1 libraries, 1 pickup places" in capsys.readouterr().out
    assert not Programme.objects.filter(key="yongsan").exists()
    with pytest.raises(CommandError, match=library.code):
        call_command("load_programme", "yongsan", "--library", "nowhere")
    assert not Programme.objects.filter(key="yongsan").exists()


def test_strikes_are_taken_back_by_staff():
    point = follow("seoul-education")
    reader = rows.patron(point.library)
    for _ in range(3):
        strikes.note(patron_id=reader.pk, library_id=point.library_id, kind=StrikeKind.CANCELLED, now=rows.NOW)
    library = Library.objects.select_related("programme").get(pk=point.library_id)
    assert quota.standing(patron=reader, library=library, today=days(1)).paused is not None
    strikes.forgive(patron_id=reader.pk, programme_id=library.programme_id, by=steps.DESK, now=rows.NOW)
    assert quota.standing(patron=reader, library=library, today=days(1)).paused is None
    assert Reservation.objects.filter(patron=reader).count() == 0
