"""What is scanned or typed at the window, and what is said of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lending import copies, loans
from lending.models import Loan
from pickup import arrivals, findings, lane, orders, scans
from pickup.models import Order
from pickup.names import masked
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db


@pytest.fixture
def point():
    return rows.point(rules={"bag_places": ["A1", "A2", "A3", "A4"]})


def ready(point, *, books=1, **columns):
    return steps.ready(steps.asked(rows.patron(point.library, **columns), point, books=books))


def read(point, typed, now):
    return scans.read(point=point, typed=typed, now=now)


def barcode_of(order):
    return order.lines.first().copy.barcode


def numbers(found):
    return sorted(bag.number for bag in found.bags)


def test_a_slip_a_number_a_card_a_book_a_phone_and_a_plate_all_lead_to_the_bag(point, now):
    order = ready(point, books=2, number="+821000004242", needs=["window"])
    ready(point)
    Order.objects.filter(pk=order.pk).update(plate="12가3456", number="0788")
    typed = ["0788", "07-88", " ０７－８８ ", order.patron.card_number, barcode_of(order), "4242", "3456", "12가3456"]
    for text in typed:
        found = read(point, text, now)
        assert (found.kind, numbers(found)) == ("party", ["0788"]), text
    assert [bag.place for bag in found.ready] == ["A1"]
    assert (found.count, found.needs, found.languages, found.in_writing) == (2, [order.patron.what_to_do[0]], [], False)


def test_the_plate_of_a_car_that_is_here_and_the_phone_of_who_collects_count_too(point, now):
    order = ready(point, number="+821000001111")
    arrivals.arrive(point_id=point.pk, order_id=order.pk, plate="99나8765", by=DESK, now=now)
    grandson = rows.contact(order.patron, number="+821000002222", own=False, name="손자")
    Order.objects.filter(pk=order.pk).update(collector=grandson)
    for text in ("8765", "99나8765", "2222", "1111"):
        assert numbers(read(point, text, now)) == [order.number]


def test_all_bags_of_a_family_are_one_car_and_what_is_not_ready_is_said(point, now):
    family = rows.household(together=True)
    first = ready(point, household=family, language="en")
    second = ready(point, household=family, needs=["board", "boot"], books=2)
    third = steps.asked(rows.patron(point.library, household=family), point, books=1)
    found = read(point, second.number, now)
    assert numbers(found) == sorted(order.number for order in (first, second, third))
    assert (found.order_id, found.bags[0].number) == (second.pk, second.number)
    assert (len(found.ready), len(found.unready), found.count) == (2, 1, 3)
    assert (found.languages, found.in_writing, len(found.needs)) == (["en"], True, 1)


def test_four_digits_that_several_cars_have_are_a_short_list_with_masked_names(point, now):
    ready(point, name="홍길동", number="+821000000333")
    second = ready(point, name="Grace Lee")
    Order.objects.filter(pk=second.pk).update(plate="11가0333")
    third = ready(point, name="김준")
    Order.objects.filter(pk=third.pk).update(number="0333")
    found = read(point, "0333", now)
    assert found.kind == "choice"
    assert [(car.matched, car.names) for car in found.parties] == [
        ("number", ["김*"]),
        ("phone", ["홍*동"]),
        ("plate", ["G**** L**"]),
    ]
    assert numbers(read(point, "03-33", now)) == ["0333"]  # as it is printed, it is an order number and nothing else


def test_a_list_to_choose_from_is_never_longer_than_a_glance(point, now):
    for _ in range(scans.MOST_CARS + 3):
        Order.objects.filter(pk=ready(point).pk).update(plate=f"{rows.serial()}가5555")
    assert len(read(point, "5555", now).parties) == scans.MOST_CARS


def test_a_car_without_a_bag_is_found_by_its_plate(point, now):
    visit = arrivals.arrive(point_id=point.pk, purpose="return", plate="12가9876", by=DESK, now=now)
    found = read(point, "9876", now)
    assert (found.kind, found.bags, found.car.visit_id) == ("party", [], visit.pk)


def test_a_bag_of_another_place_is_told_with_the_place(point, now):
    other = rows.point(point.library)
    order = ready(other)
    for text in (order.number, order.patron.card_number, barcode_of(order)):
        found = read(point, text, now)
        assert (found.kind, found.order.point_id) == ("elsewhere", other.pk)
    branch = rows.point(rows.library(programme=point.library.programme))
    there = ready(branch)
    for text in (there.shown, there.number, there.patron.card_number, barcode_of(there)):
        found = read(point, text, now)
        assert (found.kind, [(bag.order.pk, bag.own) for bag in found.bags]) == ("elsewhere", [(there.pk, False)]), text
    stranger = ready(rows.point())
    assert read(point, stranger.number, now).kind in {"unknown", "party"}  # another library's numbers are its own


def test_a_number_that_several_libraries_hold_names_each_and_ones_own_comes_first(point, now):
    branches = [rows.point(rows.library(programme=point.library.programme)) for _ in range(2)]
    there = [ready(branch) for branch in branches]
    for order in there:
        Order.objects.filter(pk=order.pk).update(number="0471")
    found = read(point, "04-71", now)
    assert [bag.order.point for bag in found.bags] == branches
    Order.objects.filter(pk=ready(point).pk).update(number="0471")
    assert read(point, "04-71", now).kind == "party"


def test_a_bag_that_was_given_says_when_by_number_card_and_phone(point, now):
    order = ready(point, number="+821000006161")
    given = lane.serve(point_id=point.pk, order_number=order.number, by=DESK, now=now)
    for text in (order.number, order.patron.card_number, "6161"):
        found = read(point, text, now + timedelta(minutes=30))
        assert (found.kind, found.given_at, found.visit_id) == ("over", now, given.visit.pk)


def test_a_bag_that_nobody_wants_any_more_says_so(point, now):
    order = ready(point)
    orders.cancel(order_id=order.pk, by=DESK, now=now)
    found = read(point, order.number, now)
    assert (found.kind, found.order.state, found.given_at) == ("over", "cancelled", None)


def test_a_book_that_is_out_came_back_unless_it_went_out_a_moment_ago(point, now):
    order = ready(point)
    barcode = barcode_of(order)
    lane.serve(point_id=point.pk, order_number=order.number, by=DESK, now=now)
    soon = read(point, barcode, now + timedelta(minutes=2))
    assert (soon.kind, soon.just_now) == ("on_loan", order.shown)
    later = read(point, barcode, now + timedelta(days=2))
    assert (later.kind, later.just_now, later.barcode) == ("on_loan", "", barcode)


def test_a_book_that_its_reader_had_lost_can_be_taken_back(point, now):
    order = ready(point)
    barcode = barcode_of(order)
    lane.serve(point_id=point.pk, order_number=order.number, by=DESK, now=now)
    loans.lost(loan_id=Loan.objects.get().pk, by=DESK, now=now + timedelta(days=1))
    assert read(point, barcode, now + timedelta(days=2)).kind == "on_loan"
    copies.found(barcode=barcode, library_id=point.library_id, by=DESK, now=now + timedelta(days=2))
    assert read(point, barcode, now + timedelta(days=2)).kind == "stray"


@pytest.mark.parametrize("left", ["cancelled", "kept back"])
def test_a_book_that_is_to_be_unpacked_names_its_bag(point, now, left):
    order = ready(point)
    barcode = barcode_of(order)
    if left == "cancelled":
        orders.cancel(order_id=order.pk, by=DESK, now=now)
    else:
        steps.handed_over(order, not_given={barcode: "not_wanted"})
    found = read(point, barcode, now)
    assert (found.kind, found.barcode, found.bag) == ("to_unpack", barcode, order.shown)


def test_a_book_that_is_in_no_bag_and_not_lent_says_where_it_should_be(point, now):
    stray = rows.copy(at=point.library)
    found = read(point, stray.barcode, now)
    assert (found.kind, found.title, found.where) == ("stray", stray.title.title, stray.get_state_display())
    assert found.goes == "cart"


@pytest.mark.parametrize(
    ("state", "goes"),
    [("missing", "returns"), ("transit", "returns"), ("loan", "returns"), ("damaged", "aside"), ("withdrawn", "aside")],
)
def test_a_book_that_is_not_at_hand_does_not_go_onto_the_cart(point, now, state, goes):
    copy = rows.copy(at=point.library)
    copy.move(state, at=now, by=DESK)
    found = read(point, copy.barcode, now)
    assert (found.kind, found.where, found.goes) == ("stray", copy.get_state_display(), goes)


def test_a_book_that_travels_is_not_taken_back_where_another_system_keeps_the_loans(now):
    point = rows.point(rows.library(circulation="beside"))
    copy = rows.copy(at=point.library)
    copy.move("transit", at=now, by=DESK)
    assert (read(point, copy.barcode, now).kind, read(point, copy.barcode, now).goes) == ("stray", "returns")


def test_a_card_without_an_order_is_known_by_name(point, now):
    patron = rows.patron(point.library)
    assert read(point, patron.card_number, now) == findings.NoBag(patron.name)


@pytest.mark.parametrize(
    "typed", ["0000", "00-00", "nothing", "EM9999999999", "9" * 80, "\x00\x01", "가" * 80, "%", "-"]
)
def test_what_nobody_knows_is_unknown_and_breaks_nothing(point, typed, now):
    assert read(point, typed, now).kind == "unknown"


# What was just done


def test_what_was_given_is_told_bag_by_bag_with_what_stays_behind(point, now):
    order = ready(point, books=2)
    kept, given = (line.copy.barcode for line in order.lines.all())
    handed = lane.serve(
        point_id=point.pk,
        order_number=order.number,
        orders=[lane.HandOver(order.number, {kept: "damaged"})],
        by=DESK,
        now=now,
    )
    told = scans.given(point_id=point.pk, visit_id=handed.visit.pk, now=now + timedelta(minutes=1))
    assert told is not None
    assert (told.at, told.count) == (now, 1)
    assert [(book.barcode, book.reason) for book in told.kept] == [(kept, "damaged")]
    assert given not in {book.barcode for book in told.kept}


def test_what_was_undone_or_is_long_ago_or_elsewhere_is_not_told(point, now):
    handed = lane.serve(point_id=point.pk, order_number=ready(point).number, by=DESK, now=now)
    pk = handed.visit.pk
    assert scans.given(point_id=point.pk, visit_id=pk, now=now + timedelta(minutes=11)) is None
    assert scans.given(point_id=rows.point().pk, visit_id=pk, now=now) is None
    lane.undo(visit_id=pk, by=DESK, now=now)
    assert scans.given(point_id=point.pk, visit_id=pk, now=now) is None


def test_books_that_came_back_name_who_waits_for_them(point, now):
    order = ready(point, books=3)
    lane.serve(point_id=point.pk, order_number=order.number, by=DESK, now=now)
    wanted, bagged, free = (line.copy for line in order.lines.all())
    rows.reserve(rows.patron(point.library), wanted.title, at=point, now=now)
    rows.reserve(rows.patron(point.library), bagged.title, at=point, now=now)
    later = now + timedelta(days=1)
    back = {
        copy.pk: loans.take_back(barcode=copy.barcode, library_id=point.library_id, by=DESK, now=later)
        for copy in (wanted, bagged, free)
    }
    following = back[bagged.pk].next_reservation
    assert following is not None
    orders.assemble(reservation_ids=[following.pk], now=later)
    told = scans.returned(point=point, names=[str(back[copy.pk].loan.pk) for copy in (wanted, bagged, free)])
    bag = Order.objects.exclude(pk=order.pk).get()
    assert [(one.barcode, one.bag, one.point) for one in told] == [
        (wanted.barcode, "", str(point)),
        (bagged.barcode, bag.shown, str(point)),
        (free.barcode, "", ""),
    ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [("홍길동", "홍*동"), ("김준", "김*"), ("남궁민수", "남**수"), ("Grace Lee", "G**** L**"), ("", ""), ("X", "*")],
)
def test_a_name_is_masked(name, shown):
    assert masked(name) == shown


@pytest.mark.parametrize("is_here", [False, True])
def test_what_is_shown_is_what_a_hand_over_gives(point, now, is_here):
    """A grandson collects for his grandmother and others: her family's bags go along, a car that is here does not."""
    family = rows.household(together=True)
    grandmother = rows.patron(point.library, household=family)
    bag, neighbours, other = steps.ready(steps.asked(grandmother, point)), ready(point), ready(point)
    number = rows.mobile()
    for order in (bag, neighbours, other):
        grandson = rows.contact(order.patron, own=False, name="손자", number=number)
        Order.objects.filter(pk=order.pk).update(collector=grandson)
    cousin = ready(point, household=family)
    if is_here:
        patron = rows.patron_actor(other.patron)
        arrivals.arrive(point_id=point.pk, order_id=other.pk, by=patron, now=now)
        arrivals.arrive(point_id=point.pk, order_id=bag.pk, by=rows.patron_actor(grandmother), now=now)
    shown = read(point, bag.number, now)
    assert {bag.number, cousin.number} <= set(numbers(shown))
    assert (other.number in numbers(shown)) == (not is_here)
    given = lane.serve(point_id=point.pk, order_number=bag.number, by=DESK, now=now)
    assert sorted({one.line.order.number for one in given.given}) == numbers(shown)


def test_a_card_of_another_programme_is_nobodys(point, now):
    assert read(point, rows.patron().card_number, now).kind == "unknown"
