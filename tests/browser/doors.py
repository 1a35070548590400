"""How people come to their pages in a browser test: invented readers of their own, the desk behind them, axe beside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from config import sample
from tests.journeys.people import Program
from tests.product import Running

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SUNLIGHT = ["color-contrast-enhanced"]

ENROL = """
from core import clock
from core.actor import RULE
from lending import patrons
from lending.models import Library, Patron
home = Library.objects.get(code="seongdong")
Patron.objects.filter(card_number="{card}").exists() or patrons.enrol(
    card_number="{card}", name="{name}", home_id=home.pk, number="{number}", language="{language}", pin="{pin}",
    by=RULE, now=clock.now())
"""
LINK = """
from core import clock
from pickup import links
from pickup.models import Order
print(links.address_of(Order.objects.get(pk={order}), now=clock.now()))
"""


SESSION = """
from django.test import Client
from lending.models import Account
client = Client()
client.force_login(Account.objects.get(username="{username}"))
print(client.cookies["session"].value)
"""


@dataclass(frozen=True)
class Reader:
    """An invented reader of one test; nobody else's orders are touched."""

    card: str
    language: str = "ko"

    @property
    def number(self) -> str:
        return f"010-0000-{self.card[-4:]}"


def enrol(product: Running, *readers: Reader) -> None:
    """Let these people be readers of the sample library, with its PIN."""
    for reader in readers:
        known = {"card": reader.card, "name": f"독자 {reader.card[-4:]}", "number": reader.number}
        product.shell(ENROL.format(language=reader.language, pin=sample.PIN, **known))


def sign_in(page: Page, card: str) -> None:
    """By card and PIN, wherever the page for it lets the reader go on."""
    if "/sign-in/" not in page.url:
        page.goto("/sign-in/")
    page.fill("#id_card_number", card)
    page.fill("#id_pin", sample.PIN)
    page.locator("form:has(#id_pin) button.primary").click()
    expect(page).not_to_have_url(re.compile("sign-in"))


def let_in(product: Running, context: BrowserContext, username: str) -> None:
    """Let this librarian be signed in already, for tests that are not about the door."""
    session = product.shell(SESSION.format(username=username)).split()[-1]
    context.add_cookies([{"name": "session", "value": session, "url": product.base_url}])


def link_of(product: Running, order: int) -> str:
    """The path of the page that a text about an order leads to."""
    address = product.shell(LINK.format(order=order)).split()[-1]
    return address.removeprefix(product.base_url)


def order_number(page: Page) -> int:
    """The id of the order whose page is shown to its patron."""
    expect(page).to_have_url(re.compile(r"/my/orders/\d+/$"))
    return int(re.findall(r"\d+", page.url)[-1])


@dataclass
class Desk:
    """A librarian who works through the API while a reader looks at a page."""

    program: Program
    point: int

    @classmethod
    def at(cls, product: Running, code: str) -> Desk:
        program = Program(product.base_url).sign_in(username="librarian", password=sample.PASSWORD)
        points = {row["code"]: int(row["id"]) for row in program.get("pickup-points")["results"]}
        return cls(program, points[code])

    def books_here(self, library: str, *, count: int, word: str) -> list[dict[str, Any]]:
        """Titles with a free copy at a library and no volumes, as a search for the word finds them."""
        found = []
        for row in self.program.get("titles", q=word, page_size=100)["results"]:
            copies = self.program.get(f"titles/{row['id']}")["copies"]
            if any(copy["library"]["code"] == library and copy["free"] for copy in copies) and not any(
                copy["volume"] for copy in copies
            ):
                found.append(row)
            if len(found) == count:
                return found
        raise AssertionError(f"the sample has no {count} such books any more")

    def call_off(self, card: str) -> None:
        """Cancel what a reader has open, from an earlier try."""
        for row in self.program.get("orders", card_number=card)["results"]:
            if row["state"] in {"picking", "ready"}:
                self.program.post(f"orders/{row['id']}/cancel")

    def make_ready(self, order: int) -> str:
        """Fetch, pack and shelve a bag; its number."""
        row = self.program.get(f"orders/{order}")
        for line in row["lines"]:
            if line["state"] == "to_pick":
                self.program.post(f"orders/{order}/pack", {"barcode": line["barcode"]})
        return str(self.program.post(f"orders/{order}/ready")["number"])

    def serve(self, number: str) -> None:
        """One scan, one tap: the bag is handed over."""
        self.program.post(f"pickup-points/{self.point}/serve", {"order_number": number})


def barriers(page: Page) -> list[str]:
    """What axe finds on the page as it stands."""
    return [f"{page.url}: {text}" for text in violations(page)]


def violations(page: Page, rules: list[str] | None = None) -> list[str]:
    """The rules of axe that the page breaks, with where; `rules` names other ones than those of the house.

    Of what is right axe says nothing: to describe that takes it a quarter of its time.
    """
    only = {"type": "rule", "values": rules} if rules else RULES
    found = Axe().run(page, options={"runOnly": only, "resultTypes": ["violations"]}).response["violations"]
    return [f"{rule['id']} {node['target']}" for rule in found for node in rule["nodes"]]


def lost(page: Page) -> list[str]:
    """What does not fit: anything beside the screen, words cut off, something to press that is out of reach, a
    telephone number in two lines.
    """
    found: list[str] = page.evaluate(
        r"""() => {
          const wide = document.documentElement.clientWidth;
          const said = (e) => `${e.tagName} ${(e.textContent || e.name || "").trim().slice(0, 40)}`;
          const wrong = [];
          if (document.documentElement.scrollWidth > wide) wrong.push("the page is wider than the screen");
          for (const e of document.querySelectorAll("body *")) {
            if (!e.checkVisibility() || e.closest(".unseen, .skip, svg, thead")) continue;
            const box = e.getBoundingClientRect();
            if (box.right > wide + 1 || box.left < -1) wrong.push(`beside the screen: ${said(e)}`);
            const style = getComputedStyle(e);
            const typed = e.matches("input, select, textarea");
            if (style.overflow !== "visible" && e.scrollWidth > e.clientWidth + 1 && !typed)
              wrong.push(`cut off: ${said(e)}`);
            if (e.matches("a.btn, button, label.choice, a.choice") && e.scrollWidth > e.clientWidth + 1)
              wrong.push(`too narrow for its words: ${said(e)}`);
          }
          const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          while (texts.nextNode())
            for (const number of texts.currentNode.data.matchAll(/(\+\d+ |0)\d{1,3}-\d{3,4}-\d{4}/g)) {
              const seen = document.createRange();
              seen.setStart(texts.currentNode, number.index);
              seen.setEnd(texts.currentNode, number.index + number[0].length);
              const lines = new Set([...seen.getClientRects()].map((box) => Math.round(box.top)));
              if (lines.size > 1) wrong.push(`a number in two lines: ${number[0]}`);
            }
          return [...new Set(wrong)];
        }"""
    )
    return [f"{page.url}: {text}" for text in found]
