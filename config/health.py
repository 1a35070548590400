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

from notifications.models import Message

# What rehearsals leave behind is no sign of anything: but for their own sweep it counts nowhere. A telephone counts
# while a library that serves people uses it, or none at all.
WHICH = {
    ":at_work": """(
        SELECT p.id FROM lending_pickuppoint p JOIN lending_library l ON l.id = p.library_id WHERE NOT l.training)""",
    ":telephones": """(
        SELECT t.id FROM notifications_sender t LEFT JOIN lending_library l ON l.sender = t.key
        GROUP BY t.id HAVING NOT coalesce(bool_and(l.training), false))""",
    ":said": f"dedup_key NOT LIKE '{Message.PRACTICE}%'",
}

# Since when the oldest row waits, and how many do, at each hand-off and at each deadline. A row that a sweep would
# take now counts; one whose time has not come does not.
WAITING = {
    "copy_came_free": """
        SELECT min(greatest(c.moved_at, r.moved_at)), count(DISTINCT r.id)
        FROM lending_reservation r
        JOIN lending_pickuppoint p ON p.id = r.pickup_point_id
        JOIN lending_copy c ON c.title_id = r.title_id AND c.at_library_id = p.library_id
            AND c.state IN ('shelf', 'to_shelve') AND c.volume = r.volume AND c.rests_until IS NULL
        WHERE r.state = 'waiting' AND p.id IN :at_work AND NOT EXISTS (
            SELECT 1 FROM lending_reservation h WHERE h.copy_id = c.id AND h.state IN ('allocated', 'bagged'))""",
    "reservation_allocated": """
        SELECT min(greatest(r.moved_at, c.moved_at)), count(*) FROM lending_reservation r
        JOIN lending_pickuppoint p ON p.id = r.pickup_point_id
        JOIN lending_copy c ON c.id = r.copy_id AND c.at_library_id = p.library_id AND c.state <> 'transit'
        WHERE r.state = 'allocated' AND r.patron_id IS NOT NULL AND p.id IN :at_work""",
    "reservation_to_resume": """
        SELECT min(r.suspended_until::timestamp AT TIME ZONE l.zone), count(*)
        FROM lending_reservation r
        JOIN lending_pickuppoint p ON p.id = r.pickup_point_id JOIN lending_library l ON l.id = p.library_id
        WHERE r.state = 'suspended' AND r.suspended_until <= (now() AT TIME ZONE l.zone)::date AND p.id IN :at_work""",
    "reservation_to_expire": """
        SELECT min((r.needed_until + 1)::timestamp AT TIME ZONE l.zone), count(*)
        FROM lending_reservation r
        JOIN lending_pickuppoint p ON p.id = r.pickup_point_id JOIN lending_library l ON l.id = p.library_id
        WHERE r.state IN ('waiting', 'suspended', 'allocated')
            AND r.needed_until < (now() AT TIME ZONE l.zone)::date AND p.id IN :at_work""",
    "code_asked": "SELECT min(asked_at), count(*) FROM lending_onetimecode WHERE made_at IS NULL",
    "order_ready": """
        SELECT min(o.ready_at), count(*)
        FROM pickup_order o
        JOIN pickup_pointrules s ON s.point_id = o.point_id AND s.by_appointment
        LEFT JOIN pickup_appointment a ON a.id = o.appointment_id
        LEFT JOIN pickup_visit v ON v.id = o.visit_id
        WHERE o.state = 'ready' AND o.why = '' AND o.point_id IN :at_work
            AND (a.id IS NULL OR (a.state = 'lapsed' AND a.offer < s.offers))
            AND (v.id IS NULL OR v.state NOT IN ('waiting', 'called'))""",
    "message_queued": """
        SELECT min(not_before), count(*) FROM notifications_message
        WHERE state = 'queued' AND not_before <= now() AND :said""",
    "message_lease_over": """
        SELECT min(lease_until), count(*) FROM notifications_message
        WHERE state IN ('sending', 'in_doubt') AND lease_until <= now() AND :said""",
    "inbound_stored": """
        SELECT min(received_at), count(*) FROM notifications_inboundmessage
        WHERE state = 'stored' AND (sender_id IS NULL OR sender_id IN :telephones)""",
    "offer_to_settle": """
        SELECT min(answer_by), count(*) FROM pickup_appointment
        WHERE state = 'offered' AND answer_by <= now() AND point_id IN :at_work""",
    "appointment_to_miss": """
        SELECT min(a.miss_after), count(*) FROM pickup_appointment a
        WHERE a.state = 'confirmed' AND a.miss_after <= now() AND a.point_id IN :at_work
            AND EXISTS (SELECT 1 FROM pickup_order o WHERE o.appointment_id = a.id AND o.state = 'ready')
            AND NOT EXISTS (
                SELECT 1 FROM pickup_order o JOIN pickup_visit v ON v.id = o.visit_id
                WHERE o.appointment_id = a.id AND o.state IN ('picking', 'ready')
                    AND v.state IN ('waiting', 'called'))""",
    "order_to_expire": """
        SELECT min(o.keep_until), count(*) FROM pickup_order o LEFT JOIN pickup_visit v ON v.id = o.visit_id
        WHERE o.state = 'ready' AND o.keep_until <= now() AND o.point_id IN :at_work
            AND (v.id IS NULL OR v.state NOT IN ('waiting', 'called'))""",
    "inbox": """
        SELECT min(moved_at), count(*) FROM notifications_inboundmessage
        WHERE state = 'parked' AND (sender_id IS NULL OR sender_id IN :telephones)""",
    "call_list": """
        SELECT min(due_at), count(*) FROM notifications_call
        WHERE state = 'due' AND due_at <= now() AND :said""",
    "posting_to_tell": """
        SELECT min(p.happened_at), count(*) FROM lending_posting p JOIN lending_library l ON l.id = p.library_id
        WHERE p.state IN ('pending', 'refused') AND NOT l.training""",
    "rehearsal_started": """
        SELECT min(c.due_at), count(*) FROM pickup_rehearsalcar c JOIN pickup_rehearsal r ON r.id = c.rehearsal_id
        WHERE c.state = 'due' AND r.state = 'running' AND c.due_at <= now()""",
}
ROWS = {
    "pickup_order": "SELECT state, count(*) FROM pickup_order WHERE point_id IN :at_work GROUP BY state",
    "pickup_visit": "SELECT state, count(*) FROM pickup_visit WHERE point_id IN :at_work GROUP BY state",
    "notifications_message": "SELECT state, count(*) FROM notifications_message WHERE :said GROUP BY state",
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
    with connection.cursor() as cursor:
        for name, (seconds, count) in waiting(cursor).items():
            age.labels(name).set(seconds)
            rows.labels(name).set(count)
        cursor.execute("SELECT sweep, extract(epoch FROM now() - at) FROM core_heartbeat")
        for sweep, seconds in cursor.fetchall():
            beat.labels(sweep).set(max(0.0, float(seconds)))
        for noun, query in ROWS.items():
            cursor.execute(_at_work(query))
            for state, count in cursor.fetchall():
                states.labels(noun, state).set(count)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def waiting(cursor: Any) -> dict[str, tuple[float, int]]:
    """For each hand-off: the age of the oldest waiting row in seconds, and how many wait."""
    found = {}
    for name, query in WAITING.items():
        told = _at_work(query)
        cursor.execute(f"SELECT coalesce(extract(epoch FROM now() - since), 0), n FROM ({told}) AS w(since, n)")  # noqa: S608
        seconds, count = cursor.fetchone()
        found[name] = (max(0.0, float(seconds)), int(count))
    return found


def _at_work(query: str) -> str:
    """The query, with what rehearsals leave behind left out."""
    for name, part in WHICH.items():
        query = query.replace(name, part)
    return query


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
