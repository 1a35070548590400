"""Fills an empty database with a crowd for P1 and prints who they are, as JSON.

`python -m bench.crowd SLOTS PLACES PATRONS_FOR_EACH_SLOT`
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from core import clock
from lending import accounts
from lending.models import Account
from lending.reservations import Item
from pickup import orders
from tests import rows


def main(count: int, places: int, for_each: int) -> None:
    """So many slots with so many places each; for each slot so many patrons, who all have an order and want it."""
    now = clock.now()
    library = rows.library(programme=rows.programme(volumes_per="patron"))
    point = rows.point(library)
    slots = [rows.slot(point, now + timedelta(days=1, minutes=5 * n), capacity=places) for n in range(count)]
    people = []
    for number in range(count * for_each):
        patron = rows.patron(library)
        patron.account = Account.objects.create(username=patron.card_number)
        patron.save(update_fields=["account"])
        title = rows.copy(at=library).title
        asked = orders.request(
            patron_id=patron.pk, point_id=point.pk, items=[Item(title.pk)], by=rows.patron_actor(patron), now=now
        )
        token = accounts.issue_token(account=patron.account, now=now).token
        assert asked.order is not None
        people.append({"token": token, "order": asked.order.pk, "slot": slots[number % count].pk})
    print(json.dumps(people))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
