"""API v1: when a pickup point hands over, its windows and rules; read by its staff, changed by its managers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import NotFound
from lending import auth, members
from lending.edge import Edge, told
from lending.serializers import Day, Nothing, Strict, Whole, Words, read, read_query
from pickup import hours, point_queries
from pickup.models import PointRules, Window

if TYPE_CHECKING:
    from datetime import datetime

    from pickup.hours import Changed, Effect


class Clock(serializers.TimeField):
    """A local time of day without seconds: `16:00`."""

    def __init__(self, **more: Any) -> None:
        super().__init__(format="%H:%M", input_formats=["%H:%M"], **more)

    def to_internal_value(self, value: Any) -> Any:
        if not isinstance(value, str) or len(value) != 5:
            self.fail("invalid", format="hh:mm")
        return super().to_internal_value(value)


class WindowRow(serializers.Serializer[Window]):
    """One window: when a point hands over, cut into slots."""

    id = serializers.IntegerField()
    weekday = serializers.IntegerField(allow_null=True, help_text="Monday is 0; null for one date")
    nth = serializers.IntegerField(allow_null=True, help_text="only the nth such weekday of a month")
    date = serializers.DateField(allow_null=True)
    opens = serializers.TimeField(format="%H:%M")
    closes = serializers.TimeField(format="%H:%M", help_text="00:00 is the end of the day")
    slot_minutes = serializers.IntegerField()
    capacity = serializers.IntegerField(help_text="parties in one slot")
    accessible = serializers.IntegerField(help_text="places among them for people who leave the car")
    cutoff_days = serializers.IntegerField(help_text="open days before on which it has to be ordered")
    cutoff_time = serializers.TimeField(format="%H:%M", allow_null=True)
    regime = serializers.ChoiceField(Window.Regime.choices)
    session_ko = serializers.CharField()
    session_en = serializers.CharField()
    by_arrival = serializers.BooleanField(help_text="who has a time in it is served in the order of arrival")


class WindowInput(Strict):
    weekday = Whole(required=False, allow_null=True, min_value=0, max_value=6)
    nth = Whole(required=False, allow_null=True, min_value=1, max_value=5)
    date = Day(required=False, allow_null=True)
    opens = Clock()
    closes = Clock()
    slot_minutes = Whole(min_value=5, max_value=1440)
    capacity = Whole(min_value=1, max_value=hours.MOST_PLACES)
    accessible = Whole(required=False, min_value=0, max_value=hours.MOST_PLACES)
    cutoff_days = Whole(required=False, min_value=0, max_value=100)
    cutoff_time = Clock(required=False, allow_null=True)
    regime = serializers.ChoiceField(Window.Regime.choices, required=False)
    session_ko = Words(required=False, allow_blank=True, max_length=30)
    session_en = Words(required=False, allow_blank=True, max_length=40)
    by_arrival = serializers.BooleanField(required=False)
    preview = serializers.BooleanField(required=False, help_text="true: only say what it would do")
    move = serializers.BooleanField(
        required=False, help_text="true: visits beyond the new hours or places get another time and a text"
    )


class WindowChange(WindowInput):
    """What is left out stays as it is."""

    opens = Clock(required=False)
    closes = Clock(required=False)
    slot_minutes = Whole(required=False, min_value=5, max_value=1440)
    capacity = Whole(required=False, min_value=1, max_value=hours.MOST_PLACES)


class RemoveInput(Strict):
    preview = WindowInput._declared_fields["preview"]
    move = WindowInput._declared_fields["move"]


class TouchedRow(serializers.Serializer[Any]):
    """A promised visit for which there would be no place any more."""

    appointment = serializers.IntegerField(source="appointment.pk")
    starts_at = serializers.DateTimeField(source="appointment.slot.starts_at")
    orders = serializers.SerializerMethodField()

    def get_orders(self, row: Any) -> list[int]:
        return [order.pk for order in row.orders]


class EffectRow(serializers.Serializer[Any]):
    """What a change would do to the slots that can be seen today."""

    new = serializers.IntegerField(help_text="slots that are new or come back")
    gone = serializers.IntegerField(help_text="slots that take nobody any more")
    booked = serializers.IntegerField(help_text="those among them in which somebody has a time")
    other = serializers.IntegerField(help_text="slots with other room or another cut-off")
    visits = TouchedRow(many=True)


class ChangedRow(serializers.Serializer[Any]):
    """What came of a change, or with `preview` what would."""

    window = WindowRow(allow_null=True)
    effect = EffectRow(allow_null=True, help_text="of a preview alone")
    moved = serializers.IntegerField(help_text="visits that have a new time")
    called = serializers.IntegerField(help_text="visits without one, on the call list of the staff")
    kept = serializers.IntegerField(help_text="visits that stand beyond the new hours or places")


class WindowsRow(serializers.Serializer[Any]):
    windows = WindowRow(many=True)
    standing = TouchedRow(many=True, help_text="visits beyond these hours or places, from before")


class RulesRow(serializers.Serializer[PointRules]):
    """How a point promises, waits and keeps."""

    by_appointment = serializers.BooleanField()
    promise = serializers.ChoiceField(PointRules.Promise.choices)
    silence = serializers.ChoiceField(PointRules.Silence.choices)
    tell_fixed = serializers.BooleanField(help_text="a text as soon as a time is fixed, before the bag is ready")
    answer_minutes = serializers.IntegerField()
    offers = serializers.IntegerField()
    lead_minutes = serializers.IntegerField()
    horizon_days = serializers.IntegerField()
    grace_minutes = serializers.IntegerField()
    keep_days = serializers.IntegerField()
    keep_counts = serializers.ChoiceField(PointRules.KeepCounts.choices)
    lend_at = serializers.ChoiceField(PointRules.LendAt.choices)
    service_seconds = serializers.IntegerField(help_text="one car, until the point's own are known")
    auto_call = serializers.BooleanField(help_text="in a single file the service calls the next car by itself")
    bag_places = serializers.ListField(child=serializers.CharField(), help_text="of the pickup shelf, in their order")


class RulesInput(Strict):
    """What is left out stays as it is; what is promised keeps its terms."""

    by_appointment = serializers.BooleanField(required=False)
    promise = serializers.ChoiceField(PointRules.Promise.choices, required=False)
    silence = serializers.ChoiceField(PointRules.Silence.choices, required=False)
    tell_fixed = serializers.BooleanField(required=False)
    answer_minutes = Whole(required=False, min_value=0, max_value=hours.LONGEST["answer_minutes"])
    offers = Whole(required=False, min_value=1, max_value=hours.LONGEST["offers"])
    lead_minutes = Whole(required=False, min_value=0, max_value=hours.LONGEST["lead_minutes"])
    horizon_days = Whole(required=False, min_value=1, max_value=hours.LONGEST["horizon_days"])
    grace_minutes = Whole(required=False, min_value=0, max_value=hours.LONGEST["grace_minutes"])
    keep_days = Whole(required=False, min_value=0, max_value=hours.LONGEST["keep_days"])
    keep_counts = serializers.ChoiceField(PointRules.KeepCounts.choices, required=False)
    lend_at = serializers.ChoiceField(PointRules.LendAt.choices, required=False)
    service_seconds = Whole(required=False, min_value=1, max_value=hours.LONGEST["service_seconds"])
    auto_call = serializers.BooleanField(required=False)
    bag_places = serializers.ListField(child=Words(max_length=12), required=False, max_length=hours.MOST_BAG_PLACES)


class Windows(Edge):
    @told("list_windows", WindowsRow)
    def get(self, request: Request, point_id: int) -> Response:
        """The windows of a pickup point of mine."""
        read_query(Nothing, request)
        _mine(Actor.of(request), point_id)
        found = {
            "windows": hours.windows_of(point_id),
            "standing": hours.standing(point_id=point_id, now=clock.now()),
        }
        return Response(WindowsRow(found).data)

    @told("add_window", ChangedRow, takes=WindowInput, keyed=True)
    def post(self, request: Request, point_id: int) -> HttpResponseBase:
        """Add a window; its slots are there at once."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(WindowInput, request)
            _managed(by, point_id)
            return answer(_set(point_id, None, given, by=by, now=now))


class OneWindow(Edge):
    @told("change_window", ChangedRow, takes=WindowChange, keyed=True)
    def post(self, request: Request, point_id: int, window_id: int) -> HttpResponseBase:
        """Give a window other values; its slots follow at once."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(WindowChange, request)
            _managed(by, point_id)
            return answer(_set(point_id, window_id, given, by=by, now=now))


class RemoveWindow(Edge):
    @told("remove_window", ChangedRow, takes=RemoveInput, keyed=True)
    def post(self, request: Request, point_id: int, window_id: int) -> HttpResponseBase:
        """Take a window away; its slots take nobody any more."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(RemoveInput, request)
            _managed(by, point_id)
            about: dict[str, Any] = {"point_id": point_id, "window_id": window_id, "now": now}
            if given.get("preview"):
                return answer(_seen(hours.effect_of_window(**about, values=None)))
            return answer(_done(hours.remove_window(**about, move=given.get("move", False), by=by)))


class MoveStanding(Edge):
    @told("move_standing", ChangedRow, keyed=True)
    def post(self, request: Request, point_id: int) -> HttpResponseBase:
        """Give the visits that stand beyond the hours or places another time, and tell them."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            read(Nothing, request)
            _managed(by, point_id)
            return answer(_done(hours.move_standing(point_id=point_id, by=by, now=now)))


class Rules(Edge):
    @told("get_point_rules", RulesRow)
    def get(self, request: Request, point_id: int) -> Response:
        """The rules of a pickup point of mine."""
        read_query(Nothing, request)
        _mine(Actor.of(request), point_id)
        return Response(RulesRow(point_queries.rules_of(point_id)).data)

    @told("change_point_rules", RulesRow, takes=RulesInput, keyed=True)
    def post(self, request: Request, point_id: int) -> HttpResponseBase:
        """Give a pickup point other rules."""
        by, now = Actor.of(request), clock.now()
        with once(by, request) as answer:
            given = read(RulesInput, request)
            _managed(by, point_id)
            return answer(dict(RulesRow(hours.set_rules(point_id=point_id, values=given, by=by, now=now)).data))


def _set(point_id: int, window_id: int | None, given: dict[str, Any], *, by: Actor, now: datetime) -> dict[str, Any]:
    preview, move = given.pop("preview", False), given.pop("move", False)
    about: dict[str, Any] = {"point_id": point_id, "window_id": window_id, "values": given, "now": now}
    if preview:
        return _seen(hours.effect_of_window(**about))
    return _done(hours.set_window(**about, move=move, by=by))


def _seen(effect: Effect) -> dict[str, Any]:
    return dict(ChangedRow({"window": None, "effect": effect, "moved": 0, "called": 0, "kept": 0}).data)


def _done(changed: Changed) -> dict[str, Any]:
    row = {"window": changed.window, "moved": changed.moved, "called": changed.called, "kept": changed.kept}
    return dict(ChangedRow({**row, "effect": None}).data)


def _mine(by: Actor, point_id: int) -> int:
    """The library of a point where the actor works; any other point is unknown."""
    library_id = (
        point_queries.points(pk=point_id, library__in=auth.require_any_staff(by)).values_list("library_id").first()
    )
    if library_id is None:
        raise NotFound
    return int(library_id[0])


def _managed(by: Actor, point_id: int) -> None:
    auth.require_staff(by, _mine(by, point_id), members.Role.MANAGER)
