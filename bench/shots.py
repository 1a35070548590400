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
# What each kind of person sees. A pattern stands for the first link on the page before it that fits.
PAGES: dict[str, list[str]] = {
    "anyone": [
        "/", "/?q=%ED%95%9C%EA%B5%AD", "/?q=", r"/titles/\d+/.*", "/sign-in/", "/staff/sign-in/", "/code/",
        "/code/seongdong/", "/now/", "/now/seongdong/", "/no-such-page/", "/api/docs/", "/sandbox/phones/",
        r"/sandbox/phones/.+",
    ],
    "patron": ["/", "/ask/", "/my/", "/my/orders/", r"/my/orders/\d+/"],
    "staff": [
        "/staff/", "/staff/pull-list/", "/staff/packing/", r"/staff/orders/\d+/slip/.*", "/staff/lane/",
        "/staff/shelf/", "/staff/returns/", "/staff/phone-orders/", "/staff/inbox/",
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
    """As the sample's first patron or the librarian who reads this language."""
    if who == "patron":
        page.goto("/sign-in/")
        page.locator("[name=card_number]").fill(PEOPLE[0].card)
        page.locator("[name=pin]").fill(PIN)
        page.locator("[name=pin]").press("Enter")
    elif who == "staff":
        page.goto("/staff/sign-in/")
        page.locator("[name=username]").fill(STAFF[2][0] if language == "en" else STAFF[0][0])
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("[name=password]").press("Enter")
    else:
        return
    page.wait_for_url(lambda address: "sign-in" not in address)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    try:
        sys.exit(main())
    except Stop as stop:
        sys.exit(f"Cannot go on: {stop}")
