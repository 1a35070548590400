"""Every page, in both languages and three widths: nothing for axe to find, no error, nothing beside the screen.

The order of the sample library is only looked at; what the tests write, they write for people of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from config import sample
from tests.browser.doors import SUNLIGHT, violations
from tests.product import Running

pytestmark = pytest.mark.browser

LANGUAGES = {"ko": "ko-KR", "en": "en-US"}
WIDTHS = (390, 1024, 1440)
ALL_LOOKS = [(language, width) for language in LANGUAGES for width in WIDTHS]
TELEPHONE, TABLET = ("ko", 390), ("en", 1024)
READER, LIBRARIAN = "2020-0001", "librarian"
STAFF = {"staff": LIBRARIAN, "manager": "manager", "beside": "haneul"}

Address = str | Callable[[Page], str]
Axe = Callable[[str], bool]  # whether it reads the page at an address
Context = Callable[..., BrowserContext]


@pytest.fixture
def reading(browser: Browser, base_url: str) -> Iterator[Context]:
    """Make a window: of which language and width, with or without scripts."""
    opened: list[BrowserContext] = []

    def make(language: str = "ko", width: int = 390, *, scripts: bool = True) -> BrowserContext:
        context = browser.new_context(
            base_url=base_url,
            locale=LANGUAGES[language],
            viewport={"width": width, "height": 844},
            java_script_enabled=scripts,
        )
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()


def sign_in(page: Page, card: str = READER) -> None:
    page.goto("/sign-in/")
    page.fill("#id_card_number", card)
    page.fill("#id_pin", sample.PIN)
    page.click("main button")
    expect(page).to_have_url(re.compile("/my/$"))


def sign_in_staff(page: Page, username: str = LIBRARIAN) -> None:
    page.goto("/staff/sign-in/")
    page.fill("#id_username", username)
    page.fill("#id_password", sample.PASSWORD)
    page.click("main button")
    expect(page).to_have_url(re.compile("/staff/$"))


def note_a_book(page: Page) -> None:
    page.goto("/?q=한국")
    page.locator("form[action='/ask/note/'] button").first.click()
    expect(page.locator(".count")).to_be_visible()


def first_order(page: Page) -> str:
    page.goto("/my/orders/")
    return page.locator("main .list a").first.get_attribute("href") or ""


def first_programme(page: Page) -> str:
    page.goto("/staff/rules/")
    return page.locator("main a[href*='/staff/rules/']").first.get_attribute("href") or ""


def first_window(page: Page) -> str:
    page.goto("/staff/times/?point=1")
    return page.locator("table.hours a").first.get_attribute("href") or ""


def first_wish(page: Page) -> str:
    page.goto("/my/")
    found = page.locator("a[href*='/my/reservations/']")
    return found.first.get_attribute("href") or "" if found.count() else "/my/"


def wanted_elsewhere(page: Page) -> str:
    page.goto("/staff/packing/?point=1")
    slip = page.locator("a[href*='/slip/']").first.get_attribute("href") or ""
    return slip.replace("/slip/", "/elsewhere/")


def first_slip(page: Page) -> str:
    page.goto("/staff/packing/?point=1")
    return page.locator("a[href*='/slip/']").first.get_attribute("href") or ""


def first_find(page: Page) -> str:
    return f"/staff/lane/?point=1&number={on_the_shelf(page, 1)}"


def on_the_shelf(page: Page, point: int) -> str:
    """The number of the last bag that waits there, for somebody who is not here yet."""
    page.goto(f"/staff/shelf/?point={point}")
    away = page.locator(".shelf tbody tr").filter(has_not=page.locator(".tag.go"))
    return away.last.locator("td.call").inner_text()[:5]


def different(page: Page) -> str:
    page.goto(first_find(page))
    return page.locator("a[href*='/lane/bag/']").first.get_attribute("href") or ""


PAGES: dict[str, list[Address]] = {
    "anybody": [
        "/",
        "/?q=한국",
        "/?q=qzqzqz",
        "/titles/5/",
        "/titles/999999999/",
        "/sign-in/",
        "/sign-in/code/",
        "/privacy/",
        "/staff/sign-in/",
        "/code/",
        "/code/seongdong/",
        "/here/seongdong-lane/",
        "/now/",
        "/now/geumho/",
        "/now/seongdong/lanes/",
        "/now/seongdong/lanes/?point=seongdong-lane",
        "/o/nobody-has-this/",
    ],
    "reader": [
        "/my/",
        "/my/orders/",
        first_order,
        lambda page: first_order(page) + "time/",
        lambda page: first_order(page) + "zzz/",
        "/titles/5/?volume=none",
        "/ask/",
        "/ask/?place=2",
        "/ask/?place=3",
        "/here/geumho-lane/?bay=3",
        "/my/orders/999999/",
        "/my/settings/",
        "/my/settings/pin/",
        "/my/settings/devices/",
        "/my/settings/data/",
        "/my/settings/data/erase/",
        "/my/settings/numbers/",
        "/my/settings/numbers/add/",
        "/my/settings/needs/",
        "/my/settings/times/",
        "/my/settings/consents/",
        "/my/settings/texts/",
        "/my/history/",
        "/my/settings/standing/",
        first_wish,
    ],
    "staff": [
        "/staff/",
        "/staff/lane/?point=1",
        "/staff/lane/?point=2",
        "/staff/lane/?point=1&number=0000",
        first_find,
        different,
        "/staff/run-sheet/?point=1",
        "/staff/catch-up/?point=1",
        "/staff/show-card/?point=1&language=vi",
        "/staff/show-card/?point=1&language=zh#say-window",
        "/staff/show-card/?point=1#say-anything",
        "/staff/pull-list/?point=1",
        "/staff/packing/?point=1",
        first_slip,
        "/staff/returns/?point=1",
        "/staff/?point=1",
        "/staff/pull-list/?point=1&for=none",
        "/staff/slips/?point=1&paper=a6&card=1",
        "/staff/signs/?point=1&paper=a4&places=1-2",
        "/staff/statistics/?point=1",
        "/staff/shelf/?point=1",
        "/staff/shelf/?point=1&number=0000",
        "/staff/unpack/?point=1",
        "/staff/phone-orders/?point=1",
        "/staff/search-list/",
        "/staff/books/?point=1",
        "/staff/rules/1/classes/?point=1",
        "/staff/books/?point=1&copy=1",
        "/staff/surge/?point=1",
        "/staff/phone-orders/12/?point=1&q=한국&item=5%3A",
        "/staff/phone-orders/999999/?point=1",
        "/staff/inbox/?point=1",
        "/staff/overdue/?point=1",
        "/staff/sign-in/second/",
        "/staff/settings/roles/?point=1",
        "/staff/tablet/?point=1",
        "/staff/patrons/?point=1",
        "/staff/patrons/new/?point=1",
        "/staff/patrons/1/?point=1",
        wanted_elsewhere,
        "/staff/patrons/999999/?point=1",
        "/staff/lane/?point=999",
        "/staff/transfers/?point=1",
        "/staff/day-list/?point=1",
        "/staff/postings/?point=1",
        "/staff/rehearsal/",
        "/staff/?point=5",
        "/staff/lane/?point=5",
    ],
    "manager": [
        "/staff/?point=1",
        "/staff/days/?point=1",
        "/staff/texts/?point=1",
        "/staff/texts/offer/ko/?point=1",
        "/staff/sender/?point=1",
        "/staff/times/?point=1",
        "/staff/times/new/?point=1",
        "/staff/times/rules/?point=1",
        first_window,
        "/staff/settings/looks/?point=1",
        "/staff/rules/",
        first_programme,
    ],
    # Another system keeps the loans: a list of the day, bags to fetch and to hand over, and what is to be told.
    "beside": [
        "/staff/?point=7",
        "/staff/pull-list/?point=7",
        "/staff/packing/?point=7",
        "/staff/shelf/?point=7",
        "/staff/lane/?point=7",
        "/staff/returns/?point=7",
        "/staff/day-list/?point=7",
        "/staff/day-list/lent/?point=7",
        "/staff/postings/?point=7",
    ],
}


def findings(page: Page, address: Address, width: int, *, axe: Axe) -> list[str]:
    """What is wrong with a page at a width; axe needs most of the time."""
    said: list[str] = []
    path = address if isinstance(address, str) else address(page)
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    answer = page.goto(path)
    page.wait_for_load_state("load")
    wrong = [text for text in said if "Failed to load resource: the server responded with" not in text]
    assert answer is not None
    if answer.status >= 500:
        wrong.append(f"status {answer.status}")
    wrong += violations(page) if axe(path) else []
    page.set_viewport_size({"width": width, "height": 844})
    wrong += [f"{width}: {text}" for text in out_of_reach(page)]
    return [f"{path}: {text}" for text in wrong]


def out_of_reach(page: Page) -> list[str]:
    """What is beside the screen, and what a thumb would miss."""
    too_wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    small = page.evaluate(
        """[...document.querySelectorAll('main button, main a.btn, main label.choice, main select')]
           .filter(e => e.getClientRects().length && e.getBoundingClientRect().height < 44)
           .map(e => e.textContent.trim())"""
    )
    beside = [f"{too_wide} px beside the screen"] if too_wide > 0 else []
    return [*beside, *(f"too small for a thumb: {text}" for text in small)]


def looks() -> Iterator[Any]:
    """Every look of every page; each time the one of those who use it most, the rest in the long suite.

    Without axe, long English words on a telephone too, of readers each time. Axe reads each page once in the daily run,
    and in the long one with each query.
    """
    for who in PAGES:
        language, width = TABLET if who in STAFF else TELEPHONE
        yield pytest.param(who, language, width, "once")
        yield pytest.param(who, "en", 390, "never", marks=() if who == "reader" else pytest.mark.long)
        for language, width in ALL_LOOKS:
            yield pytest.param(who, language, width, "always", marks=pytest.mark.long)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("who", "language", "width", "axe"), [*looks()], ids=str)
def test_every_page_can_be_used_by_everyone(reading, who, language, width, axe):
    page = reading(language, width).new_page()
    if who == "reader":
        sign_in(page)
        note_a_book(page)
    if who in STAFF:
        sign_in_staff(page, STAFF[who])
    seen: set[str] = set()

    def read(path: str) -> bool:
        """Whether axe reads it now."""
        name = path.partition("?")[0]
        new = name not in seen
        seen.add(name)
        return axe == "always" or (axe == "once" and new)

    wrong = [found for address in PAGES[who] for found in findings(page, address, width, axe=read)]
    assert not wrong, "\n".join(wrong)


def test_a_list_of_what_is_lent_there_is_looked_at_before_it_is_kept(reading):
    page = reading("en", 390).new_page()
    sign_in_staff(page, "haneul")
    page.goto("/staff/day-list/?point=7")
    page.click("main a[href*='/lent/']")
    file = {"name": "lent.csv", "mimeType": "text/csv", "buffer": "등록번호\nHN0000000003\nHN0000099999\n".encode()}
    page.locator("#id_file").set_input_files([file])
    page.click("main button.primary")
    expect(page.locator("main h2")).to_have_text("1 copy would be marked as lent there")
    assert not violations(page)
    page.click("main button[value=keep]")
    expect(page.locator("[role=status]").first).to_contain_text("1 copy is marked as lent there.")


@pytest.mark.parametrize(
    ("paper", "points"), [("a4", (595, 842)), pytest.param("a3", (842, 1191), marks=pytest.mark.long)]
)
def test_each_sign_prints_on_one_page_of_its_paper(reading, paper, points):
    page = reading("ko", 1024).new_page()
    sign_in_staff(page)
    for places, signs in (("", 2), ("1-2", 2)):
        page.goto(f"/staff/signs/?point=1&paper={paper}&places={places}")
        printed = page.pdf(prefer_css_page_size=True, print_background=True)
        sizes = re.findall(rb"/MediaBox\s*\[0 0 ([0-9.]+) ([0-9.]+)\]", printed)
        assert [(round(float(wide)), round(float(high))) for wide, high in sizes] == [points] * signs
        page.emulate_media(media="print")
        fits = "[...document.querySelectorAll('.poster')].every(e => e.scrollHeight <= e.clientHeight + 1)"
        assert page.evaluate(fits), "something on the sign is cut off"
        page.emulate_media(media="null")  # as a browser prints, whatever is looked at


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_says_in_which_language_it_is(reading, language):
    page = reading(language).new_page()
    page.goto("/")
    assert page.locator("html").get_attribute("lang") == language
    other = {"ko": "en", "en": "ko"}[language]
    page.locator(f"button[lang={other}]").click()
    expect(page.locator("html")).to_have_attribute("lang", other)


def test_everything_that_can_be_clicked_is_reached_by_tab(reading):
    page = reading(width=1024).new_page()
    sign_in_staff(page)
    for path in ("/staff/lane/?point=1", "/staff/packing/?point=1", "/staff/returns/?point=1"):
        page.goto(path)
        page.evaluate("document.activeElement.blur()")
        wanted = page.evaluate(
            "[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, summary')]"
            ".filter(e => e.checkVisibility() && !e.disabled).length"
        )
        reached = set()
        for _ in range(wanted + 5):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
            seen = page.evaluate(
                "(() => { const e = document.activeElement; if (e === document.body) return true;"
                " const s = getComputedStyle(e); return s.outlineStyle !== 'none' && s.outlineWidth !== '0px' })()"
            )
            assert seen, "the focus cannot be seen"
        assert len(reached) >= wanted, path


def test_a_book_is_asked_for_by_keyboard_alone(reading):
    page = reading(width=1024).new_page()

    def walk_to(selector: str) -> None:
        for _ in range(80):
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"no way to {selector}")

    page.goto("/sign-in/")
    walk_to("#id_card_number")
    page.keyboard.type("2020-0013")
    page.keyboard.press("Tab")
    page.keyboard.type(sample.PIN)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/my/$"))
    page.goto("/")
    walk_to("#id_q")
    page.keyboard.type("한국")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"[?&]q="))
    expect(page.locator("#results h2").first).to_contain_text("종")  # the books found, no more those that came last
    page.wait_for_timeout(600)  # the search while typing comes once more after Enter, with the same books
    walk_to("form[action='/ask/note/'] button")
    page.keyboard.press("Enter")
    expect(page.locator(".count")).to_be_visible()
    walk_to("header a[href='/ask/']")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/ask/"))
    walk_to("main form.stack button.primary")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/my/"))
    expect(page.locator("[role=status]").first).to_be_visible()


def test_the_way_works_without_scripts(reading):
    page = reading(scripts=False).new_page()
    sign_in(page, "2020-0009")
    note_a_book(page)
    page.goto("/ask/?place=2")
    page.click("main form.stack button.primary")
    expect(page).to_have_url(re.compile("/my/"))
    staff = reading(scripts=False).new_page()
    sign_in_staff(staff)
    staff.goto("/staff/lane/?point=1")
    expect(staff.locator("#board h2").first).to_be_visible()


def test_asking_twice_with_one_form_makes_one_order(reading, product: Running):
    page = reading().new_page()
    sign_in(page, "2020-0012")
    note_a_book(page)
    page.goto("/ask/?place=3")
    form = page.locator("main form.stack")
    fields = {
        name: form.locator(f"[name={name}]").first.input_value() for name in ("csrfmiddlewaretoken", "key", "point")
    }
    answers = [
        page.request.post("/ask/?place=3", form={**fields, "who": "me"}, headers={"Referer": page.url}, max_redirects=0)
        for _ in range(2)
    ]
    assert [answer.status for answer in answers] == [303, 303]
    assert answers[0].headers["location"] == answers[1].headers["location"]


def test_the_board_moves_by_itself(reading):
    board = reading(width=1440).new_page()
    sign_in_staff(board)
    board.goto("/staff/lane/?point=1")
    expect(board.locator("[data-live-said]")).to_have_text("실시간")
    number = on_the_shelf(board, 2)
    board.goto("/staff/lane/?point=2")
    expect(board.locator("[data-live-said]")).to_have_text("실시간")
    desk = reading(width=1440).new_page()
    sign_in_staff(desk)
    desk.goto(f"/staff/lane/?point=2&number={number}")
    desk.locator("a[href*='/lane/bag/']").click()
    desk.locator("form[action*='/arrive/'] button").first.click()
    expect(board.locator("#board .line li", has_text=number)).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_the_board_is_read_in_sunlight(reading, scheme):
    page = reading(width=1024).new_page()
    page.emulate_media(color_scheme=scheme)
    sign_in_staff(page)
    for path in ("/staff/lane/?point=1", first_find(page)):
        page.goto(path)
        assert not violations(page, SUNLIGHT)


def test_the_board_says_when_it_is_out_of_date(reading):
    window = reading(width=1024)
    board = window.new_page()
    sign_in_staff(board)
    board.goto("/staff/lane/?point=1")
    said = board.locator("[data-live-said]")
    expect(said).to_have_text("실시간")
    window.set_offline(True)
    expect(said).to_contain_text("연결이 끊겼습니다", timeout=20_000)
    window.set_offline(False)
    expect(said).to_have_text("실시간", timeout=20_000)
