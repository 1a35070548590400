"""Pages for those who borrow: one title, asking for books, what is on its way, waited for and at home."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core import clock
from core.actor import Actor
from core.once import once
from core.refusal import Refusal
from lending import auth, availability, loans, patrons, quota, reservations
from lending import queries as lending_queries
from lending.errors import UnknownTitle
from lending.pages import barred, basket, key_of, patron_of, show, signed_in
from notifications import phone
from pickup import forecast, orders, point_queries, preferences, progress, queries, slots, turns
from pickup.errors import OrderNotFound
from pickup.forms import AskForm
from pickup.models import PointRules
from pickup.order_pages import chosen_day
from pickup.states import OPEN_ORDER

if TYPE_CHECKING:
    from lending.models import Loan, Patron, PickupPoint, Title
    from pickup.models import Appointment, Order

ORDERS_SHOWN = 50
LET_GO_SHOWN = timedelta(days=14)  # so long My page tells of a book that is not needed any more


# One title


@require_safe
def title(request: HttpRequest, title_id: int) -> HttpResponse:
    """One title: its volumes, when it could be had at which place, where its copies stand, the button to ask for it."""
    found = lending_queries.titles().filter(pk=title_id).first()
    if found is None:
        raise UnknownTitle(title=title_id)
    copies = list(lending_queries.copies_of(title_id))
    volumes = availability.by_volume(copies)
    volume = _chosen_volume(request.GET.get("volume"), volumes)
    now, by = clock.now(), Actor.of(request)
    mine = lending_queries.asked_for(by.id, [title_id]) if by.kind == "patron" and by.id else set()
    wish = (title_id, volume)
    context = {
        "title": found,
        "copies": copies,
        "volumes": volumes,
        "volume": volume,
        "at": volumes.get(volume),
        "hopes": forecast.at_points(wishes=[wish], points=_points([title_id]), now=now)[wish] if volumes else [],
        "noted": len(basket(request)),
        "is_noted": wish in basket(request),
        "is_mine": wish in mine,
        "set_aside": lending_queries.set_aside_for(by.id, title_id) if by.kind == "patron" and by.id else set(),
        "surging": lending_queries.surging(),
        **barred(request),
    }
    return show(request, "pickup/title.html", context)


def _chosen_volume(asked: str | None, volumes: dict[str, availability.Availability]) -> str:
    """The volume that was asked for, else the first that can be fetched, else the first."""
    if asked in volumes:
        return asked
    return next((volume for volume, at in volumes.items() if at.kind == "in"), next(iter(volumes), ""))


def _points(title_ids: Collection[int]) -> list[PickupPoint]:
    """The pickup points that everybody may choose for these titles; all of them where none can be lent anywhere."""
    found = list(lending_queries.points_with(title_ids).select_related("library__programme")) if title_ids else []
    return found or list(lending_queries.points().select_related("library__programme"))


# Asking for books


@dataclass(slots=True)
class Book:
    """One noted title: what may be hoped for at each point, by its id, and at the chosen one; if it was refused."""

    title: Title
    volume: str
    hopes: dict[int, forecast.Hope]
    wrong: bool
    hope: forecast.Hope | None = None

    @property
    def item(self) -> str:
        return f"{self.title.pk}:{self.volume}"

    @property
    def here(self) -> bool:
        return self.hope is not None and self.hope.here

    def is_at(self, point: PickupPoint) -> bool:
        """Whether a copy can be fetched for this point now."""
        return self.hopes[point.pk].here


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """The list of noted books: choose where, when and who, and ask for them."""
    by = Actor.of(request)
    patron = patron_of(request)

    def done(requested: orders.Requested) -> str:
        request.session["basket"] = []
        if requested.order is None:
            messages.info(
                request, _("Noted. No copy is free at this library right now; we tell you when the books are ready.")
            )
            return reverse("my")
        messages.success(request, _("Your order number is %(number)s.") % {"number": requested.order.shown})
        return reverse("my-order", args=[requested.order.pk])

    return asking(request, "pickup/ask.html", patron=patron, items=basket(request), by=by, done=done)


def asking(
    request: HttpRequest,
    template: str,
    *,
    patron: Patron,
    items: list[tuple[int, str]],
    by: Actor,
    done: Callable[[orders.Requested], str],
    context: dict[str, Any] | None = None,
) -> HttpResponse:
    """Show what a patron is about to ask for, or ask for it; `done` says where to go afterwards.

    The address says what was chosen so far: `place` is a pickup point, `day` a day on which it has times, `together`
    that the bag waits for all books.
    """
    now = clock.now()
    points = _points([title_id for title_id, _volume in items])
    form = AskForm(request.POST if request.method == "POST" else None, initial={"language": patron.language})
    status, wrong, refused = form.status, "", ""
    if request.method == "POST" and form.is_valid():
        try:
            with once(by, request, key=key_of(request)) as answer:
                asked = orders.request(
                    patron_id=patron.pk,
                    point_id=form.cleaned_data["point"],
                    items=[reservations.Item(title_id, volume) for title_id, volume in items],
                    slot_id=form.cleaned_data["slot"],
                    collector_id=_collector(form, patron.pk, by=by, now=now),
                    plate=form.cleaned_data["plate"],
                    whole=form.cleaned_data["whole"],
                    needed_until=form.cleaned_data["needed_until"],
                    by=by,
                    now=now,
                )
                return answer.redirect(done(asked))
        except Refusal as refusal:
            form.refuse(refusal)
            status, wrong, refused = refusal.status, refusal.field, refusal.code
    books = _books(items, points, wrong, patron=patron, now=now)
    liked = preferences.point_for(patron_id=patron.pk, title_ids=[title_id for title_id, _volume in items])
    point = _chosen_point(request, points, books, home_id=patron.home_id, liked=liked)
    contact = patrons.main_contact(patron.pk)
    at = _at(request, form, point, books, patron=patron, now=now) if point else {}
    bars = {bar.code: bar for bar in at.get("bars", [])}
    if bars.pop(refused, None):  # the verb refuses for the first of them
        for bar in bars.values():
            form.refuse(bar)
    shown = {
        "form": form,
        "patron": patron,
        "books": books,
        "points": points,
        "places": [(one, sum(book.is_at(one) for book in books)) for one in points],
        "point": point,
        "ends": phone.last_four(contact.number) if contact else "",
        "surging": lending_queries.surging(),
        **at,
        "more": "&together=1" if form.together(request) else "",
        **(context or {}),
    }
    return show(request, template, shown, status=status)


def _books(
    items: list[tuple[int, str]], points: list[PickupPoint], wrong: str, *, patron: Patron, now: datetime
) -> list[Book]:
    """The noted titles that exist, each with what may be hoped for at each of the points."""
    titles = lending_queries.titles().in_bulk([title_id for title_id, _volume in items])
    wishes = [item for item in items if item[0] in titles]
    hopes = forecast.at_points(wishes=wishes, points=points, now=now, accessible=patron.accessible_place)
    return [
        Book(
            titles[title_id],
            volume,
            {hope.point.pk: hope for hope in hopes[title_id, volume]},
            wrong == f"items.{index}",
        )
        for index, (title_id, volume) in enumerate(items)
        if title_id in titles
    ]


def _chosen_point(
    request: HttpRequest, points: list[PickupPoint], books: list[Book], *, home_id: int, liked: int | None
) -> PickupPoint | None:
    """The point that was chosen; else the preferred one; else one of the patron's own library, unless all the books
    stand elsewhere.
    """
    chosen = request.POST.get("point") or request.GET.get("place") or ""
    named = [one for one in points if str(one.pk) == chosen]
    at_home = [one for one in points if one.library_id == home_id]
    with_books = [one for one in [*at_home, *points] if any(book.is_at(one) for book in books)]
    preferred = [one for one in points if one.pk == liked]
    return next(iter([*named, *preferred, *with_books, *at_home, *points]), None)


def _at(
    request: HttpRequest, form: AskForm, point: PickupPoint, books: list[Book], *, patron: Patron, now: datetime
) -> dict[str, Any]:
    """What the list means at the chosen point: which books are there, which times, how many more the week allows."""
    for book in books:
        book.hope = book.hopes[point.pk]
    hopes = [book.hopes[point.pk] for book in books]
    today, joins = lending_queries.today(point.library, now), _joined(patron, point, hopes)
    promised = None if joins is None else queries.live_appointment(joins)
    return {
        "joins": joins,
        "seen": {"appointment": promised},
        "place": point.place_in(get_language() or "ko"),
        "here_count": sum(book.here for book in books),
        "together": form.together(request),
        "left": quota.standing(patron=patron, library=point.library, today=today).left,
        "bars": list(quota.bars(patron, point.library, today=today)),
        "today": today,
        **_times(request, form, point, hopes, promised, patron=patron, now=now),
    }


def _joined(patron: Patron, point: PickupPoint, hopes: list[forecast.Hope]) -> Order | None:
    """The open bag into which what can be had now will go."""
    if forecast.promises_nothing(hopes):
        return None
    return queries.orders(patron_id=patron.pk, point_id=point.pk, state__in=OPEN_ORDER).first()


def _times(
    request: HttpRequest,
    form: AskForm,
    point: PickupPoint,
    hopes: list[forecast.Hope],
    promised: Appointment | None,
    *,
    patron: Patron,
    now: datetime,
) -> dict[str, Any]:
    """The days and times to choose from, where the point promises one while ordering and a book is there, or comes.

    The day of the time that the bag has already (`promised`) is shown first.
    """
    rules = point_queries.rules_of_many([point.pk])[point.pk]
    if not rules.by_appointment or rules.promise != PointRules.Promise.AT_ORDER:
        return {"rules": rules, "days": [], "day": None}
    if forecast.promises_nothing(hopes):
        return {"rules": rules, "days": [], "day": None}
    after = forecast.not_before(hopes, whole=form.together(request))
    days = slots.days(point_id=point.pk, now=now, accessible=patron.accessible_place, after=after)
    taken = form["slot"].value() or (promised.slot_id if promised is not None else None)
    return {"rules": rules, "from_day": after, **chosen_day(days, request, taken=taken)}


def _collector(form: AskForm, patron_id: int, *, by: Actor, now: datetime) -> int | None:
    """Who collects: whom the form names; the patron, also of a bag that was left to somebody else before."""
    if not form.somebody_else:
        joined = queries.orders(patron_id=patron_id, point_id=form.cleaned_data["point"], state__in=OPEN_ORDER).first()
        if joined is None or joined.collector is None or joined.collector.own:
            return None
        own = patrons.main_contact(patron_id)
        return own.pk if own is not None else None
    named = {name: form.cleaned_data[name] for name in ("name", "number")}
    language = form.cleaned_data["language"] or "ko"
    return patrons.collector_for(patron_id=patron_id, language=language, may_text=True, by=by, now=now, **named).pk


# What is mine


@dataclass(frozen=True, slots=True)
class AtHome:
    """A loan, how many days are left, and whether somebody waits for it."""

    loan: Loan
    days_left: int
    wanted: bool

    @property
    def days_over(self) -> int:
        return -self.days_left

    @property
    def renewable(self) -> bool:
        return not self.wanted and self.days_left >= 0 and self.loan.renewals < self.loan.library.rules.renewals


@signed_in
@require_safe
def my(request: HttpRequest) -> HttpResponse:
    """Bags on their way, books waited for, books at home."""
    patron, now = patron_of(request), clock.now()
    waiting = list(lending_queries.reservations_of(patron.pk).filter(state__in=["waiting", "suspended", "allocated"]))
    lent = lending_queries.at_home().filter(patron=patron)
    out = list(lent.select_related("library__programme", "library__surge_programme"))
    queues = lending_queries.queues([loan.copy.title_id for loan in out])
    wanted = {(title_id, volume, programme_id) for title_id, volume, programme_id, _library, _count in queues}
    open_orders = queries.orders_of(patron.pk).filter(state__in=OPEN_ORDER)
    context = {
        "orders": progress.expected(progress.of(open_orders, now=now, by=Actor.of(request)), now=now),
        "waiting": turns.of(waiting, now=now),
        "let_go": lending_queries.not_needed_any_more(patron.pk, since=now - LET_GO_SHOWN),
        "surging": lending_queries.surging(),
        "loans": [
            AtHome(
                loan,
                (loan.due_on - lending_queries.today(loan.library, now)).days,
                (loan.copy.title_id, loan.copy.volume, loan.programme_id) in wanted,
            )
            for loan in out
        ],
        "patron": patron,
        "bars": list(quota.bars(patron, patron.home, today=lending_queries.today(patron.home, now))),
    }
    return show(request, "pickup/my.html", context)


@signed_in
@require_safe
def my_orders(request: HttpRequest) -> HttpResponse:
    """All my orders, newest first."""
    by = Actor.of(request)
    mine = queries.orders_of(auth.require_patron(by))[:ORDERS_SHOWN]
    return show(request, "pickup/my_orders.html", {"orders": progress.of(mine, now=clock.now(), by=by)})


@signed_in
@require_POST
def renew(request: HttpRequest, loan_id: int) -> HttpResponse:
    """I would like to keep this book longer."""
    by = Actor.of(request)
    patron_id = auth.require_patron(by)
    with once(by, request, key=key_of(request)) as answer:
        if not lending_queries.loans_of(patron_id).filter(pk=loan_id).exists():
            raise OrderNotFound(loan=loan_id)
        loans.renew(loan_id=loan_id, by=by, now=clock.now())
        messages.success(request, _("The loan is renewed."))
        return answer.redirect(reverse("my"))
