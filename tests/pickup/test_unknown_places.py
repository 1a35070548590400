"""A pickup place that is gone, or never was: a sentence at every door, and nothing is ordered."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.test import Client

from lending.models import Reservation
from pickup import orders, point_queries
from pickup.errors import PointNotFound
from tests import rows

NOWHERE = 999_999


@pytest.mark.django_db(transaction=True)
def test_a_page_that_was_open_while_its_place_went_says_so():
    point = rows.point()
    who = rows.patron(point.library, pin=rows.PIN)
    client = Client(headers={"accept-language": "en"}, raise_request_exception=False)
    client.post("/sign-in/", {"card_number": who.card_number, "pin": rows.PIN})
    client.post("/ask/note/", {"title": rows.copy(at=point.library).title_id, "next": "/ask/"})
    answer = client.post("/ask/", {"key": uuid4().hex, "point": NOWHERE, "who": "me"})
    assert answer.status_code == 404
    assert "We could not find this pickup place." in answer.content.decode()
    assert not Reservation.objects.exists()


@pytest.mark.django_db
def test_the_verb_and_the_reads_refuse_it(now):
    who = rows.patron()
    with pytest.raises(PointNotFound):
        orders.request(patron_id=who.pk, point_id=NOWHERE, items=[], by=rows.patron_actor(who), now=now)
    for read in (point_queries.point, point_queries.rules_of):
        with pytest.raises(PointNotFound):
            read(NOWHERE)
