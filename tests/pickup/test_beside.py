"""Beside another system: the window, the returns desk and the page of what it still has to be told."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from core import clock
from core.models import Access
from lending import postings
from lending.models import Copy, Loan, Posting
from lending.reservations import Item
from notifications.models import Message
from pickup import lane, orders, returns
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def place():
    """A drive lane of a library whose loans are kept elsewhere."""
    return rows.point(rows.library(circulation="beside"), rules={"by_appointment": False})


@pytest.fixture
def desk(place):
    """The browser of a librarian there."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(rows.staff(place.library))
    return client


def key() -> dict[str, str]:
    return {"key": uuid4().hex}


def ready(place, books=2):
    now = clock.now()
    return steps.ready(steps.asked(rows.patron(place.library), place, books=books, now=now), now=now)


def served(place, order):
    return lane.serve(point_id=place.pk, order_number=order.number, by=DESK, now=clock.now())


def told() -> list[tuple[str, str]]:
    return [(row.kind, row.state) for row in Posting.objects.order_by("pk")]


def test_a_bag_is_handed_over_and_undone_within_ten_minutes(place):
    order = ready(place)
    handed = served(place, order)
    assert [(one.loan_id, one.reason, one.due_on) for one in handed.given] == [(None, "", "")] * 2
    assert all(one.posting_id for one in handed.given)
    assert (steps.again(order).state, Loan.objects.count()) == ("handed_over", 0)
    assert told() == [("check_out", "pending")] * 2
    assert Message.objects.get(template="given").state == "queued"  # without a due date: the other system says it
    lane.undo(visit_id=handed.visit.pk, by=DESK, now=clock.now())
    assert (steps.again(order).state, told()) == ("ready", [("check_out", "cancelled")] * 2)
    assert set(Copy.objects.values_list("state", flat=True)) == {"bag"}
    served(place, order)
    assert told()[2:] == [("check_out", "pending")] * 2


def test_a_book_that_came_back_meanwhile_stays_given_when_the_hand_over_is_undone(place):
    order = ready(place)
    handed = served(place, order)
    first = handed.given[0].copy
    returns.check_in(barcode=first.barcode, library_id=place.library_id, by=DESK, now=clock.now())
    lane.undo(visit_id=handed.visit.pk, by=DESK, now=clock.now())
    assert sorted(line.state for line in steps.again(order).lines.all()) == ["given", "packed"]


def test_a_book_that_is_kept_back_is_not_told(place):
    order = ready(place)
    barcode = order.lines.order_by("pk").first().copy.barcode
    handed = lane.serve(
        point_id=place.pk,
        order_number=order.number,
        orders=[lane.HandOver(order.number, {barcode: "not_wanted"})],
        by=DESK,
        now=clock.now(),
    )
    assert sorted(one.reason for one in handed.given) == ["", "not_wanted"]
    assert told() == [("check_out", "pending")]


def test_the_window_takes_any_book_back_that_is_in_no_bag(place, desk):
    copy = rows.copy(at=place.library)  # on the shelf, as we guess; lent there, in truth
    page = desk.get(f"/staff/lane/?point={place.pk}&number={copy.barcode}")
    assert (page.context["shown"].kind, page.context["shown"].just_now) == ("on_loan", "")
    sent = desk.post(f"/staff/lane/take-back/?point={place.pk}", {**key(), "barcode": copy.barcode})
    shown = desk.get(sent.url)
    assert [one.barcode for one in shown.context["back"]] == [copy.barcode]
    [posting] = Posting.objects.all()
    undone = desk.post(f"/staff/lane/keep-on-loan/{posting.pk}/?point={place.pk}", key())
    assert undone.status_code == 303
    assert (told(), Copy.objects.get().state) == ([("check_in", "cancelled")], "loan")


def test_a_book_that_went_out_a_moment_ago_is_not_taken_for_one_that_came_back(place, desk):
    order = ready(place, books=1)
    served(place, order)
    page = desk.get(f"/staff/lane/?point={place.pk}&number={order.lines.get().copy.barcode}")
    assert page.context["shown"].just_now == order.shown


def test_the_returns_desk_takes_known_and_unknown_books_and_undoes(place, desk):
    copy = rows.copy(at=place.library)
    address = f"/staff/returns/?point={place.pk}"
    known = desk.get(desk.post(address, {**key(), "barcode": copy.barcode}).url)
    assert known.context["last"].copy == copy
    unknown = desk.get(desk.post(address, {**key(), "barcode": "KOLAS0000017"}).url)
    assert (unknown.context["last"].copy, unknown.context["last"].barcode) == (None, "KOLAS0000017")
    assert "not in our list" in unknown.content.decode()
    assert [scan.barcode for scan in unknown.context["scans"]] == ["KOLAS0000017", copy.barcode]
    for scan in unknown.context["scans"]:
        desk.post(f"/staff/loans/{scan.return_id}/undo-return/?point={place.pk}", key())
    assert told() == [("check_in", "cancelled")] * 2
    assert desk.get(address).context["scans"] == []
    assert desk.post(address, {**key(), "barcode": "4721"}).status_code == 404


def test_a_return_that_filled_a_bag_is_undone_with_its_line_and_an_older_line_stays(place):
    now = clock.now()
    copy = rows.copy(at=place.library)
    copy.move("loan", at=now, by=DESK)
    [waits] = rows.reserve(rows.patron(place.library), copy.title, at=place, now=now)
    posting = returns.check_in(barcode=copy.barcode, library_id=place.library_id, by=DESK, now=now).posting
    [order] = orders.assemble(now=now)
    returns.undo_posted(posting_id=posting.pk, by=DESK, now=now + timedelta(minutes=1))
    waits.refresh_from_db()
    assert (waits.state, steps.again(order).state) == ("waiting", "cancelled")

    listed = steps.asked(rows.patron(place.library), place, now=now)  # is on a list, and lent there in truth
    line = listed.lines.get()
    later = now + timedelta(minutes=2)
    posting = returns.check_in(barcode=line.copy.barcode, library_id=place.library_id, by=DESK, now=later).posting
    returns.undo_posted(posting_id=posting.pk, by=DESK, now=later)
    line.refresh_from_db()
    assert (line.state, line.copy.state) == ("to_pick", "loan")


def test_a_return_of_another_library_is_not_undone_here(place, desk):
    elsewhere = rows.library(circulation="beside")
    back = returns.check_in(barcode=rows.copy(at=elsewhere).barcode, library_id=elsewhere.pk, by=DESK, now=clock.now())
    assert desk.post(f"/staff/loans/{back.posting.pk}/undo-return/?point={place.pk}", key()).status_code == 404
    assert told() == [("check_in", "pending")]


def test_what_was_handed_over_is_entered_one_by_one_refused_or_put_into_a_file(place, desk):
    order = ready(place, books=3)
    served(place, order)
    address = f"/staff/postings/?point={place.pk}"
    first, second, third = desk.get(address).context["pending"]
    for act, said in (("done", {}), ("refuse", {"reason": "card"})):
        row = first if act == "done" else second
        sent = desk.post(f"/staff/postings/{row.pk}/{act}/?point={place.pk}", {**key(), **said})
        assert sent.status_code == 303
    desk.post(f"/staff/postings/export/?point={place.pk}", key())
    page = desk.get(address)
    [(name, rows_of_file)] = page.context["files"]
    assert (page.context["pending"], rows_of_file, page.context["refused"]) == ([], [third], [second])
    assert "solve it in the patron" in page.content.decode()
    assert page.context["counts"]["tell"] == 2
    desk.post(f"/staff/postings/files/{name}/done/?point={place.pk}", key())
    desk.post(f"/staff/postings/{second.pk}/done/?point={place.pk}", key())
    assert [state for _kind, state in told()] == ["done"] * 3
    assert "knows everything" in desk.get(address).content.decode()
    assert Access.objects.filter(about=f"patron:{order.patron_id}", purpose="postings").exists()


def test_the_file_opens_in_korean_excel_and_no_cell_is_a_formula(place, desk):
    title = rows.title(title='=HYPERLINK("http://example.invalid","책")')
    who = rows.patron(place.library)
    now = clock.now()
    rows.copy(title, place.library, barcode="EM7000000001")
    requested = orders.request(patron_id=who.pk, point_id=place.pk, items=[Item(title.pk)], by=DESK, now=now)
    assert requested.order is not None
    served(place, steps.ready(requested.order, now=now))
    desk.post(f"/staff/postings/export/?point={place.pk}", key())
    [(name, _rows)] = desk.get(f"/staff/postings/?point={place.pk}").context["files"]
    file = desk.get(f"/staff/postings/files/{name}.csv?point={place.pk}", headers={"accept-language": "ko"})
    assert file.content.startswith(b"\xef\xbb\xbf")
    assert "attachment" in file.headers["Content-Disposition"]
    [_head, line] = csv.reader(io.StringIO(file.content.decode("utf-8-sig")))
    assert line[2:] == [who.card_number, "EM7000000001", '\'=HYPERLINK("http://example.invalid","책")']


def test_what_another_library_has_to_tell_is_not_seen_or_settled_here(place, desk):
    other = rows.point(rows.library(circulation="beside"), rules={"by_appointment": False})
    served(other, ready(other))
    name = postings.export(library_id=other.library_id, by=DESK, now=clock.now())
    [one, _two] = Posting.objects.order_by("pk")
    assert desk.get(f"/staff/postings/?point={place.pk}").context["files"] == []
    assert desk.get(f"/staff/postings/files/{name}.csv?point={place.pk}").status_code == 404
    for path in (f"{one.pk}/done", f"files/{name}/done", f"files/{name}/drop", f"{one.pk}/eat"):
        assert desk.post(f"/staff/postings/{path}/?point={place.pk}", key()).status_code == 404
    assert {state for _kind, state in told()} == {"pending"}


def test_what_is_to_be_told_stands_on_the_first_page_and_in_the_figures(place, desk):
    served(place, ready(place))
    glance = desk.get(f"/staff/?point={place.pk}")
    assert "loans and returns to enter in the other system" in glance.content.decode()
    figures = Client().get("/metrics").content.decode()
    assert 'lending_waiting_rows{handoff="posting_to_tell"} 2.0' in figures


# The list of a day


def listed(*lines: str) -> SimpleUploadedFile:
    head = "대출자번호,이용자명,휴대폰번호,등록번호,청구기호,서명,비고\n"
    return SimpleUploadedFile("내일.csv", (head + "".join(f"{line}\n" for line in lines)).encode("cp949"))


ONE, TWO = "2100000001,김하늘,010-0000-0001,EM01,813.7 한31ㅅ,소년이 온다,", "2100000002,이바다,,EM02,813 박14ㅌ,토지,"


def day_of(page) -> str:
    return str(page.context["form"].initial["day"].isoformat())


def test_a_list_is_looked_at_and_then_bags_are_made_of_it(place, desk):
    address = f"/staff/day-list/?point={place.pk}"
    day = day_of(desk.get(address))
    look = desk.post(address, {**key(), "file": listed(ONE, TWO), "day": day, "step": "look"})
    assert (look.status_code, look.context["result"].bags, look.context["listed"].unknown) == (200, 2, ["비고"])
    assert "CP949" in look.content.decode()
    assert not Posting.objects.exists()
    assert not Copy.objects.exists()
    sent = {**key(), "content": look.context["content"], "day": day, "step": "keep"}
    kept = desk.post(address, sent)
    assert (kept.status_code, kept.url) == (303, f"/staff/pull-list/?point={place.pk}")
    assert desk.post(address, sent).status_code == 303  # a second tap
    assert sorted(Copy.objects.values_list("barcode", flat=True)) == ["EM01", "EM02"]
    again = desk.post(address, {**key(), "file": listed(ONE, TWO), "day": day, "step": "look"})
    assert (again.context["result"].bags, again.context["result"].same) == (0, 2)


def test_bad_lines_are_shown_and_left_out_only_if_that_is_said(place, desk):
    address = f"/staff/day-list/?point={place.pk}"
    day = day_of(desk.get(address))
    look = desk.post(
        address, {**key(), "file": listed(ONE, "x,y,z,EM03,,"), "day": day, "step": "look", "packed": "on"}
    )
    assert [one.line for one in look.context["bad"]] == [3]
    sent = {"content": look.context["content"], "day": day, "step": "keep", "packed": "on"}
    assert desk.post(address, {**key(), **sent}).status_code == 200  # shown again, nothing kept
    assert not Copy.objects.exists()
    kept = desk.post(address, {**key(), **sent, "skip_bad": "1"})
    assert kept.url == f"/staff/shelf/?point={place.pk}"
    assert Copy.objects.get().state == "bag"


def test_what_is_no_list_is_refused_beside_the_form(place, desk):
    address = f"/staff/day-list/?point={place.pk}"
    day = day_of(desk.get(address))
    for sent in (
        {"file": SimpleUploadedFile("a.xlsx", b"PK\x03\x04..")},
        {"file": SimpleUploadedFile("a.csv", b"x" * 700_000)},
        {"file": SimpleUploadedFile("a.csv", b"a,b\n1,2\n")},
        {"content": "not base 64"},
        {"content": ""},
        {"file": listed(ONE), "day": "2001-01-01"},
        {"file": listed(ONE), "map": "nowhere"},
    ):
        page = desk.post(address, {**key(), "day": day, "step": "look", **sent})
        assert (page.status_code, "result" in page.context) == (400, False), sent
    own = rows.point()
    desk.force_login(rows.staff(own.library))
    for name in ("day-list", "postings"):
        told = desk.get(f"/staff/{name}/?point={own.pk}")
        assert (told.status_code, b'data-code="not_beside"' in told.content) == (200, True)
    sent = {**key(), "day": day, "step": "look", "file": listed(ONE)}
    assert desk.post(f"/staff/day-list/?point={own.pk}", sent).status_code == 409
