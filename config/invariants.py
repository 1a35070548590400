"""The laws of the house as SQL, for the moments after a fault and for every hour: each must give no rows.

The numbers are those of docs/invariants.md. Where a table's own constraint already forbids a breach, the law still
looks: a restored backup or a dropped index may have let it in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.conf import settings
from django.db import connection

from core.moves import Moving


@dataclass(frozen=True, slots=True)
class Law:
    """A sentence, and a query for the rows that break it."""

    number: str
    sentence: str
    sql: str


@dataclass(frozen=True, slots=True)
class Breach:
    """The rows that break a law, with the names of their columns."""

    law: Law
    columns: list[str]
    rows: list[tuple[object, ...]]


LAWS = (
    Law(
        "I1",
        "A slot's counter is the number of its appointments, and within its capacity.",
        """
        SELECT s.id AS slot, s.booked, s.capacity, count(a.id) AS appointments,
            s.booked_accessible, count(a.id) FILTER (WHERE a.accessible) AS on_accessible_places
        FROM pickup_slot s
        LEFT JOIN pickup_appointment a
            ON a.slot_id = s.id AND a.state IN ('offered', 'confirmed', 'kept', 'missed')
        GROUP BY s.id
        HAVING s.booked <> count(a.id) OR s.booked > s.capacity OR s.booked < 0
            OR s.booked_accessible <> count(a.id) FILTER (WHERE a.accessible)
        """,
    ),
    Law(
        "I1",
        "Whoever is told a time of arrival is told one within the slot.",
        """
        SELECT a.id AS appointment, a.arrive_at, s.starts_at, s.ends_at FROM pickup_appointment a
        JOIN pickup_slot s ON s.id = a.slot_id
        WHERE a.arrive_at < s.starts_at OR a.arrive_at >= s.ends_at
        """,
    ),
    Law(
        "I1",
        "A promise that is still ahead has an open order to keep it for.",
        """
        SELECT a.id AS appointment, a.state, a.miss_after FROM pickup_appointment a
        WHERE a.state IN ('offered', 'confirmed') AND NOT EXISTS (SELECT 1 FROM pickup_order o
            WHERE o.appointment_id = a.id AND o.state IN ('picking', 'ready'))
        """,
    ),
    Law(
        "I2",
        "A copy is set aside for one reservation.",
        """
        SELECT copy_id AS copy, array_agg(id) AS reservations FROM lending_reservation
        WHERE state IN ('allocated', 'bagged') GROUP BY copy_id HAVING count(*) > 1
        """,
    ),
    Law(
        "I2",
        "A book in an open bag is neither lost nor lent, unless it was lent to its patron when it was packed.",
        """
        SELECT o.id AS "order", l.id AS line, c.id AS copy, c.state, n.id AS loan
        FROM pickup_order o
        JOIN pickup_orderline l ON l.order_id = o.id AND l.state IN ('to_pick', 'packed')
        JOIN lending_copy c ON c.id = l.copy_id
        LEFT JOIN lending_loan n ON n.copy_id = c.id AND n.state = 'out' AND NOT (n.packed_due_on IS NOT NULL
            AND l.state = 'packed' AND n.reservation_id = l.reservation_id AND n.patron_id = o.patron_id)
        WHERE o.state IN ('picking', 'ready') AND (c.state IN ('lost', 'withdrawn') OR n.id IS NOT NULL)
        """,
    ),
    Law(
        "I2",
        "A reservation is in a bag exactly while a line of an open order carries it.",
        """
        SELECT r.id AS reservation, r.state, l.id AS line, l.state AS line_state, o.state AS order_state
        FROM lending_reservation r
        FULL JOIN (pickup_orderline l JOIN pickup_order o ON o.id = l.order_id AND o.state IN ('picking', 'ready'))
            ON l.reservation_id = r.id AND l.state IN ('to_pick', 'packed')
        WHERE (r.state = 'bagged' AND l.id IS NULL)
            OR (l.state IN ('to_pick', 'packed') AND r.state IS DISTINCT FROM 'bagged')
        """,
    ),
    Law(
        "I2",
        "What is lent is with its borrower, or lies packed in their bag until it is handed over.",
        """
        SELECT n.id AS loan, c.id AS copy, c.state AS copy_state, r.state AS reservation_state
        FROM lending_loan n JOIN lending_copy c ON c.id = n.copy_id
        LEFT JOIN lending_reservation r ON r.id = n.reservation_id
        WHERE n.state = 'out' AND CASE
            WHEN r.state = 'bagged' THEN n.packed_due_on IS NULL OR c.state <> 'bag' OR NOT EXISTS (
                SELECT 1 FROM pickup_orderline l WHERE l.reservation_id = r.id AND l.state = 'packed')
            WHEN r.id IS NOT NULL AND r.state <> 'fulfilled' THEN true
            ELSE c.state IN ('bag', 'shelf', 'to_shelve', 'transit') END
        """,
    ),
    Law(
        "I4",
        "Whoever has a ready bag was told, is on the call list, is or was here, or the reason is noted.",
        """
        SELECT o.id AS "order", o.ready_at FROM pickup_order o
        LEFT JOIN pickup_visit v ON v.id = o.visit_id
            AND (v.state IN ('waiting', 'called') OR v.ended_at >= o.ready_at) -- they were here and left without it
        LEFT JOIN pickup_appointment a ON a.id = o.appointment_id AND a.instead_of_id IS NOT NULL
            AND a.offered_at >= o.ready_at -- they changed it themselves, and saw the new time
        WHERE o.state = 'ready' AND o.why = '' AND v.id IS NULL AND a.id IS NULL
            AND o.ready_at < now() - interval '60 seconds'
            AND NOT EXISTS (SELECT 1 FROM notifications_message m
                WHERE m.about IN ('order:' || o.id, 'appointment:' || o.appointment_id)
                    AND (m.state NOT IN ('suppressed', 'expired') -- what was kept back told nobody, unless nobody may
                        OR m.why IN ('opted_out', 'practice') -- be told any other way
                        OR (m.state = 'expired' AND NOT m.may_call)))
            AND NOT EXISTS (SELECT 1 FROM notifications_call c
                WHERE c.about IN ('order:' || o.id, 'appointment:' || o.appointment_id))
        """,
    ),
    Law(
        "I5",
        "No text waits longer than a minute after its time, none keeps a lease that is over.",
        """
        SELECT id AS message, state, not_before, lease_until FROM notifications_message
        WHERE (state = 'queued' AND not_before < now() - interval '60 seconds')
            OR (state = 'sending' AND lease_until < now() - interval '30 seconds')
        """,
    ),
    Law(
        "I6",
        "One sentence is one text: said again at most once, and a carrier's id names one message.",
        """
        SELECT min(id) AS message, count(*) AS messages, max(resends) AS resends FROM notifications_message
        GROUP BY dedup_key, generation HAVING count(*) > 1 OR max(resends) > 1
        UNION ALL
        SELECT min(id), count(*), max(resends) FROM notifications_message
        WHERE provider_id <> '' GROUP BY provider_id HAVING count(*) > 1
        """,
    ),
    Law(
        "I7",
        "What came in is applied or parked within ten seconds, and stored once.",
        """
        SELECT id AS inbound, received_at, attempts FROM notifications_inboundmessage
        WHERE state = 'stored' AND received_at < now() - interval '10 seconds'
        UNION ALL
        SELECT min(id), min(received_at), count(*)::int FROM notifications_inboundmessage
        GROUP BY provider_id HAVING count(*) > 1
        """,
    ),
    Law(
        "I8",
        "A key that was used has its answer.",
        "SELECT id AS answer, principal, status FROM core_answer WHERE status NOT BETWEEN 200 AND 399 OR body IS NULL",
    ),
    Law(
        "I9",
        "Times are in order, and none lies ahead.",
        """
        SELECT 'order' AS noun, id, opened_at AS a, ready_at AS b, handed_over_at AS c FROM pickup_order
        WHERE opened_at > ready_at OR ready_at > handed_over_at
            OR greatest(opened_at, ready_at, handed_over_at) > now() + interval '5 seconds'
        UNION ALL
        SELECT 'visit', id, arrived_at, called_at, ended_at FROM pickup_visit
        WHERE arrived_at > called_at OR arrived_at > ended_at
            OR greatest(arrived_at, called_at, ended_at) > now() + interval '5 seconds'
        UNION ALL
        SELECT 'loan', id, lent_at, returned_at, NULL FROM lending_loan
        WHERE lent_at > returned_at OR greatest(lent_at, returned_at) > now() + interval '5 seconds'
        UNION ALL
        SELECT 'journal', id, at, NULL, NULL FROM core_journal WHERE at > now() + interval '5 seconds'
        """,
    ),
    Law(
        "I10",
        "After its retention nothing ties a person to an order or, unless they wish it, to a returned loan.",
        """
        SELECT 'order' AS noun, id, moved_at FROM pickup_order
        WHERE state IN ('handed_over', 'cancelled', 'expired') AND (patron_id IS NOT NULL OR plate <> '')
            AND moved_at < now() - make_interval(days => KEPT)
        UNION ALL
        SELECT 'loan', l.id, l.moved_at FROM lending_loan l JOIN lending_patron p ON p.id = l.patron_id
        WHERE l.state IN ('returned', 'voided', 'lost') AND NOT p.keeps_history
            AND l.moved_at < now() - make_interval(days => KEPT)
        UNION ALL
        SELECT 'posting', id, moved_at FROM lending_posting
        WHERE state IN ('done', 'cancelled') AND patron_id IS NOT NULL
            AND moved_at < now() - make_interval(days => KEPT)
        """.replace("KEPT", str(settings.RETENTION_DAYS + 1)),
    ),
    Law(
        "I11",
        "Journals, consents and the log of who looked are guarded by their triggers, and looks are kept for a year.",
        """
        SELECT wanted AS missing, NULL::bigint AS access FROM (VALUES
            ('core_journal_append_only'), ('core_access_unchanged'), ('core_access_kept'),
            ('lending_consent_unchanged'), ('lending_programmechange_append_only'),
            ('lending_surgechange_append_only'), ('pickup_pointchange_append_only')) AS w(wanted)
        WHERE NOT EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgname = wanted AND t.tgenabled IN ('O', 'A'))
        UNION ALL
        SELECT 'kept too short', id FROM core_access WHERE keep_until < at + interval '364 days'
        """,
    ),
    Law(
        "I12",
        "Nobody is texted after opting out, and nothing that can wait is sent in quiet hours.",
        """
        SELECT m.id AS message, m.kind, m.accepted_at, 'opted out' AS why FROM notifications_message m
        JOIN notifications_optout o ON o.number = m.to
            AND m.accepted_at > o.since + interval '30 seconds' AND (o.until IS NULL OR m.accepted_at < o.until)
        WHERE o.source <> 'carrier'
        UNION ALL
        SELECT m.id, m.kind, m.accepted_at, 'quiet hours' FROM notifications_message m
        JOIN notifications_sender s ON s.id = m.sender_id
        CROSS JOIN LATERAL (SELECT (m.accepted_at AT TIME ZONE s.zone)::time AS t) AS local
        WHERE m.kind IN ('notice', 'reminder') AND m.accepted_at IS NOT NULL AND CASE
            WHEN s.quiet_from > s.quiet_until
            THEN local.t >= s.quiet_from + interval '1 minute' OR local.t < s.quiet_until
            ELSE local.t >= s.quiet_from + interval '1 minute' AND local.t < s.quiet_until END
        """,
    ),
    Law(
        "I13",
        "A rehearsal touches nobody outside a training library.",
        """
        SELECT r.id AS rehearsal, c.id AS car FROM pickup_rehearsal r
        JOIN lending_library l ON l.id = r.library_id
        JOIN lending_pickuppoint p ON p.id = r.point_id
        LEFT JOIN pickup_rehearsalcar c ON c.rehearsal_id = r.id
        LEFT JOIN pickup_order o ON o.id = c.order_id
        LEFT JOIN pickup_visit v ON v.id = c.visit_id
        LEFT JOIN lending_patron h ON h.id = c.patron_id
        WHERE NOT l.training OR p.library_id <> r.library_id OR o.library_id <> r.library_id
            OR v.point_id <> r.point_id OR h.home_id <> r.library_id
        """,
    ),
    Law(
        "I14",
        "A copy that is asked for stands where it is asked for, one that was sent is on its way, and one that is"
        " promised elsewhere is asked for or on its way.",
        """
        SELECT t.id AS transfer, c.id AS copy, NULL::bigint AS reservation, t.state, c.state AS copy_state
        FROM lending_transfer t JOIN lending_copy c ON c.id = t.copy_id
        WHERE (t.state = 'requested'
                AND (c.state NOT IN ('shelf', 'to_shelve') OR c.at_library_id <> t.from_library_id))
            OR (t.state = 'sent' AND c.state <> 'transit')
        UNION ALL
        SELECT NULL, c.id, r.id, r.state, c.state FROM lending_reservation r
        JOIN lending_copy c ON c.id = r.copy_id
        JOIN lending_pickuppoint p ON p.id = r.pickup_point_id
        WHERE r.state = 'allocated' AND c.at_library_id <> p.library_id AND NOT EXISTS (
            SELECT 1 FROM lending_transfer t WHERE t.copy_id = c.id AND t.state IN ('requested', 'sent'))
        """,
    ),
)


def laws() -> Iterator[Law]:
    """Every law, in the order of its number; I3 is made for each noun from its table of moves."""
    moving = [_journal_law(model) for model in apps.get_models() if issubclass(model, Moving)]
    yield from sorted([*LAWS, *moving], key=lambda law: int(law.number[1:]))


def _journal_law(model: type[Moving]) -> Law:
    pairs = [("", str(model.FIRST)), *((str(was), str(to)) for was, many in model.MOVES.items() for to in sorted(many))]
    allowed = ", ".join(f"('{was}', '{became}')" for was, became in pairs)
    return Law(
        "I3",
        f"The journal of {model._meta.label} has no gap, no strange move, and ends in the row's state.",
        f"""
        WITH told AS (
            SELECT j.id, j.row, j.was, j.became,
                lag(j.became, 1, '') OVER (PARTITION BY j.row ORDER BY j.id) AS before,
                lead(j.id) OVER (PARTITION BY j.row ORDER BY j.id) IS NULL AS last
            FROM core_journal j WHERE j.noun = '{model.noun()}'
        )
        SELECT coalesce(r.id, t.row) AS row, r.state, t.was, t.became, t.id AS journal
        FROM {model._meta.db_table} r FULL JOIN told t ON t.row = r.id
        WHERE (t.id IS NULL) OR (t.before <> t.was) OR (t.last AND r.id IS NOT NULL AND t.became <> r.state)
            OR (t.was, t.became) NOT IN ({allowed})
        """,  # noqa: S608 (every name comes from our own tables of moves)
    )


def breaches(*, limit: int = 20) -> list[Breach]:
    """Every law that is broken now, with at most `limit` of the rows that break it."""
    found = []
    with connection.cursor() as cursor:
        for law in laws():
            cursor.execute(f"SELECT * FROM ({law.sql}) AS breach LIMIT {int(limit)}")  # noqa: S608 (our own laws)
            rows = cursor.fetchall()
            if rows:
                found.append(Breach(law, [column.name for column in cursor.description], rows))
    return found
