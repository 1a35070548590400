"""The staff desk in a real browser: the librarian's way by scanner and keyboard, and what gets in its way."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from config import sample
from tests.browser.doors import let_in, violations
from tests.browser.test_pages import LANGUAGES
from tests.journeys.people import Program
from tests.product import Running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

SOON = 30_000  # milliseconds
WORDS = {
    "ko": {"stop": "확인 필요", "into": "이 꾸러미에", "ready": "준비 완료", "shelve": "서가", "hold": "예약"},
    "en": {"stop": "Stop", "into": "Into bag", "ready": "Ready", "shelve": "Shelve", "hold": "Reserved"},
}
ENROL = """
from core.actor import RULE
from core import clock
from lending import catalogue, patrons
from lending.models import Library
from pickup.models import PointRules
home = Library.objects.get(code="seongdong")
for card, number, language in {people!r}:
    patrons.enrol(card_number=card, name="한봄비", home_id=home.pk, number=number, language=language, pin="{pin}",
                  by=RULE, now=clock.now())
for n in range({books}):
    title = catalogue.put_title(source="test", control_number=f"desk-{{n}}", title=f"{word} {{n}}", author="한봄비")
    catalogue.add_copy(title_id=title.pk, library_id=home.pk, barcode=f"DESK{{n:06}}", call_number="813.7", by=RULE,
                       now=clock.now())
places = [f"{{row}}{{number}}" for row in "PQRST" for number in range(1, 10)]
PointRules.objects.filter(point__code="seongdong-lane").update(bag_places=places)
"""
WORD, BOOKS = "책상머리", 40  # more than all of this asks for, each of them twice

Window = Callable[..., Page]


@pytest.fixture(scope="module")
def cards(product: Running) -> Iterator[str]:
    """Cards of people who have nothing under way."""
    people = [(f"DESK-{n:04}", f"+8210000090{n:02}", "en" if n % 2 else "ko") for n in range(24)]
    product.shell(ENROL.format(people=people, pin=sample.PIN, word=WORD, books=BOOKS))
    return iter([card for card, _number, _language in people])


@pytest.fixture
def desk(browser: Browser, product: Running) -> Iterator[Window]:
    """A librarian's browser: of which language and width, with or without scripts."""
    opened: list[BrowserContext] = []

    def make(language: str = "ko", width: int = 1024, *, scripts: bool = True) -> Page:
        context = browser.new_context(
            base_url=product.base_url,
            locale=LANGUAGES[language],
            viewport={"width": width, "height": 768},
            java_script_enabled=scripts,
        )
        opened.append(context)
        let_in(product, context, "librarian")
        page = context.new_page()
        page.goto("/staff/")
        return page

    yield make
    for context in opened:
        context.close()


def point_of(base_url: str, code: str = "seongdong-lane") -> int:
    return next(int(row["id"]) for row in Program(base_url).get("pickup-points")["results"] if row["code"] == code)


def free_titles(base_url: str, count: int) -> list[int]:
    """Titles of which one copy exists that is free at 성동구립도서관."""
    anybody = Program(base_url)
    found = anybody.get("titles", q=WORD, page_size=100)["results"]
    free = (int(row["id"]) for row in found if anybody.get(f"titles/{row['id']}")["copies"][0]["free"])
    return list(itertools.islice(free, count))


def ordered(base_url: str, card: str, books: int = 2) -> tuple[str, dict[str, int]]:
    """The number of a new order at the lane, and the barcodes of its books with their titles."""
    reader = Program(base_url).sign_in(card_number=card, pin=sample.PIN)
    titles = free_titles(base_url, books)
    asked = reader.post("orders", {"pickup_point": point_of(base_url), "items": [{"title": title} for title in titles]})
    staff = Program(base_url).sign_in(username="librarian", password=sample.PASSWORD)
    order = staff.get(f"orders/{asked['order']['id']}")
    return order["number"], {line["barcode"]: int(line["title"]["id"]) for line in order["lines"]}


def shown(number: str) -> str:
    return f"{number[:2]}-{number[2:]}"


def scan(page: Page, code: str) -> None:
    """As a scanner does: the code, then Enter, wherever the focus is."""
    page.keyboard.type(code)
    page.keyboard.press("Enter")


def heard(page: Page, sound: str) -> None:
    expect(page.locator("html")).to_have_attribute("data-heard", sound, timeout=SOON)


def nothing_for_axe(page: Page) -> None:
    assert not violations(page)


def walk_to(page: Page, selector: str) -> None:
    """With Tab alone."""
    for _ in range(120):
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no way to {selector}")


# The way of a reader, in tests/browser/test_patron.py, is gone daily in the other language.
@pytest.mark.parametrize("language", [pytest.param("ko", marks=pytest.mark.long), "en"])
def test_a_librarian_goes_from_today_to_the_shelf_and_back_by_keyboard_alone(product, base_url, desk, cards, language):
    words, point = WORDS[language], point_of(base_url)
    number, books = ordered(base_url, next(cards))
    barcodes = list(books)
    page = desk(language)
    page.goto(f"/staff/?point={point}")
    expect(page.locator("a.next")).to_be_visible()
    walk_to(page, f"a.task[href*='/staff/pull-list/?point={point}']")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text(barcodes[0])
    nothing_for_axe(page)
    walk_to(page, "main a[href*='/staff/packing/']")
    page.keyboard.press("Enter")

    expect(page.locator("#id_barcode")).to_be_focused()
    scan(page, "NO-SUCH-BOOK")
    expect(page.locator(".verdict.stop .word")).to_have_text(words["stop"])
    heard(page, "wrong")
    nothing_for_axe(page)
    scan(page, barcodes[0])  # what failed is selected, so this replaces it
    expect(page.locator(".verdict.go .word")).to_have_text(words["into"])
    expect(page.locator(".verdict .plate")).to_contain_text(shown(number))
    heard(page, "right")
    nothing_for_axe(page)
    for barcode in barcodes[1:]:
        scan(page, barcode)
    heard(page, "full")
    place = page.locator(".verdict .spot").inner_text()[-2:]

    slip = page.locator("article", has_text=shown(number)).locator("a[href*='/slip/']").get_attribute("href")
    walk_to(page, f"a[href='{slip}']")
    page.keyboard.press("Enter")
    expect(page.locator(".slip svg.qr")).to_be_visible()
    assert page.locator(".slip svg.code-128").count() == len(barcodes)
    nothing_for_axe(page)
    page.go_back()
    expect(page.locator("#id_barcode")).to_be_visible()
    page.reload()
    scan(page, number)
    expect(page.locator(".verdict.done .word")).to_have_text(words["ready"])
    heard(page, "done")
    nothing_for_axe(page)
    page.goto(f"/staff/shelf/?point={point}&number={number}")
    expect(page.locator(".shelf tbody tr")).to_have_count(1)
    expect(page.locator(".shelf tbody tr")).to_contain_text(place)

    staff = Program(base_url).sign_in(username="librarian", password=sample.PASSWORD)
    staff.post(f"pickup-points/{point}/serve", {"order_number": number})
    waits = Program(base_url).sign_in(card_number=next(cards), pin=sample.PIN)
    wanted, unwanted = barcodes
    waits.post("orders", {"pickup_point": point, "items": [{"title": books[wanted]}]})
    page.goto(f"/staff/returns/?point={point}")
    before = page.locator(".list li form").count()
    scan(page, unwanted)
    expect(page.locator(".verdict .word")).to_have_text(words["shelve"])
    scan(page, wanted)
    expect(page.locator(".verdict.hold .word")).to_have_text(words["hold"])
    heard(page, "hold")
    expect(page.locator(".list li form")).to_have_count(before + 2)
    nothing_for_axe(page)
    walk_to(page, ".list li form button")
    page.keyboard.press("Enter")
    expect(page.locator(".list li form")).to_have_count(before + 1)
    expect(page.locator("#id_barcode")).to_be_focused()


def test_scans_that_come_faster_than_answers_are_all_taken(base_url, desk, cards):
    number, barcodes = ordered(base_url, next(cards), books=3)
    page = desk()
    page.goto(f"/staff/packing/?point={point_of(base_url)}")
    expect(page.locator("#id_barcode")).to_be_focused()
    for barcode in barcodes:
        scan(page, barcode)
    heard(page, "full")
    bag = page.locator("article", has_text=shown(number))
    expect(bag.locator(".tag.go")).to_have_count(3)
    expect(page.locator("#id_barcode")).to_have_value("")


def test_the_field_takes_every_scan_and_leaves_other_fields_alone(base_url, desk):
    page = desk()
    page.goto(f"/staff/packing/?point={point_of(base_url)}")
    page.locator("h1").click()
    expect(page.locator("#id_barcode")).to_be_focused()
    page.locator("[data-sounds]").focus()
    scan(page, "NOPE-1")  # on a button, where a scanner's Enter would press it
    expect(page.locator(".verdict.stop")).to_contain_text("NOPE-1")
    page.evaluate(
        "document.querySelector('#content').insertAdjacentHTML('beforeend', '<input id=other aria-label=other>')"
    )
    page.locator("#other").click()
    page.keyboard.type("abc")
    expect(page.locator("#other")).to_have_value("abc")
    expect(page.locator("#other")).to_be_focused()
    page.locator("#id_barcode").focus()
    page.keyboard.press("Tab")
    expect(page.locator("#id_barcode")).not_to_be_focused()  # no trap


LISTEN = """
const start = OscillatorNode.prototype.start;
window.tones = [];
OscillatorNode.prototype.start = function (...at) {
  window.tones.push(this.frequency.value);
  return start.apply(this, at);
};
"""


def test_right_and_wrong_sound_different_and_silence_is_remembered(base_url, desk):
    page = desk("en")
    page.add_init_script(LISTEN)
    address = f"/staff/returns/?point={point_of(base_url)}"
    page.goto(address)
    assert page.evaluate("tones") == []
    scan(page, "NOPE-1")
    heard(page, "wrong")
    wrong = page.evaluate("tones.splice(0)")
    page.locator("[data-sounds]").click()
    expect(page.locator("[data-sounds]")).to_have_text("Sounds off")
    page.locator("[data-sounds]").click()
    right = page.evaluate("tones.splice(0)")
    assert max(wrong) * 3 < min(right)
    page.locator("[data-sounds]").click()
    page.goto(address)
    expect(page.locator("[data-sounds]")).to_have_attribute("aria-pressed", "false")
    scan(page, "NOPE-2")
    heard(page, "wrong")
    assert page.evaluate("tones") == []


def test_a_scan_without_a_connection_says_so_and_can_be_repeated(base_url, desk, cards):
    _number, books = ordered(base_url, next(cards), books=1)
    [barcode] = books
    page = desk()
    page.goto(f"/staff/packing/?point={point_of(base_url)}")
    page.context.set_offline(True)
    scan(page, barcode)
    expect(page.locator(".verdict.stop")).to_contain_text(barcode)
    heard(page, "wrong")
    page.context.set_offline(False)
    scan(page, barcode)
    heard(page, "full")


def test_packing_and_returns_work_without_scripts(base_url, desk, cards):
    number, books = ordered(base_url, next(cards), books=1)
    [barcode] = books
    page = desk(scripts=False)
    page.goto(f"/staff/packing/?point={point_of(base_url)}")
    page.fill("#id_barcode", barcode)
    page.press("#id_barcode", "Enter")
    expect(page.locator(".verdict.go .plate")).to_contain_text(shown(number))
    page.locator(".verdict form[action*='/ready/'] button").click()
    expect(page.locator(".verdict.done .plate")).to_contain_text(shown(number))


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_order_on_the_telephone_ends_with_a_sentence(base_url, desk, language):
    page = desk(language)
    page.goto(f"/staff/phone-orders/?point={point_of(base_url)}")
    expect(page.locator("#id_caller")).to_be_focused()
    page.keyboard.type("9005")
    page.keyboard.press("Enter")
    expect(page.locator(".callers li")).to_have_count(1)
    expect(page.locator("main")).not_to_contain_text("한봄비")
    nothing_for_axe(page)
    page.locator(".callers a").click()
    expect(page.locator("h1")).to_have_text("한봄비")
    page.fill("#id_q", WORD)
    page.press("#id_q", "Enter")
    page.locator("li:has(.tag.go) a[href*='item=']").first.click()
    nothing_for_axe(page)
    page.locator("form.phone button.primary").click()
    said = page.locator("blockquote")
    expect(said.first).to_have_attribute("lang", "en")  # the caller's language
    expect(said.first).to_contain_text("The text goes to your phone that ends in 9005.")
    expect(said).to_have_count(2 if language == "ko" else 1)
    nothing_for_axe(page)


def test_the_menu_closes_by_escape_and_by_a_tap_elsewhere(base_url, desk):
    page, point = desk("en"), point_of(base_url)
    page.goto(f"/staff/?point={point}")
    menu = page.locator("details.more")
    page.locator("details.more > summary").press("Enter")
    page.keyboard.press("Tab")
    expect(menu).to_have_attribute("open", "")
    page.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", "")
    expect(page.locator("details.more > summary")).to_be_focused()
    page.locator("details.more > summary").click()
    expect(menu).to_have_attribute("open", "")
    page.locator("h1").click()
    expect(menu).not_to_have_attribute("open", "")


@pytest.mark.parametrize("width", [320, pytest.param(390, marks=pytest.mark.long), 1024])
def test_nothing_of_the_desk_is_beside_the_screen(base_url, desk, width):
    """320 px is a wide screen at 400 %."""
    page, point = desk("en", width), point_of(base_url)
    for path in ("", "pull-list/", "packing/", "slips/", "shelf/", "unpack/", "returns/", "phone-orders/", "inbox/"):
        page.goto(f"/staff/{path}?point={point}")
        if page.locator("details.more").count():
            page.locator("details.more summary").click()
        beside = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert beside <= 0, f"{path}: {beside} px"


def test_text_at_twice_its_size_loses_nothing(base_url, desk):
    page, point = desk("en"), point_of(base_url)
    for path in ("", "packing/", "shelf/", "returns/"):
        page.goto(f"/staff/{path}?point={point}")
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        beside = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert beside <= 0, f"{path}: {beside} px"
