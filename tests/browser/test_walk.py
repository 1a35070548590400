"""The whole way by hand, in a real browser: search, ask, pack, text, answer, window, return, the next reader's text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from config import sample
from tests.journeys.people import Program
from tests.product import Running

pytestmark = [pytest.mark.browser, pytest.mark.journey, pytest.mark.timeout(240)]

GRACE = next(person for person in sample.PEOPLE if person.card == "2020-0004")  # her replies arrive
NEXT = next(person for person in sample.PEOPLE if person.card == "2020-0010")
SOON = 30_000  # milliseconds; the slowest sweep comes every 20 s


@pytest.fixture
def town(product: Running) -> Running:
    """The sample library at an hour that is never quiet, with nothing of these two under way."""
    with psycopg.connect(product.environment["DATABASE_URL"]) as connection:
        connection.execute("UPDATE notifications_sender SET quiet_from = '00:00', quiet_until = '00:00'")
    for person in (GRACE, NEXT):
        reader = Program(product.base_url).sign_in(card_number=person.card, pin=sample.PIN)
        for order in reader.get("orders")["results"]:
            if order["state"] in {"picking", "ready"}:
                reader.post(f"orders/{order['id']}/cancel")
    return product


@contextmanager
def window(browser: Browser, base_url: str, *, language: str, width: int) -> Iterator[Page]:
    """Somebody's own browser."""
    context = browser.new_context(base_url=base_url, locale=language, viewport={"width": width, "height": 844})
    yield context.new_page()
    context.close()


def reader_signs_in(page: Page, person: sample.Person) -> None:
    page.goto("/sign-in/")
    page.fill("#id_card_number", person.card)
    page.fill("#id_pin", sample.PIN)
    page.click("main button")
    expect(page).to_have_url(re.compile("/my/$"))


def staff_signs_in(page: Page) -> None:
    page.goto("/staff/sign-in/")
    page.fill("#id_username", "librarian")
    page.fill("#id_password", sample.PASSWORD)
    page.click("main button")
    expect(page).to_have_url(re.compile("/staff/$"))


def a_rare_book(base_url: str) -> tuple[int, str]:
    """The id and title of a book of which one copy exists, free at 금호도서관."""
    anybody = Program(base_url)
    for row in anybody.get("titles", q="사회", page_size=100)["results"]:
        copies = anybody.get(f"titles/{row['id']}")["copies"]
        if [(copy["library"]["code"], copy["free"]) for copy in copies] == [("geumho", True)]:
            return row["id"], row["title"]
    raise AssertionError("the sample has no such book any more")


def ask_for(page: Page, point: int, title: tuple[int, str]) -> None:
    """From the search field to the order."""
    page.goto("/")
    page.fill("#id_q", title[1][:12])
    page.press("#id_q", "Enter")
    page.click(f"a[href='/titles/{title[0]}/']")
    page.click("form[action='/ask/note/'] button")
    page.goto(f"/ask/?place={point}")
    page.locator("main form:has(input[name='who']) button.primary").click()


def pack_and_ready(page: Page, point: int, number: str) -> None:
    """Fetch what the pull list names for this bag, scan it, and put the bag on the pickup shelf."""
    page.goto(f"/staff/packing/?point={point}")
    bag = page.locator("article", has_text=number)
    barcodes = re.findall(r"SD\d{8}", bag.inner_text())
    assert barcodes
    for barcode in barcodes:
        page.fill("#id_barcode", barcode)
        page.press("#id_barcode", "Enter")
        expect(page.locator("article[data-packed]")).to_be_visible()
    page.locator("article", has_text=number).locator("form[action*='/ready/'] button").click()
    expect(page.locator("article", has_text=number).locator("form[action*='/ready/']")).to_have_count(0)


def shown_on(plate: Locator) -> str:
    """The order number on a plate: 47-21."""
    [number] = re.findall(r"\d\d-\d\d", plate.inner_text())
    return str(number)


def i_am_here(page: Page) -> None:
    """Tap "I am here"; long before the promised time it lies folded."""
    folded = page.locator("details:has(form[action$='/here/']) summary")
    if folded.count():
        folded.click()
    page.locator("form[action$='/here/'] button").click()


def point_id(base_url: str) -> int:
    points = {row["code"]: int(row["id"]) for row in Program(base_url).get("pickup-points")["results"]}
    return points["geumho-lane"]


def test_a_book_goes_from_search_to_loan_and_back_to_the_next_reader(town: Running, browser: Browser, base_url: str):
    point, book = point_id(base_url), a_rare_book(base_url)
    with (
        window(browser, base_url, language="en-US", width=390) as grace,
        window(browser, base_url, language="ko-KR", width=390) as following,
        window(browser, base_url, language="ko-KR", width=1024) as desk,
        window(browser, base_url, language="ko-KR", width=1024) as board,
        window(browser, base_url, language="en-US", width=390) as phone,
    ):
        reader_signs_in(grace, GRACE)
        ask_for(grace, point, book)
        expect(grace).to_have_url(re.compile(r"/my/orders/\d+/$"))
        number = shown_on(grace.locator(".plate").first)
        order = grace.url

        reader_signs_in(following, NEXT)
        ask_for(following, point, book)
        following.goto("/my/")
        expect(following.locator("main")).to_contain_text(book[1])

        staff_signs_in(desk)
        pack_and_ready(desk, point, number)

        phone.goto(f"/sandbox/phones/{GRACE.number}/")
        expect(phone.locator("main")).to_contain_text(number, timeout=SOON)
        expect(phone.locator("main")).not_to_contain_text(book[1])
        phone.fill("[name=body]", "1")
        phone.locator("form:has([name=body]) button").click()
        expect(phone.locator("main")).to_contain_text("Confirmed", timeout=SOON)

        staff_signs_in(board)
        board.goto(f"/staff/lane/?point={point}")
        expect(board.locator("[data-live-said]")).to_contain_text("실시간", timeout=SOON)
        grace.goto(order)
        i_am_here(grace)
        expect(board.locator("main")).to_contain_text(number, timeout=5_000)  # by itself, nobody reloads

        board.fill("#id_number", number)  # somebody of the sample may stand in the lane: one scan and one tap go beside
        board.press("#id_number", "Enter")
        expect(board.locator(".card.car")).to_contain_text(number)
        board.locator("[data-big]").click()
        expect(board.locator("[data-kind=given]")).to_contain_text(number)
        expect(board.locator(".line li", has_text=number)).to_have_count(0)
        grace.goto("/my/")
        expect(grace.locator("main")).to_contain_text("days left")

        barcode = lent_barcode(base_url)
        desk.goto(f"/staff/returns/?point={point}")
        desk.fill("#id_barcode", barcode)
        desk.press("#id_barcode", "Enter")
        expect(desk.locator(".verdict")).to_contain_text(book[1])

        following.goto("/my/")
        plate = following.locator(".plate").first
        for _ in range(30):
            if plate.count():
                break
            following.wait_for_timeout(1000)
            following.reload()
        next_number = shown_on(plate)
        pack_and_ready(desk, point, next_number)
        phone.goto(f"/sandbox/phones/{NEXT.number}/")
        expect(phone.locator("main")).to_contain_text(next_number, timeout=SOON)


def lent_barcode(base_url: str) -> str:
    """The barcode on the book that Grace has at home."""
    grace = Program(base_url).sign_in(card_number=GRACE.card, pin=sample.PIN)
    return str(grace.get("loans", state="out")["results"][0]["barcode"])
