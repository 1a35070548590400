"""The page of one reservation, for its reader and for the librarian who speaks with them; and the same for programs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core import clock
from core.actor import RULE
from core.models import Access, Journal
from lending import loans, reservations, wishes
from lending.models import Reservation
from tests import api, rows

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def point():
    return rows.point()


def today():
    return clock.now().astimezone(rows.SEOUL).date()


def lent(at):
    """A copy that somebody else has at home."""
    copy = rows.copy(at=at.library)
    other = rows.patron(at.library)
    loans.check_out(copy_id=copy.pk, patron_id=other.pk, library_id=at.library_id, by=RULE, now=clock.now())
    return copy


def waiting(who, at, copy=None):
    (row,) = rows.reserve(who, (copy or lent(at)).title, at=at, now=clock.now())
    return row


@pytest.fixture
def reader(client, point):
    who = rows.patron(point.library, pin=rows.PIN)
    client.force_login(who.account)
    return who


def press(client, row, act, name="reservation-act", ask="", **said):
    address = reverse(name, args=[row.pk, act]) + ask
    return client.post(address, {"key": f"k{rows.serial()}", **said}, follow=True)


def again(row):
    return Reservation.objects.get(pk=row.pk)


def test_my_page_leads_to_what_can_be_changed(client, reader, point):
    row = waiting(reader, point)
    assert reverse("reservation", args=[row.pk]) in client.get(reverse("my")).content.decode()
    shown = client.get(reverse("reservation", args=[row.pk]), headers={"Accept-Language": "en"})
    assert "number 1 in line" in shown.content.decode()
    assert shown.context["wish"].turn is not None


def test_a_reader_pauses_and_waits_again(client, reader, point):
    row = waiting(reader, point)
    shown = press(client, row, "suspend", until=(today() + 5 * DAY).isoformat())
    assert shown.status_code == 200
    assert again(row).state == "suspended"
    press(client, row, "resume")
    assert (again(row).state, again(row).suspended_until) == ("waiting", None)
    moves = Journal.objects.filter(noun="lending.reservation", row=row.pk)
    assert [(move.became, move.principal, move.channel) for move in moves.order_by("id")] == [
        ("waiting", "patron", "web"),
        ("suspended", "patron", "web"),
        ("waiting", "patron", "web"),
    ]


def test_a_reader_says_until_when_and_is_told_when_that_was(client, reader, point):
    row = waiting(reader, point)
    press(client, row, "need", until=today().isoformat())
    assert again(row).needed_until == today()
    press(client, row, "need", until="")
    assert again(row).needed_until is None
    press(client, row, "need", until=today().isoformat())
    Reservation.objects.filter(pk=row.pk).update(needed_until=today() - DAY)
    assert wishes.expire_due(now=clock.now()) == 1
    page = client.get(reverse("my"), headers={"Accept-Language": "en"}).content.decode()
    assert "so it was called off" in page


def test_a_reader_collects_elsewhere(client, reader, point):
    door = rows.point(point.library, layout="door")
    row = waiting(reader, point, rows.copy(at=point.library))
    press(client, row, "point", point=door.pk)
    assert (again(row).pickup_point, again(row).state) == (door, "allocated")


def test_a_reader_waits_no_more(client, reader, point):
    row = waiting(reader, point)
    assert press(client, row, "cancel").redirect_chain[0][0] == reverse("my")
    assert again(row).state == "cancelled"


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("suspend", {"until": ""}),
        ("suspend", {"until": "tomorrow"}),
        ("suspend", {"until": "0000-00-00"}),
        ("suspend", {"until": "9999-12-31"}),
        ("need", {"until": "2020-01-01"}),
        ("point", {"point": "x"}),
        ("point", {"point": "9" * 30}),
        ("nothing", {}),
    ],
)
def test_what_cannot_be_is_refused_in_words(act, said, client, reader, point):
    row = waiting(reader, point)
    assert 400 <= press(client, row, act, **said).status_code < 500
    assert again(row).state == "waiting"


@pytest.mark.lawless("I2", why="a book is bagged without an order")
def test_what_lies_in_a_bag_can_only_be_looked_at(client, reader, point):
    row = waiting(reader, point, rows.copy(at=point.library))
    reservations.bag(reservation_ids=[row.pk], by=RULE, now=clock.now())
    shown = client.get(reverse("reservation", args=[row.pk]))
    assert not shown.context["free"]
    assert press(client, row, "point", point=rows.point(point.library).pk).status_code == 409


def test_somebody_elses_reservation_is_nobodys(client, reader, point):
    other = waiting(rows.patron(point.library), point)
    assert client.get(reverse("reservation", args=[other.pk])).status_code == 404
    assert press(client, other, "cancel").status_code == 404


def test_my_page_asks_as_often_for_many_reservations_as_for_few(client, reader, point):
    def count():
        with CaptureQueriesContext(connection) as asked:
            client.get(reverse("my"))
        return len(asked)

    waiting(reader, point)
    few = count()
    for _ in range(3):
        waiting(reader, point)
    assert count() == few


# For a caller


@pytest.fixture
def desk(client, point):
    account = rows.staff(point.library)
    client.force_login(account)
    return account


def test_a_librarian_does_the_same_for_a_caller(client, desk, point):
    who = rows.patron(point.library)
    row, ask = waiting(who, point), f"?point={point.pk}"
    card = client.get(reverse("patron", args=[who.pk]) + ask)
    assert reverse("staff-reservation", args=[row.pk]) in card.content.decode()
    assert client.get(reverse("staff-reservation", args=[row.pk]) + ask).status_code == 200
    assert Access.objects.filter(about=f"patron:{who.pk}", purpose="reservations").exists()
    press(client, row, "suspend", "staff-reservation-act", ask, until=(today() + DAY).isoformat())
    assert again(row).state == "suspended"
    press(client, row, "resume", "staff-reservation-act", ask)
    door = rows.point(point.library, layout="door")
    press(client, row, "point", "staff-reservation-act", ask, point=door.pk)
    press(client, row, "need", "staff-reservation-act", ask, until=today().isoformat())
    assert (again(row).state, again(row).pickup_point, again(row).needed_until) == ("waiting", door, today())
    press(client, row, "cancel", "staff-reservation-act", ask)
    last = Journal.objects.filter(noun="lending.reservation", row=row.pk).latest("id")
    assert (last.became, last.principal, last.channel) == ("cancelled", f"staff:{desk.pk}", "desk")


def test_a_librarian_of_other_programmes_learns_nothing(client, point):
    row, other = waiting(rows.patron(point.library), point), rows.point()
    client.force_login(rows.staff(other.library))
    assert client.get(reverse("staff-reservation", args=[row.pk]) + f"?point={other.pk}").status_code == 404
    assert press(client, row, "cancel", "staff-reservation-act", f"?point={other.pk}").status_code == 404


# Programs


def test_programs_do_it_too(point):
    who, mine = api.patron(home=point.library)
    row = waiting(who, point)
    until = (today() + 3 * DAY).isoformat()
    paused = mine.post(f"reservations/{row.pk}/suspend", {"until": until})
    assert (paused["state"], paused["suspended_until"], paused["position"]) == ("suspended", until, None)
    again_in_line = mine.post(f"reservations/{row.pk}/resume")
    assert (again_in_line["state"], again_in_line["suspended_until"], again_in_line["position"]) == ("waiting", None, 1)
    assert mine.post(f"reservations/{row.pk}/needed", {"until": until})["needed_until"] == until
    assert mine.post(f"reservations/{row.pk}/needed", {"until": None})["needed_until"] is None
    door = rows.point(point.library, layout="door")
    assert mine.post(f"reservations/{row.pk}/pickup-point", {"pickup_point": door.pk})["pickup_point"] == door.pk
    assert mine.get(f"reservations/{row.pk}")["expected_on"] is not None
    assert mine.post(f"reservations/{row.pk}/suspend", {"until": "2026-02-30"}, 400)["field"] == "until"
    assert mine.post(f"reservations/{row.pk}/suspend", {}, 400)["field"] == "until"
    assert mine.post(f"reservations/{row.pk}/resume", status=409)["code"] == "not_in_this_state"
    stranger = api.patron(home=point.library)[1]
    for act in ("suspend", "resume", "needed", "pickup-point"):
        body = {"until": until} if act in {"suspend", "needed"} else {"pickup_point": door.pk} if "-" in act else {}
        assert stranger.post(f"reservations/{row.pk}/{act}", body, 404)["code"] == "not_found"
    assert stranger.get(f"reservations/{row.pk}", 404)["code"] == "not_found"


def test_a_program_says_while_asking_until_when_a_book_is_of_use(point):
    who, mine = api.patron(home=point.library)
    title = lent(point).title
    until = (today() + 9 * DAY).isoformat()
    row = mine.post("reservations", {"title": title.pk, "pickup_point": point.pk, "needed_until": until}, 201)
    assert row["needed_until"] == until
    said = {"title": rows.copy(at=point.library).title_id, "pickup_point": point.pk, "needed_until": "2020-01-01"}
    assert mine.post("reservations", said, 400)["field"] == "needed_until"
    assert Reservation.objects.filter(patron=who).count() == 1


@pytest.mark.lawless("I2", why="a book is bagged without an order")
def test_what_is_in_a_bag_is_refused_to_programs_by_its_name(point):
    who, mine = api.patron(home=point.library)
    row = waiting(who, point, rows.copy(at=point.library))
    reservations.bag(reservation_ids=[row.pk], by=RULE, now=clock.now())
    other = rows.point(point.library)
    said = mine.post(f"reservations/{row.pk}/pickup-point", {"pickup_point": other.pk}, 409)
    assert said["code"] == "in_an_order"


# Said while ordering


def test_the_last_day_is_said_while_ordering(point):
    _who, mine = api.patron(home=point.library)
    copy = rows.copy(at=point.library)
    rows.reserve(rows.patron(point.library), copy.title, at=point)  # somebody else has it
    until = (today() + 3 * DAY).isoformat()
    body = {"pickup_point": point.pk, "items": [{"title": copy.title_id}]}
    asked = mine.post("orders", {**body, "needed_until": until}, 201)
    assert asked["reservations"][0]["needed_until"] == until
    for wrong in ((today() - DAY).isoformat(), "soon"):
        assert mine.post("orders", {**body, "needed_until": wrong}, 400)["field"] == "needed_until"


def test_the_list_asks_until_when_what_is_not_there_is_needed(client, point):
    reader = rows.patron(point.library, pin=rows.PIN)
    client.post("/sign-in/", {"card_number": reader.card_number, "pin": rows.PIN})
    here, gone = rows.copy(at=point.library), rows.copy(at=point.library)
    client.post("/ask/note/", {"title": here.title_id})
    assert 'name="needed_until"' not in client.get("/ask/").content.decode()  # nothing is waited for
    rows.reserve(rows.patron(point.library), gone.title, at=point)
    client.post("/ask/note/", {"title": gone.title_id})
    assert 'name="needed_until"' in client.get("/ask/").content.decode()
    sent = {"key": "k1", "point": point.pk, "who": "me"}
    late = client.post("/ask/", {**sent, "needed_until": (today() - DAY).isoformat()})
    assert (late.status_code, bool(late.context["form"].errors["needed_until"])) == (400, True)
    assert client.post("/ask/", {**sent, "needed_until": today().isoformat()}).status_code == 303
    assert {row.needed_until for row in Reservation.objects.filter(patron=reader)} == {today()}


def test_a_caller_says_it_too(client, desk, point):
    who, copy = rows.patron(point.library), rows.copy(at=point.library)
    rows.reserve(rows.patron(point.library), copy.title, at=point)
    address = f"{reverse('phone-order', args=[who.pk])}?point={point.pk}&item={copy.title_id}:"
    contact = who.contacts.get()
    sent = {"key": "p1", "who": contact.pk, "needed_until": today().isoformat()}
    assert client.post(address, sent).status_code == 303
    assert Reservation.objects.get(patron=who).needed_until == today()
