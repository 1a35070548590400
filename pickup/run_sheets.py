"""The run sheet of a day: which bags go out in which session, on paper for when the network is gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.utils.translation import get_language

from pickup import board, point_queries, queries
from pickup.models import Order, Slot
from pickup.names import masked
from pickup.states import OrderState

if TYPE_CHECKING:
    from lending.models import PickupPoint


@dataclass(frozen=True, slots=True)
class Row:
    """A bag on the sheet: when it is expected (UTC), none for one that waits without a time."""

    at: datetime | None
    bag: board.Bag
    name: str


@dataclass(frozen=True, slots=True)
class Session:
    """The bags of one session in the order of their times; `starts_at` is None for bags without a time today."""

    name: str
    starts_at: datetime | None
    ends_at: datetime | None
    rows: list[Row]


def of_day(*, point: PickupPoint, day: date, others: bool = False) -> list[Session]:
    """The sessions of a point on a local day with the bags that are still to go out, then those without a time.

    A bag whose time on an earlier day is past counts as one without a time: it may be asked for at any moment. With
    `others` so does one that is ready for a later day, since somebody may have come early.
    """
    zone = ZoneInfo(point.library.zone)
    midnight = datetime.combine(day, time(), tzinfo=zone)
    slots = point_queries.free_slots(point.pk, midnight, midnight + timedelta(days=1))
    sessions: dict[object, Session] = {}
    of_slot: dict[int, Session] = {}
    for slot in slots:
        key = (slot.session_ko, slot.session_en) if slot.session_ko or slot.session_en else slot.window_id
        begun = sessions.get(key)
        sessions[key] = Session(
            _name(slot),
            begun.starts_at if begun else slot.starts_at,
            slot.ends_at,
            begun.rows if begun else [],
        )
        of_slot[slot.pk] = sessions[key]
    timeless = Session("", None, None, [])
    for order in queries.open_orders(point.pk):
        appointment = queries.live_appointment(order)
        session = of_slot.get(appointment.slot_id) if appointment is not None else None
        if session is not None and appointment is not None:
            session.rows.append(_row(order, appointment.arrives))
        elif order.state == OrderState.READY and (
            others or appointment is None or appointment.slot.ends_at <= midnight
        ):
            timeless.rows.append(_row(order, None))
    for session in sessions.values():
        session.rows.sort(key=lambda row: row.at or midnight)  # the parties of a slot come one after the other
    return [session for session in sessions.values() if session.rows] + ([timeless] if timeless.rows else [])


def _row(order: Order, at: datetime | None) -> Row:
    bag = board.bag_of(order)
    return Row(at, bag, masked(bag.patron_name))


def _name(slot: Slot) -> str:
    return slot.session_ko if (get_language() or "ko").startswith("ko") else slot.session_en
