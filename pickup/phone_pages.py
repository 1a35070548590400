"""Pages for librarians on the telephone: find the caller, ask for books by the caller's rules, read the order back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from core import access
from core.actor import Actor
from core.once import once
from core.refusal import NotFound, Refusal
from lending import availability, patrons, quota, reservations, search
from lending import queries as lending_queries
from lending.forms import SearchForm
from lending.pages import key_of
from notifications import phone
from pickup import awaited, bags, forecast, orders, point_queries, preferences, queries, readback, slots
from pickup.desk_forms import CallerForm, PhoneOrderForm, TimesForm
from pickup.models import PointRules
from pickup.preference_pages import told_by
from pickup.staff_pages import Desk, at_desk, number_in, show_desk
from pickup.states import OPEN_ORDER

if TYPE_CHECKING:
    from lending.models import Contact, Patron, PickupPoint, Reservation
    from pickup.models import Order, Slot

AT_ORDER, WHEN_READY = PointRules.Promise.AT_ORDER, PointRules.Promise.WHEN_READY
FOUND = 20
TITLES = 10
MOST = 20  # books of one call
TIMES = 24
SCREEN = "phone-orders"  # the purpose under which it is noted who was looked at

# What a reader is told to ask the library is no sentence for those who sit there. By the code of the refusal.
_BARRED = gettext_lazy("Nothing was ordered: the reasons stand at the top of this page.")
FOR_STAFF = {
    **dict.fromkeys(("patron_blocked", "paused", "loans_overdue"), _BARRED),
    "no_number_free": gettext_lazy("All order numbers are in use. Please unpack bags first, then order again."),
}

Items = list[tuple[int, str]]


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def phone_orders(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Who calls? Found by card, telephone number or name; sent as a form, so that no address bears a name."""
    form = CallerForm(request.POST if request.method == "POST" else None)
    found: list[dict[str, Any]] = []
    if request.method == "POST" and form.is_valid():
        library = desk.point.library
        rows = patrons.find(form.cleaned_data["caller"], library_ids=[library.pk], region=library.region)
        some = list(rows[: FOUND + 1])
        if not some:
            form.add_error("caller", _("Nobody was found. Please ask for the card number, or for the whole name."))
        found = [patrons.hint(patron) for patron in some[:FOUND]]
        access.saw([f"patron:{patron.pk}" for patron in some[:FOUND]], purpose=SCREEN, by=desk.by, now=desk.now)
        context = {"form": form, "found": found, "more": len(some) > FOUND}
        return show_desk(request, desk, "pickup/staff/phone_orders.html", context, status=404 if not some else 200)
    return show_desk(request, desk, "pickup/staff/phone_orders.html", {"form": form}, status=form.status)


@at_desk
@require_http_methods(["GET", "HEAD", "POST"])
def phone_order(request: HttpRequest, desk: Desk, patron_id: int) -> HttpResponse:
    """The order of one caller: books, place, time, who collects and on which number, what to do at the car."""
    patron = _caller(desk, patron_id)
    by = replace(desk.by, channel="phone")
    dropped = request.GET.get("drop", "")
    items = _items([text for text in request.GET.getlist("item") if text != dropped])
    points = list(
        lending_queries.points(practice=desk.point.library.training).filter(
            library__programme_id=desk.point.library.programme_id
        )
    )
    wanted = number_in(request, "place") or desk.point.pk
    point = next((one for one in points if one.pk == wanted), points[0] if points else None)
    contacts = list(patron.contacts.all())
    initial = {"needs": patron.needs, "needs_note": patron.needs_note, "language": patron.language}
    sent = request.POST if request.method == "POST" else None
    form = PhoneOrderForm(sent, initial=initial, contacts=contacts, needs=patron.Need.choices)
    rules = point_queries.rules_of(point.pk) if point is not None else None
    offered = rules is not None and rules.by_appointment and rules.promise == WHEN_READY
    likes = TimesForm(sent, initial=told_by(patron.pk)) if offered else None
    valid = form.is_valid() and (likes is None or likes.is_valid())
    status, wrong = form.status if likes is None else max(form.status, likes.status), ""
    if request.method == "POST" and valid and point is not None:
        try:
            with once(by, request, key=key_of(request)) as answer:
                if likes is not None and likes.has_changed():
                    preferences.note(patron_id=patron.pk, **likes.cleaned_data, by=by, now=desk.now)
                asked = _ask(form, patron, point, items, by=by, now=desk.now)
                return answer.redirect(desk.to("phone-said", patron.pk, asked.reservations[0].request))
        except Refusal as refusal:
            if refusal.code in FOR_STAFF:
                form.add_error(None, str(FOR_STAFF[refusal.code]))
            else:
                form.refuse(refusal)
            status, wrong = refusal.status, refusal.field
    if request.method != "POST":
        access.saw([f"patron:{patron.pk}"], purpose=SCREEN, by=by, now=desk.now, needs=bool(patron.what_to_do))
    free: list[Slot] = []
    waits = False
    if point is not None and rules is not None and rules.by_appointment and rules.promise == AT_ORDER:
        at_point = forecast.at_points(wishes=items, points=[point], now=desk.now).values()
        hopes = [hope for of_wish in at_point for hope in of_wish]
        accessible, after = patron.accessible_place, forecast.not_before(hopes, whole=form.together(request))
        waits = bool(hopes) and forecast.promises_nothing(hopes)
        if not waits:
            free = slots.free(point_id=point.pk, now=desk.now, limit=TIMES, accessible=accessible, after=after)
    books = _books(items, wrong, point)
    standing = bags.of(queries.bags(patron_id=patron.pk, state__in=OPEN_ORDER), now=desk.now)
    sender = desk.point.library.sender
    context = {
        "form": form,
        "times_form": likes,
        "patron": patron,
        "phones": [
            (contact, phone.display(contact.number, patron.home.region), readback.is_texted(contact, sender))
            for contact in contacts
        ],
        "standing": standing,
        "joins": None if waits or point is None else next((bag for bag in standing if bag.order.point == point), None),
        "waits": waits,
        "bars": list(quota.bars(patron, (point or desk.point).library, today=desk.today)),
        "points": points,
        "point": point,
        "place": point.place_in(get_language() or "ko") if point is not None else "",
        "rules": rules,
        "days": _by_day(free),
        "books": books,
        "here_count": sum(book["here"] for book in books),
        "together": form.together(request),
        "more": "&together=1" if form.together(request) else "",
        **_searched(request, items, point),
    }
    return show_desk(request, desk, "pickup/staff/phone_order.html", context, status=status)


def _caller(desk: Desk, patron_id: int) -> Patron:
    served = lending_queries.patrons_of([desk.point.library_id]).prefetch_related("contacts")
    patron = served.filter(pk=patron_id).first()
    if patron is None:
        raise NotFound
    return patron


def _ask(
    form: PhoneOrderForm, patron: Patron, point: PickupPoint, items: Items, *, by: Actor, now: datetime
) -> orders.Requested:
    told = form.cleaned_data
    if (told["needs"], told["needs_note"]) != (patron.needs, patron.needs_note):
        patrons.note_needs(patron_id=patron.pk, needs=told["needs"], needs_note=told["needs_note"], by=by, now=now)
    collector = form.contact_id
    if form.somebody_else:
        named = {name: told[name] for name in ("name", "number", "language")}
        collector = patrons.collector_for(patron_id=patron.pk, may_text=True, by=by, now=now, **named).pk
    return orders.request(
        patron_id=patron.pk,
        point_id=point.pk,
        items=[reservations.Item(title_id, volume) for title_id, volume in items],
        slot_id=told["slot"],
        collector_id=collector,
        needed_until=told["needed_until"],
        whole=told["whole"],
        by=by,
        now=now,
    )


def _items(texts: Sequence[str]) -> Items:
    """Titles and volumes from an address: `17:` or `17:3`."""
    found = []
    for text in texts[:MOST]:
        title_id, _colon, volume = text.partition(":")
        if title_id.isascii() and title_id.isdigit() and len(title_id) < 19 and "\x00" not in volume:
            found.append((int(title_id), volume[:20]))
    return list(dict.fromkeys(found))


def _books(items: Items, wrong: str, point: PickupPoint | None) -> list[dict[str, Any]]:
    """What the caller asked for, each saying whether a copy stands at the library of the pickup point."""
    practice = _practice(point)
    titles = lending_queries.titles(practice=practice).in_bulk([title_id for title_id, _volume in items])
    here, stock = _free_here(titles, point), availability.of_volumes(titles, practice=practice)
    return [
        {
            "title": titles[title_id],
            "volume": volume,
            "item": f"{title_id}:{volume}",
            "here": (title_id, volume) in here,
            "at": stock.get((title_id, volume)) or availability.Availability(),
            "wrong": wrong == f"items.{index}",
        }
        for index, (title_id, volume) in enumerate(items)
        if title_id in titles
    ]


def _practice(point: PickupPoint | None) -> bool:
    return point is not None and point.library.training


def _free_here(title_ids: Iterable[int], point: PickupPoint | None) -> set[tuple[int, str]]:
    """The titles, with their volumes, of which a copy is free at the library of the pickup point."""
    if point is None:
        return set()
    free = lending_queries.free_copies().filter(title_id__in=list(title_ids), at_library_id=point.library_id)
    return set(free.values_list("title_id", "volume"))


def _searched(request: HttpRequest, items: Items, point: PickupPoint | None) -> dict[str, Any]:
    """What was found for the caller, with the volumes to choose from, and what the addresses of this page keep."""
    asked = SearchForm(request.GET)
    q = asked.cleaned_data["q"] if asked.is_valid() else ""
    practice = _practice(point)
    titles = list(search.find(q, practice=practice)[:TITLES]) if q else []
    ids = [title.pk for title in titles]
    here = _free_here(ids, point) if titles else set()
    kept = [("item", f"{title_id}:{volume}") for title_id, volume in items]
    place = [("point", request.GET["point"]), ("place", str(point.pk) if point is not None else "")]
    return {
        "search_form": asked,
        "q": q,
        "titles": titles,
        "here": {title_id: True for title_id, _volume in here},
        "stock": availability.of_titles(ids, practice=practice) if titles else {},
        "volumes": lending_queries.volumes_of(ids) if titles else {},
        "kept": kept,
        "with_items": urlencode([*place, *kept]),
        "items_alone": urlencode([place[0], *kept]),
    }


def _by_day(free: list[Slot]) -> list[tuple[date, list[Slot]]]:
    """Slots under their local day."""
    days: dict[date, list[Slot]] = {}
    for slot in free:
        days.setdefault(slot.starts_at.astimezone(ZoneInfo(slot.point.library.zone)).date(), []).append(slot)
    return list(days.items())


@at_desk
@require_safe
def phone_said(request: HttpRequest, desk: Desk, patron_id: int, asking: UUID) -> HttpResponse:
    """What to say before the caller hangs up, in the caller's language and in the librarian's."""
    patron = _caller(desk, patron_id)
    asked = list(lending_queries.reservations_of(patron.pk).filter(request=asking))
    if not asked:
        raise NotFound
    order = queries.orders(pk__in=queries.orders_of_reservations(asked)).first() or _bag_to_come(asked)
    contact = _told(order, asked, patron)
    languages = dict.fromkeys([patron.language, (get_language() or "ko")[:2]])
    access.saw([f"patron:{patron.pk}"], purpose=SCREEN, by=desk.by, now=desk.now)
    said = [
        (
            language,
            readback.sentences(
                order=order,
                asked=asked,
                contact=contact,
                own=contact is None or contact.own,
                sender=(order or desk.point).library.sender,
                language=language,
                now=desk.now,
            ),
        )
        for language in languages
    ]
    context = {"patron": patron, "order": order, "said": said}
    return show_desk(request, desk, "pickup/staff/phone_said.html", context)


def _bag_to_come(asked: Sequence[Reservation]) -> Order | None:
    """The bag to which what was asked for is on its way, while it holds nothing."""
    keys, one = {row.pk for row in asked}, asked[0]
    open_ones = queries.orders(patron_id=one.patron_id, point_id=one.pickup_point_id, state__in=OPEN_ORDER)
    return next((bag for bag in open_ones if not keys.isdisjoint(awaited.on_their_way_to(bag))), None)


def _told(order: Any, asked: Sequence[Any], patron: Patron) -> Contact | None:
    if order is not None:
        return queries.collector_of(order)
    named = next((row.collector for row in asked if row.collector is not None), None)
    return named or patrons.main_contact(patron.pk)
