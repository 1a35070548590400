"""A day's list of another system: bags of it, in an empty catalogue; and a whole day of sixty orders."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from core.models import Journal
from lending import day_lists, postings, search, sheets
from lending.errors import NotBeside
from lending.models import Contact, Copy, ListedCopy, Loan, Patron, Posting, Title
from notifications.models import Message
from pickup import day_lists as lists
from pickup import lane, packing, posting_pages, returns
from pickup.models import Order, OrderLine, Slot
from tests import rows
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db

TODAY = rows.day("2026-11-24")
TOMORROW = rows.day("2026-11-25")
HEAD = ["대출자번호", "이용자명", "휴대폰번호", "등록번호", "청구기호", "서명"]


@pytest.fixture
def place():
    """A drive lane of a library whose loans are kept elsewhere, and nothing in the catalogue."""
    return rows.point(rows.library(circulation="beside"), rules={"by_appointment": False})


def line(card: int, book: int, **other: str) -> list[str]:
    told = {
        "card": f"21{card:08d}",
        "name": f"회원 {card}",
        "phone": f"010-0000-{card:04d}",
        "barcode": f"EM{book:010d}",
        "call_number": f"813.7 한31ㅅ {book}",
        "title": f"토지 {book}",
    }
    return list({**told, **other}.values())


def text(*lines: list[str]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerows([HEAD, *lines])
    return written.getvalue().encode("cp949")


def take(place, *lines: list[str], now: Any, **more: Any) -> lists.TakenOver:
    listed = day_lists.read(sheets.read(text(*lines)), day_lists.saved_maps().values(), region="KR")
    return lists.take_over(listed=listed, point=place, by=DESK, now=now, **{"day": TOMORROW, **more})


def reasons(result: lists.TakenOver) -> list[tuple[int, str]]:
    return [(one.line, one.reason) for one in result.bad]


def test_a_list_makes_bags_to_pack_in_an_empty_catalogue(place, now):
    result = take(place, line(1, 1), line(1, 2), line(2, 3), now=now)
    assert (result.bags, result.books, result.new_people, result.new_books, result.bad) == (2, 3, 2, 3, [])
    first = Order.objects.get(patron__card_number="2100000001")
    assert (first.state, sorted(one.copy.barcode for one in first.lines.all())) == (
        "picking",
        ["EM0000000001", "EM0000000002"],
    )
    who = Patron.objects.get(card_number="2100000001")
    assert (who.account, who.home, who.contacts.get().number) == (None, place.library, "+821000000001")
    assert set(Title.objects.values_list("source", flat=True)) == {"day-list"}
    assert Copy.objects.get(barcode="EM0000000003").call_number == "813.7 한31ㅅ 3"
    assert not search.find("토지").exists()  # what a list has told of is no catalogue to choose from


def test_the_same_list_again_adds_nothing_also_after_the_books_went_out(place, now):
    take(place, line(1, 1), line(2, 2), now=now, packed=True)
    again = take(place, line(1, 1), line(2, 2), line(2, 3), now=now)
    assert (again.same, again.books, ListedCopy.objects.count()) == (2, 1, 3)
    order = Order.objects.get(patron__card_number="2100000001")
    lane.serve(point_id=place.pk, order_number=order.number, by=DESK, now=now)
    assert take(place, line(1, 1), now=now).same == 1
    assert Order.objects.filter(patron=order.patron).count() == 1


def test_bags_that_are_packed_already_are_ready_and_told_at_once(place, now):
    result = take(place, line(1, 1), line(1, 2), now=now, packed=True)
    assert (result.ready, Order.objects.get().state, set(Copy.objects.values_list("state", flat=True))) == (
        1,
        "ready",
        {"bag"},
    )
    assert Message.objects.filter(to="+821000000001").exists()


def test_a_try_does_all_of_it_and_keeps_nothing(place, now):
    before = Journal.objects.count()
    result = take(place, line(1, 1), line(1, 2), now=now, packed=True, dry_run=True)
    assert (result.bags, result.books, result.kept) == (1, 2, False)
    assert not Patron.objects.exists()
    assert not Title.objects.exists()
    assert not Message.objects.exists()
    assert Journal.objects.count() == before


def test_one_bad_row_keeps_everything_out_unless_it_is_to_be_left_out(place, now):
    lines = (line(1, 1), line(2, 2, name=""), line(3, 3, title=""), line(4, 4, phone="전화 없음"), line(1, 5))
    result = take(place, *lines, now=now)
    assert reasons(result) == [(3, "missing"), (4, "missing"), (5, "not_a_phone")]
    assert (result.kept, Order.objects.count()) == (False, 0)
    result = take(place, *lines, now=now, skip_bad=True)
    assert (result.kept, result.bags, result.books) == (True, 1, 2)


def test_the_rules_of_the_programme_hold_for_a_card_and_leave_the_others(place, now):
    many = [line(1, book) for book in range(1, 8)]  # seven, and five are possible
    result = take(place, *many, line(2, 9), now=now, skip_bad=True)
    assert {reason for _line, reason in reasons(result)} == {"quota_exceeded"}
    assert (len(result.bad), result.bags, result.books) == (7, 1, 1)
    assert all(one.sentence and "%(" not in one.sentence for one in result.bad)


@pytest.mark.lawless("I3", why="a copy is put there without a move")
def test_what_is_known_already_is_used_whatever_we_guessed_of_it(place, now):
    copy = rows.copy(at=place.library, barcode="EM0000000001")
    who = rows.patron(place.library, card_number="2100000001", name="회원1", number="+821000009999")
    for guess in ("loan", "missing", "lost", "damaged", "transit"):
        Copy.objects.filter(pk=copy.pk).update(state=guess)
        assert take(place, line(1, 1), now=now, dry_run=True).bad == []
    result = take(place, line(1, 1), now=now)
    assert (result.new_people, result.new_books, Order.objects.get().patron) == (0, 0, who)
    assert [one.number for one in Contact.objects.filter(patron=who)] == ["+821000000001", "+821000009999"]
    take(place, line(1, 2, phone="010-0000-9999"), now=now)
    assert [one.number for one in Contact.objects.filter(patron=who).order_by("position")] == [
        "+821000009999",
        "+821000000001",
    ]


def test_of_several_copies_of_a_title_the_very_one_of_the_list_is_fetched(place, now):
    title = rows.title()
    for number in (1, 2, 3):
        rows.copy(title, place.library, barcode=f"EM{number:010d}")
    take(place, line(1, 3), line(2, 2), now=now)
    fetched = Order.objects.order_by("patron__card_number").values_list("lines__copy__barcode", flat=True)
    assert list(fetched) == ["EM0000000003", "EM0000000002"]


@pytest.mark.lawless("I3", why="a copy is put there without a move")
def test_what_cannot_be_taken_is_told_row_by_row(place, now):
    elsewhere = rows.library(circulation="beside")
    rows.copy(at=elsewhere, barcode="EM0000000001")
    rows.patron(elsewhere, card_number="2100000002")
    rows.patron(place.library, card_number="2100000003", name="아무개")
    withdrawn = rows.copy(at=place.library, barcode="EM0000000004")
    Copy.objects.filter(pk=withdrawn.pk).update(state="withdrawn")
    taken = rows.copy(at=place.library, barcode="EM0000000005")
    rows.reserve(rows.patron(place.library), taken.title, at=place)
    result = take(place, *(line(number, number) for number in range(1, 6)), line(5, 6), now=now, skip_bad=True)
    assert reasons(result) == [
        (2, "another_library"),
        (3, "another_programme"),
        (4, "another_name"),
        (5, "not_to_fetch"),
        (6, "already_promised"),
    ]
    assert (result.bags, result.books) == (1, 1)  # the other book of the last card


def test_the_first_free_time_of_the_day_is_promised(now):
    point = rows.point(rows.library(circulation="beside"), rules={"promise": "at_order"})
    for days, hour in ((0, 6), (1, 3), (1, 4)):
        rows.slot(point, now + timedelta(days=days, hours=hour), capacity=1)
    take(point, line(1, 1), line(2, 2), now=now)
    booked = Slot.objects.order_by("starts_at").values_list("booked", flat=True)
    assert list(booked) == [0, 1, 1]


def test_a_library_that_keeps_its_own_loans_takes_no_list(now):
    with pytest.raises(NotBeside):
        take(rows.point(), line(1, 1), now=now)


def test_a_book_that_is_not_on_the_shelf_is_no_error(place, now):
    take(place, line(1, 1), line(1, 2), now=now)
    order = Order.objects.get()
    first, second = order.lines.order_by("pk")
    packing.not_on_shelf(line_id=first.pk, by=DESK, now=now)
    packing.pack(order_id=order.pk, barcode=second.copy.barcode, by=DESK, now=now)
    assert packing.mark_ready(order_id=order.pk, by=DESK, now=now).state == "ready"
    assert take(place, line(1, 1), line(1, 2), now=now).same == 2
    assert (
        take(place, line(2, 1), now=now, day=rows.day("2026-11-26")).bad == []
    )  # found there since, for another reader


def test_copies_that_are_lent_out_there_are_marked(place, now):
    copy, gone = rows.copy(at=place.library, barcode="EM0000000001"), rows.copy(at=rows.library())
    listed = day_lists.read(
        sheets.read(f"등록번호\nEM0000000001\n{gone.barcode}\nEM0000000009\n".encode()),
        day_lists.saved_maps().values(),
        region="KR",
        lent=True,
    )
    looked = day_lists.look_at_lent(entries=listed.entries, library=place.library)
    assert (looked, Copy.objects.get(pk=copy.pk).state) == (day_lists.Marked(1, 2, []), "shelf")
    told = day_lists.mark_lent(entries=listed.entries, library=place.library, by=DESK, now=now)
    assert (told, Copy.objects.get(pk=copy.pk).state, Copy.objects.get(pk=gone.pk).state) == (looked, "loan", "shelf")
    with pytest.raises(NotBeside):
        day_lists.mark_lent(entries=listed.entries, library=gone.library, by=DESK, now=now)


def test_a_copy_that_somebody_here_is_to_get_is_not_marked_but_told(place, now):
    copy = rows.copy(at=place.library)
    (row,) = rows.reserve(rows.patron(place.library), copy.title, at=place)
    entry = day_lists.Entry(2, "", "", "", copy.barcode, "", "", "", "")
    told = day_lists.mark_lent(entries=[entry], library=place.library, by=DESK, now=now)
    assert (told.marked, told.held) == (0, [copy])
    copy.refresh_from_db()
    assert (copy.state, row.copy) == ("shelf", copy)


# The command


def imported(path: Path, place: Any, *more: str) -> str:
    written = io.StringIO()
    call_command(
        "import_day_list", str(path), "--library", place.library.code, "--day", str(_day()), *more, stdout=written
    )
    return written.getvalue()


def _day() -> Any:
    from core import clock

    return clock.now().date() + timedelta(days=1)


def test_the_command_tells_what_it_read_and_what_it_did(place, tmp_path):
    path = tmp_path / "내일.csv"
    path.write_bytes(text(line(1, 1), line(2, 2)))
    said = imported(path, place, "--dry-run", "--map", "kolas")
    assert "csv, cp949, columns of KOLAS III" in said
    assert "2 bags with 2 books" in said
    assert "nothing was kept" in said
    assert not Order.objects.exists()
    assert "2 bags with 2 books, 2 ready" in imported(path, place, "--packed", "--point", place.code)
    assert "2 rows were there already" in imported(path, place)


def test_the_command_ends_with_an_error_when_a_row_is_wrong(place, tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(text(line(1, 1), line(2, 2, phone="x")))
    with pytest.raises(CommandError, match="nothing was kept"):
        imported(path, place)
    with pytest.raises(CommandError, match="1 of 2 rows were left out"):
        imported(path, place, "--skip-bad")
    assert Order.objects.count() == 1
    for more in (["--map", "nowhere.toml"], ["--encoding", "klingon"], ["--point", "nowhere"], ["--day", "2001-01-01"]):
        with pytest.raises(CommandError):
            imported(path, place, *more)
    with pytest.raises(CommandError):
        imported(tmp_path / "nothing.csv", place)
    assert "0 copies marked as lent there; 2 are not" in imported(
        path, rows.point(rows.library(circulation="beside")), "--lent"
    )


# The day


@pytest.mark.parametrize("people", [12, pytest.param(60, marks=pytest.mark.long)])
def test_a_day_from_the_list_to_the_file_for_the_other_system(place, now, people):
    """Tomorrow's list: so many people, one to three books each. Fetched, packed, handed over, brought back, told."""
    lines = [line(card, card * 10 + book) for card in range(1, people + 1) for book in range(1 + card % 3)]
    result = take(place, *lines, now=now)
    assert (result.bags, result.books, result.bad) == (people, len(lines), [])

    missing = 0
    for order in Order.objects.order_by("pk"):
        for one in order.lines.select_related("copy").order_by("pk"):
            if one.copy.barcode.endswith("11"):  # lent out there, in truth
                packing.not_on_shelf(line_id=one.pk, by=DESK, now=now)
                missing += 1
            else:
                packing.pack(order_id=order.pk, barcode=one.copy.barcode, by=DESK, now=now)
        packing.mark_ready(order_id=order.pk, by=DESK, now=now)
    assert missing
    assert set(Order.objects.values_list("state", flat=True)) == {"ready"}
    part = OrderLine.objects.filter(state="missing").values("order").distinct().count()
    assert Message.objects.filter(template="ready_until_part").count() == part
    assert Message.objects.filter(template="ready_until").count() == people - part

    noon = now + timedelta(days=1)
    for order in Order.objects.order_by("number"):
        handed = lane.serve(point_id=place.pk, order_number=order.number, by=DESK, now=noon)
        assert all(one.posting_id and not one.reason for one in handed.given)
    assert set(Order.objects.values_list("state", flat=True)) == {"handed_over"}
    assert (Posting.objects.count(), Loan.objects.count()) == (len(lines) - missing, 0)

    later = noon + timedelta(days=7)
    for copy in Copy.objects.filter(state="loan"):
        returns.check_in(barcode=copy.barcode, library_id=place.library_id, by=DESK, now=later)
    told = 2 * (len(lines) - missing)
    name = postings.export(library_id=place.library_id, by=DESK, now=later)
    assert name is not None
    file = posting_pages.table(Posting.objects.filter(export=name).order_by("happened_at", "pk"), rows.SEOUL)
    assert len(list(csv.reader(io.StringIO(file)))) == told + 1
    assert postings.done_export(export=name, library_id=place.library_id, by=DESK, now=later) == told
    assert set(Posting.objects.values_list("state", flat=True)) == {"done"}


def test_the_reasons_are_said_in_korean(place, now):
    result = take(place, line(1, 1, name=""), now=now)
    with translation.override("ko"):
        assert "비어" in result.bad[0].sentence
