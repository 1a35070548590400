"""What is erased is nowhere any more: every text column of the database is searched for it."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection

from config import erasure
from core import access, clock
from core.actor import RULE, Actor
from core.models import Access, Answer
from lending import codes, consents, loans, patrons
from lending.models import Contact, Loan, Patron, Pause, Posting, Reservation, Strike
from notifications import calls, consent, inbound
from notifications.models import Message
from notifications.phone import NOBODY
from pickup import arrivals, lane, links
from pickup.models import Note, Order, Question, Visit
from tests import rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db

NAME, GRANDSON, PLATE = "남궁제갈", "사공독고", "99허4711"
MINE, HIS, CARD = "+821000007781", "+821000007782", "7781-XYZ"
SECRETS = (NAME, GRANDSON, PLATE, MINE, HIS, CARD, MINE.removeprefix("+82"), HIS.removeprefix("+82"))


def found_in(*secrets: str) -> set[str]:
    """The columns, of whatever table, in which one of these stands: text, numbers, lists and JSON alike."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type IN ('text', 'character varying', 'jsonb', 'json', 'ARRAY')"
        )
        places = cursor.fetchall()
        held = set()
        for table, column in places:
            for secret in secrets:
                cursor.execute(
                    f'SELECT EXISTS (SELECT 1 FROM "{table}" WHERE "{column}"::text LIKE %s)', [f"%{secret}%"]
                )
                if cursor.fetchone()[0]:
                    held.add(f"{table}.{column}")
    return held


@pytest.fixture
def told() -> SimpleNamespace:
    """Somebody whose books were ordered, texted about, collected by a grandson and brought back."""
    now = clock.now()
    library = rows.library()
    point = rows.point(library, rules={"by_appointment": False})
    who = rows.patron(
        library,
        card_number=CARD,
        name=NAME,
        number=MINE,
        needs_note=f"{NAME}에게",
        pin=rows.PIN,
        household=rows.household(),
    )
    consents.answer(patron_id=who.pk, what="privacy", given=True, guardian=NAME, by=RULE, now=now)
    grandson = patrons.collector_for(
        patron_id=who.pk, name=GRANDSON, number=HIS, language="ko", may_text=True, by=RULE, now=now
    )
    order = steps.asked(who, point, now=now, collector_id=grandson.pk, plate=PLATE)
    Note.objects.create(order=order, text=f"{NAME} 늦습니다", channel="link", written_at=now)
    Question.objects.create(number=HIS, kind="offer", order=order, asked_at=now)
    steps.ready(order, now=now)
    links.for_about(f"order:{order.pk}", now=now)
    sender = library.sender
    inbound.store(
        provider_id="SM7781", from_number=HIS, to_number="+8221000000", body=f"{NAME} 갑니다", media=0, now=now
    )
    inbound.apply(now=now)
    rows.lane(point)
    visit = arrivals.arrive(point_id=point.pk, order_id=order.pk, plate=PLATE, by=RULE, now=now)
    lane.call_next(point_id=point.pk, by=steps.DESK, now=now)
    lane.hand_over(visit_id=visit.pk, by=steps.DESK, now=now)
    loan = Loan.objects.get(patron=who)
    loans.take_back(barcode=loan.copy.barcode, library_id=library.pk, by=steps.DESK, now=now)
    codes.ask(card_number=CARD, address="192.0.2.1", now=now)
    codes.send_due(now=now)
    consent.opt_out(number=MINE, source="patron", now=now)
    access.saw([f"patron:{who.pk}"], purpose="lane", by=steps.DESK, now=now)
    Answer.objects.create(
        principal=Actor("patron", who.pk).key, key="k", fingerprint="f", status=200, body={"name": NAME}, at=now
    )
    LogEntry.objects.create(
        user=rows.staff(library),
        content_type=ContentType.objects.get_for_model(Patron),
        object_id=str(who.pk),
        object_repr=CARD,
        action_flag=CHANGE,
        change_message="",
    )
    return SimpleNamespace(who=who, order=order, loan=loan, visit=visit, library=library, now=now, sender=sender)


def age(days: int) -> datetime:
    """Now is so many days later."""
    return clock.now() + timedelta(days=days)


def test_somebody_is_all_over_the_database_until_they_are_erased(told) -> None:
    before = found_in(*SECRETS)
    assert len(before) >= 12, before
    done = erasure.everything_of(patron_id=told.who.pk, by=RULE, now=told.now)
    assert found_in(*SECRETS) == set()
    assert done["account"]
    assert done["orders"] == done["loans"] == 1
    assert Order.objects.get(pk=told.order.pk).patron is None
    assert not Message.objects.exclude(body="", to=NOBODY).exists()
    assert Access.objects.filter(about=f"patron:{told.who.pk}").exists()  # kept for its year, and names nobody


def test_a_number_that_somebody_else_has_stays_theirs(told) -> None:
    daughter = rows.patron(told.library, number=MINE)
    erasure.everything_of(patron_id=told.who.pk, by=RULE, now=told.now)
    assert Contact.objects.get(patron=daughter).number == MINE
    assert not found_in(NAME, GRANDSON, PLATE, HIS, CARD)


def test_who_has_something_open_is_told_what(told) -> None:
    point = rows.point(told.library, rules={"by_appointment": False})
    steps.asked(told.who, point, now=told.now)
    with pytest.raises(erasure.OpenBusiness) as refused:
        erasure.everything_of(patron_id=told.who.pk, by=RULE, now=told.now)
    assert refused.value.facts == {"orders": 1, "reservations": 1, "loans": 0, "visits": 0}
    assert "1" in str(refused.value)
    assert found_in(NAME)


def test_after_its_retention_nothing_ties_a_person_to_what_they_did(told) -> None:
    assert set(erasure.forget_due(now=age(27)).values()) <= {0, 1}
    counts = erasure.forget_due(now=age(29), dry=True)
    assert {name for name, count in counts.items() if count} >= {"orders", "links", "notes", "visits", "loans"}
    assert found_in(PLATE)
    assert erasure.forget_due(now=age(29)) == counts
    assert found_in(PLATE, HIS, GRANDSON) == set()
    assert found_in(MINE) == {"lending_contact.number", "notifications_optout.number"}
    assert found_in(CARD) == {"lending_patron.card_number", "lending_account.username", "django_admin_log.object_repr"}
    assert (Loan.objects.get().patron, Reservation.objects.get().patron, Visit.objects.get().patron) == (None,) * 3
    assert set(erasure.forget_due(now=age(29)).values()) == {0}


def test_who_keeps_a_history_keeps_it(told) -> None:
    consents.answer(patron_id=told.who.pk, what="history", given=True, by=RULE, now=told.now)
    erasure.forget_due(now=age(29))
    assert Loan.objects.get().patron == told.who
    consents.answer(patron_id=told.who.pk, what="history", given=False, by=RULE, now=told.now)
    erasure.forget_due(now=age(29))
    assert Loan.objects.get().patron is None


def test_somebody_named_once_is_forgotten_when_nothing_can_be_undone_any_more(told) -> None:
    erasure.forget_due(now=told.now + timedelta(minutes=50))
    assert Contact.objects.filter(name=GRANDSON).exists()
    Contact.objects.filter(name=GRANDSON).update(kept=True)
    erasure.forget_due(now=told.now + timedelta(hours=2))
    assert Contact.objects.filter(name=GRANDSON).exists()
    Contact.objects.filter(name=GRANDSON).update(kept=False)
    assert erasure.forget_due(now=told.now + timedelta(hours=2))["collectors"] == 1


def test_what_is_open_is_never_erased() -> None:
    now = clock.now()
    point = rows.point(rules={"by_appointment": False})
    who = rows.patron(point.library)
    grandson = rows.contact(who, own=False, name=GRANDSON)
    order = steps.asked(who, point, now=now, collector_id=grandson.pk, plate=PLATE)
    erasure.forget_due(now=age(400))
    after = Order.objects.get(pk=order.pk)
    assert (after.patron, after.collector, after.plate) == (who, grandson, PLATE)


def test_looks_are_kept_a_year_and_two_with_needs() -> None:
    now = clock.now() - timedelta(days=400)
    access.saw(["patron:1"], purpose="lane", by=steps.DESK, now=now)
    access.saw(["patron:2"], purpose="lane", by=steps.DESK, now=now, needs=True)
    assert erasure.forget_due(now=clock.now())["looks"] == 1
    assert Access.objects.get().about == "patron:2"


def test_the_command_counts_and_erases(told) -> None:
    Order.objects.filter(pk=told.order.pk).update(moved_at=told.now - timedelta(days=40))
    for arguments, plates in ((["--dry-run"], [PLATE]), ([], [""])):
        said = io.StringIO()
        call_command("erase_due", *arguments, stdout=said)
        assert "orders" in said.getvalue()
        assert list(Order.objects.values_list("plate", flat=True)) == plates


def test_a_call_that_is_due_is_dropped_with_the_person() -> None:
    now = clock.now()
    who = rows.patron(number="+8221007781")
    house = rows.sender()
    call = calls.add(
        sender=house,
        number="+8221007781",
        language="ko",
        say=NAME,
        about="order:1",
        dedup_key="d",
        now=now,
        due_at=now,
        not_after=now + timedelta(days=1),
        by=RULE,
    )
    erasure.everything_of(patron_id=who.pk, by=RULE, now=now)
    call.refresh_from_db()
    assert (call.state, call.number, call.say) == ("dropped", NOBODY, "")


def test_what_another_system_was_told_is_forgotten_too() -> None:
    library = rows.library(circulation="beside")
    patron = rows.patron(library)
    told = Posting.begin(
        library=library, kind="check_out", barcode="B1", patron=patron, happened_at=rows.NOW, at=rows.NOW, by=rows.RULE
    )
    with pytest.raises(erasure.OpenBusiness) as open_still:
        erasure.everything_of(patron_id=patron.pk, by=rows.RULE, now=rows.NOW)
    assert open_still.value.facts["loans"] == 1
    told.move("done", at=rows.NOW, by=rows.RULE)
    before, after = rows.NOW + erasure.retention(), rows.NOW + erasure.retention() + timedelta(days=1)
    assert erasure.forget_due(now=before)["postings"] == 0
    assert erasure.forget_due(now=after)["postings"] == 1
    told.refresh_from_db()
    assert told.patron_id is None


def test_strikes_go_when_no_rule_sees_them_and_pauses_when_they_are_over() -> None:
    programme = rows.programme(strikes=3, strikes_for=["missed"], strike_days=30, pause_days=10)
    patron = rows.patron(rows.library(programme=programme))
    today = rows.NOW.date()
    for days in (40, 41):
        Strike.objects.create(patron=patron, programme=programme, kind="missed", on=today - timedelta(days=days))
    for until in (today, today - timedelta(days=1)):
        Pause.objects.create(
            patron=patron, programme=programme, days_overdue=1, since=today - timedelta(days=5), until=until
        )
    gone = erasure.forget_due(now=rows.NOW)
    assert (gone["strikes"], gone["pauses"]) == (1, 1)
    assert erasure.everything_of(patron_id=patron.pk, by=rows.RULE, now=rows.NOW)["record"] >= 1
    assert not Strike.objects.filter(programme=programme).exists()
