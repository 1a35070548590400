"""The bag, from asking to the return cart."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.moves import MoveRefused
from lending import copies, loans
from lending.errors import Blocked, QuotaExceeded, UnknownBarcode
from lending.models import Copy, Patron, Reservation
from lending.reservations import Item
from notifications import encoding
from notifications.models import Message
from pickup import appointments, errors, offers, orders, packing, queries, returns, texts
from pickup.models import Order, PointRules
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db


@pytest.fixture
def lane():
    return rows.point()


@pytest.fixture
def reader(lane):
    return rows.patron(lane.library)


def states(order: Order) -> list[str]:
    return sorted(order.lines.values_list("state", flat=True))


def test_books_on_the_shelf_become_a_bag_with_a_number_at_once(lane, reader, now):
    order = steps.asked(reader, lane, books=3)
    assert (order.state, len(order.number), order.shown[2]) == ("picking", 4, "-")
    assert states(order) == ["to_pick"] * 3
    assert set(Reservation.objects.values_list("state", flat=True)) == {"bagged"}


def test_a_lent_book_makes_no_bag_and_says_that_it_waits(lane, reader, now):
    copy = rows.copy(at=lane.library)
    first = orders.request(
        patron_id=rows.patron(lane.library).pk, point_id=lane.pk, items=[Item(copy.title_id)], by=DESK, now=now
    )
    second = orders.request(patron_id=reader.pk, point_id=lane.pk, items=[Item(copy.title_id)], by=DESK, now=now)
    assert first.order is not None
    assert (second.order, second.why, second.reservations[0].state) == (None, "waiting", "waiting")


def test_a_second_asking_joins_the_open_bag(lane, reader, now):
    first = steps.asked(reader, lane)
    second = steps.asked(reader, lane)
    assert first.pk == second.pk
    assert second.lines.count() == 2


def test_two_patrons_have_two_bags_with_different_numbers(lane, now):
    bags = [steps.asked(rows.patron(lane.library), lane) for _ in range(5)]
    assert len({bag.number for bag in bags}) == 5


def test_the_sixth_volume_of_a_household_refuses_the_whole_asking(lane, now):
    household = rows.household()
    one, other = (rows.patron(lane.library, household=household) for _ in range(2))
    steps.asked(one, lane, books=4)
    with pytest.raises(QuotaExceeded):
        steps.asked(other, lane, books=2)
    assert Order.objects.filter(patron=other).count() == 0


def test_the_scanned_book_goes_into_the_bag(lane, reader, now):
    order = steps.asked(reader, lane)
    barcode = order.lines.get().copy.barcode
    line = packing.pack(order_id=order.pk, barcode=barcode, by=DESK, now=now)
    assert (line.state, Copy.objects.get(barcode=barcode).state) == ("packed", "bag")
    with pytest.raises(errors.AlreadyPacked):
        packing.pack(order_id=order.pk, barcode=barcode, by=DESK, now=now)


def test_a_book_of_another_bag_is_refused_and_says_whose_it_is(lane, reader, now):
    mine = steps.asked(reader, lane)
    other = steps.asked(rows.patron(lane.library), lane)
    with pytest.raises(errors.NotInOrder) as refused:
        packing.pack(order_id=mine.pk, barcode=other.lines.get().copy.barcode, by=DESK, now=now)
    assert refused.value.facts["belongs_to"] == other.shown


def test_an_unknown_barcode_and_one_that_nobody_ordered_are_told_apart(lane, reader, now):
    order = steps.asked(reader, lane)
    with pytest.raises(UnknownBarcode):
        packing.pack(order_id=order.pk, barcode="NOWHERE", by=DESK, now=now)
    with pytest.raises(errors.NotInOrder):
        packing.pack(order_id=order.pk, barcode=rows.copy(at=lane.library).barcode, by=DESK, now=now)


def test_a_bag_with_a_book_still_to_fetch_is_not_ready_and_says_which(lane, reader, now):
    order = steps.asked(reader, lane, books=2)
    one, other = order.lines.select_related("copy")
    packing.pack(order_id=order.pk, barcode=one.copy.barcode, by=DESK, now=now)
    with pytest.raises(errors.StillToPack) as refused:
        packing.mark_ready(order_id=order.pk, by=DESK, now=now)
    assert other.copy.barcode in refused.value.facts["barcodes"]


def test_a_book_that_is_not_on_its_shelf_waits_for_another_copy_and_the_rest_is_packed(lane, reader, now):
    order = steps.asked(reader, lane, books=2)
    missing, found = order.lines.select_related("copy", "reservation")
    packing.not_on_shelf(line_id=missing.pk, by=DESK, now=now)
    missing.reservation.refresh_from_db()
    missing.copy.refresh_from_db()
    assert (missing.reservation.state, missing.copy.state) == ("waiting", "missing")
    packing.pack(order_id=order.pk, barcode=found.copy.barcode, by=DESK, now=now)
    assert packing.mark_ready(order_id=order.pk, by=DESK, now=now).state == "ready"


def test_a_bag_of_which_nothing_is_found_is_closed_and_nobody_forgets_the_patron(lane, reader, now):
    order = steps.asked(reader, lane)
    packing.not_on_shelf(line_id=order.lines.get().pk, by=DESK, now=now)
    order = steps.again(order)
    assert (order.state, order.why) == ("cancelled", "nothing_found")
    assert Reservation.objects.get(patron=reader).state == "waiting"


def told(order):
    """The texts about a bag and its promise that were not kept back, oldest first."""
    about = [f"order:{order.pk}", f"appointment:{order.appointment_id}"]
    return list(Message.objects.filter(about__in=about).exclude(state="suppressed").order_by("pk"))


@pytest.mark.parametrize(
    ("language", "words"),
    [("ko", "책 1권 준비, 2권은 못 구해 예약 유지."), ("en", "1 book ready, 2 books not found and kept in line.")],
)
@pytest.mark.parametrize("by_appointment", [False, True])
def test_books_that_cannot_be_had_are_said_once_with_the_bag_that_is_ready(lane, now, language, words, by_appointment):
    PointRules.objects.filter(point=lane).update(by_appointment=by_appointment)
    order = steps.asked(rows.patron(lane.library, language=language), lane, books=3)
    for line in order.lines.all()[:2]:
        packing.not_on_shelf(line_id=line.pk, by=DESK, now=now)
    assert told(order) == []
    order = steps.ready(order)
    if by_appointment:
        rows.slot(lane, now + timedelta(hours=3))
        offers.offer_ready(now=now)
    [text] = told(steps.again(order))
    assert words in text.body
    assert encoding.ucs2_length(text.body) <= 70 or language == "en"


def test_a_book_of_which_another_copy_is_fetched_is_not_said_to_be_missing(lane, reader, now):
    order = steps.asked(reader, lane, books=2)
    line = order.lines.select_related("copy").first()
    rows.copy(line.copy.title, at=lane.library)
    packing.not_on_shelf(line_id=line.pk, by=DESK, now=now)
    PointRules.objects.filter(point=lane).update(by_appointment=False)
    [text] = told(steps.ready(steps.again(order)))
    assert text.body.startswith(f"[{lane.library.name_ko}] 책 2권 준비. ")
    assert queries.back_in_line([order.pk]) == {}


def test_books_that_came_later_and_cannot_be_had_are_one_text_of_their_own(lane, reader, now):
    order = steps.ready(steps.asked(reader, lane))
    late = steps.asked(reader, lane, books=2)
    before = len(told(order))
    for line in late.lines.filter(state="to_pick"):
        packing.not_on_shelf(line_id=line.pk, by=DESK, now=now)
    [text] = told(steps.again(order))[before:]
    assert text.template == "back_in_line"
    assert "책 2권을 못 구해 예약을 유지합니다." in text.body
    assert text.not_before >= now + texts.SETTLES


def test_a_ready_bag_is_kept_for_three_open_days(now):
    library = rows.library(weekly_closed=[3])  # closed on Thursdays
    lane = rows.point(library)
    order = steps.ready(steps.asked(rows.patron(library), lane))
    assert order.keep_until is not None
    assert order.keep_until.astimezone(rows.SEOUL).isoformat() == "2026-11-29T00:00:00+09:00"  # Wed, Fri, Sat


@pytest.mark.parametrize(
    ("closed", "until"),
    [(3, "2026-11-28T00:00:00+09:00"), (4, "2026-11-29T00:00:00+09:00")],
    ids=["a closed Thursday is counted", "a closed Friday is not the last day"],
)
def test_where_all_days_count_a_bag_is_kept_over_closed_ones_and_its_last_day_is_an_open_one(closed, until, now):
    library = rows.library(weekly_closed=[closed])
    lane = rows.point(library, rules={"keep_counts": "all"})
    order = steps.ready(steps.asked(rows.patron(library), lane))
    assert order.keep_until is not None
    assert order.keep_until.astimezone(rows.SEOUL).isoformat() == until


def test_ready_twice_is_refused(lane, reader, now):
    order = steps.ready(steps.asked(reader, lane))
    with pytest.raises(MoveRefused):
        packing.mark_ready(order_id=order.pk, by=DESK, now=now)


def test_a_bag_that_was_handed_over_is_not_marked_ready_again_and_says_when_it_was_given(lane, reader, now):
    order = steps.handed_over(steps.ready(steps.asked(reader, lane)))
    with pytest.raises(errors.AlreadyHandedOver) as caught:
        packing.mark_ready(order_id=order.pk, by=DESK, now=now)
    assert caught.value.facts == {"number": order.shown, "at": "10:00"}


def test_a_late_book_joins_the_ready_bag_and_is_given_with_it_when_packed(lane, reader, now):
    order = steps.ready(steps.asked(reader, lane))
    same = steps.asked(reader, lane)
    assert (same.pk, same.state) == (order.pk, "ready")
    assert [line.late for line in same.lines.order_by("pk")] == [False, True]
    steps.packed(same)
    assert states(steps.handed_over(same)) == ["given", "given"]


def test_a_late_book_nobody_has_packed_goes_into_the_next_bag(lane, reader, now):
    order = steps.ready(steps.asked(reader, lane))
    steps.asked(reader, lane)
    assert states(steps.handed_over(order)) == ["dropped", "given"]
    assert orders.assemble(now=now) == []  # the hand-over may still be undone
    [following] = orders.assemble(now=now + timedelta(minutes=11))
    assert following.pk != order.pk
    assert states(following) == ["to_pick"]


def test_cancelling_frees_what_is_on_the_shelf_and_lists_the_rest_to_unpack(lane, reader, now):
    order = steps.asked(reader, lane, books=2)
    packed, fetched = order.lines.select_related("copy")
    packing.pack(order_id=order.pk, barcode=packed.copy.barcode, by=DESK, now=now)
    orders.cancel(order_id=order.pk, by=rows.patron_actor(reader), now=now)
    assert states(order) == ["dropped", "to_unpack"]
    packing.unpack(barcode=packed.copy.barcode, by=DESK, now=now)
    assert copies.by_barcode(packed.copy.barcode).state == "to_shelve"
    assert copies.by_barcode(fetched.copy.barcode).state == "shelf"
    with pytest.raises(errors.NotInOrder):
        packing.unpack(barcode=packed.copy.barcode, by=DESK, now=now)


def test_nobody_cancels_a_bag_that_was_handed_over(lane, reader, now):
    order = steps.handed_over(steps.ready(steps.asked(reader, lane)))
    with pytest.raises(MoveRefused):
        orders.cancel(order_id=order.pk, by=DESK, now=now)


def test_a_bag_nobody_collects_expires_after_its_keep_day_and_not_before(lane, reader, now):
    order = steps.ready(steps.asked(reader, lane))
    over = order.keep_until
    assert over is not None
    assert orders.expire_due(now=over - timedelta(seconds=1)) == 0
    assert orders.expire_due(now=over) == 1
    assert steps.again(order).state == "expired"
    assert Reservation.objects.get(patron=reader).state == "expired"


def test_a_number_rests_for_a_day_after_the_bag_is_gone(lane, reader, now):
    order = steps.handed_over(steps.ready(steps.asked(reader, lane)))
    assert orders.release_numbers(now=now + timedelta(hours=23)) == 0
    assert orders.release_numbers(now=now + timedelta(hours=25)) == 1
    assert steps.again(order).number_released_at is not None


def test_a_number_is_not_released_while_the_bag_is_still_to_unpack(lane, reader, now):
    order = steps.packed(steps.asked(reader, lane))
    orders.cancel(order_id=order.pk, by=DESK, now=now)
    assert orders.release_numbers(now=now + timedelta(days=9)) == 0


def test_a_handed_over_book_is_lent_until_its_due_date(lane, reader, now):
    order = steps.handed_over(steps.ready(steps.asked(reader, lane)))
    loan = reader.loans.get()
    assert (order.state, loan.state, loan.due_on.isoformat()) == ("handed_over", "out", "2026-12-08")


def test_each_reason_for_a_book_that_stays_behind_has_its_consequence(lane, reader, now):
    order = steps.ready(steps.asked(reader, lane, books=4))
    given, unwanted, broken, gone = (line.copy for line in order.lines.order_by("pk"))
    reasons = {unwanted.barcode: "not_wanted", broken.barcode: "damaged", gone.barcode: "missing"}
    steps.handed_over(order, not_given=reasons)
    ends = dict(order.lines.values_list("copy_id", "state"))
    assert [ends[copy.pk] for copy in (given, unwanted, broken, gone)] == ["given", "to_unpack", "unpacked", "unpacked"]
    assert [copies.by_barcode(copy.barcode).state for copy in (given, unwanted, broken, gone)] == [
        "loan",
        "bag",
        "damaged",
        "missing",
    ]
    assert sorted(Reservation.objects.filter(patron=reader).values_list("state", flat=True)) == [
        "cancelled",
        "fulfilled",
        "waiting",
        "waiting",
    ]


def test_an_undone_return_takes_the_book_out_of_the_next_readers_pull_list(lane, reader, now):
    order = steps.handed_over(steps.ready(steps.asked(reader, lane)))
    copy = order.lines.get().copy
    following = rows.patron(lane.library)
    waiting = orders.request(patron_id=following.pk, point_id=lane.pk, items=[Item(copy.title_id)], by=DESK, now=now)
    returned = loans.take_back(barcode=copy.barcode, library_id=lane.library_id, by=DESK, now=now)
    [bag] = orders.assemble(now=now)
    assert states(bag) == ["to_pick"]
    returns.undo(loan_id=returned.loan.pk, by=DESK, now=now)
    waiting.reservations[0].refresh_from_db()
    returned.loan.refresh_from_db()
    assert (waiting.reservations[0].state, returned.loan.state, steps.again(bag).state) == (
        "waiting",
        "out",
        "cancelled",
    )
    assert not Message.objects.filter(template="not_found").exists()  # nobody had been told of that bag


def test_who_chose_a_time_for_a_book_whose_return_is_undone_is_told(reader, now):
    lane = rows.point(reader.home, rules={"promise": "at_order"})
    slot = rows.slot(lane)
    order = steps.handed_over(steps.ready(steps.asked(reader, lane, slot_id=slot.pk)))
    copy = order.lines.get().copy
    following = rows.patron(lane.library)
    orders.request(patron_id=following.pk, point_id=lane.pk, items=[Item(copy.title_id)], by=DESK, now=now)
    returned = loans.take_back(barcode=copy.barcode, library_id=lane.library_id, by=DESK, now=now)
    [bag] = orders.assemble(now=now)
    appointments.promise(order_id=bag.pk, slot_id=slot.pk, by=rows.patron_actor(following), now=now)
    returns.undo(loan_id=returned.loan.pk, by=DESK, now=now)
    assert steps.again(bag).state == "cancelled"
    told = Message.objects.get(template="not_found")
    assert (told.to, told.state) == (following.contacts.get().number, "queued")


def test_where_another_system_keeps_the_loans_the_bag_is_handed_over_without_one(lane, reader, now):
    order = steps.ready(steps.asked(reader, lane))
    lane.library.circulation = "beside"
    lane.library.save(update_fields=["circulation"])
    steps.handed_over(order)
    assert (steps.again(order).state, states(order)) == ("handed_over", ["given"])
    assert not order.lines.get().reservation.loans.exists()


def test_when_every_number_is_held_the_asking_is_refused_in_a_sentence(lane, reader, now, monkeypatch):
    monkeypatch.setattr(orders, "NUMBERS", range(1000, 1001))
    steps.asked(rows.patron(lane.library), lane)
    with pytest.raises(errors.NoNumberFree):
        steps.asked(reader, lane)


def test_when_others_take_every_number_that_was_free_the_asking_is_refused_in_a_sentence(lane, now, monkeypatch):
    taken = steps.asked(rows.patron(lane.library), lane).number
    monkeypatch.setattr(orders, "_free_number", lambda _library: taken)
    with pytest.raises(errors.NoNumberFree):
        steps.asked(rows.patron(lane.library), lane)
    assert Order.objects.count() == 1


def test_a_card_that_was_blocked_meanwhile_is_refused_when_packing_never_at_the_window(now):
    point = rows.point(rules={"by_appointment": False})
    who = rows.patron(point.library)
    early, late = steps.packed(steps.asked(who, point)), steps.asked(rows.patron(point.library), point)
    Patron.objects.filter(orders__in=[early, late]).update(blocked_until=rows.day("2026-12-01"))
    with pytest.raises(Blocked):
        steps.packed(late)
    with pytest.raises(Blocked):
        packing.mark_ready(order_id=early.pk, by=DESK, now=now)
    Patron.objects.filter(pk=who.pk).update(blocked_until=rows.day("2026-11-23"))
    ready = packing.mark_ready(order_id=early.pk, by=DESK, now=now)
    Patron.objects.filter(pk=who.pk).update(blocked_until=rows.day("2026-12-01"))
    assert steps.handed_over(ready).state == "handed_over"


def test_a_receipt_that_reaches_nobody_is_no_reason_to_worry():
    point = rows.point(rules={"by_appointment": False})
    order = steps.ready(steps.asked(rows.patron(point.library, number=rows.landline()), point))
    steps.handed_over(order)
    assert steps.again(order).why == ""
