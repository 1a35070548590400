"""API v1: what is changed about a reservation while its book is in no bag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import NotFound
from lending import queries, wishes
from lending.api import reservation_row
from lending.edge import Edge, note_look, told, within
from lending.serializers import NeededInput, Nothing, PointInput, ReservationRow, SuspendInput, read


class _ReservationAct(Edge):
    """One's own reservation; for staff one that is collected at their libraries."""

    def act(
        self, request: Request, reservation_id: int, verb: Callable[..., Any], takes: Any = Nothing, **names: str
    ) -> HttpResponseBase:
        """Once, with the reservation as the answer; `names` is what the verb calls a field of the body."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = {names.get(name, name): value for name, value in read(takes, request).items()}
            rows = within(by, queries.reservations(), library="pickup_point__library_id")
            if not rows.filter(pk=reservation_id).exists():
                raise NotFound
            verb(reservation_id=reservation_id, **given, by=by, now=now)
            row = queries.reservations().get(pk=reservation_id)
            note_look([row], purpose="api reservations", by=by, now=now)
            return answer(reservation_row(row, by))


class CancelReservation(_ReservationAct):
    @told("cancel_reservation", ReservationRow, keyed=True)
    def post(self, request: Request, reservation_id: int) -> HttpResponseBase:
        """End a reservation whose book is in no bag yet."""
        return self.act(request, reservation_id, wishes.cancel)


class SuspendReservation(_ReservationAct):
    @told("suspend_reservation", ReservationRow, takes=SuspendInput, keyed=True)
    def post(self, request: Request, reservation_id: int) -> HttpResponseBase:
        """Pause it until a day; the place in line is kept."""
        return self.act(request, reservation_id, wishes.suspend, SuspendInput)


class ResumeReservation(_ReservationAct):
    @told("resume_reservation", ReservationRow, keyed=True)
    def post(self, request: Request, reservation_id: int) -> HttpResponseBase:
        """Let it wait again, in its old place."""
        return self.act(request, reservation_id, wishes.resume)


class NeededReservation(_ReservationAct):
    @told("need_reservation", ReservationRow, takes=NeededInput, keyed=True)
    def post(self, request: Request, reservation_id: int) -> HttpResponseBase:
        """Say until which day the book is of use; after it the reservation ends by itself."""
        return self.act(request, reservation_id, wishes.need_until, NeededInput)


class MoveReservation(_ReservationAct):
    @told("collect_reservation_elsewhere", ReservationRow, takes=PointInput, keyed=True)
    def post(self, request: Request, reservation_id: int) -> HttpResponseBase:
        """Collect at another pickup point; the place in line is kept."""
        return self.act(request, reservation_id, wishes.collect_at, PointInput, pickup_point="point_id")
