"""Books that travel, where the time is promised while ordering: the bag has its time before its books are here."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from core import clock
from core.actor import Actor
from lending import transfers, wishes
from lending.models import Patron, Reservation, SpecialDay, Transfer
from lending.reservations import Item
from notifications.models import Message
from pickup import (
    appointments,
    arrivals,
    bags,
    coming,
    elsewhere,
    gathering,
    lapses,
    orders,
    packing,
    progress,
    queries,
    replies,
    slots,
    today,
)
from pickup.errors import BooksTravel, SlotUnavailable, WaitsForAll
from pickup.models import Order, Slot, Visit
from tests import rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db
DESK = steps.DESK
TOMORROW = rows.NOW + timedelta(days=1)
"""The day on which a book that is asked for now is here, at ten in the morning."""


@pytest.fixture
def programme():
    return rows.programme(transfer_days=1)


@pytest.fixture
def place(programme):
    """A drive lane with a time today, two tomorrow, and one the day after."""
    point = rows.point(rows.library(programme=programme), rules={"promise": "at_order"})
    for hours in (6, 25, 30, 49):
        rows.slot(point, rows.NOW + timedelta(hours=hours))
    return point


@pytest.fixture
def there(programme):
    """A library that only supplies books."""
    return rows.library(programme=programme, name_ko="용답")


@pytest.fixture
def reader(place):
    return rows.patron(place.library)


def slot_at(place, moment: datetime) -> Slot:
    return Slot.objects.get(point=place, starts_at=moment)


def ask(who, place, *titles, slot=None, whole=False, now=rows.NOW):
    return orders.request(
        patron_id=who.pk,
        point_id=place.pk,
        items=[Item(title.pk) for title in titles],
        slot_id=slot.pk if slot else None,
        whole=whole,
        by=rows.patron_actor(who),
        now=now,
    )


def travel(copy, to, *, now=TOMORROW):
    """The copy leaves its library and comes to the other one."""
    transfers.scan(barcode=copy.barcode, library_id=copy.at_library_id, by=DESK, now=now)
    transfers.scan(barcode=copy.barcode, library_id=to.pk, by=DESK, now=now)


def test_a_time_on_the_day_on_which_the_book_is_expected_is_promised_while_ordering(place, there, reader):
    copy = rows.copy(at=there)
    chosen = slot_at(place, rows.NOW + timedelta(hours=30))
    requested = ask(reader, place, copy.title, slot=chosen)
    order = requested.order
    assert order is not None
    assert (requested.why, order.state, list(order.lines.all())) == ("", "picking", [])
    assert (order.appointment.slot, order.appointment.state) == (chosen, "confirmed")
    assert Slot.objects.get(pk=chosen.pk).booked == 1
    travel(copy, place.library)
    (joined,) = orders.assemble(now=TOMORROW)
    assert joined.pk == order.pk
    ready = steps.ready(order, now=TOMORROW)
    assert (ready.state, ready.appointment.slot) == ("ready", chosen)
    assert Message.objects.get().template == "ready"  # for the time that was promised, not a new offer


def test_an_earlier_time_is_refused_with_those_from_that_day_on(place, there, reader):
    copy = rows.copy(at=there)
    with pytest.raises(SlotUnavailable) as refused:
        ask(reader, place, copy.title, slot=slot_at(place, rows.NOW + timedelta(hours=6)))
    assert refused.value.facts["why"] == "travels"
    following = list(Slot.objects.filter(starts_at__gt=TOMORROW).order_by("starts_at").values_list("pk", flat=True))
    assert [one["id"] for one in refused.value.facts["next"]] == following
    assert [model.objects.count() for model in (Reservation, Order, Transfer)] == [0, 0, 0]


def test_who_chooses_none_gets_the_first_from_that_day_on(place, there, reader):
    order = ask(reader, place, rows.copy(at=there).title).order
    assert order is not None
    assert order.appointment.slot == slot_at(place, rows.NOW + timedelta(hours=25))
    assert order.appointment.state == "offered"


def test_the_day_is_that_of_both_calendars(place, there, reader):
    SpecialDay.objects.create(library=there, day=rows.day("2026-11-24"))
    order = ask(reader, place, rows.copy(at=there).title).order
    assert order is not None
    assert order.appointment.slot == slot_at(place, rows.NOW + timedelta(hours=49))


def test_without_a_free_time_it_waits_without_a_bag(place, there, reader):
    Slot.objects.filter(starts_at__gt=TOMORROW).update(open=False)
    requested = ask(reader, place, rows.copy(at=there).title)
    assert (requested.order, requested.why) == (None, "waiting")
    assert requested.reservations[0].state == "allocated"
    assert not Order.objects.exists()


def test_a_place_that_offers_times_later_begins_no_bag(there, programme, reader):
    place = rows.point(rows.library(programme=programme), rules={"promise": "when_ready"})
    rows.slot(place, rows.NOW + timedelta(hours=30))
    assert ask(reader, place, rows.copy(at=there).title).order is None


def test_a_book_that_is_here_does_not_wait_for_one_that_travels(place, there, reader):
    near, far = rows.copy(at=place.library), rows.copy(at=there)
    soonest = slot_at(place, rows.NOW + timedelta(hours=6))
    order = ask(reader, place, near.title, far.title, slot=soonest).order
    assert order is not None
    assert (order.appointment.slot, order.lines.get().copy) == (soonest, near)


def waits_for(order, *, now) -> int:
    """For how many books more a bag waits that is to be called ready; 0 where it waits for none."""
    try:
        with transaction.atomic():
            packing.mark_ready(order_id=order.pk, by=DESK, now=now)
            transaction.set_rollback(True)
    except WaitsForAll as refused:
        return int(refused.facts["count"])
    return 0


def test_who_waits_for_all_waits_for_a_book_that_travels_until_it_is_in_the_bag(place, there, reader):
    near, far = rows.copy(at=place.library), rows.copy(at=there)
    order = ask(reader, place, near.title, far.title, whole=True).order
    assert order is not None
    steps.packed(order)
    (bag,) = bags.of(queries.bags(pk=order.pk), now=rows.NOW)
    assert (bag.waits_for, bag.complete, waits_for(order, now=rows.NOW)) == (1, False, 1)
    assert progress.of_one(steps.again(order), now=rows.NOW).whole
    transfers.scan(barcode=far.barcode, library_id=there.pk, by=DESK, now=TOMORROW)
    assert waits_for(order, now=TOMORROW) == 1
    transfers.scan(barcode=far.barcode, library_id=place.library_id, by=DESK, now=TOMORROW)
    assert waits_for(order, now=TOMORROW) == 1  # it is here, and joins the bag in a moment
    orders.assemble(now=TOMORROW)
    steps.packed(order, now=TOMORROW)
    assert waits_for(order, now=TOMORROW) == 0


def test_it_does_not_wait_for_it_longer_than_a_week_nor_when_nobody_asked_it_to(place, there, reader):
    far = [rows.copy(at=there) for _ in range(2)]
    order = ask(reader, place, rows.copy(at=place.library).title, far[0].title, whole=True).order
    assert order is not None
    assert order.whole_until is not None
    steps.packed(order)
    before, last = order.whole_until - timedelta(minutes=1), order.whole_until
    assert [waits_for(order, now=moment) for moment in (before, last)] == [1, 0]
    other = ask(rows.patron(place.library), place, rows.copy(at=place.library).title, far[1].title).order
    assert other is not None
    assert (progress.of_one(steps.again(other), now=rows.NOW).to_come, other.whole_until) == (1, None)
    assert waits_for(steps.packed(other), now=rows.NOW) == 0


def test_it_does_not_wait_for_what_is_wanted_elsewhere_or_was_asked_for_another_time(place, there, programme, reader):
    far = rows.copy(at=there)
    order = ask(reader, place, rows.copy(at=place.library).title, far.title, whole=True).order
    ask(reader, place, rows.copy(at=there).title)
    assert order is not None
    steps.packed(order)
    assert waits_for(order, now=rows.NOW) == 1
    other = rows.point(rows.library(programme=programme))
    reservation = Reservation.objects.get(title=far.title)
    wishes.collect_at(reservation_id=reservation.pk, point_id=other.pk, by=rows.patron_actor(reader), now=rows.NOW)
    assert Reservation.objects.get(pk=reservation.pk).state == "allocated"
    assert waits_for(order, now=rows.NOW) == 0


def test_where_all_of_it_travels_the_bag_waits_for_the_last_one(place, there, programme, reader):
    copies = [rows.copy(at=there) for _ in range(2)]
    order = ask(reader, place, *(copy.title for copy in copies), whole=True).order
    assert order is not None
    for copy, left in zip(copies, (1, 0), strict=True):
        travel(copy, place.library)
        orders.assemble(now=TOMORROW)
        steps.packed(order, now=TOMORROW)
        assert waits_for(order, now=TOMORROW) == left
    alone = ask(rows.patron(place.library), place, rows.copy(at=there).title, whole=True).order
    assert alone is not None
    assert alone.whole_until is None


def test_whoever_waits_for_all_after_choosing_a_time_gets_one_at_which_all_are_here(place, there, reader):
    early = slot_at(place, rows.NOW + timedelta(hours=6))
    titles = [rows.copy(at=place.library).title, rows.copy(at=there).title]
    order = ask(reader, place, *titles, slot=early).order
    assert order is not None
    gathering.choose(order_id=order.pk, whole=True, by=rows.patron_actor(reader), now=rows.NOW)
    moved = steps.again(order).appointment
    assert (moved.slot, moved.state) == (slot_at(place, rows.NOW + timedelta(hours=25)), "confirmed")
    early.refresh_from_db()
    assert early.booked == 0


def test_whoever_needs_room_since_then_and_waits_for_all_gets_a_time_with_room(place, there, reader):
    early = slot_at(place, rows.NOW + timedelta(hours=6))
    titles = [rows.copy(at=place.library).title, rows.copy(at=there).title]
    order = ask(reader, place, *titles, slot=early).order
    assert order is not None
    roomy = slot_at(place, rows.NOW + timedelta(hours=30))
    Slot.objects.filter(pk=roomy.pk).update(accessible=1)
    Patron.objects.filter(pk=reader.pk).update(accessible_place=True)
    gathering.choose(order_id=order.pk, whole=True, by=rows.patron_actor(reader), now=rows.NOW)
    moved = steps.again(order).appointment
    assert (moved.slot, moved.accessible) == (roomy, True)


def test_where_no_later_time_is_free_it_moves_when_its_own_begins_and_not_from_slot_to_slot(place, there, reader):
    rows.slot(place, rows.NOW + timedelta(hours=7))
    early = slot_at(place, rows.NOW + timedelta(hours=6))
    titles = [rows.copy(at=place.library).title, rows.copy(at=there).title]
    order = ask(reader, place, *titles, slot=early).order
    assert order is not None
    later = Slot.objects.filter(point=place, starts_at__gt=rows.NOW + timedelta(hours=24))
    later.update(open=False)
    gathering.choose(order_id=order.pk, whole=True, by=rows.patron_actor(reader), now=rows.NOW)
    assert steps.again(order).appointment.slot == early
    later.update(open=True)
    assert lapses.not_ready_in_time(now=early.starts_at) == 1
    assert steps.again(order).appointment.slot == slot_at(place, rows.NOW + timedelta(hours=25))


def test_two_that_travel_come_in_one_bag(place, there, programme, reader):
    later = rows.library(programme=programme)
    SpecialDay.objects.create(library=later, day=rows.day("2026-11-24"))
    copies = [rows.copy(at=there), rows.copy(at=later)]
    order = ask(reader, place, *(copy.title for copy in copies)).order
    assert order is not None
    assert order.appointment.slot == slot_at(place, rows.NOW + timedelta(hours=49))
    for copy in copies:
        travel(copy, place.library)
    orders.assemble(now=TOMORROW)
    assert Order.objects.get().lines.count() == 2


def test_nobody_is_given_an_earlier_time_afterwards(place, there, reader):
    order = ask(reader, place, rows.copy(at=there).title).order
    assert order is not None
    early = slot_at(place, rows.NOW + timedelta(hours=6))
    with pytest.raises(SlotUnavailable) as refused:
        appointments.change(
            appointment_id=order.appointment_id, slot_id=early.pk, by=rows.patron_actor(reader), now=rows.NOW
        )
    assert refused.value.facts["why"] == "travels"


def test_calling_the_order_off_calls_the_journey_off_and_frees_the_time(place, there, reader):
    copy = rows.copy(at=there)
    order = ask(reader, place, copy.title).order
    assert order is not None
    orders.cancel(order_id=order.pk, by=rows.patron_actor(reader), now=rows.NOW)
    assert Reservation.objects.get().state == "cancelled"
    assert Transfer.objects.get().state == "cancelled"
    assert Slot.objects.get(pk=order.appointment.slot_id).booked == 0
    assert steps.again(order).state == "cancelled"


def test_calling_the_book_off_closes_the_bag_without_a_word(place, there, reader):
    order = ask(reader, place, rows.copy(at=there).title).order
    assert order is not None
    wishes.cancel(reservation_id=Reservation.objects.get().pk, by=rows.patron_actor(reader), now=rows.NOW)
    assert coming.close_due(now=rows.NOW) == 1
    assert (steps.again(order).state, Slot.objects.get(pk=order.appointment.slot_id).booked) == ("cancelled", 0)
    assert not Message.objects.exists()
    assert coming.close_due(now=rows.NOW) == 0


def test_a_book_that_was_not_found_closes_the_bag_and_is_told(place, there, reader):
    order = ask(reader, place, rows.copy(at=there).title).order
    assert order is not None
    assert coming.close_due(now=rows.NOW) == 0  # it is on its way
    transfers.not_found(transfer_id=Transfer.objects.get().pk, by=DESK, now=rows.NOW + timedelta(hours=1))
    assert coming.close_due(now=rows.NOW + timedelta(hours=1)) == 1
    assert steps.again(order).state == "cancelled"
    assert Message.objects.get().template == "not_found"
    assert Reservation.objects.get().state == "waiting"


def test_another_copy_takes_the_place_of_one_that_was_not_found(place, there, programme, reader):
    title = rows.title()
    copies = [rows.copy(title, there), rows.copy(title, rows.library(programme=programme))]
    order = ask(reader, place, title).order
    assert order is not None
    transfers.not_found(transfer_id=Transfer.objects.get().pk, by=DESK, now=rows.NOW + timedelta(hours=1))
    assert coming.close_due(now=rows.NOW + timedelta(hours=1)) == 0
    assert Reservation.objects.get().copy_id == copies[1].pk
    assert steps.again(order).state == "picking"


def test_between_the_scan_and_the_bag_it_is_not_closed(place, there, reader):
    copy = rows.copy(at=there)
    order = ask(reader, place, copy.title).order
    assert order is not None
    travel(copy, place.library)
    assert coming.close_due(now=TOMORROW) == 0
    orders.assemble(now=TOMORROW)
    assert steps.again(order).lines.count() == 1


def test_a_book_that_has_not_come_by_its_time_moves_it_to_another_day(place, there, reader):
    order = ask(reader, place, rows.copy(at=there).title).order
    assert order is not None
    begun = rows.NOW + timedelta(hours=25)
    assert lapses.not_ready_in_time(now=begun) == 1
    moved = steps.again(order)
    assert moved.appointment.slot == slot_at(place, rows.NOW + timedelta(hours=49))  # not that of the same afternoon
    assert Message.objects.get().template.startswith("moved")


def test_at_another_place_it_travels_there_and_has_a_time_there(place, there, programme, reader):
    other = rows.point(rows.library(programme=programme), rules={"promise": "at_order"})
    slot = rows.slot(other, rows.NOW + timedelta(hours=30))
    order = ask(reader, place, rows.copy(at=there).title).order
    assert order is not None
    moved = elsewhere.collect_at(order_id=order.pk, point_id=other.pk, by=rows.patron_actor(reader), now=rows.NOW)
    assert moved.order is not None
    assert (moved.order.point_id, moved.order.appointment.slot) == (other.pk, slot)
    assert steps.again(order).state == "cancelled"
    assert Transfer.objects.get(state="requested").to_library == other.library


def test_pages_say_that_it_travels_and_nobody_has_to_pack_it_yet(place, there, reader):
    order = ask(reader, place, rows.copy(at=there).title).order
    assert order is not None
    seen = progress.of_one(steps.again(order), now=rows.NOW)
    assert (seen.count, seen.comes_on) == (1, rows.day("2026-11-25"))
    (bag,) = bags.of(queries.bags(pk=order.pk), now=rows.NOW)
    assert (bag.comes_on, bags.to_pack([bag]), today.counts(place)["pack"]) == (rows.day("2026-11-25"), [], 0)
    (bag,) = bags.of(queries.bags(pk=order.pk), now=rows.NOW + timedelta(hours=24, minutes=50))
    assert bags.to_pack([bag]) == [bag]  # its time is near and nothing is here


@pytest.mark.django_db(transaction=True)
def test_the_list_offers_times_from_the_day_on_which_the_book_is_expected(there, programme):
    place = rows.point(rows.library(programme=programme), rules={"promise": "at_order"})
    now = clock.now()
    for hours in (1, 24, 48, 72):
        rows.slot(place, now + timedelta(hours=hours))
    reader = rows.patron(place.library, pin=rows.PIN)
    client = Client(headers={"accept-language": "en"})
    client.post("/sign-in/", {"card_number": reader.card_number, "pin": rows.PIN})
    client.post(reverse("note"), {"title": rows.copy(at=there).title_id})
    shown = client.get(reverse("ask"))
    days: list[date] = [day.day for day in shown.context["days"]]
    assert days
    assert min(days) == (now.astimezone(rows.SEOUL) + timedelta(days=1)).date()
    assert "expected here" in shown.content.decode()
    slot = shown.context["day"].rooms[0].slot
    sent = {"key": uuid4().hex, "point": place.pk, "slot": slot.pk, "who": "me"}
    asked = client.post(reverse("ask"), sent)
    order = Order.objects.get()
    assert asked.headers["location"] == reverse("my-order", args=[order.pk])
    assert "on their way from another library" in client.get(asked.headers["location"]).content.decode()


def test_the_rule_that_closes_bags_leaves_those_that_hold_a_book(place, reader):
    order = steps.asked(reader, place)
    assert coming.close_due(now=rows.NOW) == 0
    assert steps.again(order).state == "picking"


def test_who_loses_the_last_place_is_offered_none_before_the_book_comes(place, there, reader, monkeypatch):
    order = ask(reader, place, rows.copy(at=there).title).order
    assert order is not None
    wanted = slot_at(place, rows.NOW + timedelta(hours=49))
    monkeypatch.setattr(slots, "taking", lambda **_: ("SELECT WHERE false", []))  # somebody was faster
    with pytest.raises(SlotUnavailable) as refused:
        appointments.change(
            appointment_id=order.appointment_id, slot_id=wanted.pk, by=rows.patron_actor(reader), now=rows.NOW
        )
    early = slot_at(place, rows.NOW + timedelta(hours=6))
    assert early.pk not in [slot["id"] for slot in refused.value.facts["next"]]
    assert refused.value.facts["next"]


def test_who_wants_all_together_gets_a_time_when_all_are_here(place, there, reader):
    near, far = rows.copy(at=place.library), rows.copy(at=there)
    with pytest.raises(SlotUnavailable) as refused:
        ask(reader, place, near.title, far.title, slot=slot_at(place, rows.NOW + timedelta(hours=6)), whole=True)
    assert refused.value.facts["why"] == "travels"
    order = ask(reader, place, near.title, far.title, whole=True).order
    assert order is not None
    assert order.whole_until is not None
    assert order.appointment.slot == slot_at(place, rows.NOW + timedelta(hours=25))
    assert order.lines.get().copy == near


def test_the_page_asks_which_and_shows_the_times_of_it(place, there, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: rows.NOW)
    reader = rows.patron(place.library, pin=rows.PIN)
    near, far = rows.copy(at=place.library), rows.copy(at=there)
    phone = Client()
    phone.force_login(rows.account_of(reader))
    session = phone.session
    session["basket"] = [[near.title_id, ""], [far.title_id, ""]]
    session.save()
    early = f'value="{slot_at(place, rows.NOW + timedelta(hours=6)).pk}"'
    first = phone.get(reverse("ask"), {"place": place.pk}).content.decode()
    together = phone.get(reverse("ask"), {"place": place.pk, "together": "1"}).content.decode()
    assert early in first
    assert early not in together
    assert 'name="whole"' not in first
    assert 'name="whole"' in together


def test_the_other_times_of_a_family_are_those_on_which_the_books_of_all_are_here(place, there):
    family = rows.household(together=True)
    travels, here = (rows.patron(place.library, household=family) for _ in range(2))
    assert ask(travels, place, rows.copy(at=there).title).order is not None
    order = ask(here, place, rows.copy(at=place.library).title).order
    assert order is not None
    order = steps.ready(order)
    assert order.appointment.orders.count() == 2
    found = replies.other_times(order, by=Actor("patron", here.pk), now=rows.NOW)
    assert [slot.starts_at - rows.NOW for slot in found] == [timedelta(hours=30), timedelta(hours=49)]
    for slot in found:
        appointments.change(
            appointment_id=steps.again(order).appointment.pk, slot_id=slot.pk, by=Actor("patron", here.pk), now=rows.NOW
        )


def test_who_comes_before_the_books_is_told_when_they_are_expected_and_does_not_wait_in_line(place, there, reader):
    order = ask(reader, place, rows.copy(at=there).title).order
    assert order is not None
    with pytest.raises(BooksTravel) as refused:
        arrivals.arrive(point_id=place.pk, order_id=order.pk, by=rows.patron_actor(reader), now=rows.NOW)
    assert refused.value.facts == {"expected_on": "2026-11-25"}
    assert not Visit.objects.exists()
    arrivals.arrive(point_id=place.pk, order_id=order.pk, by=rows.patron_actor(reader), now=TOMORROW)  # the day itself


def test_who_comes_for_a_bag_that_is_here_too_is_here_for_both(place, there, reader):
    family = rows.household(together=True)
    Patron.objects.filter(pk=reader.pk).update(household=family)
    assert ask(reader, place, rows.copy(at=there).title).order is not None
    order = ask(rows.patron(place.library, household=family), place, rows.copy(at=place.library).title).order
    assert order is not None
    visit = arrivals.arrive(point_id=place.pk, patron_id=reader.pk, by=rows.patron_actor(reader), now=rows.NOW)
    assert visit.orders.count() == 2


def test_a_car_whose_last_book_never_comes_waits_no_longer(place, there, reader):
    copy = rows.copy(at=there)
    order = ask(reader, place, copy.title).order
    assert order is not None
    visit = arrivals.arrive(point_id=place.pk, order_id=order.pk, by=DESK, now=rows.NOW)
    wishes.give_up(reservation_ids=[Reservation.objects.get().pk], by=DESK, now=rows.NOW)
    assert coming.close_due(now=rows.NOW) == 1
    visit.refresh_from_db()
    assert visit.state == "left"
