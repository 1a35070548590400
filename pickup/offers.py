"""Offers: a time for ready bags that nobody chose one for, planned for a point at once and written in sets.

A round locks the orders that no other worker has in hand, plans, takes the places, and writes promises and texts: a
few statements however many parties. Whoever loses a place to somebody who chose it meanwhile is in the next round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import F

from core import live, sweeps
from core.actor import RULE
from core.meanwhile import meanwhile
from core.rows import by_the_thousand
from pickup import appointments, bookings, parties, point_queries, queries, scheduling, slots, texts
from pickup.models import Appointment, Order, PointRules, Slot
from pickup.states import AppointmentState, OrderState

BATCH = 10_000
"""Orders of one round: a plan is the better the more it sees, and a transaction must end within the worker's limit."""
MOST_SLOTS = 1000
ROUNDS = 5
"""Then the rest waits for the next sweep, ten seconds later."""
PAST = timedelta(weeks=8)
"""So long a point's own past says who will ask for which time."""
_PLANNING = 41_021  # the advisory lock of a point that is being planned; the point's id is its second half


@dataclass(frozen=True, slots=True)
class _Round:
    """What came of a round: promises made, and whether another one would make more."""

    made: int
    more: bool


class _Planned(NamedTuple):
    """A party and the slot that the plan gives it."""

    orders: Sequence[Order]
    slot: Slot
    accessible: bool
    why: str
    wished_at: datetime | None


def offer_ready(
    *, now: datetime, point_ids: Collection[int] | None = None, order_ids: Collection[int] | None = None
) -> int:
    """Promise a time to ready orders that have none, one for each party, and tell them; gives back how many promises.

    Workers may run this side by side: one plans a point, the others leave it alone, and each takes only orders that
    nobody else has in hand. Who finds no free slot before the bag's keep day stays in the queue and is tried again;
    where bags are kept for no day, any free slot does.
    """
    found = queries.to_offer(point_ids=point_ids, order_ids=order_ids).order_by("point_id")
    points = list(found.values_list("point_id", flat=True).distinct())
    made = 0
    for number in range(ROUNDS):
        sweep = "times to offer" if number == 0 else "times to offer once more"
        rounds = sweeps.each(sweep, points, lambda pk: (pk, _round(pk, order_ids, now=now)))
        made += sum(one.made for _pk, one in rounds)
        points = [pk for pk, one in rounds if one.more]
        if not points:
            break
    return made


@by_the_thousand
@transaction.atomic
def _round(point_id: int, order_ids: Collection[int] | None, *, now: datetime) -> _Round:
    if not _plans_alone(point_id, wait=order_ids is not None):
        return _Round(0, False)
    found = queries.to_offer(point_ids=[point_id], order_ids=order_ids)
    mine = list(
        found.select_for_update(of=("self",), skip_locked=True, no_key=True).values_list("pk", flat=True)[:BATCH]
    )
    still = queries.to_offer(order_ids=mine).values("pk")  # a joined row was as old as the moment before the lock
    read = Order.objects.select_related("patron", "collector", "appointment").filter(pk__in=still)
    orders = list(read.order_by("ready_at", "id"))
    if not orders:
        return _Round(0, False)
    rules = point_queries.rules_of(point_id)
    for order in orders:  # the same rows for all of them
        order._state.fields_cache |= {"point": rules.point, "library": rules.point.library}
    of_head = parties.by_car(orders)
    beside = parties.promised_beside(of_head, point_id=point_id, now=now)
    joined = sweeps.each("parties to join", sorted(beside), lambda head: (head, _join(of_head[head], now=now)))
    done = {head for head, has_joined in joined if has_joined}
    failed = beside - {head for head, _has_joined in joined}
    seeking = {head: party for head, party in of_head.items() if head not in done | failed}
    planned = _plan(point_id, seeking, rules, now=now)
    made = sweeps.together("parties to offer a time", planned, lambda some: _promise(some, planned, rules, now=now))
    in_vain = [order for head, party in seeking.items() if head not in planned for order in party]
    sweeps.each("bags without a time", texts.not_told_until(in_vain), lambda order: texts.no_time(order, now=now))
    if made or done:
        live.publish([f"point:{point_id}"], now=now)
    lost = len(made) < len(planned)
    return _Round(len(made) + len(done), bool(made) and (lost or len(mine) == BATCH))


def _plans_alone(point_id: int, *, wait: bool) -> bool:
    """Whether no other worker plans this point now; until the transaction ends none will.

    A sweep that finds somebody planning leaves it to them. A doorbell that rings for some bags waits (`wait`), at most
    for the lock's time limit: whoever plans may have looked before those were ready, and the next sweep is far away.
    """
    key = [_PLANNING, point_id % 2**31]
    with connection.cursor() as cursor:
        if wait:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", key)
            return True
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", key)
        return bool(cursor.fetchone()[0])


def _join(party: Sequence[Order], *, now: datetime) -> bool:
    """Let ready bags share the time that others of their party have."""
    promised = appointments.promise_of_party(party[0], None, now=now)
    if promised is None or not bookings.make_wide(promised, party):
        return False  # they have a time of their own
    bookings.attach([(promised, party)])
    everybody = promised.orders.select_related(*bookings.TOLD).filter(state=OrderState.READY).order_by("id")
    texts.offer(promised, list(everybody), now=now)
    return True


def _plan(
    point_id: int, seeking: Mapping[int, Sequence[Order]], rules: PointRules, *, now: datetime
) -> dict[int, _Planned]:
    """A slot for each party for which there is one, by the party's key; in the order of the slots."""
    earliest = now + timedelta(minutes=rules.lead_minutes)
    free = slots.free(point_id=point_id, now=now, after=earliest, ready=True, limit=MOST_SLOTS)
    if not seeking or not free:
        return {}
    zone = ZoneInfo(rules.point.library.zone)
    days = {slot.starts_at.astimezone(zone).date() for slot in free}
    likes = queries.likes_of({order.patron_id or 0 for party in seeking.values() for order in party})
    first, last = earliest.astimezone(zone).date(), max(days)
    ahead = [first + timedelta(days=n) for n in range((last - first).days + 1)]  # also days without a free place
    wishes = {like: tuple(scheduling.wishes(*like, ahead, zone)) for like in set(likes.values())}
    asked = {}
    for key, party in seeking.items():
        liked = next((likes[order.patron_id] for order in party if order.patron_id in likes), None)
        kept = [order.keep_until for order in party if order.keep_until is not None]
        asked[key] = scheduling.Party(
            key=str(key),
            not_before=earliest,
            waiting_since=min(order.ready_at or now for order in party),
            accessible=bookings.needs_accessible(party),
            not_slots=frozenset(order.appointment.slot_id for order in party if order.appointment is not None),
            keep_until=min(kept, default=None) if rules.keep_days else None,  # else the time itself says how long
            wished=() if liked is None else wishes[liked],
        )
    rooms = {
        slot.pk: scheduling.FreeSlot(
            slot.pk, slot.starts_at, slot.capacity - slot.booked, slot.accessible - slot.booked_accessible
        )
        for slot in free
    }
    past = point_queries.past_demand(point_id, zone=zone, since=now - PAST, until=now)
    expected = scheduling.expect(past, weeks=PAST / timedelta(weeks=1), now=earliest, days=days, zone=zone)
    plan = scheduling.assign(list(asked.values()), list(rooms.values()), expected)
    left = _left(plan, asked, rooms)
    by_id = {slot.pk: slot for slot in free}
    order = sorted((slot_id, int(key)) for key, slot_id in plan.items())
    planned = {}
    for slot_id, key in order:
        who, room = asked[key], rooms[slot_id]
        planned[key] = _Planned(
            seeking[key],
            by_id[slot_id],
            who.accessible,
            scheduling.why(who, room, left),
            scheduling.moment(who.wished, room.starts_at),
        )
    return planned


def _left(
    plan: Mapping[str, int], asked: Mapping[int, scheduling.Party], rooms: Mapping[int, scheduling.FreeSlot]
) -> list[scheduling.FreeSlot]:
    """The slots that still have room after a plan, in time order."""
    gone = Counter(plan.values())
    wide = Counter(slot_id for key, slot_id in plan.items() if asked[int(key)].accessible)
    left = (
        replace(room, places=room.places - gone[pk], accessible_places=room.accessible_places - wide[pk])
        for pk, room in rooms.items()
    )
    return sorted((room for room in left if room.places > 0), key=lambda room: room.starts_at)


def _promise(keys: Sequence[int], planned: Mapping[int, _Planned], rules: PointRules, *, now: datetime) -> list[int]:
    """Take the places of some parties, write their promises and tell them; the keys of those who got theirs.

    A slot has room for all whom the plan sends there, or somebody chose a place of it meanwhile: then they are planned
    anew in the next round.
    """
    places = Counter(planned[key].slot.pk for key in keys)
    wide = Counter(planned[key].slot.pk for key in keys if planned[key].accessible)
    place = slots.take_many({pk: slots.Wanted(count, wide[pk]) for pk, count in places.items()})
    got: list[int] = []
    columns = []
    for key in keys:
        one = planned[key]
        if one.slot.pk not in place:
            continue
        before_it = [order.appointment.offer for order in one.orders if order.appointment is not None]
        columns.append(
            {
                **bookings.terms(one.slot, rules, now=now),
                "arrive_at": scheduling.arrival(
                    one.slot.starts_at, one.slot.ends_at, place=place[one.slot.pk], capacity=one.slot.capacity
                ),
                "accessible": one.accessible,
                "why": one.why,
                "wished_at": one.wished_at,
                "offer": max(before_it, default=0) + 1,
            }
        )
        place[one.slot.pk] += 1
        got.append(key)
    if not got:
        return got
    _note_missed([order for key in got for order in planned[key].orders])
    known = texts.known_of([planned[key].orders for key in got])
    made = Appointment.begin_many(columns, at=now, by=RULE)
    promises = [(appointment, planned[key].orders) for key, appointment in zip(got, made, strict=True)]
    with meanwhile(lambda: bookings.attach(promises)):
        offers = texts.offers(promises, known, now=now)
    texts.send_offers(offers, now=now, fresh=True)
    return got


def _note_missed(orders: Sequence[Order]) -> None:
    """Note which promise these orders had missed, before another takes its place."""
    after = [order.pk for order in orders if order.appointment and order.appointment.state == AppointmentState.MISSED]
    if after:
        Order.objects.filter(pk__in=after).update(missed=F("appointment"))
