"""Whatever is sent to whichever address of API v1, by whomever: never a 5xx, always a code (G17)."""

from __future__ import annotations

import functools
import json
import re
import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from hypothesis import given, settings
from hypothesis import strategies as st

from core import clock
from lending.models import Allowance
from tests import api, rows
from tests.pickup import steps

NOTHING = 999_999  # a number like that of a row, and no row has it
NASTY: st.SearchStrategy[object] = st.sampled_from(
    [
        None, True, False, 0, -1, 1, NOTHING, 2**31, 2**63, 10**30, 1.5, 1e308, "", " ", "0", "1", "-1", "null", "NaN",
        "' OR 1=1 --", "<script>", "%_\\", "\\x00", "\u202e\u200b", "가" * 5000, "🙂", "ﬀ", "١٢٣٤", "１２３４",
        "+82 10-0000-0000", "2026-11-24T16:00:00", "2026-11-24T16:00:00+09:00", "9999-12-31T23:59:59-23:59",
        [], {}, [[]], [{}], {"": ""}, [None], [1, "1", None], {"title": 1}, [{"title": 1, "volume": "\t"}],
        [{"number": "0000", "not_given": [{"barcode": "", "reason": ""}]}],
    ]
)  # fmt: skip
ODD = [NOTHING, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
MOMENTS = ["0001-01-01T00:00:00Z", "1999-12-31T23:59:59+14:00", "2101-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
QUERY = st.one_of(
    st.text(max_size=30), st.sampled_from(["\x00", "1", "-1", "9" * 40, "ready", "AA", "서울", "%00", "a\nb", *MOMENTS])
)


@functools.cache
def operations() -> list[tuple[str, str, list[str], list[str]]]:
    """Method, address, names of the body, names of the query: as the schema tells them."""
    schema = SchemaGenerator().get_schema(request=None, public=True)
    found = []
    for path, methods in schema["paths"].items():
        for method, told in methods.items():
            ref = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            name = ref.get("$ref", "").rpartition("/")[2]
            body = sorted(schema["components"]["schemas"].get(name, {}).get("properties", {}))
            query = [row["name"] for row in told.get("parameters", []) if row["in"] == "query"]
            if method != "delete":  # signing out would end what a person may try after it
                found.append((method, path, body, query))
    return found


@pytest.fixture
def house(db) -> dict[str, Any]:
    """A point with a lane, a bag that is ready, a car that waits; and people with tokens."""
    now = clock.now()
    point = rows.point(rules={"promise": "at_order"})
    lane = rows.lane(point)
    slot = rows.slot(point, now)
    who, mine = api.patron(home=point.library)
    order = steps.ready(steps.asked(who, point, now=now), now=now)
    visit = mine.post("visits", {"order": order.pk})
    people = {
        "anyone": api.anyone(),
        "patron": mine,
        "staff": api.librarian(point.library),
        "manager": api.signed_in(rows.staff(point.library, role="manager")),
        "device": api.device(point.library),
    }
    ids = {
        "point_id": point.pk,
        "lane_id": lane.pk,
        "order_id": order.pk,
        "line_id": order.lines.get().pk,
        "visit_id": visit["id"],
        "title_id": order.lines.get().copy.title_id,
        "reservation_id": order.lines.get().reservation_id,
        "loan_id": 1,
        "appointment_id": 1,
        "posting_id": 1,
        "programme_id": point.library.programme_id,
        "allowance_id": Allowance.objects.create(programme=point.library.programme, key="more", volumes=9).pk,
        "window_id": rows.window(point).pk,
        "copy_id": order.lines.get().copy_id,
        "device_id": 1,
        "contact_id": who.contacts.get().pk,
        "code": point.library.code,
        "patron_id": who.pk,
        "account_id": rows.staff(point.library).pk,
        "transfer_id": 1,
        "name": "00000000-0000-4000-8000-000000000000",
    }
    good = {
        "pickup_point": point.pk,
        "title": ids["title_id"],
        "items": [{"title": ids["title_id"]}],
        "slot": slot.pk,
        "order": order.pk,
        "barcode": order.lines.get().copy.barcode,
        "order_number": order.number,
        "card_number": who.card_number,
        "lane": lane.pk,
        "count": 1,
        "purpose": "collect",
        "weekday": 3,
        "opens": "16:00",
        "closes": "17:00",
        "slot_minutes": 15,
        "capacity": 3,
    }
    return {"people": people, "ids": ids, "good": good}


@settings(max_examples=200)
@given(data=st.data())
def test_no_input_breaks_an_address(house, data) -> None:
    method, path, names, asks = data.draw(st.sampled_from(operations()))
    who = data.draw(st.sampled_from(sorted(house["people"])))
    ids = {
        name: data.draw(st.one_of(st.just(value), st.just(value), st.just("9" * 30)))
        for name, value in house["ids"].items()
    }
    client: Client = house["people"][who].client
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    address = path.format(**ids)
    if method == "get":
        query = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys([*asks, "page"], QUERY)))
        answer = client.get(address, query, headers=headers)
    else:
        some = {name: st.one_of(st.just(house["good"].get(name, 1)), NASTY) for name in [*names, "state"]}
        body = data.draw(st.one_of(st.fixed_dictionaries({}, optional=some), NASTY))
        if path.endswith("/tokens"):
            body = {"pin": body}  # guessing is counted elsewhere
        send = getattr(client, method)
        answer = send(address, json.dumps(body), content_type="application/json", headers=headers)
    assert answer.status_code < 500, (method, address, answer.content)
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] != "refused"


def test_every_part_of_an_address_is_known_here(house) -> None:
    parts = {name for _method, path, _names, _asks in operations() for name in re.findall(r"{(\w+)}", path)}
    assert parts <= set(house["ids"])


def test_a_number_of_no_row_is_refused_at_every_address(house) -> None:
    """Each part of each address, body and query in turn, the rest as it should be: chance need not come by."""
    good = house["good"]
    for method, path, names, asks in operations():
        right = {name: good[name] for name in names if name in good}
        query = {name: good[name] for name in asks if name in good}
        wrong = [({**house["ids"], name: NOTHING}, right, query) for name in house["ids"] if f"{{{name}}}" in path]
        wrong += [(house["ids"], {**right, name: NOTHING}, query) for name in right if name != "items"]
        wrong += [(house["ids"], {**right, "items": [{"title": NOTHING}]}, query)] * ("items" in right)
        wrong += [(house["ids"], right, {**query, name: value}) for name in asks for value in ODD]
        for who, person in house["people"].items():
            for ids, body, asked in wrong:
                address = path.format(**ids) + (f"?{urlencode(asked)}" if asked else "")
                said = {} if method == "get" else {"data": json.dumps(body), "content_type": "application/json"}
                answer = getattr(person.client, method)(address, **said, headers={"Idempotency-Key": uuid.uuid4().hex})
                assert answer.status_code < 500, (who, method, address, body, answer.content)
