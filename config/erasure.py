"""What is erased, when, and how: what nobody needs any more (`due`), and all that is about one (`everything_of`).

A row that tells a story keeps its numbers and loses its people: who borrowed, who was texted, which car it was.
Journals keep nothing personal, so nothing is lost there. Every step finds only rows that still hold something, so that
running it again does nothing, and takes them in small transactions, leaving alone what somebody has locked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from core import access
from core.actor import Actor
from core.models import Access, Answer
from core.refusal import Refusal
from lending import accounts
from lending.errors import UnknownCard
from lending.models import (
    Account,
    Contact,
    Household,
    ListedCopy,
    Loan,
    Membership,
    OneTimeCode,
    Patron,
    Pause,
    Posting,
    Programme,
    Reservation,
    Strike,
)
from lending.states import OPEN, UNTOLD, LoanState
from notifications.models import Call, InboundMessage, Message, OptOut
from notifications.phone import NOBODY
from notifications.states import OPEN_CALL, CallState, InboundState, MessageState
from pickup.models import Link, Note, Order, Question, Visit
from pickup.states import HERE, OPEN_ORDER

BATCH = 500
UNDONE_BY = timedelta(hours=1)  # a hand-over can be undone for ten minutes, and its receipt waits as long


class OpenBusiness(Refusal):
    """Facts: orders, reservations, loans, visits (how many of each are open)."""

    code = "open_business"
    sentence = _(
        "First end what is open: %(orders)s bags, %(reservations)s books waited for, %(loans)s books at home,"
        " %(visits)s visits."
    )


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is forgotten: which rows hold it, and what is done with them."""

    name: str
    rows: QuerySet[Any]
    forget: Callable[[QuerySet[Any]], int]


def retention() -> timedelta:
    """How long after its end a loan, an order, a visit or a text is still tied to a person."""
    return timedelta(days=settings.RETENTION_DAYS)


def due(*, now: datetime) -> list[Step]:
    """What is to be forgotten at the moment `now`."""
    before = now - retention()
    ended = Order.objects.exclude(state__in=OPEN_ORDER).filter(moved_at__lt=before)
    served = Visit.objects.exclude(state__in=HERE).filter(moved_at__lt=before)
    return [
        Step(
            "orders",
            ended.filter(Q(patron__isnull=False) | Q(collector__isnull=False) | ~Q(plate="")),
            lambda rows: rows.update(patron=None, collector=None, plate=""),
        ),
        Step("links", Link.objects.filter(order__in=ended), _drop),
        Step("notes", Note.objects.filter(order__in=ended), _drop),
        Step("questions", Question.objects.filter(order__in=ended), _drop),
        Step(
            "visits",
            served.filter(Q(patron__isnull=False) | ~Q(plate="")),
            lambda rows: rows.update(patron=None, plate=""),
        ),
        Step(
            "loans",
            Loan.objects.exclude(state=LoanState.OUT).filter(
                moved_at__lt=before, patron__isnull=False, patron__keeps_history=False
            ),
            lambda rows: rows.update(patron=None),
        ),
        Step(
            "reservations",
            Reservation.objects.exclude(state__in=OPEN)
            .filter(Q(patron__isnull=False) | Q(collector__isnull=False), moved_at__lt=before)
            .exclude(Exists(Loan.objects.filter(reservation=OuterRef("pk"), state=LoanState.OUT))),
            lambda rows: rows.update(patron=None, collector=None),
        ),
        Step(
            "postings",
            Posting.objects.exclude(state__in=UNTOLD)
            .filter(moved_at__lt=before)
            .filter(Q(patron__isnull=False) | ~Q(note="")),
            lambda rows: rows.update(patron=None, note=""),
        ),
        Step("day lists", ListedCopy.objects.filter(day__lt=before.date()), _drop),
        Step("strikes", _unseen_strikes(now), _drop),
        Step("pauses", Pause.objects.filter(until__lt=now.date()), _drop),
        Step("collectors", _one_off(now), _drop),
        Step(
            "texts",
            Message.objects.exclude(state=MessageState.SENDING)
            .filter(created_at__lt=before, not_after__lt=now)
            .filter(~Q(body="") | ~Q(to=NOBODY) | ~Q(mail="")),
            lambda rows: rows.update(body="", to=NOBODY, mail=""),
        ),
        Step(
            "answers",
            InboundMessage.objects.exclude(state=InboundState.STORED)
            .filter(received_at__lt=before)
            .filter(~Q(body="") | ~Q(from_number="")),
            lambda rows: rows.update(body="", from_number=""),
        ),
        Step(
            "calls",
            Call.objects.filter(created_at__lt=before, not_after__lt=now).filter(~Q(say="") | ~Q(number=NOBODY)),
            lambda rows: rows.update(say="", number=NOBODY),
        ),
        *_of_the_sandbox(created_at__lt=before),
        Step("looks", Access.objects.filter(keep_until__lt=now), _drop),
        Step("sessions", Session.objects.filter(expire_date__lt=now), _drop),
    ]


def _drop(rows: QuerySet[Any]) -> int:
    return int(rows.delete()[0])


def _unseen_strikes(now: datetime) -> QuerySet[Strike]:
    """Strikes that no rule of their programme can see any more."""
    seen = Q(pk__in=[])
    for programme in Programme.objects.all():
        first = now.date() - timedelta(days=programme.strike_days + programme.pause_days)
        seen |= Q(programme=programme, on__gte=first)
    return Strike.objects.exclude(seen)


def _one_off(now: datetime) -> QuerySet[Contact]:
    """Those who were named to collect once, when their orders are over and can be undone no more."""
    lately = Q(state__in=OPEN_ORDER) | Q(moved_at__gt=now - UNDONE_BY)
    return Contact.objects.filter(own=False, kept=False).exclude(
        Q(Exists(Order.objects.filter(lately, collector=OuterRef("pk"))))
        | Q(Exists(Reservation.objects.filter(collector=OuterRef("pk"), state__in=OPEN)))
    )


def _of_the_sandbox(**which: Any) -> list[Step]:
    """The texts of the stand-in carrier, where it is installed."""
    if not apps.is_installed("notifications.sandbox"):
        return []
    return [Step("sandbox", apps.get_model("sandbox", "Text").objects.filter(**which), _drop)]


def forget_due(*, now: datetime, dry: bool = False) -> dict[str, int]:
    """Forget what is due, or only count it; gives back how many rows of each kind."""
    return {step.name: step.rows.count() if dry else _forget(step) for step in due(now=now)}


def _forget(step: Step) -> int:
    done, last = 0, 0
    by_number = step.rows.model is not Session
    rows = step.rows.order_by("pk")
    while True:
        with transaction.atomic():
            more = rows.filter(pk__gt=last) if by_number else rows
            ids = list(more.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)[:BATCH])
            if not ids:
                return done
            last = ids[-1] if by_number else 0
            step.forget(step.rows.model._default_manager.filter(pk__in=ids))
            done += len(ids)


@transaction.atomic
def everything_of(*, patron_id: int, by: Actor, now: datetime) -> dict[str, int]:
    """Erase a person at once: the record, the account, numbers, consents, and every tie to what they did.

    Gives back how many rows of each kind. A number that somebody else in these libraries has too stays theirs. Of the
    log of who looked, the rows stay for their time and tell a number of no one. Refuses with `unknown_card`, and with
    `open_business` while bags, books waited for, loans or visits are open.
    """
    patron = Patron.objects.select_for_update().filter(pk=patron_id).first()
    if patron is None:
        raise UnknownCard
    _refuse_open(patron)
    orders = Order.objects.filter(patron=patron)
    numbers = _only_theirs(patron)
    plates = {*orders.values_list("plate", flat=True), *_visits(patron).values_list("plate", flat=True)} - {""}
    about = _about(patron)
    texts = Message.objects.filter(Q(to__in=numbers) | Q(about__in=about))
    calls = Call.objects.filter(Q(number__in=numbers) | Q(about__in=about))
    queued, listed = texts.filter(state=MessageState.QUEUED), calls.filter(state__in=OPEN_CALL)
    Message.move_many(list(queued), MessageState.SUPPRESSED, at=now, by=by, why="erased")
    Call.move_many(list(listed), CallState.DROPPED, at=now, by=by)
    steps = [
        Step(
            "texts",
            texts,
            lambda rows: rows.update(body="", to=NOBODY, mail="", not_after=_past(), call_until=None, may_call=False),
        ),
        Step(
            "answers",
            InboundMessage.objects.filter(Q(from_number__in=numbers)),
            lambda rows: rows.update(body="", from_number=""),
        ),
        Step(
            "calls",
            calls,
            lambda rows: rows.update(say="", number=NOBODY),
        ),
        *_of_the_sandbox_about(numbers),
        Step("opt-outs", OptOut.objects.filter(number__in=numbers), _drop),
        Step("links", Link.objects.filter(order__in=orders), _drop),
        Step("notes", Note.objects.filter(order__in=orders), _drop),
        Step("questions", Question.objects.filter(Q(order__in=orders) | Q(number__in=numbers)), _drop),
        Step(
            "visits",
            Visit.objects.filter(Q(patron=patron) | Q(plate__in=plates) | Q(orders__in=orders)).exclude(state__in=HERE),
            lambda rows: rows.update(patron=None, plate=""),
        ),
        Step("orders", orders, lambda rows: rows.update(patron=None, collector=None, plate="")),
        Step("loans", Loan.objects.filter(patron=patron), lambda rows: rows.update(patron=None)),
        Step("postings", Posting.objects.filter(patron=patron), lambda rows: rows.update(patron=None, note="")),
        Step("day lists", ListedCopy.objects.filter(patron=patron), _drop),
        Step(
            "reservations",
            Reservation.objects.filter(patron=patron),
            lambda rows: rows.update(patron=None, collector=None),
        ),
        Step("answered", Answer.objects.filter(principal=Actor("patron", patron.pk).key), _drop),
        Step("admin log", _logged(patron), lambda rows: rows.update(object_repr="", change_message="")),
    ]
    done = {step.name: step.forget(_same(step.rows)) for step in steps}
    accounts.lift_wait(card_number=patron.card_number)
    household_id, account_id = patron.household_id, patron.account_id
    done["record"] = patron.delete()[0]
    if account_id is not None and not Membership.objects.filter(account=account_id).exists():
        done["account"] = Account.objects.filter(pk=account_id, is_superuser=False).delete()[0]
    Household.objects.filter(pk=household_id or 0, patrons__isnull=True).delete()
    return done


def _past() -> Any:
    """A law wants the moment after `created_at`; from then on nothing is sent, and nobody is called."""
    return F("created_at") + timedelta(microseconds=1)


def _same(rows: QuerySet[Any]) -> QuerySet[Any]:
    """The rows by their keys, so that a join does not stand in the way of an update."""
    manager: Any = rows.model._default_manager
    found: QuerySet[Any] = manager.filter(pk__in=list(rows.values_list("pk", flat=True)))
    return found


def _refuse_open(patron: Patron) -> None:
    still: dict[str, Any] = {
        "orders": Order.objects.filter(patron=patron, state__in=OPEN_ORDER).count(),
        "reservations": Reservation.objects.filter(patron=patron, state__in=OPEN).count(),
        "loans": Loan.objects.filter(patron=patron, state=LoanState.OUT).count()
        + Posting.objects.filter(patron=patron, state__in=UNTOLD).count(),  # as far as the other system knows
        "visits": Visit.objects.filter(patron=patron, state__in=HERE).count(),
    }
    if any(still.values()):
        raise OpenBusiness(**still)


def _only_theirs(patron: Patron) -> set[str]:
    """The numbers of this patron and of those who collect for them that nobody else has."""
    codes = OneTimeCode.objects.filter(patron=patron).exclude(number="").values_list("number", flat=True)
    numbers = {*Contact.objects.filter(patron=patron).values_list("number", flat=True), *codes}
    shared = Contact.objects.filter(number__in=numbers).exclude(patron=patron).values_list("number", flat=True)
    return numbers - set(shared)


def _visits(patron: Patron) -> QuerySet[Visit]:
    return Visit.objects.filter(patron=patron)


def _about(patron: Patron) -> list[str]:
    """What texts about this patron alone are tied to."""
    orders = Order.objects.filter(patron=patron).values_list("pk", flat=True)
    codes = OneTimeCode.objects.filter(patron=patron).values_list("pk", flat=True)
    return [f"patron:{patron.pk}", *(f"order:{pk}" for pk in orders), *(f"code:{pk}" for pk in codes)]


def _of_the_sandbox_about(numbers: set[str]) -> list[Step]:
    if not apps.is_installed("notifications.sandbox"):
        return []
    texts = apps.get_model("sandbox", "Text").objects
    return [Step("sandbox", texts.filter(Q(sent_to__in=numbers) | Q(sent_from__in=numbers)), _drop)]


def _logged(patron: Patron) -> QuerySet[LogEntry]:
    """What the administrators' log says of the record, the account and the numbers."""
    keys = {
        "patron": [patron.pk],
        "account": [patron.account_id or 0],
        "contact": list(Contact.objects.filter(patron=patron).values_list("pk", flat=True)),
    }
    which = Q(pk__in=[])
    for model, ids in keys.items():
        which |= Q(
            content_type__app_label="lending", content_type__model=model, object_id__in=[str(one) for one in ids]
        )
    return LogEntry.objects.filter(which)


def kept_looks() -> tuple[int, int]:
    """For how many days looks are kept, without and with needs."""
    return access.KEPT.days, access.KEPT_FOR_NEEDS.days
