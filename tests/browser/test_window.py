"""The window in a real browser: one scan and one tap a car, what is out of the ordinary, and a board that never lies.

Each test has a library of its own in the running product; what is broken is broken in a product of its own.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.browser import cars
from tests.browser.cars import PASSWORD, Place
from tests.browser.doors import SUNLIGHT, let_in, violations
from tests.journeys.people import Program
from tests.product import Running, running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

TABLET = {"width": 1024, "height": 768}
LIVE = "실시간"
POLLED = "실시간 연결이 없어 몇 초마다 다시 확인합니다."
Desk = Callable[..., Page]

# When the page first shows something, by the clock that the test reads too.
WATCH = """number => {
  window.seen = new Promise((done) => {
    const look = () => document.querySelector('#board')?.textContent.includes(number) && done(Date.now());
    new MutationObserver(look).observe(document.body, {childList: true, subtree: true, characterData: true});
    look();
  });
}"""


@pytest.fixture
def desks(browser: Browser) -> Iterator[Desk]:
    """Open the window of a place as one who works there, in a browser of its own."""
    opened: list[BrowserContext] = []

    def make(at: Running, place: Place, *, scripts: bool = True, **more: Any) -> Page:
        context = browser.new_context(
            base_url=at.base_url,
            locale="ko-KR",
            timezone_id="Asia/Seoul",
            java_script_enabled=scripts,
            **{"viewport": TABLET, **more},
        )
        opened.append(context)
        let_in(at, context, place.username)
        page = context.new_page()
        page.goto(f"/staff/lane/?point={place.point}")
        if scripts:
            expect(page.locator("[data-live-said]")).to_have_text(LIVE, timeout=15_000)
        return page

    yield make
    for context in opened:
        context.close()


def scan(page: Page, text: str) -> None:
    """What a scanner does: it types into whatever has the focus, fast, and ends with Enter."""
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def big(page: Page) -> Any:
    return page.locator("[data-big]")


def has_focus(page: Page, selector: str) -> None:
    expect(page.locator(selector).first).to_be_focused()


def program(product: Running, place: Place) -> Program:
    return Program(product.base_url).sign_in(username=place.username, password=PASSWORD)


def days_pass(product: Running) -> None:
    """What is lent went out a while ago."""
    with psycopg.connect(product.environment["DATABASE_URL"]) as connection:
        connection.execute("UPDATE lending_loan SET lent_at = lent_at - interval '2 days' WHERE state = 'out'")
        connection.execute(
            "UPDATE pickup_order SET handed_over_at = handed_over_at - interval '1 day',"
            " ready_at = ready_at - interval '1 day', opened_at = opened_at - interval '1 day'"
            " WHERE state = 'handed_over'"
        )


def lent_before(product: Running, desks: Desk) -> tuple[Page, cars.Car]:
    """A window, and the car whose books went out of it a while ago."""
    place = cars.place(product)
    car = place.cars[0]
    program(product, place).post(f"pickup-points/{place.point}/serve", {"order_number": car.shown})
    days_pass(product)
    return desks(product, place), car


def standing(page: Page) -> list[str]:
    return [text.strip()[-5:] for text in page.locator(".line .plate").all_inner_texts()]


# One scan and one tap


def test_five_cars_take_one_scan_and_one_tap_each(product, desks):
    place = cars.place(product, cars=5)
    page = desks(product, place)
    for car in place.cars:
        has_focus(page, "#id_number")
        scan(page, car.shown)
        expect(page.locator(".car .spot")).to_contain_text(car.place)
        has_focus(page, "[data-big]")
        big(page).click()
        expect(page.locator("[data-kind=given]")).to_contain_text(car.shown)
        has_focus(page, "#id_number")
        expect(page.locator("#id_number")).to_have_value("")
    expect(page.locator(".ended li")).to_have_count(5)
    with psycopg.connect(product.environment["DATABASE_URL"]) as connection:
        states = connection.execute(
            "SELECT state, count(*) FROM pickup_order WHERE point_id = %s GROUP BY state", [place.point]
        ).fetchall()
    assert states == [("handed_over", 5)]


SECOND_KEY = """() => {
  window.kept = new Promise((done) => {
    const watch = new MutationObserver(() => {
      const button = document.querySelector("[data-big]");
      if (!button) return;
      watch.disconnect();
      const key = new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true});
      setTimeout(() => { button.dispatchEvent(key); done(key.defaultPrevented); });
    });
    watch.observe(document.body, {childList: true, subtree: true});
  });
}"""


def test_a_scanner_that_ends_its_lines_twice_hands_nothing_over(product, desks):
    """Its second key comes from within the page, at once: from here it is late on a busy machine, and a person's."""
    place = cars.place(product)
    page = desks(product, place)
    page.evaluate(SECOND_KEY)
    page.keyboard.type(place.cars[0].shown)
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert page.evaluate("window.kept") is True
    page.wait_for_timeout(500)
    expect(page.locator("[data-kind=given]")).to_have_count(0)
    page.keyboard.press("Enter")  # a person's
    expect(page.locator("[data-kind=given]")).to_be_visible()


def test_a_second_scan_while_the_button_has_the_focus_shows_the_other_car(product, desks):
    place = cars.place(product, cars=2)
    page = desks(product, place)
    first, second = place.cars
    scan(page, first.shown)
    has_focus(page, "[data-big]")
    scan(page, second.shown)
    expect(page.locator(".card.car")).to_contain_text(second.shown)
    expect(page.locator(".card.car")).not_to_contain_text(first.shown)
    expect(page.locator("[data-kind=given]")).to_have_count(0)


def test_it_works_without_scripts_as_forms(product, desks):
    place = cars.place(product)
    page = desks(product, place, scripts=False)
    page.locator("#id_number").fill(place.cars[0].shown)
    page.locator("#id_number").press("Enter")
    expect(page.locator(".car .spot")).to_contain_text(place.cars[0].place)
    big(page).click()
    expect(page.locator("[data-kind=given]")).to_contain_text(place.cars[0].shown)
    page.locator("#undo-given summary").click()
    page.locator("#undo-given button").click()
    expect(big(page)).to_be_visible()


def test_the_hand_over_is_undone_in_two_taps(product, desks):
    place = cars.place(product)
    page = desks(product, place)
    scan(page, place.cars[0].shown)
    big(page).click()
    ended = page.locator(".ended li", has_text=place.cars[0].shown)
    ended.locator("summary").click()
    ended.locator("button").click()
    expect(page.locator(".line li", has_text=place.cars[0].shown)).to_be_visible()
    expect(big(page)).to_be_visible()


def test_books_come_back_in_the_same_breath_and_the_car_stays(product, desks):
    place = cars.place(product, cars=2)
    out, coming = place.cars
    api = program(product, place)
    api.post(f"pickup-points/{place.point}/serve", {"order_number": out.shown})
    days_pass(product)
    page = desks(product, place)
    scan(page, coming.shown)
    has_focus(page, "[data-big]")
    for number, barcode in enumerate(out.barcodes, start=1):
        scan(page, barcode)
        expect(page.locator("[data-kind=back] h3")).to_contain_text(f"{number}권")
    expect(page.locator(".card.car")).to_contain_text(coming.shown)
    has_focus(page, "[data-big]")
    big(page).click()
    expect(page.locator("[data-kind=given]")).to_be_visible()
    expect(page.locator("[data-kind=back] h3")).to_contain_text("2권")
    scan(page, coming.barcodes[0])  # it has only just gone out: nobody takes it back by mistake
    expect(page.locator("[data-kind=on_loan]")).to_contain_text(coming.shown)
    expect(page.locator("[data-kind=back] li")).to_have_count(2)


def test_books_that_are_scanned_faster_than_answered_are_all_shown_as_taken_back(product, desks):
    page, car = lent_before(product, desks)
    for barcode in car.barcodes:
        scan(page, barcode)
    expect(page.locator("[data-kind=back] li")).to_have_count(len(car.barcodes))


def test_a_take_back_that_fails_waits_for_a_hand(product, desks):
    page, car = lent_before(product, desks)
    tried: list[str] = []

    def cut(route: Route) -> None:
        tried.append(route.request.url)
        route.abort()

    page.route("**/take-back/**", cut)
    scan(page, car.barcodes[0])
    expect(page.locator("[data-problem] .note")).to_be_visible()
    has_focus(page, "[data-kind=on_loan] button")
    page.wait_for_timeout(500)
    assert len(tried) == 1
    page.unroute("**/take-back/**")
    page.keyboard.press("Enter")
    expect(page.locator("[data-kind=back] li")).to_have_count(1)


def test_one_after_another_comes_without_a_number(product, desks):
    place = cars.place(product)
    page = desks(product, place)
    for count in (1, 2):
        page.click("#walk-up summary")
        page.fill("#walk-up [name=plate]", f"{count}가1234")
        page.click("#walk-up form button")
        expect(page.locator("#board .line li")).to_have_count(count)
        expect(page.locator("#walk-up")).not_to_have_attribute("open", "")


def test_a_book_stays_here_and_it_is_said_which(product, desks):
    place = cars.place(product)
    page = desks(product, place)
    car = place.cars[0]
    scan(page, car.shown)
    page.click("a.quiet[href*='/lane/bag/']")
    page.select_option(f"[name='keep-{car.shown.replace('-', '')}-{car.barcodes[0]}']", "damaged")
    page.click("form[action*='/serve/'] button.primary")
    given = page.locator("[data-kind=given]")
    expect(given.locator(".note.stop")).to_contain_text(car.barcodes[0])
    expect(given.locator(".note.stop")).not_to_contain_text(car.barcodes[1])


def test_a_refusal_is_said_above_what_is_shown(product, desks):
    place = cars.place(product)
    page = desks(product, place)
    scan(page, place.cars[0].shown)
    expect(big(page)).to_be_visible()
    program(product, place).post(f"pickup-points/{place.point}/serve", {"order_number": place.cars[0].shown})
    big(page).click()
    expect(page.locator("[data-problem]")).to_contain_text("이미")
    has_focus(page, "[data-big]")


def test_without_a_network_nothing_is_lost_and_it_can_be_tried_again(product, desks):
    place = cars.place(product)
    page = desks(product, place)
    page.context.set_offline(True)
    scan(page, place.cars[0].shown)
    expect(page.locator("[data-problem]")).to_contain_text("연결")
    expect(page.locator("#id_number")).to_have_value(place.cars[0].shown)
    page.context.set_offline(False)
    page.keyboard.press("Enter")
    big(page).wait_for()
    page.context.set_offline(True)
    big(page).click()
    expect(page.locator("[data-problem]")).to_contain_text("연결")
    page.context.set_offline(False)
    big(page).click()
    expect(page.locator("[data-kind=given]")).to_be_visible()


def test_the_number_pad_types_and_finds(product, desks):
    place = cars.place(product)
    page = desks(product, place)
    page.click("[data-keypad-switch]")
    expect(page.locator("#id_number")).to_have_attribute("inputmode", "none")
    for digit in place.cars[0].shown.replace("-", "") + "0":
        page.click(f"[data-keypad] button:text-is('{digit}')")
    page.click("[data-keypad] button:nth-of-type(10)")  # the 0 was one too many
    page.click("[data-keypad] button:nth-of-type(12)")
    expect(page.locator(".card.car")).to_contain_text(place.cars[0].shown)
    page.reload()
    expect(page.locator("[data-keypad]")).to_be_visible()


# The board


def test_a_shift_sounds_when_somebody_arrives_and_is_remembered(product, desks):
    place = cars.place(product, cars=3)
    page = desks(product, place)
    page.context.add_init_script(
        "window.tones = 0; const make = AudioContext.prototype.createOscillator;"
        "AudioContext.prototype.createOscillator = function () { window.tones += 1; return make.call(this); };"
    )
    api = program(product, place)
    page.reload()
    expect(page.locator("[data-live-said]")).to_have_text(LIVE)
    api.post("visits", {"order_number": place.cars[0].shown, "pickup_point": place.point})
    expect(page.locator(".line li")).to_have_count(1)
    assert page.evaluate("window.tones") == 0  # no shift, no sound
    page.click("[data-shift]")
    expect(page.locator("[data-shift]")).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("() => window.tones === 2")  # one may hear that it works
    page.reload()
    expect(page.locator("[data-shift]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Tab")  # a browser stays silent until somebody touches the page
    expect(page.locator("[data-live-said]")).to_have_text(LIVE)
    api.post("visits", {"order_number": place.cars[1].shown, "pickup_point": place.point})
    page.wait_for_function("() => window.tones === 2")


def test_cars_are_moved_by_keyboard_and_the_focus_stays_on_the_button(product, desks):
    place = cars.place(product, cars=4, here=4)
    page = desks(product, place)
    first, second, third, last = (car.shown for car in place.cars)
    assert standing(page) == [first, second, third, last]
    button = f"#up-{place.cars[3].visit}"
    page.focus(button)
    page.keyboard.press("Enter")
    expect(page.locator(".line .plate").nth(2)).to_contain_text(last)
    expect(page.locator(button)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".line .plate").nth(1)).to_contain_text(last)
    assert standing(page) == [first, last, second, third]
    page.click(f"#down-{place.cars[0].visit}")
    expect(page.locator(".line .plate").nth(0)).to_contain_text(last)
    assert standing(page) == [last, first, second, third]


def test_bays_show_their_numbers_and_several_cars_are_called_at_once(product, desks):
    place = cars.place(product, layout="bays", cars=3, here=3)
    page = desks(product, place)
    for called in (1, 2):
        page.click("form[action*='/lane/call/'] button")
        expect(big(page)).to_be_visible()
        expect(page.locator(".lanes .name")).to_have_count(called)
    assert [text[-1] for text in page.locator(".lanes .name").all_inner_texts()] == ["1", "2"]
    expect(page.locator(".card.car .bay")).to_contain_text("2")


def test_closed_for_today_is_on_every_screen_in_two_taps_and_gone_in_one(product, desks):
    place = cars.place(product)
    page = desks(product, place)
    public, wall = page.context.new_page(), page.context.new_page()
    public.goto(f"/now/{place.library}/")
    wall.goto(f"/now/{place.library}/lanes/")
    for screen in (public, wall):
        expect(screen.locator("[data-live-said]")).to_have_text(LIVE)
    page.click("#shut summary")
    page.click("#shut button")
    expect(page.locator("#board .note.stop")).to_be_visible()
    expect(public.locator(".tag.halt")).to_be_visible(timeout=3_000)
    expect(wall.locator(".shut")).to_be_visible(timeout=3_000)
    page.click("form[action*='/open-again/'] button")
    expect(public.locator(".tag.go")).to_be_visible(timeout=3_000)
    expect(wall.locator(".shut")).to_have_count(0, timeout=3_000)


def test_the_lane_display_shows_numbers_and_where_to_go_and_no_name(product, desks):
    place = cars.place(product, cars=3, here=3)
    page = desks(product, place)
    wall = page.context.new_page()
    wall.goto(f"/now/{place.library}/lanes/?point={place.code}")
    expect(wall.locator(".queue li")).to_have_count(3)
    page.click("form[action*='/lane/call/'] button")
    call = wall.locator(".calls li")
    expect(call).to_contain_text(place.cars[0].shown, timeout=3_000)
    expect(call.locator(".to b")).to_have_text("1")
    expect(wall.locator(".queue li")).to_have_count(2)
    assert "회원" not in wall.locator("body").inner_text()
    for width, least in ((1440, 150), (390, 50)):  # a letter of 15 cm on a large screen is read from fifteen metres
        wall.set_viewport_size({"width": width, "height": 900})
        size = call.locator(".number").evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
        assert size >= least
        assert wall.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


# Live: within a second, and it says so when not


def test_an_arrival_is_on_two_boards_within_a_second_of_its_commit(product, desks):
    place = cars.place(product, cars=4)
    boards = [desks(product, place) for _ in range(2)]
    api = program(product, place)
    took = []
    for car in place.cars:
        for board in boards:
            board.evaluate(WATCH, car.shown)
        api.post("visits", {"order_number": car.shown, "pickup_point": place.point})
        answered = time.time()  # not before the commit
        took += [board.evaluate("window.seen") / 1000 - answered for board in boards]
    assert max(took) < 1.0, took
    for board in boards:  # so do the tabs above it
        expect(board.locator("#count-lane")).to_have_text(str(len(place.cars)))


@pytest.fixture
def town() -> Iterator[Running]:
    """A product of one's own to break: no worker, no beat."""
    with running(sample=False, shared=True, programs=("web",)) as made:
        yield made


def arrive_without_the_web(town: Running, car: cars.Car, place: Place) -> None:
    """Somebody arrives while the web is down: by a telephone's text, say, which a worker applies."""
    town.shell(
        "from core.actor import Actor; from core import clock; from pickup import arrivals;"
        f"arrivals.arrive(point_id={place.point}, order_id={car.order}, by=Actor('staff', channel='desk'),"
        " now=clock.now())"
    )


def test_a_server_that_is_gone_is_said_and_nothing_is_missed_when_it_is_back(town, desks):
    place = cars.place(town, cars=2)
    boards = [desks(town, place) for _ in range(2)]
    town.stop("web")
    for board in boards:
        expect(board.locator("body")).to_have_class(re.compile("stale"), timeout=15_000)
        expect(board.locator("[data-live-said]")).to_contain_text("연결이 끊겼습니다")
    arrive_without_the_web(town, place.cars[0], place)
    town.start("web")
    for board in boards:
        expect(board.locator(".line li", has_text=place.cars[0].shown)).to_be_visible(timeout=15_000)
        expect(board.locator("[data-live-said]")).to_have_text(LIVE)
        expect(board.locator("body")).not_to_have_class(re.compile("stale"))


@pytest.mark.long
def test_without_redis_an_arrival_is_at_most_three_seconds_late(town, desks):
    place = cars.place(town, cars=3)
    board = desks(town, place)
    api = program(town, place)
    town.stop_redis()
    took = []
    for car in place.cars:
        board.evaluate(WATCH, car.shown)
        api.post("visits", {"order_number": car.shown, "pickup_point": place.point})
        answered = time.time()
        took.append(board.evaluate("window.seen") / 1000 - answered)
    assert max(took) < 3.0, took
    town.start_redis()


HOW_A_STREAM_IS_LOST: dict[str, Callable[[Route], object]] = {
    "held back by a proxy": lambda _route: None,
    "refused": lambda route: route.abort(),
    "answered by a proxy": lambda route: route.fulfill(status=502, body="Bad gateway"),
}


@pytest.mark.parametrize(
    "how",
    [
        "held back by a proxy",
        pytest.param("refused", marks=pytest.mark.long),
        pytest.param("answered by a proxy", marks=pytest.mark.long),
    ],
)
def test_where_no_stream_comes_through_the_board_follows_by_looking_and_says_so(product, desks, how):
    place = cars.place(product)
    board = desks(product, place)
    board.route("**/live/points/**", HOW_A_STREAM_IS_LOST[how])
    board.reload()
    expect(board.locator("[data-live-said]")).to_have_text(POLLED, timeout=10_000)
    expect(board.locator("body")).not_to_have_class(re.compile("stale"))
    board.evaluate(WATCH, place.cars[0].shown)
    program(product, place).post("visits", {"order_number": place.cars[0].shown, "pickup_point": place.point})
    answered = time.time()
    assert board.evaluate("window.seen") / 1000 - answered < 5.5
    board.unroute("**/live/points/**")
    expect(board.locator("[data-live-said]")).to_have_text(LIVE, timeout=10_000)


# A line that dies without a word, as under a tablet that sleeps.
KEEP_STREAMS = """
  window.streams = [];
  window.EventSource = class extends EventSource {
    constructor(...given) { super(...given); window.streams.push(this); }
  };
"""


def test_a_board_that_wakes_looks_at_once_whatever_it_missed(product, desks):
    place = cars.place(product, cars=3)
    board = desks(product, place)
    board.add_init_script(KEEP_STREAMS)
    board.reload()
    api = program(product, place)
    wakes = [
        "document.dispatchEvent(new Event('visibilitychange'))",
        "dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))",
        "dispatchEvent(new Event('online'))",
    ]
    for car, wake in zip(place.cars, wakes, strict=True):
        expect(board.locator("[data-live-said]")).to_have_text(LIVE, timeout=10_000)
        board.evaluate("streams.forEach((stream) => stream.close())")
        api.post("visits", {"order_number": car.shown, "pickup_point": place.point})
        board.wait_for_timeout(1500)
        expect(board.locator("#board")).not_to_contain_text(car.shown)
        board.evaluate(WATCH, car.shown)
        woken = board.evaluate(f"{{ const at = Date.now(); {wake}; at }}")
        assert board.evaluate("window.seen") - woken < 1000, wake


def test_of_several_cars_that_come_between_two_looks_each_is_told(product, desks):
    place = cars.place(product, cars=2)
    board = desks(product, place)
    board.add_init_script(KEEP_STREAMS)
    board.reload()
    expect(board.locator("[data-live-said]")).to_have_text(LIVE, timeout=10_000)
    board.evaluate("streams.forEach((stream) => stream.close())")
    for car in place.cars:
        program(product, place).post("visits", {"order_number": car.shown, "pickup_point": place.point})
    board.evaluate("dispatchEvent(new Event('online'))")
    for car in place.cars:
        expect(board.locator("[data-arrived]")).to_contain_text(car.shown)


# Paper, afterwards, and the show card


def test_what_was_typed_while_the_network_was_gone_is_kept_and_noted_later(product, desks):
    place = cars.place(product, cars=2)
    page = desks(product, place)
    address = f"/staff/catch-up/?point={place.point}"
    page.goto(address)
    first = page.locator(f"input[name=bag][value='{place.cars[0].order}']")
    first.check()
    page.fill("#id_barcodes", "EM404")
    page.goto("about:blank")
    page.goto(address)
    expect(first).to_be_checked()
    expect(page.locator("[data-restored]")).to_be_visible()
    page.click("main form.stack button.primary")
    expect(page.locator(".note.stop")).to_contain_text("EM404")
    expect(page.locator("[role=status] .note:not(.stop)")).to_contain_text(place.cars[0].shown)
    expect(page.locator("#id_barcodes")).to_have_value("EM404")
    expect(first).to_have_count(0)
    page.fill("#id_barcodes", "")
    page.locator("input[name=bag]").check()
    page.click("main form.stack button.primary")
    expect(page.locator(".note.stop")).to_have_count(0)
    page.goto(address)
    expect(page.locator("[data-restored]")).to_be_hidden()


@pytest.mark.parametrize("scripts", [True, False])
def test_the_show_card_fills_the_screen_in_the_drivers_language(product, desks, scripts):
    place = cars.place(product)
    page = desks(product, place, scripts=scripts)
    page.goto(f"/staff/show-card/?point={place.point}&language=vi")
    page.click("a[href='#say-engine']")
    said = page.locator("#say-engine .says .in:visible")
    expect(said).to_have_text("Vui lòng tắt máy xe.")
    expect(said).to_have_attribute("lang", "vi")
    expect(page.locator("header.bar")).to_be_hidden()
    for width in (1024, 390):
        page.set_viewport_size({"width": width, "height": 760})
        if scripts:
            size = said.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
            assert size >= 40 * 96 / 72  # 40 points
    page.locator("#say-engine .flips").check()
    if scripts:
        assert page.locator("#say-engine .says").evaluate("e => getComputedStyle(e).rotate") == "180deg"
    page.click("#say-engine a[href='#list']")
    expect(page.locator("#say-engine")).to_be_hidden()
    page.check("#tongue-zh")
    page.click("a[href='#say-thanks']")
    expect(page.locator("#say-thanks .says .in:visible")).to_have_text("谢谢，再见。")


def test_the_show_card_is_used_by_keyboard_and_takes_free_words(product, desks):
    place = cars.place(product)
    page = desks(product, place)
    page.goto(f"/staff/show-card/?point={place.point}")
    page.focus("a[href='#say-anything']")
    page.keyboard.press("Enter")
    expect(page.locator("#say-anything")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.type("3번 자리로 가 주세요")
    expect(page.locator("#anything")).to_have_value("3번 자리로 가 주세요")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.locator("#anything").evaluate("e => getComputedStyle(e).rotate") == "180deg"


# For everyone


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_everything_that_the_window_can_show_is_read_in_sunlight_and_by_everyone(product, desks, scheme):
    place = cars.place(product, cars=3, here=2)
    # A button that changes its colour within 0.15 s must not be measured half way.
    page = desks(product, place, color_scheme=scheme, reduced_motion="reduce")
    first, second, third = place.cars

    def look(what: str) -> None:
        wrong = violations(page) + violations(page, SUNLIGHT)
        assert not wrong, (what, wrong)

    look("idle")
    scan(page, first.shown)
    big(page).wait_for()
    look("a car")
    page.click("#lanes-open summary")
    page.click("#shut summary")
    page.click("#walk-up summary")
    look("unfolded")
    big(page).click()
    page.locator("[data-kind=given]").wait_for()
    look("given")
    scan(page, first.barcodes[0])
    page.locator("[data-kind=on_loan]").wait_for()
    look("on loan")
    page.click("[data-kind=on_loan] button")
    page.locator("[data-kind=back]").wait_for()
    look("back")
    for text, kind in (("0000", "unknown"), (first.shown, "over"), ("EM1", "unknown")):
        scan(page, text)
        page.locator(f"[data-kind={kind}]").wait_for()
        look(text)
    page.goto(f"/staff/lane/bag/{second.order}/?point={place.point}")
    look("different")
    page.goto(f"/now/{place.library}/lanes/")
    look("display")
    assert third.shown
