"""A lane where cars arrive one after the other, for P9: prints its point and a librarian's cookie, then obeys lines.

`python -m bench.arrive`. A line `COUNT EVERY PORT` lets COUNT cars arrive, EVERY seconds apart, and prints the moments
of their commits (seconds of the machine's steady clock) as JSON; unless PORT is 0 a datagram rings there after each.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from importlib import import_module

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from core import clock
from core.actor import Actor
from pickup import arrivals
from tests import rows


def main() -> None:
    """Make the lane and the librarian, and let cars come when told."""
    point = rows.point()
    account = rows.staff(point.library)
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(account.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = account.get_session_auth_hash()
    session.create()
    print(
        json.dumps({"point": point.pk, "cookie": f"{settings.SESSION_COOKIE_NAME}={session.session_key}"}), flush=True
    )
    by, number = Actor("staff", account.pk, "desk"), 0
    for line in sys.stdin:
        count, every, port = line.split()
        committed = []
        for _ in range(int(count)):
            number += 1
            arrivals.arrive(point_id=point.pk, plate=f"{number:06}", by=by, now=clock.now())
            committed.append(time.monotonic())
            if int(port):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bell:
                    bell.sendto(b"1", ("127.0.0.1", int(port)))
            time.sleep(float(every))
        print(json.dumps(committed), flush=True)


if __name__ == "__main__":
    main()
