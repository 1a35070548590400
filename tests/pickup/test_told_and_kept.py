"""Nobody whose bag is ready hears nothing, and a promise is never worth less than it says: the corners of a party."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from config import invariants
from core.actor import Actor
from lending import loans
from lending.errors import NotOnLoan
from lending.reservations import Item
from notifications.models import Call, Message, Sender
from pickup import appointments, errors, lane, lapses, links, offers, orders, packing, progress, queries, texts
from pickup.models import Appointment, Order, Question
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db
NIGHT = timedelta(hours=13)  # 23:00 in Seoul: a notice waits until the morning


@pytest.fixture
def lane_by_time():
    return rows.point(rules={"promise": "at_order"})


def waiting() -> list[str]:
    """The texts that will still be sent, without what tells where an answer can arrive."""
    texts = Message.objects.filter(state="queued").order_by("id").values_list("template", flat=True)
    return [name.split(".")[0] for name in texts]


def family(point, *, slot=None, now=rows.NOW) -> tuple[Order, Order]:
    """Two bags that come in one car."""
    household = rows.household(together=True)
    first, second = (rows.patron(point.library, household=household) for _ in range(2))
    chosen = {} if slot is None else {"slot_id": slot.pk}
    return steps.asked(first, point, now=now, **chosen), steps.asked(second, point, now=now, **chosen)


def test_a_family_is_told_through_whoever_has_a_telephone(lane_by_time, now):
    household = rows.household(together=True)
    child = rows.patron(lane_by_time.library, household=household, number="")
    mother = rows.patron(lane_by_time.library, household=household, number="+821000000071")
    slot = rows.slot(lane_by_time).pk
    bags = [steps.asked(one, lane_by_time, slot_id=slot) for one in (child, mother)]
    for bag in bags:
        steps.ready(bag)
    told = Message.objects.get(state="queued")
    assert (told.to, f"{bags[1].shown}+1" in told.body) == ("+821000000071", True)
    assert not Order.objects.filter(why="nobody_to_tell").exists()


def test_who_shut_their_first_number_is_told_on_the_second(lane_by_time, now):
    patron = rows.patron(lane_by_time.library, number="+821000000072")
    patron.contacts.update(may_text=False, may_call=False)
    rows.contact(patron, number="+821000000073", position=2)
    order = steps.ready(steps.asked(patron, rows.point(patron.home, rules={"by_appointment": False})))
    assert Message.objects.get().to == "+821000000073"
    patron.contacts.update(may_text=False, may_call=False)
    assert progress.of_one(queries.orders(pk=order.pk).get(), now=now).told == "nobody"


def laws_broken(number: str) -> list[invariants.Breach]:
    return [breach for breach in invariants.breaches() if breach.law.number == number]


def test_who_gave_the_time_back_while_we_packed_is_told_when_the_bag_is_ready(lane_by_time, now):
    order = steps.asked(rows.patron(lane_by_time.library), lane_by_time, slot_id=rows.slot(lane_by_time).pk)
    promise = Appointment.objects.get(orders=order)
    appointments.cancel(appointment_id=promise.pk, by=DESK, now=now)
    steps.ready(order)
    assert offers.offer_ready(now=now) == 0
    assert waiting() == ["ready_until"]


def test_a_bag_that_is_ready_after_the_others_of_its_promise_were_collected_is_told(lane_by_time, now):
    first, second = family(lane_by_time, slot=rows.slot(lane_by_time))
    steps.handed_over(steps.ready(first))
    steps.ready(second)
    assert waiting() == ["receipt", "ready_until"]


def test_a_bag_that_is_ready_after_its_promise_was_missed_is_told(lane_by_time, now):
    first, second = family(lane_by_time, slot=rows.slot(lane_by_time))
    steps.ready(first)
    later = now + timedelta(hours=8)
    assert lapses.misses_due(now=later) == 1
    steps.ready(second, now=later)
    assert offers.offer_ready(now=later) == 0  # no other time is free
    assert waiting()[-1] == "ready_until"


def test_where_no_time_is_free_the_reader_hears_once_until_when_the_bag_is_kept(now):
    point = rows.point()
    order = steps.ready(steps.asked(rows.patron(point.library), point))
    for minutes in range(3):
        assert offers.offer_ready(now=now + timedelta(minutes=minutes)) == 0
    assert waiting() == ["ready_until"]
    rows.slot(point)
    assert offers.offer_ready(now=now + timedelta(minutes=5)) == 1
    assert waiting() == ["offer"]
    assert steps.again(order).appointment is not None


def test_who_is_called_is_called_once_and_with_the_time_that_came_free(now):
    point = rows.point()
    steps.ready(steps.asked(rows.patron(point.library, number=rows.landline()), point))
    assert offers.offer_ready(now=now) == 0
    rows.slot(point)
    assert offers.offer_ready(now=now + timedelta(minutes=5)) == 1
    assert [key.partition(":")[0] for key in Call.objects.filter(state="due").values_list("dedup_key", flat=True)] == [
        "offer"
    ]


def test_who_could_be_told_of_nothing_is_not_listed_any_more_once_a_number_is_known(now):
    point = rows.point()
    reader = rows.patron(point.library, number="")
    order = steps.ready(steps.asked(reader, point))
    assert offers.offer_ready(now=now) == 0
    assert steps.again(order).why == "nobody_to_tell"
    rows.contact(reader, number=rows.mobile())
    rows.slot(point)
    assert offers.offer_ready(now=now + timedelta(minutes=5)) == 1
    assert steps.again(order).why == ""


def test_who_is_called_since_the_library_texts_other_countries_alone_is_asked_for_no_reply(now):
    point = rows.point(rules={"silence": "lapse"})
    Sender.objects.filter(key=point.library.sender).update(countries=["KR"])
    order = steps.ready(steps.asked(rows.patron(point.library, number=rows.american()), point))
    rows.slot(point)
    assert offers.offer_ready(now=now) == 1
    assert "1=" not in Call.objects.get().say
    assert not Question.objects.exists()
    assert not texts.asks_for_answer([steps.again(order)])


def test_a_time_changed_before_the_text_has_left_is_told_and_the_old_one_is_not(now):
    point = rows.point()
    rows.slot(point, now + timedelta(hours=30))
    new = rows.slot(point, now + timedelta(hours=32))
    order = steps.ready(steps.asked(rows.patron(point.library), point), now=now + NIGHT)
    offers.offer_ready(now=now + NIGHT)
    promise = steps.again(order).appointment
    appointments.change(appointment_id=promise.pk, slot_id=new.pk, by=DESK, now=now + NIGHT)
    (said,) = Message.objects.filter(state="queued")
    assert "18:00" in said.body


def test_a_text_for_two_that_one_of_them_cancels_is_said_anew_for_the_other(now):
    point = rows.point()
    rows.slot(point, now + timedelta(hours=30))
    first, second = (steps.ready(bag, now=now + NIGHT) for bag in family(point))
    assert offers.offer_ready(now=now + NIGHT) == 1
    orders.cancel(order_id=first.pk, by=DESK, now=now + NIGHT)
    (said,) = Message.objects.filter(state="queued", template="offer")
    assert second.shown in said.body
    assert "책 1권" in said.body
    assert "+1" not in said.body


def test_who_joins_the_time_of_the_family_at_night_has_one_text_that_counts_all(now):
    point = rows.point()
    first, second = (steps.ready(bag, now=now + NIGHT) for bag in family(point))
    assert offers.offer_ready(now=now + NIGHT) == 0
    assert waiting() == ["ready_until", "ready_until"]
    slot = rows.slot(point, now + timedelta(hours=30))
    for bag in (first, second):
        appointments.promise(order_id=bag.pk, slot_id=slot.pk, by=Actor("patron", bag.patron_id), now=now + NIGHT)
    (said,) = Message.objects.filter(state="queued")
    assert (said.template, said.about) == ("ready", f"appointment:{steps.again(first).appointment_id}")
    assert "책 2권" in said.body
    assert "+1" in said.body
    assert laws_broken("I4") == []


def test_when_one_of_them_gives_the_time_back_at_night_all_hear_until_when_the_bags_are_kept(now):
    point = rows.point()
    rows.slot(point, now + timedelta(hours=30))
    first, second = (steps.ready(bag, now=now + NIGHT) for bag in family(point))
    offers.offer_ready(now=now + NIGHT)
    promise = steps.again(first).appointment_id
    appointments.cancel(appointment_id=promise or 0, by=Actor("patron", first.patron_id), now=now + NIGHT)
    said = Message.objects.filter(state="queued", template="ready_until").values_list("about", flat=True)
    assert sorted(said) == sorted(f"order:{bag.pk}" for bag in (first, second))
    assert waiting() == ["ready_until", "ready_until"]


def test_who_waits_for_a_bag_with_a_time_hears_that_it_is_the_turn_and_not_the_time(now):
    point = rows.point(rules={"promise": "at_order"})
    order = steps.asked(rows.patron(point.library), point, slot_id=rows.slot(point).pk)
    lane.arrive(point_id=point.pk, order_id=order.pk, by=DESK, now=now)
    order = steps.ready(order)
    assert (waiting(), order.appointment.state) == (["next"], "confirmed")


def test_who_hears_of_a_kept_bag_and_then_of_a_time_that_lapses_unsaid_hears_of_the_kept_bag_again(now):
    """At night nothing leaves: each text gives way to the next, and the last word must be one that is said."""
    point = rows.point(rules={"silence": "lapse", "answer_minutes": 30, "offers": 5})
    order = steps.asked(rows.patron(point.library, number=rows.american()), point)
    order = steps.ready(order, now=now + NIGHT)
    assert offers.offer_ready(now=now + NIGHT) == 0
    slot = rows.slot(point, now + timedelta(hours=30))
    assert offers.offer_ready(now=now + NIGHT) == 1
    later = now + NIGHT + timedelta(hours=1)
    assert lapses.answers_due(now=later) == 1
    slot.open = False
    slot.save()
    assert offers.offer_ready(now=later) == 0
    assert offers.offer_ready(now=later + timedelta(seconds=10)) == 0
    assert waiting() == ["ready_until"]


def test_a_text_that_was_kept_back_told_nobody(now):
    point = rows.point()
    order = steps.ready(steps.asked(rows.patron(point.library), point))
    offers.offer_ready(now=now)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pickup_order SET ready_at = now() - interval '5 minutes', opened_at = ready_at")
    assert laws_broken("I4") == []
    texts.hush(orders=[order], why="replaced", now=now)
    assert [breach.rows[0][0] for breach in laws_broken("I4")] == [order.pk]


def test_who_names_another_collector_at_night_leaves_the_others_of_the_time_their_text(now):
    point = rows.point()
    rows.slot(point, now + timedelta(hours=30))
    first, second = (steps.ready(bag, now=now + NIGHT) for bag in family(point))
    assert offers.offer_ready(now=now + NIGHT) == 1
    assert first.patron is not None
    neighbour = rows.contact(first.patron, own=False, name="이웃")
    steps.asked(first.patron, point, now=now + NIGHT, collector_id=neighbour.pk)
    said = {one.to: one for one in Message.objects.filter(state="queued", template__startswith="offer")}
    assert set(said) == {neighbour.number, queries.collector_of(second).number}
    assert [first.shown in said[neighbour.number].body, "+1" in said[neighbour.number].body] == [True, False]
    about = f"appointment:{steps.again(second).appointment_id}"
    for order in (first, second):
        address = links.for_about(about, to=queries.collector_of(steps.again(order)).number, now=now) or ""
        assert links.order_of(address.rstrip("/").rsplit("/", 1)[-1]).pk == order.pk
    assert laws_broken("I4") == []


def test_the_address_in_a_text_for_two_leads_to_the_bag_that_is_still_open(now):
    point = rows.point()
    rows.slot(point)
    first, second = (steps.ready(bag) for bag in family(point))
    offers.offer_ready(now=now)
    about = f"appointment:{steps.again(second).appointment_id}"
    orders.cancel(order_id=first.pk, by=DESK, now=now)
    address = links.for_about(about, now=now)
    assert address is not None
    assert links.order_of(address.rstrip("/").rsplit("/", 1)[-1]).pk == second.pk


def test_a_reader_whose_late_bag_loses_its_time_is_told_so(lane_by_time, now):
    slot = rows.slot(lane_by_time)
    steps.asked(rows.patron(lane_by_time.library), lane_by_time, slot_id=slot.pk)
    assert lapses.not_ready_in_time(now=slot.starts_at) == 1
    assert waiting() == ["late"]


def test_a_bag_is_kept_until_the_time_that_was_agreed_for_it(now):
    point = rows.point()
    rows.slot(point)
    far = rows.slot(point, now + timedelta(days=9))
    order = steps.ready(steps.asked(rows.patron(point.library), point))
    offers.offer_ready(now=now)
    promise = steps.again(order).appointment
    appointments.change(appointment_id=promise.pk, slot_id=far.pk, by=DESK, now=now)
    assert orders.expire_due(now=far.starts_at) == 0
    lapses.misses_due(now=far.ends_at + timedelta(days=1))
    assert orders.expire_due(now=far.ends_at + timedelta(days=1)) == 0  # another time may follow
    assert orders.expire_due(now=far.ends_at + timedelta(days=3)) == 1


def test_a_book_that_is_not_on_its_shelf_is_replaced_in_the_bag_by_another_copy(lane_by_time, now):
    order = steps.asked(rows.patron(lane_by_time.library), lane_by_time, slot_id=rows.slot(lane_by_time).pk)
    line = order.lines.get()
    other = rows.copy(line.copy.title, lane_by_time.library)
    packing.not_on_shelf(line_id=line.pk, by=DESK, now=now)
    order = steps.again(order)
    assert (order.state, order.appointment.state) == ("picking", "confirmed")
    assert list(order.lines.filter(state="to_pick").values_list("copy", flat=True)) == [other.pk]


def served(books: int, now):
    """A car that was given a bag a moment ago."""
    point = rows.point(layout="door")
    order = steps.ready(steps.asked(rows.patron(point.library), point, books=books))
    return order, lane.serve(point_id=point.pk, order_number=order.number, by=DESK, now=now).visit


def test_a_book_that_came_back_at_once_stays_returned_when_the_hand_over_is_undone(now):
    order, visit = served(2, now)
    back, kept = order.lines.select_related("copy").order_by("id")
    loans.take_back(barcode=back.copy.barcode, library_id=order.library_id, by=DESK, now=now)
    lane.undo(visit_id=visit.pk, by=DESK, now=now)
    back.refresh_from_db()
    kept.refresh_from_db()
    assert (back.state, kept.state, steps.again(order).state) == ("given", "packed", "ready")
    assert laws_broken("I2") == []


def test_nothing_is_undone_when_every_book_has_come_back(now):
    order, visit = served(1, now)
    loans.take_back(barcode=order.lines.get().copy.barcode, library_id=order.library_id, by=DESK, now=now)
    with pytest.raises(errors.CameBackSince) as refused:
        lane.undo(visit_id=visit.pk, by=DESK, now=now)
    assert refused.value.facts == {"number": order.shown}
    assert steps.again(order).state == "handed_over"


def test_a_book_taken_back_twice_was_taken_back_also_when_the_next_reader_has_it_in_a_bag(now):
    order, _ = served(1, now)
    copy = order.lines.get().copy
    orders.request(
        patron_id=rows.patron(order.library).pk, point_id=order.point_id, items=[Item(copy.title_id)], by=DESK, now=now
    )
    loans.take_back(barcode=copy.barcode, library_id=order.library_id, by=DESK, now=now)
    assert len(orders.assemble(now=now)) == 1
    with pytest.raises(NotOnLoan):
        loans.take_back(barcode=copy.barcode, library_id=order.library_id, by=DESK, now=now)
