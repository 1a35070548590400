"""For operators: is it up, can it serve, and how old is the oldest row that waits at each hand-off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Min, Q, QuerySet
from django.db.models.functions import Greatest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from core import clock
from core.models import Heartbeat
from lending import allocation, wishes
from lending import queries as lending_queries
from lending.models import Library, OneTimeCode, Posting
from lending.states import UNTOLD
from notifications import queries as notification_queries
from notifications.models import Call, InboundMessage, Message
from notifications.states import CallState, InboundState, MessageState
from pickup import lapses, orders, rehearsals
from pickup import queries as pickup_queries
from pickup.models import Order, Visit

# What rehearsals leave behind is no sign of anything: but for their own sweep it counts nowhere.
NO_PRACTICE = ~Q(dedup_key__startswith=Message.PRACTICE)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits at a hand-off or a deadline: the rows that its sweep, or somebody at work, would take at a moment."""

    rows: Callable[[datetime], QuerySet[Any, Any]]
    since: str | Greatest
    library: str = ""

    def told(self, now: datetime) -> tuple[float, int]:
        """The age of the oldest in seconds, and how many they are."""
        rows = self.rows(now).order_by()
        if self.library:
            rows = rows.filter(**{f"{self.library}__training": False})
        found = rows.aggregate(n=Count("pk"), first=Min(self.since))
        return (0.0 if found["first"] is None else max(0.0, (now - found["first"]).total_seconds()), found["n"])


WAITING = {
    "copy_came_free": Waiting(lambda _now: allocation.to_give(), "since", "pickup_point__library"),
    "reservation_allocated": Waiting(
        lambda _now: lending_queries.allocated(), Greatest("moved_at", "copy__moved_at"), "pickup_point__library"
    ),
    "reservation_to_resume": Waiting(lambda now: wishes.to_resume(now=now), "since", "pickup_point__library"),
    "reservation_to_expire": Waiting(lambda now: wishes.to_expire(now=now), "since", "pickup_point__library"),
    "code_asked": Waiting(lambda _now: OneTimeCode.objects.filter(made_at=None), "asked_at"),
    "order_ready": Waiting(
        lambda _now: pickup_queries.to_offer().filter(why=""),
        Greatest("ready_at", "appointment__moved_at"),  # since the last time was missed, if there was one
        "point__library",
    ),
    "message_queued": Waiting(
        lambda now: Message.objects.filter(NO_PRACTICE, state=MessageState.QUEUED, not_before__lte=now), "not_before"
    ),
    "message_lease_over": Waiting(
        lambda now: Message.objects.filter(
            NO_PRACTICE, state__in=[MessageState.SENDING, MessageState.IN_DOUBT], lease_until__lte=now
        ),
        "lease_until",
    ),
    "inbound_stored": Waiting(
        lambda _now: _in_use(InboundMessage.objects.filter(state=InboundState.STORED)), "received_at"
    ),
    "offer_to_settle": Waiting(lambda now: lapses.to_settle(now=now), "answer_by", "point__library"),
    "appointment_to_miss": Waiting(lambda now: lapses.to_miss(now=now), "miss_after", "point__library"),
    "order_to_expire": Waiting(lambda now: orders.to_expire(now=now), "keep_until", "point__library"),
    "inbox": Waiting(lambda _now: _in_use(notification_queries.parked()), "moved_at"),
    "call_list": Waiting(lambda now: Call.objects.filter(NO_PRACTICE, state=CallState.DUE, due_at__lte=now), "due_at"),
    "posting_to_tell": Waiting(lambda _now: Posting.objects.filter(state__in=UNTOLD), "happened_at", "library"),
    "rehearsal_started": Waiting(lambda now: rehearsals.to_come(now=now), "due_at"),
}
NOUNS: dict[str, Callable[[], QuerySet[Any, Any]]] = {
    "pickup_order": lambda: Order.objects.filter(point__library__training=False),
    "pickup_visit": lambda: Visit.objects.filter(point__library__training=False),
    "notifications_message": lambda: Message.objects.filter(NO_PRACTICE),
}


def _in_use(rows: QuerySet[InboundMessage]) -> QuerySet[InboundMessage]:
    """Without what came to the telephones of training libraries alone."""
    used = Library.objects.values("sender")
    practised = used.filter(training=True).exclude(sender__in=used.filter(training=False))
    return rows.exclude(sender__key__in=practised)


_migrated = False


@require_safe
@never_cache
def alive(request: HttpRequest) -> HttpResponse:
    """The process answers; it asks nobody else."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """Whether requests can be served: 200, or 503 without database or migrations. Redis is told, never needed."""
    checks = {"database": database(), "broker": broker()}
    serves = checks["database"] == "ok"
    return JsonResponse({"status": "ok" if serves else "unavailable", **checks}, status=200 if serves else 503)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus gauges, read from PostgreSQL at the moment of asking."""
    registry = CollectorRegistry()
    age = Gauge("lending_oldest_waiting_seconds", "Age of the oldest waiting row", ["handoff"], registry=registry)
    rows = Gauge("lending_waiting_rows", "Rows that wait", ["handoff"], registry=registry)
    beat = Gauge("lending_sweep_age_seconds", "Since a sweep last ran to its end", ["sweep"], registry=registry)
    states = Gauge("lending_rows", "Rows by state", ["noun", "state"], registry=registry)
    now = clock.database_now()
    for name, (seconds, count) in waiting(now).items():
        age.labels(name).set(seconds)
        rows.labels(name).set(count)
    for sweep, at in Heartbeat.objects.values_list("sweep", "at"):
        beat.labels(sweep).set(max(0.0, (now - at).total_seconds()))
    for noun, kept in NOUNS.items():
        for state, count in kept().order_by().values_list("state").annotate(n=Count("pk")):
            states.labels(noun, state).set(count)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def waiting(now: datetime) -> dict[str, tuple[float, int]]:
    """For each hand-off: the age of the oldest waiting row in seconds, and how many wait."""
    return {name: rows.told(now) for name, rows in WAITING.items()}


def database() -> str:
    """`ok`, or what is wrong with PostgreSQL."""
    global _migrated  # noqa: PLW0603
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not _migrated:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                return "not migrated"
            _migrated = True
    except DatabaseError as error:
        return type(error).__name__
    return "ok"


def broker() -> str:
    """`ok`, or what is wrong with Redis."""
    try:
        redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1).ping()
    except redis.RedisError as error:
        return type(error).__name__
    return "ok"
