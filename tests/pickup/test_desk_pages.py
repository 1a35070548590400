"""The pages of the staff desk: what a scan does, what is said, what a list costs however long it is."""

from __future__ import annotations

import html
import re
from datetime import time, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core import clock
from core.actor import Actor
from core.models import Access
from core.refusal import BadInput
from lending.models import Account, Copy, Household, Library, Membership, Patron, Reservation
from notifications import calls, inbound
from notifications.models import Message, Sender
from pickup import appointments, bags, notes, orders, plates, queries
from pickup.models import Note, Order, PointRules
from pickup.templatetags.desk import unbroken
from tests import rows
from tests.pickup import steps
from tests.pickup.steps import DESK

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def place():
    """A drive lane whose pickup shelf has named places."""
    library = rows.library(rooms=["아동", ""])
    return rows.point(library, rules={"promise": "at_order", "bag_places": ["A1", "A2", "A3"]})


@pytest.fixture
def desk(place):
    """The browser of a librarian there."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(rows.staff(place.library))
    return client


def key() -> dict[str, str]:
    return {"key": uuid4().hex}


def asked(place, books=2, **patron) -> Order:
    return steps.asked(rows.patron(place.library, **patron), place, books=books, now=clock.now())


def ready(place, books=1) -> Order:
    return steps.ready(asked(place, books), now=clock.now())


def scan(desk, place, barcode, page="packing"):
    return desk.post(f"/staff/{page}/?point={place.pk}", {**key(), "barcode": barcode}, follow=True)


def barcodes(order: Order) -> list[str]:
    return list(order.lines.order_by("id").values_list("copy__barcode", flat=True))


# Fetching


def promised_at(order: Order, hours: int) -> Order:
    begins = clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours)
    slot = order.point.slots.filter(starts_at=begins).first() or rows.slot(order.point, begins, capacity=50)
    appointments.promise(order_id=order.pk, slot_id=slot.pk, by=DESK, now=clock.now())
    return order


def test_the_pull_list_shows_what_one_session_needs(place, desk):
    untimed = asked(place, 1)  # before there was any time to take
    later, soon = promised_at(asked(place, 2), 6), promised_at(asked(place, 1), 3)
    page = desk.get(f"/staff/pull-list/?point={place.pk}")
    assert page.context["shown"] == 4
    [first, second] = page.context["choices"]
    assert (first["count"], second["count"], page.context["untimed"]) == (1, 2, 1)

    def shown(wanted):
        found = desk.get(f"/staff/pull-list/?point={place.pk}", {"point": place.pk, "for": wanted}).context["rooms"]
        return {row["line"].order for _room, rows_of in found for row in rows_of}

    assert shown(first["session"].key) == {soon}
    assert shown(second["session"].key) == {later}
    assert shown("none") == {untimed}
    assert shown("rubbish\x00") == {soon, later, untimed}


def test_the_pull_list_is_in_rooms_and_says_where_each_copy_is(place, desk):
    order = asked(place, 1)
    copy = order.lines.get().copy
    Copy.objects.filter(pk=copy.pk).update(call_number="아동 813.6 황12ㅅ", shelf_key="000")
    plain, dead = asked(place, 1), steps.packed(asked(place, 1), now=clock.now())
    orders.cancel(order_id=dead.pk, by=DESK, now=clock.now())
    dead.lines.update(copy=plain.lines.get().copy)  # the bag that nobody collected still holds it
    page = desk.get(f"/staff/pull-list/?point={place.pk}")
    assert [room for room, _rows in page.context["rooms"]] == ["아동", ""]
    assert f"bag {dead.shown}" in page.content.decode()


def test_not_on_the_shelf_says_what_to_do_if_it_is_found_after_all(place, desk):
    line = asked(place, 1).lines.get()
    page = desk.post(f"/staff/lines/{line.pk}/not-on-shelf/?point={place.pk}", key(), follow=True)
    assert "Found it after all? Scan it at Returns." in page.content.decode()
    back = scan(desk, place, line.copy.barcode, "returns")
    again = Order.objects.get(patron=line.order.patron, state="picking")
    assert back.context["last"].line.order == again


# Packing


def test_a_scan_says_into_which_bag_and_where_it_will_stand(place, desk):
    order = asked(place, 2)
    first, second = barcodes(order)
    said = scan(desk, place, first).context["said"]
    assert (said.order, said.order.place, len(said.inside), said.count, said.complete) == (order, "A1", 1, 2, False)
    page = scan(desk, place, second)
    assert page.context["said"].complete
    assert 'data-sound="full"' in page.content.decode()


def test_the_slip_of_a_full_bag_makes_it_ready(place, desk):
    order = steps.packed(asked(place, 2), now=clock.now())
    page = scan(desk, place, order.shown)
    order.refresh_from_db()
    assert (order.state, order.place) == ("ready", "A1")
    assert 'data-sound="done"' in page.content.decode()
    again = scan(desk, place, order.number)
    assert (again.status_code, again.context["said"].order) == (200, order)


def test_a_slip_of_a_bag_that_misses_a_book_is_refused_with_the_book(place, desk):
    order = asked(place, 1)
    page = scan(desk, place, order.number)
    assert page.status_code == 409
    assert barcodes(order)[0] in page.content.decode()
    assert 'data-sound="wrong"' in page.content.decode()


@pytest.mark.parametrize("nonsense", ["0000", "NOPE", "x" * 80, "１２３４", "😀", "a\x00b"])
def test_nonsense_under_the_scanner_is_a_sentence(place, desk, nonsense):
    assert 400 <= scan(desk, place, nonsense).status_code < 500


def test_a_card_that_was_blocked_meanwhile_is_said_when_its_bag_is_packed(place, desk):
    order = asked(place, 1)
    Patron.objects.filter(orders=order).update(blocked_until=(clock.now() + timedelta(days=3)).date())
    page = scan(desk, place, barcodes(order)[0])
    assert page.status_code == 409
    assert "blocked" in page.content.decode()
    assert "card is blocked" in desk.get(f"/staff/packing/?point={place.pk}").content.decode()


def test_a_card_that_was_blocked_after_its_bag_was_packed_is_said_where_somebody_can_decide(place, desk):
    order = ready(place)
    assert order.shown not in desk.get(f"/staff/packing/?point={place.pk}").content.decode()
    Patron.objects.filter(orders=order).update(blocked_until=(clock.now() + timedelta(days=3)).date())
    packing = desk.get(f"/staff/packing/?point={place.pk}").content.decode()
    record = f'href="/staff/patrons/{order.patron_id}/?point={place.pk}"'
    for words in (order.shown, "card is blocked", "on the pickup shelf", "Yes, cancel the order", "Lift the", record):
        assert words in packing
    assert "1 to go" not in packing
    assert "card is blocked" in desk.get(f"/staff/shelf/?point={place.pk}").content.decode()
    assert "Decide on 1 bag of a blocked card" in desk.get(f"/staff/?point={place.pk}").content.decode()


def test_a_book_for_another_place_of_the_library_goes_into_its_bag_there(place, desk):
    door = rows.point(place.library, rules={"by_appointment": False})
    order = asked(door, 1)
    said = scan(desk, place, barcodes(order)[0]).context["said"]
    assert said.order == order


# Slips


def test_a_slip_names_nobody_and_no_book(place, desk):
    order = asked(place, 2, name="홍길동", needs=["boot"], card_number="SECRET-0001")
    page = desk.get(f"/staff/orders/{order.pk}/slip/?point={place.pk}").content.decode()
    paper = page[page.index('<article class="slip"') : page.index("</article>")]
    assert order.shown in paper
    assert "Into the boot" in paper
    assert all(barcode in paper for barcode in barcodes(order))
    for secret in ("홍길동", "SECRET-0001", "소년이 온다", "style="):
        assert secret not in paper


@pytest.mark.parametrize(
    ("language", "tie", "on_slip"),
    [
        ("en", "goes with {0}, {1}", "Goes with 2 other bags: {0}, {1}"),
        ("ko", "{0}, {1} 꾸러미와 함께", "다른 꾸러미 2개와 함께: {0}, {1}"),
    ],
)
def test_bags_of_one_car_are_packed_together_and_every_page_says_so(place, language, tie, on_slip):
    desk = Client(headers={"accept-language": language})
    desk.force_login(rows.staff(place.library))
    household = rows.household(together=True)
    family = []
    for _ in range(3):
        family.append(asked(place, 1, household=household))
        asked(place, 1)
    others = {
        order.pk: [bags.numbers([one]) for one in sorted(family, key=lambda one: one.number) if one != order]
        for order in family
    }
    packing = desk.get(f"/staff/packing/?point={place.pk}")
    assert [bag.order.pk in others for bag in packing.context["to_pack"]] == [True] * 3 + [False] * 3
    run = desk.get(f"/staff/slips/?point={place.pk}").context["slips"]
    assert [slip["bag"].order.pk in others for slip in run] == [True] * 3 + [False] * 3
    pulled = desk.get(f"/staff/pull-list/?point={place.pk}").content.decode()
    for order in family:
        paper = desk.get(f"/staff/orders/{order.pk}/slip/?point={place.pk}").content.decode()
        paper = paper[paper.index('<article class="slip"') : paper.index("</article>")]
        said = tie.format(*others[order.pk])
        assert said in packing.content.decode()
        assert said in pulled
        assert on_slip.format(*others[order.pk]) in paper
        assert order.patron.name not in paper
        assert said in scan(desk, place, barcodes(order)[0]).content.decode()
    for order in family:
        steps.ready(order, now=clock.now())
    shelf = desk.get(f"/staff/shelf/?point={place.pk}")
    assert [bag.order.place for bag in shelf.context["bags"]] == ["A1", "A2", "A3"]
    assert all(tie.format(*others[order.pk]) in shelf.content.decode() for order in family)
    Household.objects.filter(pk=household.pk).update(together=False)
    assert tie.format(*others[family[0].pk]) not in desk.get(f"/staff/shelf/?point={place.pk}").content.decode()


def test_the_slips_of_a_session_are_one_run(place, desk):
    asked(place, 1)
    bags = [promised_at(asked(place, 1), 3) for _ in range(2)]
    page = desk.get(f"/staff/slips/?point={place.pk}")
    assert len(page.context["slips"]) == 3
    [session] = page.context["choices"]
    run = desk.get("/staff/slips/", {"point": place.pk, "for": session.key, "paper": "a6"})
    assert {slip["bag"].order for slip in run.context["slips"]} == set(bags)
    assert 'class="slips a6"' in run.content.decode()


def test_the_card_is_printed_where_another_system_has_to_read_it(place, desk):
    order = asked(place, 1)
    address = f"/staff/orders/{order.pk}/slip/?point={place.pk}"
    assert desk.get(address).context["card"] is False
    assert desk.get(f"{address}&card=1").context["slips"][0]["card"]
    Library.objects.filter(pk=place.library_id).update(circulation="beside")
    assert desk.get(address).context["slips"][0]["card"]


def test_a_bag_without_a_time_says_whether_it_needs_one(place, desk):
    order = ready(place)
    pages = [
        f"/staff/orders/{order.pk}/slip/",
        "/staff/shelf/",
        f"/staff/orders/{order.pk}/elsewhere/",
        f"/staff/patrons/{order.patron_id}/",
        f"/staff/phone-orders/{order.patron_id}/",
    ]
    words = {True: "no time yet", False: "no appointment needed"}
    for needed in words:
        PointRules.objects.filter(point=place).update(by_appointment=needed)
        for address in pages:
            page = desk.get(f"{address}?point={place.pk}").content.decode()
            assert [word in page for word in words.values()] == [needed, not needed], address
    asked(place, 1)
    slot = rows.slot(place, starts_at=clock.now() + timedelta(days=1))
    PointRules.objects.filter(point=place).update(by_appointment=True)
    steps.asked(rows.patron(place.library), place, slot_id=slot.pk, now=clock.now())  # of a session: now there are two
    PointRules.objects.filter(point=place).update(by_appointment=False)
    for address in ("/staff/packing/", "/staff/slips/", "/staff/pull-list/"):
        assert "no appointment needed" in desk.get(f"{address}?point={place.pk}").content.decode(), address


# The shelf


def test_the_shelf_stands_in_the_order_of_its_places_and_finds_a_number(place, desk):
    first, second = ready(place), ready(place)
    page = desk.get(f"/staff/shelf/?point={place.pk}")
    assert [bag.order for bag in page.context["bags"]] == [first, second]
    assert page.context["free"] == ["A3"]
    found = desk.get(f"/staff/shelf/?point={place.pk}&number={second.shown}")
    assert [bag.order for bag in found.context["bags"]] == [second]
    none = desk.get(f"/staff/shelf/?point={place.pk}&number=0000")
    assert (none.status_code, len(none.context["bags"])) == (400, 2)


def test_a_bag_is_moved_and_a_taken_place_is_refused(place, desk):
    first, second = ready(place), ready(place)
    address = f"/staff/orders/{first.pk}/move/?point={place.pk}"
    desk.post(address, {**key(), "place": "A3"})
    first.refresh_from_db()
    assert first.place == "A3"
    for taken in (second.place, "Z9", "", "x" * 50):
        assert 400 <= desk.post(address, {**key(), "place": taken}).status_code < 500


def test_unpacking_has_an_address_of_its_own(place, desk):
    order = steps.packed(asked(place, 1), now=clock.now())
    orders.cancel(order_id=order.pk, by=DESK, now=clock.now())
    page = scan(desk, place, barcodes(order)[0], "unpack")
    assert page.context["done"].state == "unpacked"
    assert list(page.context["lines"]) == []


# Returns


def lent(place) -> tuple[Order, str]:
    order = steps.handed_over(ready(place), now=clock.now())
    return order, barcodes(order)[0]


def test_returns_say_one_word_and_keep_the_last_scans(place, desk):
    [(_, plain), (_, wanted)] = [lent(place) for _ in range(2)]
    reader = rows.patron(place.library)
    rows.reserve(reader, Copy.objects.get(barcode=wanted).title, at=place, now=clock.now())
    shelve = scan(desk, place, plain, "returns")
    assert ('data-sound="right"' in shelve.content.decode(), shelve.context["last"].line) == (True, None)
    hold = scan(desk, place, wanted, "returns")
    assert 'data-sound="hold"' in hold.content.decode()
    assert hold.context["last"].line.order == Order.objects.get(patron=reader)  # at once, nobody waits for a sweep
    assert [row.copy.barcode for row in hold.context["scans"]] == [wanted, plain]
    assert all(row.undoable for row in hold.context["scans"])


def test_a_returned_book_that_is_packed_for_the_next_reader_cannot_be_undone(place, desk):
    _order, barcode = lent(place)
    rows.reserve(rows.patron(place.library), Copy.objects.get(barcode=barcode).title, at=place, now=clock.now())
    scan(desk, place, barcode, "returns")
    scan(desk, place, barcode)
    [row] = desk.get(f"/staff/returns/?point={place.pk}").context["scans"]
    assert (row.undoable, row.line.state) == (False, "packed")


# On the telephone


def test_a_caller_is_found_masked_and_every_look_is_logged(place, desk):
    patron = rows.patron(place.library, name="홍길동", number="+821000004721")
    rows.patron(name="홍길순")  # of another programme
    page = desk.post(f"/staff/phone-orders/?point={place.pk}", {"caller": "홍길"})
    text = page.content.decode()
    assert "홍*동" in text
    assert "phone …4721" in text
    assert "홍길동" not in text
    assert [row["patron"] for row in page.context["found"]] == [patron]
    desk.get(f"/staff/phone-orders/{patron.pk}/?point={place.pk}")
    seen = Access.objects.filter(about=f"patron:{patron.pk}").values_list("purpose", flat=True)
    assert list(seen) == ["phone-orders", "phone-orders"]


def test_nobody_found_and_somebody_of_another_programme(place, desk):
    address = f"/staff/phone-orders/?point={place.pk}"
    assert desk.post(address, {"caller": "아무도"}).status_code == 404
    assert desk.post(address, {"caller": ""}).status_code == 400
    assert desk.post(address, {"caller": "a\x00b"}).status_code in {400, 404}
    assert desk.get(f"/staff/phone-orders/{rows.patron().pk}/?point={place.pk}").status_code == 404


def order_for(desk, place, patron, *titles, **form):
    items = "".join(f"&item={title.pk}:" for title in titles)
    return desk.post(
        f"/staff/phone-orders/{patron.pk}/?point={place.pk}&place={place.pk}{items}",
        {**key(), "who": "me", **form},
        follow=True,
    )


def test_a_caller_orders_and_hears_the_sentence_in_both_languages(place, desk):
    patron = rows.patron(place.library, language="ko", number="+821000004721")
    titles = [rows.copy(at=place.library).title for _ in range(2)]
    number = patron.contacts.get()
    page = order_for(desk, place, patron, *titles, who=str(number.pk), needs=["boot"])
    order = Order.objects.get(patron=patron)
    patron.refresh_from_db()
    assert (order.collector, patron.needs) == (number, ["boot"])
    assert set(Reservation.objects.values_list("channel", flat=True)) == {"phone"}
    said = dict(page.context["said"])
    assert list(said) == ["ko", "en"]
    assert said["ko"][0].startswith(f"신청번호 {order.shown}")
    assert "The text goes to your phone that ends in 4721." in said["en"]


def test_a_caller_hears_the_number_and_time_of_a_bag_whose_book_travels_first(desk, place):
    programme = place.library.programme
    programme.transfer_days = 1
    programme.save(update_fields=["transfer_days"])
    rows.slot(place, clock.now() + timedelta(days=20))
    title = rows.copy(at=rows.library(programme=programme)).title
    page = order_for(desk, place, rows.patron(place.library, language="en"), title)
    order = Order.objects.get()
    assert not order.lines.exists()
    [(_language, said)] = page.context["said"]
    assert said[0].startswith(f"Order number {order.shown}, ")
    assert said[0].endswith("1 book.")


def test_a_caller_hears_of_a_book_that_travels_beside_one_that_is_here(desk, place):
    programme = place.library.programme
    programme.transfer_days = 1
    programme.save(update_fields=["transfer_days"])
    rows.slot(place, clock.now() + timedelta(days=20))
    here, away = rows.copy(at=place.library).title, rows.copy(at=rows.library(programme=programme)).title
    page = order_for(desk, place, rows.patron(place.library, language="en"), here, away)
    [(_language, said)] = page.context["said"]
    assert said[0].endswith("1 book.")
    assert "1 book comes from another library; you are told when it is here." in said


def test_a_caller_may_have_all_books_together(desk, place):
    programme = place.library.programme
    programme.transfer_days = 2
    programme.save(update_fields=["transfer_days"])
    for days in (1, 5):
        rows.slot(place, clock.now() + timedelta(days=days))
    here, away = rows.copy(at=place.library).title, rows.copy(at=rows.library(programme=programme)).title
    patron = rows.patron(place.library, language="en")
    items = f"&item={here.pk}%3A&item={away.pk}%3A"
    address = f"/staff/phone-orders/{patron.pk}/?point={place.pk}&place={place.pk}{items}"
    both = html.unescape(desk.get(address).content.decode())
    [together] = re.findall(r'href="(\?[^"#]*&together=1)#when"', both)
    assert 'name="whole"' not in both
    page = desk.get(f"/staff/phone-orders/{patron.pk}/{together}")
    assert len(page.context["days"]) == len(desk.get(address).context["days"]) - 1
    assert 'name="whole" value="on"' in page.content.decode()
    said = order_for(desk, place, patron, here, away, whole="on").context["said"][0][1]
    assert Order.objects.get().whole_until is not None
    assert "The bag waits until all are here, a week at most." in said


def test_no_time_is_offered_for_books_of_which_none_can_be_had_now(desk, place):
    rows.slot(place, clock.now() + timedelta(days=1))
    title, here = rows.copy(at=place.library).title, rows.copy(at=place.library).title
    rows.reserve(rows.patron(place.library), title, at=place)
    address = f"/staff/phone-orders/{rows.patron(place.library).pk}/?point={place.pk}&place={place.pk}&item={title.pk}:"
    page = desk.get(address)
    assert page.context["days"] == []
    assert "None of these books can be had now." in page.content.decode()
    assert desk.get(f"{address}&item={here.pk}:").context["days"]


def test_somebody_else_collects_for_a_caller(place, desk):
    patron = rows.patron(place.library, number="")
    title = rows.copy(at=place.library).title
    wrong = order_for(desk, place, patron, title, who="other", name="손자")
    assert (wrong.status_code, "number" in wrong.context["form"].errors) == (400, True)
    order_for(desk, place, patron, title, who="other", name="손자", number="010-0000-0088", language="ko")
    assert Order.objects.get(patron=patron).collector.number == "+821000000088"


def test_a_caller_says_when_to_come_where_times_are_offered_later(place, desk):
    PointRules.objects.filter(point=place).update(promise=PointRules.Promise.WHEN_READY)
    patron, title = rows.patron(place.library), rows.copy(at=place.library).title
    half = order_for(desk, place, patron, title, weekdays=["1"], begins="17:00")
    assert (half.status_code, "ends" in half.context["times_form"].errors) == (400, True)
    assert not Order.objects.filter(patron=patron).exists()
    order_for(desk, place, patron, title, weekdays=["1"], begins="17:00", ends="19:00")
    liked = queries.preferences_of([patron.pk])[patron.pk]
    assert (Order.objects.filter(patron=patron).exists(), liked.weekdays, liked.ends) == (True, [1], time(19))


def test_the_rules_hold_on_the_telephone_too(place, desk):
    patron = rows.patron(place.library)
    titles = [rows.copy(at=place.library).title for _ in range(6)]
    refused = order_for(desk, place, patron, *titles)
    assert refused.status_code == 409
    assert "volumes a week" in refused.content.decode()
    blocked = rows.patron(place.library, blocked_until=(clock.now() + timedelta(days=3)).date())
    assert "Nothing was ordered" in order_for(desk, place, blocked, titles[0]).content.decode()
    nobody = rows.patron(place.library)
    assert order_for(desk, place, nobody, who=str(patron.contacts.get().pk)).status_code == 400
    assert order_for(desk, place, nobody).status_code == 400
    assert not Order.objects.exists()


def test_a_title_in_volumes_is_ordered_by_volume(place, desk):
    title = rows.title(title="태백산맥 이야기")
    for volume in ("1", "2"):
        rows.copy(title, place.library, volume=volume)
    patron = rows.patron(place.library)
    address = f"/staff/phone-orders/{patron.pk}/?point={place.pk}"
    assert desk.get(f"{address}&q=태백산맥").context["volumes"] == {title.pk: ["1", "2"]}
    desk.post(f"{address}&place={place.pk}&item={title.pk}:2", {**key(), "who": "me"})
    assert Reservation.objects.get(patron=patron).volume == "2"


@pytest.mark.lawless("I3", why="a copy is put there without a move")
def test_what_is_set_aside_is_not_called_lent_out(place, desk):
    title = rows.title(title="소년이 온다")
    copy = rows.copy(title, place.library)
    rows.reserve(rows.patron(place.library), title, at=place, now=clock.now())
    address = f"/staff/phone-orders/{rows.patron(place.library).pk}/?point={place.pk}&q=소년이&item={title.pk}:"
    words = {"kept": "set aside for somebody", "out": "lent out", "none": "no copy to lend"}
    for state, kind in (("bag", "kept"), ("transit", "kept"), ("loan", "out"), ("damaged", "none")):
        Copy.objects.filter(pk=copy.pk).update(state=state)
        page = desk.get(address)
        assert page.context["stock"][title.pk].kind == kind
        assert page.context["books"][0]["at"].kind == kind
        shown = page.content.decode()
        assert [shown.count(word) for word in words.values()] == [2 * (word == kind) for word in words]


# The inbox


def test_notes_are_settled_with_one_tap(place, desk):
    order = asked(place, 1)
    notes.write(order_id=order.pk, text="Ten minutes late", by=Actor("collector", order.pk, "link"), now=clock.now())
    page = desk.get(f"/staff/inbox/?point={place.pk}")
    assert "Ten minutes late" in page.content.decode()
    note = Note.objects.get()
    desk.post(f"/staff/notes/{note.pk}/settle/?point={place.pk}", key())
    note.refresh_from_db()
    assert note.settled_by.startswith("staff:")
    stranger = Client()
    other = rows.point()
    stranger.force_login(rows.staff(other.library))
    assert stranger.post(f"/staff/notes/{note.pk}/settle/?point={other.pk}", key()).status_code == 404


def call_about(order, now):
    return calls.add(
        sender=Sender.objects.get(key=order.library.sender),
        number=order.patron.contacts.get().number,
        language="ko",
        say="준비되었습니다",
        about=f"order:{order.pk}",
        dedup_key=f"call {order.pk}",
        now=now,
        due_at=now,
        not_after=now + timedelta(days=1),
        by=DESK,
    )


def texts(place, provider_id, number, body):
    """Somebody texts the library, and it is understood."""
    to = Sender.objects.get(key=place.library.sender).number
    now = clock.now()
    inbound.store(provider_id=provider_id, from_number=number, to_number=to, body=body, media=0, now=now)
    assert inbound.apply(now=now) == 1


def test_a_call_and_a_text_say_whose_they_are_and_what_was_answered(place, desk):
    now = clock.now()
    order = asked(place, 1, name="문하늘")
    call_about(order, now)
    texts(place, "SM1", order.patron.contacts.get().number, "아이가 아파요")
    page = desk.get(f"/staff/inbox/?point={place.pk}")
    for name in ("calls", "parked"):
        [line] = page.context[name]
        assert (line.orders, line.patrons) == ([order], [])
        assert line.library is None  # the only one with this inbox
    shown = page.content.decode()
    assert shown.count(f'href="/staff/lane/bag/{order.pk}/?point={place.pk}"') == 2
    assert shown.count(f'href="/staff/patrons/{order.patron_id}/?point={place.pk}">문하늘</a>') == 2
    assert unbroken(Message.objects.get(dedup_key="answer:SM1").body) in shown
    looked = Access.objects.filter(purpose="inbox").values_list("about", flat=True)
    assert {f"patron:{order.patron_id}", f"order:{order.pk}"} <= set(looked)


def test_a_number_within_a_sentence_stays_in_one_line():
    assert unbroken("<b> 문의 02-100-2020.") == '&lt;b&gt; 문의 <span class="nowrap">02-100-2020</span>.'
    assert unbroken("SD00000434, 47-21, 2026-11-24") == "SD00000434, 47-21, 2026-11-24"


def test_a_text_about_no_order_names_those_who_have_the_number(place, desk):
    patron = rows.patron(place.library, name="문하늘")
    rows.library(sender=place.library.sender)
    texts(place, "SM1", patron.contacts.get().number, "여보세요")
    texts(place, "SM2", "anonymous", "누구세요")
    page = desk.get(f"/staff/inbox/?point={place.pk}")
    assert [line.patrons for line in page.context["parked"]] == [[patron], []]
    assert [line.library for line in page.context["parked"]] == [place.library, None]
    assert "문하늘" in page.content.decode()
    assert Access.objects.filter(about=f"patron:{patron.pk}", purpose="inbox").exists()


def test_whom_another_library_serves_is_not_named_though_it_speaks_with_the_same_number(place, desk):
    other = rows.point(rows.library(sender=place.library.sender))
    order = steps.asked(rows.patron(other.library, name="문하늘"), other, now=clock.now())
    call_about(order, clock.now())
    page = desk.get(f"/staff/inbox/?point={place.pk}")
    [line] = page.context["calls"]
    assert (line.orders, line.patrons) == ([], [])
    assert "문하늘" not in page.content.decode()
    assert other.library.name_en in page.content.decode()
    assert set(Access.objects.values_list("about", flat=True)) == {f"call:{line.row.pk}"}


# All of them


LISTS = ["", "pull-list/", "packing/", "slips/", "shelf/", "unpack/", "returns/", "inbox/", "phone-orders/{patron}/"]


def test_a_list_costs_the_same_however_long_it_is(place, desk):
    patron = rows.patron(place.library)

    def busy():
        promised_at(asked(place, 2), 3)
        ready(place)
        steps.packed(asked(place, 1), now=clock.now())
        dead = steps.packed(asked(place, 1), now=clock.now())
        orders.cancel(order_id=dead.pk, by=DESK, now=clock.now())
        _order, barcode = lent(place)
        scan(desk, place, barcode, "returns")
        silent = steps.ready(asked(place, 1, number=""), now=clock.now())
        notes.write(order_id=silent.pk, text="?", by=Actor("collector", silent.pk, "link"), now=clock.now())

    def cost(path: str) -> int:
        with CaptureQueriesContext(connection) as asked_for:
            answer = desk.get(f"/staff/{path.format(patron=patron.pk)}?point={place.pk}")
            assert answer.status_code == 200
            return len(asked_for)

    busy()
    short = {path: cost(path) for path in LISTS}
    for _ in range(3):
        busy()
    assert {path: cost(path) for path in LISTS} == short
    assert max(short.values()) <= 30


def test_every_page_says_where_it_is_and_what_waits(place, desk):
    asked(place, 2)
    page = desk.get(f"/staff/pull-list/?point={place.pk}").content.decode()
    assert re.search(r'aria-current="page"[^>]*>.*?Fetch', page, re.DOTALL)
    assert page.count('aria-current="page"') == 1
    assert page.count(">2</span") >= 1


def test_who_works_at_one_place_only_begins_there(place, desk):
    assert desk.get("/staff/").context["mine"] == place
    assert desk.get(f"/staff/?point={rows.point().pk}").status_code == 404


def test_an_address_without_a_place_goes_on_once_the_place_is_known(place, desk):
    alone = desk.get("/staff/statistics/", follow=True)
    assert alone.redirect_chain[-1][0] == f"/staff/statistics/?point={place.pk}"
    other = rows.point(place.library, rules={})
    page = desk.get("/staff/statistics/", follow=True).content.decode()
    assert "please choose yours below" in page
    assert f'href="/staff/statistics/?point={other.pk}"' in page
    for elsewhere in ("https://example.org/", "//example.org", "/staff/nowhere/", "/me/", "/staff/../me/"):
        page = desk.get("/staff/", {"then": elsewhere}).content.decode()
        assert "please choose yours below" not in page


@pytest.mark.parametrize("role", Membership.Role)
def test_the_menu_of_today_is_that_of_every_other_page(place, role):
    client = Client(headers={"accept-language": "en"})
    client.force_login(rows.staff(place.library, role))
    today, shelf = (
        set(re.findall(r'href="(/staff/[a-z/-]+)\?', client.get(f"/staff/{page}?point={place.pk}").content.decode()))
        for page in ("", "shelf/")
    )
    assert shelf <= today
    assert ("/staff/times/" in today) == (role == Membership.Role.MANAGER)
    assert {"/staff/rules/", "/staff/transfers/"} <= shelf


def test_who_only_looks_after_the_service_is_led_to_where_that_is_done(place):
    client = Client()
    chief = Account.objects.create_superuser(username="chief", password="quiet please")
    client.force_login(chief)
    assert client.get("/staff/").headers["Location"] == "/admin/"
    Membership.objects.create(account=chief, library=place.library, role=Membership.Role.LIBRARIAN)
    assert client.get("/staff/").status_code == 200


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("12가 3456", "12가3456"), ("nl-ab·12", "NL-AB·12"), ("12가?4*6", "12가?4*6"), ("abc!!!@@@", None)],
)
def test_a_plate_is_of_letters_and_digits(typed, kept):
    if kept is None:
        with pytest.raises(BadInput):
            plates.plate(typed)
    else:
        assert plates.plate(typed) == kept
