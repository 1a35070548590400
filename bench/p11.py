"""P11: forty cars in an hour through the window, one librarian: what the screen costs, how often it is touched."""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from bench.rows import Ratio
from config.embedded import browser
from tests.browser import cars
from tests.journeys.people import Program
from tests.product import Running, running

if TYPE_CHECKING:
    from playwright.sync_api import Page

CARS, BOOKS, ROUNDS = 40, 2, 2
AHEAD = 3  # cars that stand in the line while one is served; without one a second lane would have nothing to do
name = f"{CARS} cars of {BOOKS} books through the window in Chromium, one operator, the line moving meanwhile"

COUNT = """() => {
  window.touched = {scans: 0, taps: 0};
  addEventListener('keydown', (event) => { window.touched.scans += event.key === 'Enter' }, true);
  addEventListener('click', (event) => { window.touched.taps += event.detail > 0 }, true);
}"""
READY = "() => document.activeElement?.matches('[data-big]')"
DONE = """number => document.activeElement?.id === 'id_number'
  && document.querySelector('[data-kind=given]')?.textContent.includes(number)"""


@dataclass(frozen=True)
class Round:
    """The seconds that each car waited for the screen, and how often the operator touched it."""

    waited: list[float]
    scans: int
    taps: int


def run() -> list[Ratio]:
    """A car's screen time is from the scan's end to the button, and from the tap to the empty field."""
    os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    options: dict[str, Any] = browser.launch_options(browser.find())
    with running(sample=False, programs=("web",)) as town, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**options)
        rounds = [_hour(town, chromium.new_page(base_url=town.base_url, locale="ko-KR")) for _ in range(ROUNDS)]
        chromium.close()
    medians = tuple(statistics.median(one.waited) for one in rounds)
    slow = tuple(statistics.quantiles(one.waited, n=20)[-1] for one in rounds)
    return [
        Ratio("screen time of a car, median", "s", medians, "limit", must=1.5, better="less"),
        Ratio("screen time of a car, p95", "s", slow, "limit", must=3.0, better="less"),
        Ratio("scans a car", "", tuple(one.scans / CARS for one in rounds), "limit", must=1, better="less"),
        Ratio("taps a car", "", tuple(one.taps / CARS for one in rounds), "limit", must=1, better="less"),
    ]


def _hour(town: Running, page: Page) -> Round:
    place = cars.place(town, cars=CARS, books=BOOKS, here=AHEAD)
    api = Program(town.base_url).sign_in(username=place.username, password=cars.PASSWORD)
    page.goto("/staff/sign-in/")
    page.fill("#id_username", place.username)
    page.fill("#id_password", cars.PASSWORD)
    page.press("#id_password", "Enter")
    page.wait_for_url("**/staff/")
    page.goto(f"/staff/lane/?point={place.point}")
    page.evaluate(COUNT)
    waited = []
    for number, car in enumerate(place.cars):
        if number + AHEAD < CARS:
            api.post("visits", {"order_number": place.cars[number + AHEAD].shown, "pickup_point": place.point})
        page.keyboard.type(car.shown)
        began = time.perf_counter()
        page.keyboard.press("Enter")
        page.wait_for_function(READY)
        found = time.perf_counter()
        button = page.locator("[data-big]")
        button.scroll_into_view_if_needed()
        tapped = time.perf_counter()
        button.click()
        page.wait_for_function(DONE, arg=car.shown)
        waited.append(found - began + time.perf_counter() - tapped)
    touched = page.evaluate("window.touched")
    page.close()
    return Round(waited, touched["scans"], touched["taps"])
