"""The sample's library beside another system: lists of that system become bags, and it is told what went out and back.

People, cards, telephones and barcodes are invented; the books are old ones that anybody may print. What is done here is
done as staff do it, with a file for each list.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from config.sample_town import Story, Town
from core.actor import Actor
from lending import day_lists, postings, sheets
from lending.models import Account, Posting
from pickup import arrivals, lane, packing, returns
from pickup import day_lists as lists
from pickup.models import Order
from pickup.states import LineState

POINT = "haneul-lane"
CLERK = "haneul"
HEADINGS = ["대출자번호", "이용자명", "휴대폰번호", "등록번호", "청구기호", "서명"]  # as KOLAS III writes them


class Reader(NamedTuple):
    """Somebody on a list: the end of their card and number, their name, and which books (see BOOKS)."""

    ends: str
    name: str
    books: tuple[int, ...]


BOOKS = [
    "무정", "봄봄", "동백꽃", "메밀꽃 필 무렵", "날개", "운수 좋은 날", "삼대", "상록수", "탁류",
    "태평천하", "천변풍경", "홍길동전", "춘향전", "심청전", "흥부전", "구운몽", "박씨전", "사씨남정기",
]  # fmt: skip
BEFORE = [
    Reader("01", "도하린", (0, 1)), Reader("02", "마준서", (2,)), Reader("03", "설아윤", (3, 4)),
    Reader("04", "어진호", (5,)), Reader("05", "탁은비", (6,)),
]  # fmt: skip
TODAY = [
    Reader("06", "표서윤", (7, 8)), Reader("07", "하승우", (9,)), Reader("08", "길다은", (10, 11)),
    Reader("09", "맹지훈", (12,)), Reader("10", "온유나", (13, 14)), Reader("11", "봉시후", (15,)),
    Reader("12", "제갈민", (16, 17)),
]  # fmt: skip
STRANGE = "HN9900000417"
"""A book that only the other system knows."""


def stories(town: Town) -> list[Story]:
    """Yesterday from the list to what was told; today's list, half of it packed."""
    return [_yesterday(town), _this_morning(town)]


def _yesterday(town: Town) -> Story:
    """Five bags: four collected, one still there; two books are back again. Some of it is told, some not taken."""
    yield town.at(town.day(2), "17:10")
    bags = _take_over(town, BEFORE, day=town.day(1))
    yield town.at(town.day(1), "10:30")
    for order in bags:
        _pack(town, order)
    for minute, order in enumerate(bags[:4]):
        yield town.at(town.day(1), f"15:{12 + 9 * minute}")
        lane.serve(point_id=order.point_id, order_number=order.number, by=_clerk(), now=town.clock)
    yield town.at(town.day(1), "18:20")
    library = bags[0].library
    told = list(Posting.objects.filter(library=library).order_by("pk"))
    postings.done(posting_id=told[0].pk, by=_clerk(), now=town.clock)
    postings.refuse(posting_id=told[1].pk, reason=Posting.Why.RESERVED, by=_clerk(), now=town.clock)
    postings.export(library_id=library.pk, by=_clerk(), now=town.clock)
    yield town.ago(48)
    for barcode in (_barcode(2), STRANGE):
        returns.check_in(barcode=barcode, library_id=library.pk, by=_clerk(), now=town.clock)


def _this_morning(town: Town) -> Story:
    """Seven bags: one was collected a moment ago, two are ready, the first of them waits in its car; a book is not
    found, the rest is to be fetched.
    """
    yield town.ago(170)
    bags = _take_over(town, TODAY, day=town.calendar.next_open(town.today))
    yield town.ago(95)
    for order in bags[:3]:
        _pack(town, order)
    yield town.ago(50)
    missing = bags[4].lines.order_by("pk").first()
    if missing is not None:
        packing.not_on_shelf(line_id=missing.pk, by=_clerk(), now=town.clock)
    yield town.ago(22)
    lane.serve(point_id=bags[0].point_id, order_number=bags[0].number, by=_clerk(), now=town.clock)
    for minutes, order in ((6, bags[1]), (3, bags[3])):
        yield town.ago(minutes)
        arrivals.arrive(point_id=order.point_id, order_id=order.pk, by=_clerk(), now=town.clock)
    yield town.ago(2)
    lane.call_next(point_id=bags[1].point_id, by=_clerk(), now=town.clock)


def _clerk() -> Actor:
    return Actor("staff", Account.objects.get(username=CLERK).pk, "desk")


def _barcode(book: int) -> str:
    return f"HN{book + 1:010d}"


def listed(readers: Iterable[Reader]) -> bytes:
    """A list of that system as a file: what these readers are to get."""
    written = io.StringIO()
    out = csv.writer(written)
    out.writerow(HEADINGS)
    for one in readers:
        for book in one.books:
            about = [_barcode(book), f"810.8 하19{book} {book + 1}", BOOKS[book]]
            out.writerow([f"7026-00{one.ends}", one.name, f"010-0000-02{one.ends}", *about])
    return written.getvalue().encode("cp949")


def _take_over(town: Town, readers: list[Reader], *, day: date) -> list[Order]:
    """The bags of a list, in its order."""
    point = town.points[POINT]
    rows = day_lists.read(sheets.read(listed(readers)), day_lists.saved_maps().values(), region="KR")
    result = lists.take_over(listed=rows, point=point, day=day, by=_clerk(), now=town.clock)
    if result.bad or result.bags != len(readers):
        raise RuntimeError(f"the sample's list cannot be taken: {result.bad}")
    found = Order.objects.filter(point=point, opened_at=town.clock).select_related("library")
    return list(found.order_by("patron__card_number"))


def _pack(town: Town, order: Order) -> None:
    for line in order.lines.filter(state=LineState.TO_PICK).select_related("copy").order_by("pk"):
        packing.pack(order_id=order.pk, barcode=line.copy.barcode, by=_clerk(), now=town.clock)
    packing.mark_ready(order_id=order.pk, by=_clerk(), now=town.clock)
