"""A reader with a telephone: search, a bag of two, somebody else collects, another time, I am here, the car before.

At 390 px, in both languages, once by keyboard alone, once without scripts; with letters twice as large and on a screen
of 320 px nothing is lost; and no page is heavier than 150 KB.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

from config import sample
from tests.browser.doors import Desk, Reader, barriers, enrol, link_of, lost, order_number, sign_in
from tests.product import Running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

POLLED = 15_000  # milliseconds; the page of whoever waits looks every ten seconds
HEAVIEST = 150_000  # bytes of a page with all that belongs to it
LOCALES = {"ko": "ko-KR", "en": "en-US"}
LANE = "seongdong-lane"
FIRST, SECOND = Reader("2020-9101"), Reader("2020-9102", "en")
BY_KEYBOARD, WITHOUT_SCRIPTS, LARGE, BEFORE = (Reader(f"2020-910{number}") for number in (3, 4, 5, 6))

WORDS = {
    "ko": {
        "request": "신청하기",
        "bag": "2권 · 받을 곳과 시간 정하기",
        "ask": "2권 신청하기",
        "packing": "준비하고 있습니다",
        "fixed": "새 방문 시간이 정해졌습니다",
        "ready": "책이 준비되었습니다",
        "here": "도착했습니다",
        "known": "도착이 접수되었습니다",
        "ahead": r"앞에 \d+대가 있습니다|지금은 닫혀 있습니다",  # whoever comes while it is closed hears only that
        "minutes": r"약 \d+분|지금은 닫혀 있습니다",
        "given": "책을 받으셨습니다",
        "when": "언제 받을 수 있습니까?",
        "name": "이름",
        "write": "말씀 남기기",
        "again": "새로 고침",
        "left": "일 남음",
    },
    "en": {
        "request": "Request",
        "bag": "2 books: choose where and when",
        "ask": "Request 2 books",
        "packing": "We are packing",
        "fixed": "Your new time is fixed",
        "ready": "Your books are ready",
        "here": "I am here",
        "known": "We know that you are here",
        "ahead": r"\d+ cars? (is|are) ahead of you|Closed right now",
        "minutes": r"About \d+ minute|Closed right now",
        "given": "Handed over",
        "when": "When could I have it?",
        "name": "Name",
        "write": "Write to the library",
        "again": "Look again",
        "left": "days left",
    },
}

Open = Callable[..., BrowserContext]


@pytest.fixture
def opened(browser: Browser, base_url: str) -> Iterator[Open]:
    """Make a window of a telephone: of which language and width, with or without scripts."""
    made: list[BrowserContext] = []

    def make(language: str = "ko", width: int = 390, **more: Any) -> BrowserContext:
        context = browser.new_context(
            base_url=base_url, locale=LOCALES[language], viewport={"width": width, "height": 844}, **more
        )
        made.append(context)
        return context

    yield make
    for context in made:
        context.close()


@pytest.fixture(scope="module")
def desk(product: Running) -> Desk:
    """The librarian at Seongdong's drive lane."""
    return Desk.at(product, LANE)


def put_in_bag(page: Page, title: str, *, by: str) -> None:
    """Find a title by its words and put it on the list from the list of results."""
    page.goto("/")
    page.fill("#id_q", title)
    page.press("#id_q", "Enter")
    row = page.locator("#results li", has_text=title[:14]).first
    row.locator("button", has_text=by).click()
    expect(page.locator(".basket")).to_be_visible()


# The way of a librarian, in tests/browser/test_desk.py, is gone daily in the other language.
@pytest.mark.parametrize(("language", "reader"), [("ko", FIRST), pytest.param("en", SECOND, marks=pytest.mark.long)])
def test_the_way_of_a_reader(product, opened, desk, language, reader):
    enrol(product, reader, BEFORE)
    said, wrong = WORDS[language], []
    first, second = desk.books_here("seongdong", count=2, word="한국")
    page = opened(language).new_page()

    page.goto("/")
    expect(page.locator("#results li").first).to_be_visible()  # something to begin with
    page.fill("#id_q", first["title"])
    page.locator("#results li", has_text=first["title"][:14]).first.locator("a.what").click()
    expect(page.locator("main")).to_contain_text(said["when"])
    wrong += barriers(page)
    page.locator("form[action='/ask/note/'] button", has_text=said["request"]).click()
    page.evaluate("history.go(-2)")
    expect(page.locator("#id_q")).to_have_value(first["title"])  # what was typed is still found
    put_in_bag(page, second["title"], by=said["request"])
    expect(page.locator(".basket")).to_contain_text(said["bag"])
    wrong += barriers(page)
    page.locator(".basket a").click()

    sign_in(page, reader.card)
    page.click(f"a.choice[href*='place={desk.point}']")
    days = page.locator(".days a")
    days.nth(1).click()
    expect(days.nth(1)).to_have_attribute("aria-current", "date")
    expect(days.nth(1)).to_be_focused()
    page.locator(".times input").last.check()
    page.locator("input[name=who][value=other]").check()
    page.get_by_label(said["name"], exact=True).fill("손자")
    page.locator("input[name=number]").fill("010-0000-9199")
    page.locator("input[name=plate]").fill("12가 3456")
    wrong += barriers(page)
    page.locator("main button.primary", has_text=said["ask"]).click()

    order = order_number(page)
    expect(page.locator("[data-todo=packing]")).to_contain_text(said["packing"])
    expect(page.locator("main")).to_contain_text("12가3456")
    wrong += barriers(page)

    link = opened(language).new_page()  # the grandson's telephone
    link.goto(link_of(product, order))
    expect(link.locator("main")).not_to_contain_text(first["title"][:10])
    link.locator(".todo a[href$='/time/']").click()
    link.locator(".days a").nth(2).click()
    expect(link.locator(".days a").nth(2)).to_have_attribute("aria-current", "date")
    link.locator(".times label").first.click()
    wrong += barriers(link)
    link.locator("main button.primary").click()
    expect(link.locator("main")).to_contain_text(said["fixed"])
    link.locator("summary", has_text=said["write"]).click()
    link.locator("textarea").fill("10분쯤 늦습니다.")
    link.locator("form[action$='/note/'] button").click()
    expect(link.locator("#notes")).to_contain_text("10분쯤 늦습니다.")

    number = desk.make_ready(order)
    link.reload()
    expect(link.locator("[data-todo=come_later]")).to_contain_text(said["ready"])
    wrong += barriers(link)
    before = another_car(product, opened, desk)
    link.locator("summary").first.click()
    link.locator("form[action$='/here/'] button", has_text=said["here"]).click()
    waiting = link.locator("[data-todo=wait]")
    expect(waiting).to_contain_text(said["known"])
    expect(waiting).to_contain_text(re.compile(said["ahead"]))
    expect(waiting).to_contain_text(re.compile(said["minutes"]))
    wrong += barriers(link)

    again = link.locator("a.more", has_text=said["again"])
    again.focus()
    link.evaluate("window.here = true")
    desk.serve(before)
    desk.serve(number)
    expect(link.locator("[data-todo=done]")).to_contain_text(said["given"], timeout=POLLED)
    assert link.evaluate("window.here"), "the page was loaded anew"
    expect(again).to_be_focused()
    wrong += barriers(link)
    page.goto("/my/")
    expect(page.locator("main")).to_contain_text(said["left"])
    wrong += barriers(page)
    assert not wrong, "\n".join(wrong)


def another_car(product: Running, opened: Open, desk: Desk) -> str:
    """Somebody else's bag is ready and they are here: the number of the order."""
    [book] = desk.books_here("seongdong", count=1, word="사회")
    asked = desk.program.post(
        "orders", {"pickup_point": desk.point, "items": [{"title": book["id"]}], "card_number": BEFORE.card}
    )
    number = desk.make_ready(asked["order"]["id"])
    desk.program.post("visits", {"order": asked["order"]["id"]})
    return number


def test_a_time_is_confirmed_on_the_page_of_the_text(product, opened, desk):
    reader = Reader("2020-9107")
    enrol(product, reader)
    [book] = desk.books_here("seongdong", count=1, word="한국")
    asked = desk.program.post(
        "orders", {"pickup_point": desk.point, "items": [{"title": book["id"]}], "card_number": reader.card}
    )
    page = opened().new_page()
    page.goto(link_of(product, asked["order"]["id"]))
    expect(page.locator("[data-todo=confirm]")).to_be_visible()
    assert not barriers(page)
    page.locator("form[action$='/confirm/'] button").click()
    expect(page.locator("[data-todo=packing]")).to_be_visible()
    page.locator("details.ask summary").click()
    page.locator("form[action$='/cancel/'] button").click()
    expect(page.locator("[data-todo=over]")).to_be_visible()
    assert not barriers(page)


def test_a_refused_order_begins_at_its_refusal(product, opened, desk):
    reader = Reader("2020-9108")
    enrol(product, reader)
    [book] = desk.books_here("seongdong", count=1, word="한국")
    page = opened().new_page()
    put_in_bag(page, book["title"], by="신청하기")
    page.locator(".basket a").click()
    sign_in(page, reader.card)
    page.goto(f"/ask/?place={desk.point}")
    page.locator("input[name=who][value=other]").check()
    page.locator("input[name=name]").fill("손자")
    page.locator("input[name=number]").fill("1")
    page.locator("main form:has([name=who]) button.primary").click()
    number = page.locator("input[name=number]")
    expect(number).to_be_focused()
    expect(number).to_be_in_viewport()

    page.locator("input[name=who][value=me]").check()
    desk.program.post(  # another window was faster
        "orders", {"pickup_point": desk.point, "items": [{"title": book["id"]}], "card_number": reader.card}
    )
    page.locator("main form:has([name=who]) button.primary").click()
    refusal = page.locator("main [role=alert]")
    expect(refusal).to_be_focused()
    expect(refusal).to_be_in_viewport()
    assert not barriers(page)


def test_the_way_by_keyboard_alone(product, opened, desk):
    enrol(product, BY_KEYBOARD)
    [book] = desk.books_here("seongdong", count=1, word="한국")
    page = opened().new_page()

    def walk_to(selector: str) -> None:
        for _ in range(90):
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"no way to {selector} on {page.url}")

    page.goto("/")
    walk_to("#id_q")
    page.keyboard.type(book["title"])
    page.keyboard.press("Enter")
    expect(page.locator("#results li", has_text=book["title"][:14]).first).to_be_visible()
    walk_to("#results form[action='/ask/note/'] button")
    page.keyboard.press("Enter")
    expect(page.locator(".basket")).to_be_visible()
    walk_to(".basket a")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/sign-in/"))
    walk_to("#id_card_number")
    page.keyboard.type(BY_KEYBOARD.card)
    page.keyboard.press("Tab")
    page.keyboard.type(sample.PIN)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/ask/"))
    walk_to(f"a.choice[href*='place={desk.point}']")
    page.keyboard.press("Enter")
    expect(page.locator("a.choice[href$='#where'][aria-current]")).to_be_visible()
    walk_to(".days a:not([aria-current])")
    page.keyboard.press("Enter")
    expect(page.locator(".days a").nth(1)).to_have_attribute("aria-current", "date")
    walk_to("input[name=slot]")
    page.keyboard.press("ArrowDown")
    walk_to("input[name=who]")
    walk_to("main button.primary")
    page.keyboard.press("Enter")
    order_number(page)
    walk_to(".todo a[href$='/time/']")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/time/"))
    walk_to("input[name=slot]")
    page.keyboard.press("Space")
    walk_to("main button.primary")
    page.keyboard.press("Enter")
    expect(page.locator("[role=status]").first).to_be_visible()


def test_the_way_without_scripts(product, opened, desk):
    enrol(product, WITHOUT_SCRIPTS)
    desk.call_off(WITHOUT_SCRIPTS.card)
    [book] = desk.books_here("seongdong", count=1, word="한국")
    page = opened(java_script_enabled=False).new_page()
    put_in_bag(page, book["title"], by="신청하기")
    page.locator(".basket a").click()
    sign_in(page, WITHOUT_SCRIPTS.card)
    page.click(f"a.choice[href*='place={desk.point}']")
    page.locator(".days a").nth(1).click()
    expect(page.locator(".days a").nth(1)).to_have_attribute("aria-current", "date")
    page.locator("main button.primary").click()
    order = order_number(page)
    desk.make_ready(order)
    page.goto(link_of(product, order))
    page.locator(".todo a[href$='/time/']").click()
    page.locator(".days a").nth(1).click()  # not today: it may be within the hour
    page.locator(".times label").first.click()
    page.locator("main button.primary").click()
    expect(page.locator("[data-todo=come_later]")).to_be_visible()
    page.locator("summary").first.click()
    page.locator("form[action$='/here/'] button").click()
    expect(page.locator("[data-todo=wait]")).to_be_visible()
    page.locator("a.more", has_text="새로 고침").click()
    expect(page.locator("[data-todo=wait]")).to_be_visible()


@pytest.fixture(scope="module")
def pages_of_all_kinds(product: Running, desk: Desk) -> list[str]:
    """Addresses of every kind of page that a reader or a collector sees, each with something on it."""
    enrol(product, LARGE)
    found = desk.books_here("seongdong", count=4, word="한국")
    mine = [row for row in desk.program.get("orders", card_number=LARGE.card)["results"] if row["state"] == "ready"]
    if not mine:
        items = [{"title": row["id"]} for row in found[:2]]
        asked = desk.program.post("orders", {"pickup_point": desk.point, "items": items, "card_number": LARGE.card})
        desk.make_ready(asked["order"]["id"])
        mine = [asked["order"]]
    order, title = mine[0]["id"], found[-1]["id"]
    link = link_of(product, order)
    return [
        "/",
        "/?q=한국",
        "/?q=쀍쀍",
        f"/titles/{title}/",
        "/code/",
        "/code/seongdong/",
        "/sign-in/",
        "/my/",
        "/my/orders/",
        f"/my/orders/{order}/",
        f"/my/orders/{order}/time/",
        f"/ask/?place={desk.point}",
        link,
        f"{link}time/",
    ]


def with_a_bag(page: Page) -> None:
    """Signed in, with a book on the list."""
    sign_in(page, LARGE.card)
    page.goto("/?q=한국")
    page.locator("form[action='/ask/note/'] button").first.click()
    expect(page.locator(".basket")).to_be_visible()


@pytest.mark.parametrize(
    ("language", "width", "letters"),
    [
        ("ko", 320, "100%"),
        pytest.param("en", 390, "200%", marks=pytest.mark.long),
        pytest.param("ko", 390, "200%", marks=pytest.mark.long),
        pytest.param("en", 320, "100%", marks=pytest.mark.long),
    ],
)
def test_large_letters_and_a_small_screen_lose_nothing(opened, pages_of_all_kinds, language, width, letters):
    page = opened(language, width, bypass_csp=True).new_page()
    with_a_bag(page)
    wrong = []
    for address in pages_of_all_kinds:
        page.goto(address)
        page.add_style_tag(content=f"html {{ font-size: {letters} }}")
        for summary in page.locator("main summary").all():
            summary.click()
        wrong += lost(page)
    assert not wrong, "\n".join(wrong)


@pytest.mark.long
def test_no_page_is_heavier_than_a_telephone_likes(opened, pages_of_all_kinds):
    page = opened().new_page()
    with_a_bag(page)
    cookies = page.context.cookies()
    for address in pages_of_all_kinds:
        context = opened()  # with nothing in its cache
        context.add_cookies(cookies)
        answers: list[Response] = []
        fresh = context.new_page()
        fresh.on("response", lambda answer, into=answers: into.append(answer))
        fresh.goto(address, wait_until="networkidle")
        weights = {answer.url: len(answer.body()) for answer in answers}
        assert 10_000 < sum(weights.values()) <= HEAVIEST, f"{address}: {sum(weights.values())} bytes, {weights}"
        context.close()
