"""A library whose settings are wrong, and whatever else may be wrong with a row: the others are served."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from config import checks
from core import clock
from core.actor import RULE
from lending import allocation, calendar
from lending.models import Library
from lending.states import CopyState
from notifications.models import Sender
from pickup import lapses, offers, orders, packing, point_queries, slots, tasks, texts
from pickup.errors import NoNumberFree
from pickup.models import Appointment, Slot
from tests import rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db
AT_ORDER = {"promise": "at_order", "offers": 1}  # who misses the last offer is told so


@pytest.fixture
def two_places():
    """Two libraries; the first one's rows come before the second one's."""
    return [rows.point(rules=AT_ORDER), rows.point(rules=AT_ORDER)]


def breaking(monkeypatch, module, name, where):
    """Whatever is told to this library's people fails, as no foreseen thing does."""
    step = getattr(module, name)

    def act(*args, **kwargs):
        order = next((one for one in args if hasattr(one, "library_id")), None)
        if order is not None and order.library_id == where.library_id:
            raise LookupError("nobody has thought of this")
        return step(*args, **kwargs)

    monkeypatch.setattr(module, name, act)


def states(bags) -> list[str]:
    return [steps.again(bag).state for bag in bags]


def promises(bags) -> list[str]:
    return [steps.again(bag).appointment.state for bag in bags]


def test_bags_expire_beside_one_that_cannot(two_places, now, monkeypatch):
    bags = [steps.ready(steps.asked(rows.patron(point.library), point)) for point in two_places]
    breaking(monkeypatch, texts, "about_order", two_places[0])
    assert orders.expire_due(now=now + timedelta(days=9)) == 1
    assert states(bags) == ["ready", "expired"]


def test_people_are_missed_beside_one_who_cannot_be(two_places, now, monkeypatch):
    bags = [
        steps.ready(steps.asked(rows.patron(point.library), point, slot_id=rows.slot(point).pk)) for point in two_places
    ]
    breaking(monkeypatch, texts, "about_order", two_places[0])
    assert lapses.misses_due(now=now + timedelta(hours=9)) == 1
    assert promises(bags) == ["confirmed", "missed"]


def test_late_bags_are_told_beside_one_that_cannot_be(two_places, now, monkeypatch):
    bags = [steps.asked(rows.patron(point.library), point, slot_id=rows.slot(point).pk) for point in two_places]
    breaking(monkeypatch, texts, "about_order", two_places[0])
    assert lapses.not_ready_in_time(now=now + timedelta(hours=6)) == 1
    assert [steps.again(bag).appointment_id is None for bag in bags] == [False, True]


def test_answers_are_closed_beside_one_that_cannot_be(now, monkeypatch):
    points = [rows.point(rules={"silence": "lapse", "offers": 1}) for _ in range(2)]
    bags = []
    for point in points:
        rows.slot(point)
        bags.append(steps.ready(steps.asked(rows.patron(point.library, number=rows.american()), point)))
    assert offers.offer_ready(now=now) == 2
    breaking(monkeypatch, texts, "about_order", points[0])
    assert lapses.answers_due(now=now + timedelta(days=1)) == 1
    assert promises(bags) == ["offered", "lapsed"]


def test_times_are_offered_beside_a_place_and_a_party_that_get_none(now, monkeypatch):
    points = [rows.point(), rows.point()]
    bags = [steps.ready(steps.asked(rows.patron(point.library), point)) for point in [*points, points[1]]]
    for point in points:
        rows.slot(point)
    written = texts.offers

    def not_to_the_second(promises, *args, **kwargs):
        if any(party[0] == bags[1] for _appointment, party in promises):
            raise LookupError("nobody has thought of this")
        return written(promises, *args, **kwargs)

    monkeypatch.setattr(texts, "offers", not_to_the_second)
    rules = point_queries.rules_of

    def not_of_the_first(point_id):
        if point_id == points[0].pk:
            raise LookupError("nor of this")
        return rules(point_id)

    monkeypatch.setattr(point_queries, "rules_of", not_of_the_first)
    assert offers.offer_ready(now=now) == 1
    assert [steps.again(bag).appointment is not None for bag in bags] == [False, False, True]
    assert (Appointment.objects.count(), sum(Slot.objects.values_list("booked", flat=True))) == (1, 1)


def test_bags_are_filled_beside_a_library_that_has_no_number_left(two_places, now, monkeypatch):
    waiting = []
    for point in two_places:
        copy = rows.copy(at=point.library)
        copy.move(CopyState.MISSING, at=now, by=RULE)
        waiting += rows.reserve(rows.patron(point.library), copy.title, at=point)
        copy.move(CopyState.SHELF, at=now, by=RULE)
    assert allocation.allocate_due(now=now) == 2
    free = orders._free_number
    full = two_places[0].library_id

    def none_left(library_id):
        if library_id == full:
            raise NoNumberFree
        return free(library_id)

    monkeypatch.setattr(orders, "_free_number", none_left)
    (bag,) = orders.assemble(now=now)
    assert bag.point == two_places[1]


def test_slots_are_made_beside_a_library_in_a_zone_that_does_not_exist(now):
    points = [rows.point(), rows.point()]
    for point in points:
        rows.window(point)
    Library.objects.filter(pk=points[0].library_id).update(zone="Asia/Nowhere")
    assert slots.make(now=now) > 0
    assert set(Slot.objects.values_list("point", flat=True)) == {points[1].pk}


def test_the_doorbell_of_deadlines_serves_all_libraries_beside_one_that_is_never_open(two_places, now, monkeypatch):
    bags = [steps.ready(steps.asked(rows.patron(point.library), point)) for point in two_places]
    shut = two_places[0].library
    Library.objects.filter(pk=shut.pk).update(weekly_closed=list(range(7)), sender="nobody", zone="Asia/Nowhere")
    monkeypatch.setattr(clock, "database_now", lambda: now + timedelta(days=9))
    tasks.deadlines()
    assert states(bags) == ["ready", "expired"]


# What is foreseen


def test_a_library_without_a_sender_still_hands_its_books_over_and_the_reason_is_noted(two_places, now):
    point = two_places[0]
    Sender.objects.filter(key=point.library.sender).delete()
    bag = steps.ready(steps.asked(rows.patron(point.library), point, slot_id=rows.slot(point).pk))
    assert (bag.state, bag.why) == ("ready", "no_sender")
    assert lapses.misses_due(now=now + timedelta(hours=9)) == 1
    assert steps.handed_over(steps.again(bag)).state == "handed_over"


def test_a_library_that_is_never_open_refuses_in_a_sentence(two_places, now):
    point = two_places[0]
    Library.objects.filter(pk=point.library_id).update(weekly_closed=list(range(7)))
    bag = steps.packed(steps.asked(rows.patron(point.library), point))
    with pytest.raises(calendar.NeverOpen) as caught:
        packing.mark_ready(order_id=bag.pk, by=RULE, now=now)
    assert caught.value.code == "library_never_open"


@pytest.mark.parametrize(
    "wrong", [{"sender": "nobody"}, {"weekly_closed": list(range(7))}, {"zone": "Asia/Nowhere"}, {"holidays": "XX"}]
)
def test_settings_that_cannot_serve_are_refused_and_told(wrong):
    library = rows.library()
    assert checks.libraries_can_serve(databases=["default"]) == []
    Library.objects.filter(pk=library.pk).update(**wrong)
    [told] = checks.libraries_can_serve(databases=["default"])
    assert library.code in told.msg
    library.refresh_from_db()
    with pytest.raises(ValidationError) as caught:
        library.full_clean()
    assert set(wrong) <= set(caught.value.message_dict)
