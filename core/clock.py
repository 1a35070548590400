"""The two clocks: the server's at the edges, the database's in sweeps and leases."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from django.db import connection
from django.utils import timezone


def now() -> datetime:
    """The server's clock, aware, UTC. Edges read it once and pass it on."""
    return timezone.now()


def database_now() -> datetime:
    """The database's clock, aware, UTC: the same for every worker, whatever its own clock says."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (moment,) = cursor.fetchone()
    return cast("datetime", moment)
