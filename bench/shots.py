"""`make shots`: pictures of every page of the sample library, three widths, two languages, in var/shots/."""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from config.embedded import browser
from config.embedded.host import VAR, Stop
from config.sample import PASSWORD, PEOPLE, PIN, STAFF
from tests.product import Running, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SHOTS = VAR / "shots"
WIDTHS = {390: 844, 1024: 768, 1440: 900}
LANGUAGES = {"ko": "ko-KR", "en": "en-GB"}
# The first is at the window with the family; the other one was offered a time and has not answered.
READERS = {"patron": PEOPLE[0].card, "asked": PEOPLE[3].card}
# What each kind of person sees. A pattern stands for the first link on the page before it that fits.
PAGES: dict[str, list[str]] = {
    "anyone": [
        "/", "/?q=%ED%95%9C%EA%B5%AD", "/?q=", r"/titles/\d+/.*", "/sign-in/", "/sign-in/code/", "/privacy/",
        "/staff/sign-in/", "/code/",
        "/code/seongdong/", "/here/seongdong-lane/",
        "/now/", "/now/seongdong/", "/now/seongdong/lanes/", "/no-such-page/", "/api/docs/",
        "/sandbox/phones/", r"/sandbox/phones/.+",
    ],
    "patron": [
        "/", "/ask/", "/my/", "/my/orders/", r"/my/orders/\d+/", "/my/settings/", "/my/settings/pin/",
        "/my/settings/devices/", "/my/settings/data/", "/my/settings/data/erase/",
        "/my/settings/numbers/", "/my/settings/numbers/add/",
        "/my/settings/needs/", "/my/settings/times/", "/my/settings/consents/", "/my/settings/texts/",
        "/my/history/", "/my/settings/standing/", r"/my/reservations/\d+/", "/here/geumho-lane/?bay=3",
    ],
    "asked": ["/my/", "/my/orders/", r"/my/orders/\d+/", r"/my/orders/\d+/time/"],
    "staff": [
        "/staff/", "/staff/?point=1", "/staff/pull-list/?point=1", "/staff/packing/?point=1",
        r"/staff/orders/\d+/slip/.*", "/staff/slips/?point=1&paper=a6", "/staff/lane/?point=1",
        r"/staff/lane/\?point=\d+&visit=\d+", r"/staff/lane/bag/\d+/.*", "/staff/run-sheet/?point=1",
        "/staff/catch-up/?point=1", "/staff/show-card/?point=1", "/staff/show-card/?point=1&language=vi#say-window",
        "/staff/shelf/?point=1", r"/staff/orders/\d+/messages/.*", "/staff/signs/?point=1&paper=a4&places=1-2",
        "/staff/statistics/?point=1",
        "/staff/unpack/?point=1", "/staff/returns/?point=1", "/staff/phone-orders/?point=1",
        "/staff/phone-orders/1/?point=1&q=%ED%95%9C%EA%B5%AD", "/staff/inbox/?point=1",
        "/staff/overdue/?point=1", "/staff/search-list/", "/staff/books/?point=1", "/staff/books/?point=1&copy=1",
        "/staff/rehearsal/", "/staff/lane/?point=5", "/staff/transfers/?point=1", "/staff/day-list/?point=1",
        "/staff/postings/?point=1", "/staff/patrons/?point=1", "/staff/patrons/new/?point=1",
        "/staff/patrons/1/?point=1", r"/staff/orders/\d+/elsewhere/.*", "/staff/tablet/?point=1",
        "/staff/sign-in/second/",
    ],
    "manager": [
        "/staff/?point=1", "/staff/settings/roles/?point=1", "/staff/settings/looks/?point=1", "/staff/rules/",
        r"/staff/rules/\d+/.*", "/staff/rules/1/classes/?point=1", "/staff/surge/?point=1", "/staff/days/?point=1",
        "/staff/texts/?point=1", "/staff/texts/offer/ko/?point=1", "/staff/sender/?point=1",
        "/staff/times/?point=1", "/staff/times/new/?point=1", r"/staff/times/\d+/.*", "/staff/times/rules/?point=1",
    ],
    "beside": [
        "/staff/?point=7", "/staff/pull-list/?point=7", "/staff/packing/?point=7", "/staff/shelf/?point=7",
        "/staff/lane/?point=7", "/staff/returns/?point=7", "/staff/day-list/?point=7", "/staff/day-list/lent/?point=7",
        "/staff/postings/?point=7",
    ],
}  # fmt: skip


def main() -> int:
    """Take them all on a product of its own; 1 when a page could not be shown."""
    found = browser.find()
    shutil.rmtree(SHOTS, ignore_errors=True)
    SHOTS.mkdir(parents=True)
    failed: list[str] = []
    with running() as product, sync_playwright() as playwright:
        options: dict[str, Any] = browser.launch_options(found)
        chromium = playwright.chromium.launch(**options)
        for width in WIDTHS:
            for language in LANGUAGES:
                for who in PAGES:
                    failed += _series(chromium, product, who, width, language)
        chromium.close()
    print(f"{len(list(SHOTS.glob('*.png')))} pictures in {SHOTS}")
    for line in failed:
        print(f"not shown: {line}")
    return 1 if failed else 0


def _series(chromium: Browser, product: Running, who: str, width: int, language: str) -> list[str]:
    context = chromium.new_context(
        base_url=product.base_url,
        locale=LANGUAGES[language],
        timezone_id="Asia/Seoul",
        viewport={"width": width, "height": WIDTHS[width]},
        extra_http_headers={"Accept-Language": language},
    )
    page = context.new_page()
    failed = []
    try:
        _sign_in(page, who, language)
        before: list[str] = []
        for number, address in enumerate(PAGES[who]):
            path = address if not re.search(r"\\|\[", address) else _first(before, address)
            if path is None:
                print(f"   no link like {address} for {who}")  # the sample has none today
                continue
            answer = page.goto(path, wait_until="load")
            if answer is None or answer.status >= 500:
                failed.append(f"{path} as {who}, {width}, {language}: {answer and answer.status}")
            before += [link.get_attribute("href") or "" for link in page.locator("a[href]").all()]
            name = re.sub(r"[^a-z0-9-]+", "-", address.lower().replace("\\d+", "one")).strip("-") or "home"
            page.screenshot(path=SHOTS / f"{who}-{number:02}-{name}-{width}-{language}.png", full_page=True)
    finally:
        context.close()
    return failed


def _first(links: list[str], pattern: str) -> str | None:
    return next((link for link in links if re.fullmatch(pattern, link)), None)


def _sign_in(page: Page, who: str, language: str) -> None:
    """As one of the sample's patrons, two books on the list, or as the librarian who reads this language."""
    if who in READERS:
        page.goto("/sign-in/")
        page.locator("#id_card_number").fill(READERS[who])
        page.locator("#id_pin").fill(PIN)
        page.locator("#id_pin").press("Enter")
        page.wait_for_url("**/my/")
        for _ in range(2):  # books on the list
            page.goto("/?q=%ED%95%9C%EA%B5%AD")
            page.locator("form[action='/ask/note/'] button").first.click()
    elif who in {"staff", "manager", "beside"}:
        page.goto("/staff/sign-in/")
        librarian = STAFF[2][0] if language == "en" else STAFF[0][0]
        page.locator("#id_username").fill({"manager": STAFF[1][0], "beside": STAFF[3][0]}.get(who, librarian))
        page.locator("#id_password").fill(PASSWORD)
        page.locator("#id_password").press("Enter")
    else:
        return
    page.wait_for_url(lambda address: "sign-in" not in address)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    try:
        sys.exit(main())
    except Stop as stop:
        sys.exit(f"Cannot go on: {stop}")
