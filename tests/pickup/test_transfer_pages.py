"""The page of books between libraries: what to send in shelf order, what comes, one scan for both; and its API."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from lending import loans, transfers
from lending.models import Membership, Transfer
from pickup.models import OrderLine
from tests import api, rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def here():
    return rows.point(rows.library(programme=rows.programme(transfer_days=1)))


@pytest.fixture
def there(here):
    """A library without a pickup place."""
    return rows.library(programme=here.library.programme)


@pytest.fixture
def both(client, here, there):
    account = rows.staff(here.library)
    Membership.objects.create(account=account, library=there)
    client.force_login(account)
    return client


def wanted(here, there, *, call_number="813.7 한31ㅅ", now=rows.NOW):
    copy = rows.copy(at=there, call_number=call_number)
    rows.reserve(rows.patron(here.library), copy.title, at=here, now=now)
    return copy


def page(client, library, **more):
    return client.get(reverse("transfers"), {"library": library.pk, **more})


def scan(client, library, barcode):
    address = f"{reverse('transfers')}?library={library.pk}"
    return client.post(address, {"barcode": barcode, "key": f"k{rows.serial()}"}, follow=True)


def test_opened_from_a_pickup_place_its_tabs_stay(both, here, there):
    for address in (f"{reverse('transfers')}?library={there.pk}&", f"{reverse('rules')}?"):
        tabs = f'href="{reverse("packing")}?point={here.pk}'
        assert tabs in both.get(f"{address}point={here.pk}").content.decode()
        assert tabs not in both.get(address).content.decode()
    foreign = rows.point()
    assert 'class="desk' not in both.get(f"{reverse('rules')}?point={foreign.pk}").content.decode()


def test_what_is_asked_for_stands_in_shelf_order(both, here, there):
    late, early = wanted(here, there, call_number="813.7 황12ㄴ"), wanted(here, there, call_number="813.7 황2ㄴ")
    shown = page(both, there)
    assert [one.copy_id for one in shown.context["to_send"]] == [late.pk, early.pk]  # 12 is a decimal: before 2
    assert page(both, here.library).context["coming"].count() == 0
    assert both.get(reverse("staff")).context["travelling"] == 2


def test_one_scan_sends_and_one_receives_into_the_bag(both, here, there, monkeypatch):
    copy = wanted(here, there)
    sent = scan(both, there, copy.barcode)
    assert str(here.library) in sent.content.decode()
    assert Transfer.objects.get().state == "sent"
    assert [one.copy_id for one in page(both, here.library).context["coming"]] == [copy.pk]
    came = scan(both, here.library, copy.barcode)
    line = OrderLine.objects.get(copy=copy)
    assert came.context["last"].line == line
    assert line.order.shown in came.content.decode()


def test_a_book_that_nobody_waits_for_is_told_with_a_sound(both, there):
    copy = rows.copy(at=there)
    shown = scan(both, there, copy.barcode)
    assert (shown.status_code, 'data-sound="wrong"' in shown.content.decode()) == (409, True)
    assert scan(both, there, "nothing").status_code == 404


def test_not_on_the_shelf_and_never_came(both, here, there):
    first, second = wanted(here, there), wanted(here, there, now=rows.NOW - timedelta(days=9))
    transfers.scan(barcode=second.barcode, library_id=there.pk, by=steps.DESK, now=rows.NOW)
    for copy in (first, second):
        row = Transfer.objects.get(copy=copy)
        assert both.post(reverse("transfer-gone", args=[row.pk]), {"key": copy.barcode}).status_code == 303
    assert {row.copy_id: row.state for row in Transfer.objects.all()} == {first.pk: "cancelled", second.pk: "lost"}


def test_only_a_journey_that_is_late_can_be_given_up(both, here, there):
    copy = wanted(here, there, now=rows.NOW - timedelta(days=9))
    transfers.scan(barcode=copy.barcode, library_id=there.pk, by=steps.DESK, now=rows.NOW)
    address = reverse("transfer-gone", args=[Transfer.objects.get().pk])
    assert address in page(both, here.library).content.decode()
    Transfer.objects.update(expected_on=rows.day("2100-01-01"))
    assert address not in page(both, here.library).content.decode()


def test_other_libraries_are_nobodys_business(client, here, there):
    client.force_login(rows.staff(rows.library()))
    wanted(here, there)
    row = Transfer.objects.get()
    assert page(client, there).status_code == 404
    assert client.post(reverse("transfer-gone", args=[row.pk]), {"key": "k"}).status_code == 404
    assert client.get(reverse("transfers")).status_code == 302  # to a library of one's own


def test_a_patron_reads_where_the_book_comes_from(client, here, there):
    copy = rows.copy(at=there)
    reader = rows.patron(here.library, pin="482915")
    rows.reserve(reader, copy.title, at=here)
    client.force_login(reader.account)
    shown = client.get(reverse("my")).content.decode()
    assert there.name_en in shown or there.name_ko in shown


def test_the_returns_desk_says_where_a_book_is_to_be_sent(both, here, there):
    lender = rows.point(there)
    copy = rows.copy(at=there)
    loans.check_out(copy_id=copy.pk, patron_id=rows.patron(there).pk, library_id=there.pk, by=steps.DESK, now=rows.NOW)
    rows.reserve(rows.patron(here.library), copy.title, at=here)
    address = f"{reverse('returns')}?point={lender.pk}"
    shown = both.post(address, {"barcode": copy.barcode, "key": "k"}, follow=True)
    assert shown.context["last"].goes_to == here.library
    assert Transfer.objects.get().from_library == there


def test_a_long_page_asks_no_more_often(both, here, there, django_assert_max_num_queries):
    for _ in range(3):
        wanted(here, there)
    page(both, there)
    with CaptureQueriesContext(connection) as few:
        page(both, there)
    for _ in range(6):
        wanted(here, there)
    with django_assert_max_num_queries(len(few)):
        page(both, there)


def test_the_api_lists_and_scans(here, there):
    copy = wanted(here, there)
    desk = api.librarian(there)
    (row,) = desk.get("transfers", state="requested")["results"]
    assert (row["barcode"], row["from_library"], row["to_library"]) == (copy.barcode, there.code, here.library.code)
    assert desk.post("transfers", {"barcode": copy.barcode})["state"] == "sent"
    refused = desk.post("transfers", {"barcode": rows.copy(at=there).barcode}, status=409)
    assert refused["code"] == "nothing_to_send"
