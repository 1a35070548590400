"""The building is closed, lending goes on: what changes is shown first, one click turns it, and nobody loses a time."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core.actor import Actor
from lending import loans, quota
from lending import surge as lending_surge
from lending.errors import ProgrammeClosed
from lending.models import Allowance, Copy, Grant, Library, SurgeChange
from pickup import appointments, orders, slots, surge
from pickup.errors import SlotUnavailable
from pickup.models import Slot
from tests import api, rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db

BOSS = Actor("staff", 7, "desk")


@pytest.fixture
def point():
    """Tuesdays 16 to 17 on normal days; 11 to 12 while the building is closed, one place a slot; 14 to 15 always."""
    closed = rows.programme(volumes=2, loan_days=28, rest_hours=72)
    made = rows.point(
        rows.library(programme=rows.programme(volumes=5), surge_programme=closed), rules={"promise": "at_order"}
    )
    rows.window(made, regime="normal")
    rows.window(made, regime="surge", opens=time(11), closes=time(12), capacity=1)
    rows.window(made, regime="both", opens=time(14), closes=time(15))
    slots.make(now=rows.NOW)
    return made


def at(point, hour, minute=0):
    """The slot of today at that local time."""
    local = rows.NOW.astimezone(rows.SEOUL).replace(hour=hour, minute=minute)
    return Slot.objects.get(point=point, starts_at=local)


def promised(point, hour, *, now=rows.NOW):
    """Somebody's visit at that time."""
    who = rows.patron(point.library)
    return steps.asked(who, point, slot_id=at(point, hour).pk, now=now)


def switch(point, on=True, now=rows.NOW):
    return surge.switch(library_id=point.library_id, on=on, by=BOSS, now=now)


# What the switch does


def test_rules_hours_and_notice_change_together(point):
    assert switch(point).surge
    library = Library.objects.get(pk=point.library_id)
    assert (library.rules.volumes, library.rules.loan_days) == (2, 28)
    open_hours = {one.starts_at.astimezone(rows.SEOUL).hour for one in Slot.objects.filter(point=point, open=True)}
    assert open_hours == {11, 14}
    said = api.anyone().get("libraries")["results"]
    told = next(one for one in said if one["code"] == library.code)
    assert told["surge"]
    assert told["notice_ko"].startswith("건물")
    assert told["notice_en"].startswith("The building is closed")


def test_returned_books_rest_and_grants_of_the_other_programme_count(point):
    reader = rows.patron(point.library)
    more = Allowance.objects.create(programme=point.library.surge_programme, key="more", volumes=9)
    Grant.objects.create(patron=reader, allowance=more)
    copy = rows.copy(at=point.library)
    loans.check_out(copy_id=copy.pk, patron_id=reader.pk, library_id=point.library_id, by=BOSS, now=rows.NOW)
    switch(point)
    loans.take_back(barcode=copy.barcode, library_id=point.library_id, by=BOSS, now=rows.NOW)
    assert Copy.objects.get(pk=copy.pk).rests_until == rows.NOW + timedelta(hours=72)
    library = lending_queries_library(point)
    assert quota.limits_of(reader, library, today=rows.NOW.date()).volumes == 9


def lending_queries_library(point):
    return Library.objects.select_related("programme", "surge_programme").get(pk=point.library_id)


def test_a_visit_outside_the_new_hours_stands_and_its_time_takes_nobody_new(point):
    order = promised(point, 16)
    look = surge.look(library=lending_queries_library(point), on=True, now=rows.NOW)
    assert [one.appointment.pk for one in look.outside] == [order.appointment_id]
    assert [one.pk for one in look.outside[0].orders] == [order.pk]
    switch(point)
    order = steps.again(order)
    assert order.appointment.state in {"offered", "confirmed"}
    slot = at(point, 16)
    assert (slot.booked, slot.open, slot.outside) == (1, False, True)
    with pytest.raises(SlotUnavailable):
        promised(point, 16)
    standing = surge.outside(library=lending_queries_library(point), now=rows.NOW)
    assert [one.appointment.pk for one in standing] == [order.appointment_id]
    ready = steps.ready(order)
    assert ready.appointment_id == order.appointment_id


def test_back_to_normal_days_the_same_times_are_open_again(point):
    promised(point, 16)
    before = set(Slot.objects.filter(point=point, open=True).values_list("starts_at", "capacity"))
    switch(point)
    switch(point, on=False)
    after = set(Slot.objects.filter(point=point, open=True).values_list("starts_at", "capacity"))
    assert after == before
    assert not Slot.objects.filter(point=point, outside=True, starts_at__in=[start for start, _ in before]).exists()


def test_a_time_that_staff_have_closed_stays_closed(point):
    slot = at(point, 16, 15)
    Slot.objects.filter(pk=slot.pk).update(open=False)
    switch(point)
    switch(point, on=False)
    slot.refresh_from_db()
    assert (slot.open, slot.outside) == (False, False)


def test_a_slot_of_both_hours_gets_the_room_of_the_hours_that_hold_but_never_less_than_is_taken(point):
    rows.window(point, regime="surge", opens=time(16), closes=time(17), capacity=1)
    for _ in range(2):
        promised(point, 16)
    switch(point)
    slot, other = at(point, 16), at(point, 16, 15)
    assert (slot.capacity, slot.capacity_wanted, slot.booked, slot.open) == (2, 1, 2, True)
    assert (other.capacity, other.open) == (1, True)


def test_a_time_made_by_hand_belongs_to_no_hours(point):
    hand_made = rows.slot(point, rows.NOW + timedelta(hours=9))
    switch(point)
    hand_made.refresh_from_db()
    assert hand_made.open


def test_slots_that_the_sweep_makes_later_are_those_of_the_hours_that_hold(point):
    switch(point)
    slots.make(now=rows.NOW + timedelta(days=14))
    later = Slot.objects.filter(point=point, starts_at__gt=rows.NOW + timedelta(days=15))
    assert {one.starts_at.astimezone(rows.SEOUL).hour for one in later} == {11, 14}


def test_turning_it_twice_is_turning_it_once(point):
    assert switch(point) is not None
    assert switch(point) is None
    assert SurgeChange.objects.count() == 1


def test_a_programme_that_is_valid_only_meanwhile_takes_orders_only_meanwhile(point):
    type(point.library.programme).objects.filter(pk=point.library.programme_id).update(only_surge=True)
    with pytest.raises(ProgrammeClosed):
        promised(point, 14)
    type(point.library.programme).objects.filter(pk=point.library.surge_programme_id).update(only_surge=True)
    switch(point)
    assert promised(point, 14).appointment_id
    switch(point, on=False)
    with pytest.raises(ProgrammeClosed):
        promised(point, 14)


def test_who_turned_it_when_cannot_be_rewritten(point):
    switch(point)
    change = SurgeChange.objects.get()
    assert (change.principal, change.channel, change.surge) == ("staff:7", "desk", True)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        SurgeChange.objects.update(principal="staff:8")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        SurgeChange.objects.all().delete()


def test_other_words_are_told_and_noted(point):
    assert surge.tell(library_id=point.library_id, notice_ko=" 공사  중 ", notice_en="", by=BOSS, now=rows.NOW)
    library = Library.objects.get(pk=point.library_id)
    assert library.surge_notice_in("ko") == "공사 중"
    assert library.surge_notice_in("en").startswith("The building is closed")
    assert surge.tell(library_id=point.library_id, notice_ko="공사 중", notice_en="", by=BOSS, now=rows.NOW) is None


def test_what_changes_is_told_rule_by_rule(point):
    told = {one.name: (one.normal, one.surge) for one in lending_surge.beside(lending_queries_library(point))}
    assert told["volumes"] == (5, 2)
    assert told["loan_days"] == (14, 28)
    assert told["rest_hours"] == (0, 72)
    (hours,) = surge.look(library=lending_queries_library(point), on=True, now=rows.NOW).points
    assert (hours.normal.slots, hours.normal.places) == (8, 24)
    assert (hours.surge.slots, hours.surge.places) == (8, 16)
    assert hours.days == [(1, ["14:00–15:00", "16:00–17:00"], ["11:00–12:00", "14:00–15:00"])]


# The page


@pytest.fixture
def manager(client, point):
    client.force_login(rows.staff(point.library, role="manager"))
    return client


def press(client, point, step, **more):
    address = f"{reverse('surge')}?point={point.pk}"
    return client.post(address, {"step": step, "key": f"k{rows.serial()}", **more}, follow=True)


@pytest.fixture
def lasting(point):
    """The same, with hours on every weekday, for pages, which read the clock."""
    for regime, hour in (("normal", 17), ("surge", 10)):
        for weekday in range(7):
            rows.window(point, weekday=weekday, regime=regime, opens=time(hour), closes=time(hour + 1))
    return point


def test_a_manager_sees_what_changes_presses_and_goes_back(manager, lasting):
    address = f"{reverse('surge')}?point={lasting.pk}"
    before = manager.get(address)
    assert [row[1:] for row in before.context["rules"] if row[1:] == ("5", "2")]
    assert not before.context["library"].surge
    assert not SurgeChange.objects.exists()  # looking changes nothing
    after = press(manager, lasting, "on")
    assert after.context["library"].surge
    assert not after.context["on"]
    back = press(manager, lasting, "off")
    assert not back.context["library"].surge
    assert [change.surge for change in back.context["changes"]] == [False, True]


def test_the_history_names_who_turned_it(client, point):
    client.force_login(rows.staff(point.library, role="manager", first_name="한지우"))
    for step in ("on", "off"):
        client.post(f"{reverse('surge')}?point={point.pk}", {"key": step, "step": step})
    page = client.get(f"{reverse('surge')}?point={point.pk}").content.decode()
    assert page.count("한지우") >= 2
    assert "staff:" not in page


def test_the_notice_stands_where_people_look_while_it_is_on(manager, client, point):
    press(
        manager,
        point,
        "notice",
        notice_ko="내부 공사로 건물을 닫았습니다.",
        notice_en="The building is being repaired.",
    )
    pages = [reverse("now"), reverse("now-of", args=[point.library.code]), reverse("search")]
    for page in pages:
        assert "내부 공사" not in client.get(page, headers={"Accept-Language": "ko"}).content.decode()
    press(manager, point, "on")
    for page in pages:
        assert "내부 공사" in client.get(page, headers={"Accept-Language": "ko"}).content.decode()
        assert "being repaired" in client.get(page, headers={"Accept-Language": "en"}).content.decode()
    reader = rows.patron(point.library, pin=rows.PIN)
    client.force_login(reader.account)
    assert "내부 공사" in client.get(reverse("my"), headers={"Accept-Language": "ko"}).content.decode()


def test_a_notice_that_is_too_long_is_said_beside_its_field(manager, point):
    said = press(manager, point, "notice", notice_ko="가" * 161)
    assert said.status_code == 400
    assert said.context["form"].errors["notice_ko"]


def test_only_managers_may(client, point):
    client.force_login(rows.staff(point.library))
    assert client.get(f"{reverse('surge')}?point={point.pk}").status_code == 403
    assert press(client, point, "on").status_code == 403
    assert not SurgeChange.objects.exists()


def test_a_word_that_is_no_step_is_refused(manager, point):
    assert press(manager, point, "maybe").status_code == 400


def test_the_page_asks_as_often_for_many_visits_as_for_few(manager, lasting):
    address = f"{reverse('surge')}?point={lasting.pk}"

    def count():
        with CaptureQueriesContext(connection) as asked:
            manager.get(address)
        return len(asked)

    from core import clock

    now = clock.now()
    slots.make(now=now)
    free = list(Slot.objects.filter(point=lasting, window__regime="normal", orders_until__gt=now).order_by("pk")[:4])
    steps.asked(rows.patron(lasting.library), lasting, slot_id=free[0].pk, now=now)
    few = count()
    for slot in free[1:]:
        steps.asked(rows.patron(lasting.library), lasting, slot_id=slot.pk, now=now)
    assert count() == few
    assert len(manager.get(address).context["look"].outside) == 4


# The interface for programs


def test_programs_of_managers_read_and_turn_it(point):
    boss = api.signed_in(rows.staff(point.library, role="manager"))
    address = f"libraries/{point.library.code}/surge"
    before = boss.get(address)
    assert not before["surge"]
    assert {"rule": "volumes", "normal": 5, "surge": 2} in before["rules"]
    after = boss.post(address, {"surge": True, "notice_en": "Come by car."})
    assert (after["surge"], after["notice_en"]) == (True, "Come by car.")
    assert [change["surge"] for change in after["changes"]] == [True, False]
    assert boss.post(address, {"surge": True})["changes"] == after["changes"]


def test_programs_of_others_may_not(point):
    address = f"libraries/{point.library.code}/surge"
    assert api.librarian(point.library).get(address, status=403)["code"] == "forbidden"
    assert api.librarian(rows.library()).get(address, status=404)["code"] == "not_found"
    assert api.patron(home=point.library)[1].get(address, status=404)["code"] == "not_found"


def test_bags_and_promises_go_on_while_it_is_on(point):
    """The whole way once, while the building is closed."""
    switch(point)
    order = steps.ready(promised(point, 14))
    assert order.appointment is not None
    assert order.patron is not None
    appointments.cancel(appointment_id=order.appointment.pk, by=rows.patron_actor(order.patron), now=rows.NOW)
    orders.cancel(order_id=order.pk, by=BOSS, now=rows.NOW)


# Whose rules hold meanwhile


def test_a_manager_chooses_by_whose_rules_the_library_lends_meanwhile(manager, point):
    other = rows.programme(volumes=1, name_en="One book")
    page = press(manager, point, "rules", programme=other.pk)
    assert page.context["library"].surge_programme == other
    assert [row[1:] for row in page.context["rules"] if row[1:] == ("5", "1")]
    change = SurgeChange.objects.get()
    assert (change.programme, change.surge) == (other, False)
    assert "by the rules of" in page.content.decode() or "규칙으로" in page.content.decode()
    press(manager, point, "rules", programme=other.pk)
    assert SurgeChange.objects.count() == 1  # these were the rules already
    back = press(manager, point, "rules", programme="")
    assert (back.context["library"].surge_programme, list(back.context["rules"])) == (None, [])
    assert SurgeChange.objects.count() == 2


def test_they_hold_at_once_while_it_is_on(manager, point):
    switch(point)
    other = rows.programme(volumes=1)
    press(manager, point, "rules", programme=other.pk)
    assert lending_queries_library(point).rules == other


def test_rules_that_somebody_else_leads_cannot_be_chosen(manager, point):
    """Who follows a programme leads it: else a manager could change the rules of a library next door."""
    theirs = rows.library()
    also = rows.programme()
    rows.library(surge_programme=also)
    for programme in (theirs.programme, also):
        assert press(manager, point, "rules", programme=programme.pk).status_code == 400
    assert lending_queries_library(point).surge_programme_id == point.library.surge_programme_id
    boss = api.signed_in(rows.staff(point.library, role="manager"))
    address = f"libraries/{point.library.code}/surge"
    assert boss.post(address, {"programme": theirs.programme_id}, status=404)["field"] == "programme"
    offered = {one["id"] for one in boss.get(address)["programmes"]}
    assert not offered & {theirs.programme_id, also.pk, point.library.programme_id}
    assert point.library.surge_programme_id in offered


def test_programs_of_managers_choose_the_rules_too(point):
    other = rows.programme(volumes=1)
    boss = api.signed_in(rows.staff(point.library, role="manager"))
    address = f"libraries/{point.library.code}/surge"
    after = boss.post(address, {"programme": other.pk})
    assert after["programme"] == other.pk
    assert {"rule": "volumes", "normal": 5, "surge": 1} in after["rules"]
    assert [one["programme"] for one in after["changes"]] == [other.pk]
    assert boss.post(address, {"programme": None})["programme"] is None
    assert boss.post(address, {"programme": "one"}, status=400)["field"] == "programme"


def test_a_librarian_chooses_no_rules(client, point):
    client.force_login(rows.staff(point.library))
    assert press(client, point, "rules", programme="").status_code == 403
    assert not SurgeChange.objects.exists()
