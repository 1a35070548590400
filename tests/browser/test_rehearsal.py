"""A rehearsal in a real browser: from the start page through the window to the figure, with each car its own way."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from config import sample
from tests.browser.doors import barriers, lost
from tests.product import Running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(420)]

ALL_COME = """
from core import clock
from pickup import rehearsals
from pickup.models import RehearsalCar
RehearsalCar.objects.filter(state="due").update(due_at=clock.now())
rehearsals.arrive_due(now=clock.now())
"""
TO_PACK = """
from pickup.models import OrderLine
lines = OrderLine.objects.filter(order__library__code="training", order__state="picking", state="to_pick")
print(*lines.values_list("copy__barcode", flat=True))
"""
TO_SERVE = """
from core import clock
from core.actor import Actor
from pickup import lane
desk = Actor("staff", 1, "desk")
for _ in range({count}):
    [visit] = lane.call_next(point_id={point}, by=desk, now=clock.now())
    lane.hand_over(visit_id=visit.pk, by=desk, now=clock.now())
"""


@pytest.fixture
def page(browser: Browser, product: Running) -> Iterator[Page]:
    """A librarian of the sample who works at the training library too, at a tablet."""
    context = browser.new_context(
        base_url=product.base_url,
        locale="ko-KR",
        timezone_id="Asia/Seoul",
        viewport={"width": 1024, "height": 768},
    )
    page = context.new_page()
    page.goto("/staff/sign-in/")
    page.fill("#id_username", "librarian")
    page.fill("#id_password", sample.PASSWORD)
    page.click("main button")
    expect(page).to_have_url(re.compile("/staff/$"))
    yield page
    context.close()


def well(page: Page) -> None:
    """Nothing for axe to find and nothing lost, on a telephone and on a tablet."""
    found = []
    for width in (390, 1024):
        page.set_viewport_size({"width": width, "height": 844})
        found += [*barriers(page), *lost(page)]
    assert not found, "\n".join(found)


def scan(page: Page, text: str) -> None:
    field = page.locator("#id_number")
    field.fill(text)
    field.press("Enter")


def cue(page: Page, number: int) -> str:
    """What the driver of a car says, as the page of the rehearsal tells."""
    page.goto("/staff/rehearsal/")
    return page.locator(f"#comer-{number} p").first.inner_text()


def open_at_window(page: Page, number: int) -> None:
    page.locator(f"#comer-{number} a").click()
    expect(page.locator("[data-live-said]")).to_have_text("실시간", timeout=15_000)


@pytest.mark.long
@pytest.mark.parametrize("by_hand", [2, 9])
def test_twelve_cars_from_the_start_to_the_figure(page: Page, product: Running, by_hand: int) -> None:
    page.locator("main a", has_text="열두 대로 연습하기").click()
    expect(page.locator("ol.grid > li")).to_have_count(12)
    expect(page.locator(".practice")).to_contain_text("문자가 실제로 나가지 않습니다")
    well(page)
    page.locator("form[action*='/rehearsal/start/'] button").click()
    expect(page.locator(".next")).to_contain_text("12대 가운데 0대 응대")
    product.shell(ALL_COME)
    expect(page.locator("#here-now ~ ul > li")).to_have_count(12, timeout=20_000)
    well(page)

    # Only brings books back
    books = re.findall(r"P\d+-\d{4}", cue(page, 6))
    open_at_window(page, 6)
    for place, book in enumerate(books, start=1):
        scan(page, book)
        expect(page.locator("[data-kind=back] .list > li")).to_have_count(place)
    page.goto("/staff/rehearsal/")
    open_at_window(page, 6)
    page.locator("[data-big]").click()
    expect(page.locator("[data-kind=given]")).to_be_visible()

    # At the wrong place: its bag waits at the door, and it is sent there
    said = cue(page, 9)
    window = page.locator(".next").get_attribute("href") or ""
    page.goto(window)
    scan(page, re.findall(r"\d\d\W\d\d", said)[0])
    expect(page.locator("[data-kind=elsewhere]")).to_contain_text("연습 정문")
    page.goto("/staff/rehearsal/")
    open_at_window(page, 9)
    page.locator("button", has_text="돌아갔습니다").click()
    expect(page.locator("#board .ended")).to_contain_text("연")

    # Early: fetched and packed while it waits
    point = re.findall(r"point=\d+", window)[0]
    for barcode in product.shell(TO_PACK).split():
        if re.fullmatch(r"P\d+-\d{4}", barcode):
            page.goto(f"/staff/packing/?{point}")
            page.locator("[name=barcode]").first.fill(barcode)
            page.locator("[name=barcode]").first.press("Enter")
            expect(page.locator(".verdict")).to_be_visible()
    page.locator("form[action*='/ready/'] button").first.click()
    expect(page.locator("form[action*='/ready/']")).to_have_count(0)

    # No number, only the card
    card = re.findall(r"P\d+-\d\d", cue(page, 12))[0]
    page.goto(window)
    scan(page, card)
    page.locator("[data-big]").click()
    expect(page.locator("[data-kind=given]")).to_contain_text("2권")

    # All the others are called and served, one after the other; those that are like others by the verbs alone
    alike = 9 - by_hand
    product.shell(TO_SERVE.format(count=alike, point=point.partition("=")[2]))
    for left in range(by_hand, 0, -1):
        expect(page.locator("#board .line > li")).to_have_count(left)
        page.locator("#board .btn.call").first.click()
        page.locator("[data-big]").click()
        expect(page.locator("[data-kind=given]")).to_be_visible()
    expect(page.locator("#board .line > li")).to_have_count(0)

    page.goto("/staff/rehearsal/")
    expect(page.locator(".next, .verdict .word")).to_contain_text("12대")
    product.sweep()
    page.goto("/staff/rehearsal/")
    expect(page.locator(".verdict .word")).to_have_text(re.compile(r"12대, 평균 (\d+분 )?\d+초"))
    expect(page.locator(".fold tbody .tag.go")).to_have_count(12)
    well(page)
