"""For operators: is it up, can it serve, and how old is the oldest row that waits at each hand-off."""

from __future__ import annotations

from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

# Since when the oldest row waits, and how many do, at each hand-off and at each deadline. A row that a sweep would
# take now counts; one whose time has not come does not.
WAITING = {
    "copy_came_free": """
        SELECT min(greatest(c.moved_at, r.moved_at)), count(DISTINCT r.id)
        FROM lending_reservation r
        JOIN lending_pickuppoint p ON p.id = r.pickup_point_id
        JOIN lending_copy c ON c.title_id = r.title_id AND c.at_library_id = p.library_id
            AND c.state IN ('shelf', 'to_shelve') AND (r.volume = '' OR c.volume = r.volume)
        WHERE r.state = 'waiting' AND NOT EXISTS (
            SELECT 1 FROM lending_reservation h WHERE h.copy_id = c.id AND h.state IN ('allocated', 'bagged'))""",
    "reservation_allocated": "SELECT min(moved_at), count(*) FROM lending_reservation WHERE state = 'allocated'",
    "order_ready": """
        SELECT min(o.ready_at), count(*)
        FROM pickup_order o
        JOIN pickup_pointrules s ON s.point_id = o.point_id AND s.by_appointment
        LEFT JOIN pickup_appointment a ON a.id = o.appointment_id
        LEFT JOIN pickup_visit v ON v.id = o.visit_id
        WHERE o.state = 'ready' AND o.why = ''
            AND (a.id IS NULL OR (a.state = 'lapsed' AND a.offer < s.offers))
            AND (v.id IS NULL OR v.state NOT IN ('waiting', 'called'))""",
    "message_queued": """
        SELECT min(not_before), count(*) FROM notifications_message
        WHERE state = 'queued' AND not_before <= now()""",
    "message_lease_over": """
        SELECT min(lease_until), count(*) FROM notifications_message
        WHERE state IN ('sending', 'in_doubt') AND lease_until <= now()""",
    "inbound_stored": "SELECT min(received_at), count(*) FROM notifications_inboundmessage WHERE state = 'stored'",
    "offer_to_settle": """
        SELECT min(answer_by), count(*) FROM pickup_appointment WHERE state = 'offered' AND answer_by <= now()""",
    "appointment_to_miss": """
        SELECT min(miss_after), count(*) FROM pickup_appointment
        WHERE state IN ('offered', 'confirmed') AND miss_after <= now()""",
    "order_to_expire": """
        SELECT min(keep_until), count(*) FROM pickup_order WHERE state = 'ready' AND keep_until <= now()""",
    "inbox": "SELECT min(moved_at), count(*) FROM notifications_inboundmessage WHERE state = 'parked'",
    "call_list": "SELECT min(due_at), count(*) FROM notifications_call WHERE state = 'due' AND due_at <= now()",
}

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
    checks = {"database": _database(), "broker": _broker()}
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
    with connection.cursor() as cursor:
        for name, (seconds, count) in waiting(cursor).items():
            age.labels(name).set(seconds)
            rows.labels(name).set(count)
        cursor.execute("SELECT sweep, extract(epoch FROM now() - at) FROM core_heartbeat")
        for sweep, seconds in cursor.fetchall():
            beat.labels(sweep).set(max(0.0, float(seconds)))
        for noun in ("pickup_order", "pickup_visit", "notifications_message"):
            cursor.execute(f"SELECT state, count(*) FROM {noun} GROUP BY state")  # noqa: S608 (names from the line above)
            for state, count in cursor.fetchall():
                states.labels(noun, state).set(count)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def waiting(cursor: Any) -> dict[str, tuple[float, int]]:
    """For each hand-off: the age of the oldest waiting row in seconds, and how many wait."""
    found = {}
    for name, query in WAITING.items():
        cursor.execute(f"SELECT coalesce(extract(epoch FROM now() - since), 0), n FROM ({query}) AS w(since, n)")  # noqa: S608
        seconds, count = cursor.fetchone()
        found[name] = (max(0.0, float(seconds)), int(count))
    return found


def _database() -> str:
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


def _broker() -> str:
    try:
        redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1).ping()
    except redis.RedisError as error:
        return type(error).__name__
    return "ok"
