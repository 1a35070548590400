"""What readers and collectors see: the right word on a button, the one thing to do, no query more for a long list."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import unquote
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import translation

from core import clock
from core.actor import RULE
from core.models import Counter
from lending import loans
from lending.models import Programme
from lending.reservations import Item
from notifications.models import Message
from pickup import appointments, lane, lapses, links, notes, offers, opening, orders
from pickup.models import Note, Order, PointRules, Visit
from pickup.templatetags import days
from tests import rows
from tests.pickup import steps


@pytest.fixture
def place(db):
    """A drive lane where a time is chosen while ordering, tomorrow or the day after."""
    programme = rows.programme(volumes=50)
    point = rows.point(rows.library(programme=programme), rules={"promise": "at_order"})
    rows.lane(point)
    midnight = clock.now().astimezone(rows.SEOUL).replace(hour=0, minute=0, second=0, microsecond=0)
    for day in (1, 2, 3):
        rows.slot(point, midnight + timedelta(days=day, hours=11))
    return point


@pytest.fixture
def reader(place):
    return rows.patron(place.library, pin=rows.PIN)


def browser(patron=None, language: str = "en") -> Client:
    """A browser, of a patron who is signed in or of nobody."""
    client = Client(headers={"accept-language": language})
    if patron is not None:
        client.force_login(patron.account)
    return client


def noted(client: Client, *items: Item) -> None:
    for item in items:
        client.post("/ask/note/", {"title": item.title_id, "volume": item.volume})


def text_of(answer) -> str:
    return " ".join(answer.content.decode().split())


def lent_title(place):
    copy = rows.copy(at=place.library)
    loans.check_out(copy_id=copy.pk, patron_id=rows.patron().pk, library_id=place.library_id, by=RULE, now=clock.now())
    return copy.title


def asked(patron, place, books: int = 1, **more) -> Order:
    return steps.asked(patron, place, books=books, now=clock.now(), **more)


def ready(order: Order) -> Order:
    return steps.ready(order, now=clock.now())


def visit_of(order: Order) -> int:
    visit = steps.again(order).visit
    assert visit is not None
    return visit.pk


def waiting_here(order: Order) -> Visit:
    return lane.arrive(point_id=order.point_id, order_id=order.pk, by=steps.DESK, now=clock.now())


def key() -> dict[str, str]:
    return {"key": uuid4().hex}


# Search and title


@pytest.mark.parametrize(
    ("language", "request_it", "reserve_it"), [("ko", "신청하기", "예약하기"), ("en", "Request", "Reserve")]
)
def test_what_is_in_is_requested_and_what_is_out_is_reserved(place, language, request_it, reserve_it):
    client = browser(language=language)
    title_in, title_out = rows.copy(at=place.library).title, lent_title(place)
    for title, word, other in ((title_in, request_it, reserve_it), (title_out, reserve_it, request_it)):
        for address in (f"/?q={title.title}", f"/titles/{title.pk}/"):
            page = text_of(client.get(address))
            assert f"{word}<" in page or f"{word} <" in page, address
            assert f">{other}" not in page
            assert place.library.name_in(language) in page


def test_a_title_in_volumes_is_chosen_by_volume(place):
    title = rows.title()
    for volume in ("1", "2"):
        rows.copy(title, place.library, volume=volume)
    client = browser()
    assert "Choose a volume" in text_of(client.get(f"/?q={title.title}"))
    page = client.get(f"/titles/{title.pk}/?volume=2")
    assert page.context["volume"] == "2"
    assert client.get(f"/titles/{title.pk}/?volume=99").context["volume"] == "1"
    client.post("/ask/note/", {"title": title.pk, "volume": "2"})
    assert client.session["basket"] == [[title.pk, "2"]]


def test_the_title_says_for_each_place_when_it_could_be_had(place):
    other = rows.point(rows.library(programme=place.library.programme))
    title = rows.copy(at=place.library).title
    page = text_of(browser().get(f"/titles/{title.pk}/"))
    assert "The earliest time is tomorrow" in page
    assert f"Only in {place.library.name_en}" in page
    assert other.name_en in page


def test_a_title_that_was_asked_for_leads_to_the_order(place, reader):
    order = asked(reader, place)
    title = order.lines.get().copy.title
    client = browser(reader)
    assert "You have requested this book" in text_of(client.get(f"/titles/{title.pk}/"))
    assert "Requested" in text_of(client.get(f"/?q={title.title}"))


def test_the_start_page_has_something_to_begin_with(place):
    title = rows.copy(at=place.library).title
    page = browser().get("/")
    assert title in [row.title for row in page.context["rows"]]
    nothing = text_of(browser(language="ko").get("/?q=쀍쀍쀍"))
    assert "초성만 넣으셔도 됩니다" in nothing
    assert place.library.phone in nothing


# Asking


def test_the_list_says_what_is_here_and_what_joins_later(place, reader):
    client, out = browser(reader), lent_title(place)
    noted(client, Item(rows.copy(at=place.library).title_id), Item(out.pk))
    page = client.get("/ask/")
    assert [book.hope.kind for book in page.context["books"]] == ["time", "line"]
    assert page.context["places"] == [(place, 1)]
    assert "number 1 in line" in text_of(page)
    assert "Request 2 books" in text_of(page)


def test_with_nothing_on_the_shelf_no_time_is_asked_for(place, reader):
    client = browser(reader)
    noted(client, Item(lent_title(place).pk))
    page = client.get("/ask/")
    assert 'name="slot"' not in page.content.decode()
    assert "Reserve 1 book" in text_of(page)


@pytest.mark.lawless("I1", why="slots are filled by hand")
def test_the_times_of_one_day_are_shown_with_the_places_that_are_left(place, reader):
    client = browser(reader)
    noted(client, Item(rows.copy(at=place.library).title_id))
    full, second, _third = place.slots.order_by("starts_at")
    type(full).objects.filter(pk=full.pk).update(booked=full.capacity)
    type(full).objects.filter(pk=second.pk).update(booked=1)
    page = client.get("/ask/")
    assert [day.places for day in page.context["days"]] == [0, 2, 3]
    assert [room.slot for room in page.context["day"].rooms] == [second]
    last = page.context["days"][2].day
    assert client.get(f"/ask/?day={last}").context["day"].day == last
    assert client.get("/ask/?day=2000-01-01").context["day"].day == page.context["days"][1].day


def test_a_bag_that_the_books_join_is_named_with_its_time_which_stays_unless_another_is_chosen(place, reader):
    first, second, _third = place.slots.order_by("starts_at")
    order = asked(reader, place)
    held = appointments.promise(order_id=order.pk, slot_id=second.pk, by=RULE, now=clock.now()).slot
    client = browser(reader)
    for chosen, becomes in (("", held), (str(first.pk), first)):
        noted(client, Item(rows.copy(at=place.library).title_id))
        page = client.get(f"/ask/?place={place.pk}")
        assert f"These books join bag {order.shown}. It has this time:" in text_of(page)
        assert f'value="{held.pk}" checked' in text_of(page)
        client.post(f"/ask/?place={place.pk}", {**key(), "point": place.pk, "slot": chosen, "who": "me"})
        assert steps.again(order).appointment.slot == becomes
    assert Order.objects.get().lines.count() == 3


def test_no_book_of_an_order_that_was_called_off_is_said_to_come(place, reader):
    order = asked(reader, place)
    client, address = browser(reader), f"/my/orders/{order.pk}/"
    assert "To fetch" in text_of(client.get(address))
    orders.cancel(order_id=order.pk, by=RULE, now=clock.now())
    assert "Left for the next bag" not in text_of(client.get(address))


def test_more_books_than_the_week_allows_are_said_before_asking(place, reader):
    Programme.objects.update(volumes=1)
    client = browser(reader)
    noted(client, *(Item(rows.copy(at=place.library).title_id) for _ in range(2)))
    assert "You can still request 1 volume this week" in text_of(client.get("/ask/"))


@pytest.mark.django_db(transaction=True)
def test_a_plate_is_kept_in_one_form_and_said_again_on_arrival(place, reader):
    client = browser(reader)
    noted(client, Item(rows.copy(at=place.library).title_id))
    client.post("/ask/", {**key(), "point": place.pk, "who": "me", "plate": " １２가 ３４５６ "})
    order = Order.objects.get(patron=reader)
    assert order.plate == "12가3456"
    ready(order)
    client.post(f"/my/orders/{order.pk}/here/", key())
    assert Visit.objects.get().plate == "12가3456"


@pytest.mark.django_db(transaction=True)
def test_a_plate_that_cannot_be_one_is_said_beside_its_field(place, reader):
    client = browser(reader)
    noted(client, Item(rows.copy(at=place.library).title_id))
    answer = client.post("/ask/", {**key(), "point": place.pk, "who": "me", "plate": "12\u202e3456"})
    assert answer.status_code == 400
    assert "plate" in answer.context["form"].errors


def test_a_plate_stands_until_another_is_said(place, reader):
    order = asked(reader, place, plate="12가3456")
    orders.request(
        patron_id=reader.pk,
        point_id=place.pk,
        items=[Item(rows.copy(at=place.library).title_id)],
        by=RULE,
        now=clock.now(),
    )
    assert steps.again(order).plate == "12가3456"


# One order


def base_of(order: Order) -> str:
    return f"/o/{links.token_for(order, now=clock.now())}/"


def test_the_page_behind_a_link_names_neither_title_nor_person(place, reader):
    order = ready(asked(reader, place, books=2, plate="12가3456"))
    page = text_of(browser().get(base_of(order)))
    title = order.lines.first().copy.title.title
    assert "2 books" in page
    assert not any(secret in page for secret in (title, reader.name, "12가3456"))
    assert title in text_of(browser(reader).get(f"/my/orders/{order.pk}/"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("state", ["picking", "ready"])
def test_who_comes_themselves_for_a_bag_that_was_left_to_somebody_else_is_told(place, reader, state):
    neighbour = rows.contact(reader, number=rows.mobile(), own=False, name="이웃")
    order = asked(reader, place, collector_id=neighbour.pk)
    if state == "ready":
        order = ready(order)
    client = browser(reader)
    noted(client, Item(rows.copy(at=place.library).title_id))
    assert client.post("/ask/", {**key(), "point": place.pk, "who": "me"}).status_code == 303
    order.refresh_from_db()
    assert order.collector.own
    told = set(Message.objects.filter(state="queued").values_list("to", flat=True))
    assert told <= {reader.contacts.get(own=True).number}


@pytest.mark.django_db(transaction=True)
def test_what_a_patron_writes_on_the_own_page_is_not_shown_behind_a_link(place, reader):
    order = asked(reader, place)
    for address, words in ((f"/my/orders/{order.pk}/", "Hide the novel."), (base_of(order), "Ten minutes late.")):
        browser(reader).post(f"{address}note/", {**key(), "text": words})
    page = text_of(browser().get(base_of(order)))
    assert ("Hide the novel." in page, "Ten minutes late." in page) == (False, True)
    mine = text_of(browser(reader).get(f"/my/orders/{order.pk}/"))
    assert all(words in mine for words in ("Hide the novel.", "Ten minutes late."))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("number", "says"), [(rows.american(), "Please answer until"), ("", "you need not answer")])
def test_only_who_can_answer_is_told_that_silence_gives_the_time_away(place, number, says):
    PointRules.objects.update(silence="lapse", promise=PointRules.Promise.WHEN_READY)
    order = ready(asked(rows.patron(place.library, number=number or rows.mobile()), place))
    offers.offer_ready(now=clock.now())
    assert says in text_of(browser().get(base_of(order)))


@pytest.mark.django_db(transaction=True)
def test_the_library_is_written_to_and_its_reading_is_seen(place, reader):
    order = asked(reader, place)
    client, base = browser(language="ko"), base_of(order)
    client.post(f"{base}note/", {**key(), "text": "10분 늦습니다."})
    note = Note.objects.get(order=order)
    assert (note.text, note.channel) == ("10분 늦습니다.", "link")
    assert "아직 읽지 않음" in text_of(client.get(base))
    notes.settle(note_id=note.pk, by=steps.DESK, now=clock.now())
    assert "아직 읽지 않음" not in text_of(client.get(base))
    empty = client.post(f"{base}note/", {**key(), "text": "  "})
    assert empty.status_code == 400
    assert "text" in empty.context["note_form"].errors
    for _ in range(notes.MOST_UNREAD):
        client.post(f"{base}note/", {**key(), "text": "기다립니다."})
    assert client.post(f"{base}note/", {**key(), "text": "하나 더"}).status_code == 429


@pytest.mark.django_db(transaction=True)
def test_the_parking_place_is_named_on_arrival(place):
    bays = rows.point(place.library, layout="bays", rules={"by_appointment": False})
    order = ready(asked(rows.patron(place.library), bays))
    base = base_of(order)
    assert "Number of your parking place" in text_of(browser().get(base))
    wrong = browser().post(f"{base}here/", {**key(), "bay": "x" * 11})
    assert wrong.status_code == 400
    assert "bay" in wrong.context["here_form"].errors
    browser().post(f"{base}here/", {**key(), "bay": "7"})
    assert Visit.objects.get(point=bays).bay == "7"


def test_whoever_waits_sees_the_queue_move(place, reader):
    before = ready(asked(rows.patron(place.library), place))
    mine = ready(asked(reader, place))
    for order in (before, mine):
        waiting_here(order)
    client, base = browser(), base_of(mine)
    page = text_of(client.get(base))
    assert "1 car is ahead of you." in page
    assert "About 2 minutes to wait." in page
    assert f'hx-get="{base}wait/"' in page
    lane.call_next(point_id=place.pk, by=steps.DESK, now=clock.now())
    assert "You are next." in text_of(client.get(f"{base}wait/"))
    lane.hand_over(visit_id=visit_of(before), by=steps.DESK, now=clock.now())
    lane.call_next(point_id=place.pk, by=steps.DESK, now=clock.now())
    called = text_of(client.get(f"{base}wait/"))
    assert "Please drive up now." in called
    assert "We have called you again." not in called
    lane.recall(visit_id=visit_of(mine), by=steps.DESK, now=clock.now())
    assert "We have called you again." in text_of(client.get(f"{base}wait/"))
    lane.hand_over(visit_id=visit_of(mine), by=steps.DESK, now=clock.now())
    after = text_of(client.get(f"{base}wait/"))
    assert "Handed over" in after
    assert "hx-get" not in after  # it looks no more
    assert client.post(f"{base}wait/", key()).status_code == 405


@pytest.mark.django_db(transaction=True)
def test_i_am_here_is_taken_back_and_can_be_said_again(place, reader):
    order = ready(asked(reader, place))
    for client, base in ((browser(reader), f"/my/orders/{order.pk}/"), (browser(), base_of(order))):
        client.post(f"{base}here/", key())
        assert f'action="{base}leave/"' in text_of(client.get(base))
        form, visit = key(), Visit.objects.latest("pk")
        for _twice in range(2):
            assert client.post(f"{base}leave/", form).headers["location"] == base
        visit.refresh_from_db()
        assert visit.state == "left"
        page = text_of(client.get(base))
        assert "Taken back. Please say so when you are here." in page
        assert f'action="{base}here/"' in page
        assert f'action="{base}leave/"' not in page
    assert Visit.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_who_is_called_is_not_asked_to_take_it_back_and_refused(place, reader):
    order = ready(asked(reader, place))
    visit = waiting_here(order)
    lane.call_next(point_id=place.pk, by=steps.DESK, now=clock.now())
    client, base = browser(reader), f"/my/orders/{order.pk}/"
    assert "leave/" not in text_of(client.get(base))
    answer = client.post(f"{base}leave/", key())
    visit.refresh_from_db()
    assert (answer.status_code, visit.state) == (409, "called")
    assert "You have been called already." in text_of(answer)


@pytest.mark.django_db(transaction=True)
def test_nobody_takes_back_that_somebody_else_is_here(place, reader):
    theirs = ready(asked(rows.patron(place.library), place))
    visit, mine = waiting_here(theirs), ready(asked(reader, place))
    client = browser(reader)
    assert client.post(f"/my/orders/{theirs.pk}/leave/", key()).status_code == 404
    for base in (f"/my/orders/{mine.pk}/", base_of(mine)):  # nobody is here for this one
        assert client.post(f"{base}leave/", key()).status_code == 404
    visit.refresh_from_db()
    assert visit.state == "waiting"


def asked_for_the_first(reader, place) -> Order:
    """An order with the first time of the place, which takes nobody any more."""
    slot = place.slots.earliest("starts_at")
    order = asked(reader, place, slot_id=slot.pk)
    place.slots.filter(pk=slot.pk).update(open=False)
    return steps.again(order)


@pytest.mark.django_db(transaction=True)
def test_a_time_that_was_moved_says_why_until_another_is_chosen(place, reader):
    order, last = asked_for_the_first(reader, place), place.slots.latest("starts_at")
    day = order.appointment.slot.starts_at.astimezone(rows.SEOUL).date()
    opening.close(library_id=place.library_id, day=day, reason="", by=steps.DESK, now=clock.now())
    pages = [(browser(reader), f"/my/orders/{order.pk}/"), (browser(), base_of(order)), (browser(reader), "/my/")]
    with translation.override("en"):
        why = f"The library is closed on {days.full_day(day)}, so we moved your time."
    with translation.override("ko"):
        korean = f"{days.full_day(day)} 휴관으로 방문 시간을 옮겼습니다."
    for packed in (False, True):
        if packed:
            ready(order)
        assert all(why in text_of(client.get(address)) for client, address in pages)
        assert korean in text_of(browser(language="ko").get(base_of(order)))
    appointments.promise(order_id=order.pk, slot_id=last.pk, by=rows.patron_actor(reader), now=clock.now())
    assert not any("so we moved your time" in text_of(client.get(address)) for client, address in pages)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("hours", "Our pickup hours have changed, so we moved your time."),
        ("moved", "We need longer for your bag, so we moved your time."),
    ],
)
def test_other_hours_or_a_late_bag_are_said_to_have_moved_a_time(place, reader, template, said):
    order = asked_for_the_first(reader, place)
    lapses.move_away(
        appointment_id=order.appointment.pk, kept_until=clock.now(), template=template, by=RULE, now=clock.now()
    )
    assert said in text_of(browser(reader).get(f"/my/orders/{order.pk}/"))


def test_looking_at_an_address_that_is_valid_is_never_counted(place, reader):
    base = base_of(asked(reader, place))
    for _ in range(3):
        assert browser().get(f"{base}wait/").status_code == 200
    assert not Counter.objects.filter(key__startswith="link:").exists()
    assert browser().get("/o/nobody-has-this/").status_code == 404
    assert Counter.objects.filter(key__startswith="link:").update(count=60) == 1
    answers = [browser().get("/o/nobody-has-this/").status_code for _ in range(2)]
    assert 429 in answers  # a new window may begin before the first of them
    assert browser().get(base).status_code == 200


def test_whoever_comes_on_a_closed_day_reads_when_it_opens_and_does_not_stay(place, reader):
    order = ready(asked(reader, place))
    client, base = browser(reader), f"/my/orders/{order.pk}/"
    PointRules.objects.filter(point=place).update(shut_until=clock.now() + timedelta(hours=3))
    client.post(f"{base}here/", key())
    shut_early = text_of(client.get(base))  # those who wait are still served
    PointRules.objects.filter(point=place).update(shut_until=None)
    opens = (clock.now().astimezone(rows.SEOUL).date() + timedelta(days=2)).weekday()
    rows.window(place, weekday=opens)
    closed = text_of(client.get(base))
    for page in (shut_early, closed):
        assert "Closed right now." in page
    for words in ("Please stay in the car.", "You are next.", "This page says when it is your turn."):
        assert words in shut_early
        assert words not in closed


def test_a_page_that_renews_itself_after_the_session_has_ended_leads_to_the_door(place, reader):
    order = ready(asked(reader, place))
    page = f"http://testserver/my/orders/{order.pk}/"
    answer = browser().get(f"/my/orders/{order.pk}/wait/", headers={"hx-request": "true", "referer": page})
    assert (answer.status_code, answer.content) == (204, b"")
    assert unquote(answer.headers["HX-Redirect"]) == f"/sign-in/?next={page}"


def test_a_copy_that_is_set_aside_for_oneself_is_said_to_be_so(place, reader):
    title = asked(reader, place).lines.get().copy.title_id
    assert "set aside for you" in text_of(browser(reader).get(f"/titles/{title}/"))
    for somebody in (rows.patron(place.library, pin=rows.PIN), None):
        assert "set aside for somebody" in text_of(browser(somebody).get(f"/titles/{title}/"))


def test_of_books_that_are_collected_together_none_is_said_to_follow(place, reader):
    client = browser(reader)
    noted(client, Item(rows.copy(at=place.library).title_id), Item(lent_title(place).pk))
    assert "follows later" in text_of(client.get(f"/ask/?place={place.pk}"))
    together = text_of(client.get(f"/ask/?place={place.pk}&together=1"))
    assert "number 1 in line" in together
    assert "follow" not in together


# As many queries for many rows as for a few


def counted(client: Client, address: str, counter) -> int:
    client.get(address)  # the session is read, the language known
    with counter(60) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


def grow(place, patron) -> None:
    """Three more of everything that a patron can have."""
    points = [rows.point(place.library, rules={"promise": "at_order"}) for _ in range(3)]
    for number, point in enumerate(points):
        rows.slot(point, clock.now() + timedelta(hours=30))
        order = asked(patron, point, books=2)
        if number:
            ready(order)
        if number == 2:
            waiting_here(order)
    for _ in range(3):
        door = rows.point(place.library, rules={"by_appointment": False})
        steps.handed_over(ready(asked(patron, door, books=2)), now=clock.now())
        rows.reserve(patron, lent_title(place), at=place, now=clock.now())


def test_a_long_list_of_mine_costs_no_more_queries(place, reader, django_assert_max_num_queries):
    client = browser(reader)
    steps.handed_over(ready(asked(reader, place)), now=clock.now())
    rows.reserve(reader, lent_title(place), at=place, now=clock.now())
    waiting_here(ready(asked(reader, place)))
    few = [counted(client, address, django_assert_max_num_queries) for address in ("/my/", "/my/orders/")]
    grow(place, reader)
    many = [counted(client, address, django_assert_max_num_queries) for address in ("/my/", "/my/orders/")]
    assert many == few


def test_a_long_list_of_titles_costs_no_more_queries(place, reader, django_assert_max_num_queries):
    client, word = browser(reader), f"낱말{rows.serial()}"
    rows.copy(rows.title(title=f"{word} 하나"), place.library)
    addresses = ("/", f"/?q={word}")
    few = [counted(client, address, django_assert_max_num_queries) for address in addresses]
    for _ in range(8):
        rows.copy(rows.title(title=f"{word} 여럿"), place.library)
    asked(reader, place)
    many = [counted(client, address, django_assert_max_num_queries) for address in addresses]
    assert many == few


def test_a_title_with_many_copies_costs_no_more_queries(place, reader, django_assert_max_num_queries):
    client, title = browser(reader), rows.title()
    rows.copy(title, place.library, volume="1")
    few = counted(client, f"/titles/{title.pk}/", django_assert_max_num_queries)
    for volume in ("1", "2", "3"):
        library = rows.library(programme=place.library.programme)
        rows.copy(title, library, volume=volume)
        rows.slot(rows.point(library))
    assert counted(client, f"/titles/{title.pk}/", django_assert_max_num_queries) == few


def test_a_full_bag_costs_no_more_queries_than_one_book(place, reader, django_assert_max_num_queries):
    client = browser(reader)
    noted(client, Item(rows.copy(at=place.library).title_id))
    few = counted(client, "/ask/", django_assert_max_num_queries)
    noted(client, *(Item(rows.copy(at=place.library).title_id) for _ in range(5)), Item(lent_title(place).pk))
    for _ in range(2):
        rows.point(rows.library(programme=place.library.programme))
    for hour in range(12):
        rows.slot(place, clock.now() + timedelta(days=3, hours=hour))
    assert counted(client, "/ask/", django_assert_max_num_queries) == few


def test_an_order_of_many_books_costs_no_more_queries(place, reader, django_assert_max_num_queries):
    one = waiting_here(ready(asked(rows.patron(place.library, pin=rows.PIN), place))).orders.get()
    many = ready(asked(reader, place, books=6))
    waiting_here(many)
    for word in ("하나", "둘", "셋"):
        notes.write(order_id=many.pk, text=word, by=RULE, now=clock.now())
    counts = [
        (
            counted(browser(order.patron), f"/my/orders/{order.pk}/", django_assert_max_num_queries),
            counted(browser(), base_of(order), django_assert_max_num_queries),
            counted(browser(), f"{base_of(order)}wait/", django_assert_max_num_queries),
        )
        for order in (one, many)
    ]
    assert counts[0] == counts[1]


def test_a_choice_of_many_times_costs_no_more_queries(place, reader, django_assert_max_num_queries):
    order = ready(asked(reader, place))
    few = counted(browser(), f"{base_of(order)}time/", django_assert_max_num_queries)
    for hour in range(20):
        rows.slot(place, clock.now() + timedelta(days=4, hours=hour))
    assert counted(browser(), f"{base_of(order)}time/", django_assert_max_num_queries) == few


def test_the_button_to_renew_follows_the_rules_that_hold_while_the_building_is_closed(place, reader):
    library = place.library
    library.surge_programme = rows.programme(renewals=0)
    library.save()
    copy = rows.copy(at=library)
    loan = loans.check_out(copy_id=copy.pk, patron_id=reader.pk, library_id=library.pk, by=RULE, now=clock.now())
    button = f"/my/loans/{loan.pk}/renew/"
    assert button in text_of(browser(reader).get("/my/"))
    library.surge = True
    library.save()
    assert button not in text_of(browser(reader).get("/my/"))
