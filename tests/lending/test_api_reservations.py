"""Reservations, loans and returns through API v1."""

from __future__ import annotations

import pytest

from core.models import Access, Journal
from lending import loans
from lending.models import Loan, Reservation
from tests import api, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def point():
    return rows.point()


def lent(who, point):
    """A book on loan to somebody."""
    copy = rows.copy(at=point.library)
    return loans.check_out(copy_id=copy.pk, patron_id=who.pk, library_id=point.library_id, by=rows.RULE, now=rows.NOW)


def test_a_patron_reserves_sees_and_cancels(point) -> None:
    _who, mine = api.patron(home=point.library)
    copy = rows.copy(at=point.library)
    made = mine.post("reservations", {"title": copy.title_id, "pickup_point": point.pk}, 201)
    assert (made["state"], made["title"]["id"], made["why_waiting"]) == ("allocated", copy.title_id, "")
    assert made["placed_at"].endswith("+09:00")
    assert made["barcode"] is None
    assert [row["id"] for row in mine.get("reservations")["results"]] == [made["id"]]
    assert mine.get("reservations", state="waiting")["results"] == []
    assert mine.post(f"reservations/{made['id']}/cancel")["state"] == "cancelled"
    assert mine.post(f"reservations/{made['id']}/cancel", status=409)["code"] == "not_in_this_state"
    assert Journal.objects.filter(noun="lending.reservation", became="cancelled").get().principal == "patron"


def test_who_waits_is_told_why_and_at_which_place(point) -> None:
    copy = rows.copy(at=point.library)
    _first, one = api.patron(home=point.library)
    _second, two = api.patron(home=point.library)
    _third, three = api.patron(home=point.library)
    body = {"title": copy.title_id, "pickup_point": point.pk}
    one.post("reservations", body, 201)
    assert two.post("reservations", body, 201)["position"] == 1
    waits = three.post("reservations", body, 201)
    assert (waits["state"], waits["position"], waits["why_waiting"]) == ("waiting", 2, "lent")


def test_the_same_request_again_gets_the_same_answer(point) -> None:
    _who, mine = api.patron(home=point.library)
    copy = rows.copy(at=point.library)
    body = {"title": copy.title_id, "pickup_point": point.pk}
    first = mine.post("reservations", body, 201, key="tap")
    assert mine.post("reservations", body, 201, key="tap") == first
    assert Reservation.objects.count() == 1
    assert mine.post("reservations", {**body, "volume": "2"}, 422, key="tap")["code"] == "idempotency_mismatch"
    assert mine.post("reservations", body, 400, key=None)["code"] == "idempotency_key_required"
    assert mine.post("reservations", body, 409, key="other")["code"] == "already_reserved"


def test_staff_reserve_for_a_patron_and_see_barcodes_and_the_look_is_noted(point) -> None:
    who = rows.patron(point.library)
    desk = api.librarian(point.library)
    copy = rows.copy(at=point.library)
    body = {"title": copy.title_id, "pickup_point": point.pk}
    assert desk.post("reservations", body, 400)["field"] == "card_number"
    made = desk.post("reservations", {**body, "card_number": who.card_number}, 201)
    assert made["barcode"] == copy.barcode
    assert not Access.objects.exists()
    assert [row["id"] for row in desk.get("reservations", card_number=who.card_number)["results"]] == [made["id"]]
    assert Access.objects.get().about == f"patron:{who.pk}"
    assert desk.post("reservations", {**body, "card_number": "99999999"}, 404)["code"] == "unknown_card"


def test_a_patron_cannot_name_another_card(point) -> None:
    other = rows.patron(point.library)
    _who, mine = api.patron(home=point.library)
    copy = rows.copy(at=point.library)
    body = {"title": copy.title_id, "pickup_point": point.pk, "card_number": other.card_number}
    assert mine.post("reservations", body, 400)["field"] == "card_number"
    assert mine.get("loans", 400, card_number=other.card_number)["field"] == "card_number"


def test_a_reservation_of_somebody_else_does_not_exist(point) -> None:
    who = rows.patron(point.library)
    copy = rows.copy(at=point.library)
    [row] = rows.reserve(who, copy.title, at=point)
    _other, stranger = api.patron(home=point.library)
    elsewhere = api.librarian(rows.library())
    unknown = stranger.post("reservations/999999999/cancel", status=404)
    assert stranger.post(f"reservations/{row.pk}/cancel", status=404) == unknown
    assert elsewhere.post(f"reservations/{row.pk}/cancel", status=404) == unknown
    assert stranger.get("reservations")["results"] == elsewhere.get("reservations")["results"] == []
    assert api.librarian(point.library).post(f"reservations/{row.pk}/cancel")["state"] == "cancelled"


def test_a_loan_is_seen_renewed_and_taken_back_once(point) -> None:
    who, mine = api.patron(home=point.library)
    desk = api.librarian(point.library)
    loan = lent(who, point)
    [seen] = mine.get("loans")["results"]
    assert (seen["id"], seen["state"], seen["barcode"]) == (loan.pk, "out", loan.copy.barcode)
    returned = desk.post("returns", {"barcode": loan.copy.barcode})
    assert (returned["loan"]["state"], returned["next"]) == ("returned", None)
    twice = desk.post("returns", {"barcode": loan.copy.barcode}, 409)
    assert (twice["code"], twice["facts"]["library"]) == ("not_on_loan", point.library.code)
    assert point.library.name_ko in twice["detail"]
    assert twice["facts"]["at"] in twice["detail"]
    assert desk.post("returns", {"barcode": "nothing"}, 404)["code"] == "unknown_barcode"
    assert desk.post(f"loans/{loan.pk}/undo-return")["state"] == "out"
    assert Loan.objects.get(pk=loan.pk).returned_at is None


def test_a_loan_is_renewed_by_its_patron(point) -> None:
    from core import clock

    who, mine = api.patron(home=point.library)
    copy = rows.copy(at=point.library)
    loan = loans.check_out(
        copy_id=copy.pk, patron_id=who.pk, library_id=point.library_id, by=rows.RULE, now=clock.now()
    )
    renewed = mine.post(f"loans/{loan.pk}/renew")
    assert renewed["renewals"] == 1
    assert renewed["due_on"] > loan.due_on.isoformat()
    assert mine.post(f"loans/{loan.pk}/renew", status=409)["facts"]["why"] == "used_up"
    _other, stranger = api.patron(home=point.library)
    stranger.post(f"loans/{loan.pk}/renew", status=404)


def test_a_returned_book_goes_to_the_next_in_line(point) -> None:
    who, _mine = api.patron(home=point.library)
    _waiting, theirs = api.patron(home=point.library)
    loan = lent(who, point)
    made = theirs.post("reservations", {"title": loan.copy.title_id, "pickup_point": point.pk}, 201)
    returned = api.librarian(point.library).post("returns", {"barcode": loan.copy.barcode})
    assert returned["next"] == {"reservation": made["id"], "pickup_point": point.pk}
    assert theirs.get("reservations")["results"][0]["state"] == "allocated"


def test_only_staff_take_back_and_undo(point) -> None:
    who, mine = api.patron(home=point.library)
    loan = lent(who, point)
    assert mine.post("returns", {"barcode": loan.copy.barcode}, 403)["code"] == "staff_only"
    api.librarian(point.library).post("returns", {"barcode": loan.copy.barcode})
    assert mine.post(f"loans/{loan.pk}/undo-return", status=403)["code"] == "staff_only"
    api.librarian(rows.library()).post(f"loans/{loan.pk}/undo-return", status=404)


def test_who_works_in_two_libraries_says_in_which(point) -> None:
    account = rows.staff(point.library)
    from lending.models import Membership

    Membership.objects.create(account=account, library=rows.library())
    desk = api.signed_in(account)
    loan = lent(rows.patron(point.library), point)
    assert desk.post("returns", {"barcode": loan.copy.barcode}, 400)["field"] == "library"
    desk.post("returns", {"barcode": loan.copy.barcode, "library": rows.library().code}, 404)
    desk.post("returns", {"barcode": loan.copy.barcode, "library": point.library.code})


@pytest.mark.parametrize("value", [0, -1, 1e9, 1.5, "1", True, None, [], {}, 2**63, 10**30])
def test_an_id_that_is_none_is_refused_with_its_field(point, value) -> None:
    _who, mine = api.patron(home=point.library)
    said = mine.post("reservations", {"title": value, "pickup_point": point.pk}, 400)
    assert (said["code"], said["field"]) == ("invalid", "title")


@pytest.mark.parametrize("name", ["state", "patron_id", "library_id", "patron", "copy", "__class__", "placed_at"])
def test_a_field_that_nobody_asked_for_is_refused(point, name) -> None:
    _who, mine = api.patron(home=point.library)
    copy = rows.copy(at=point.library)
    said = mine.post("reservations", {"title": copy.title_id, "pickup_point": point.pk, name: 1}, 400)
    assert (said["code"], said["field"]) == ("unknown_field", name)
    assert not Reservation.objects.exists()


def test_a_point_that_takes_no_orders_or_does_not_exist(point) -> None:
    _who, mine = api.patron(home=point.library)
    copy = rows.copy(at=point.library)
    closed = rows.point(point.library, open=False)
    assert mine.post("reservations", {"title": copy.title_id, "pickup_point": closed.pk}, 409)["code"] == (
        "pickup_point_closed"
    )
    said = mine.post("reservations", {"title": copy.title_id, "pickup_point": 999_999_999}, 404)
    assert (said["code"], said["field"]) == ("unknown_pickup_point", "pickup_point")
    said = mine.post("reservations", {"title": 999_999_999, "pickup_point": point.pk}, 404)
    assert said["code"] == "unknown_title"
