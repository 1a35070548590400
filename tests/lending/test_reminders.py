"""Texts of loans: before books are due, when they are late, after they came back. Counts and dates, never a title."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.test import Client

from core import clock
from core.actor import RULE
from lending import circulation, consents, contacts, loans, programmes, reminders, tasks
from lending.models import Contact, Copy, Library, Loan, Patron, Posting, Programme
from lending.texts import BOTH, DUE, OVERDUE, RETURNED
from notifications import consent, encoding, wording
from notifications.models import Call, Message
from pickup import orders
from tests import api, rows
from tests.pickup import steps

pytestmark = pytest.mark.django_db

NOW = rows.NOW  # a loan of today is due on 8 December
DAY = timedelta(days=1)


@pytest.fixture
def library() -> Library:
    return rows.library(name_ko="성동구립도서관", name_en="Seongdong Library")


@pytest.fixture
def who(library: Library) -> Patron:
    return rows.patron(library)


def lend(patron: Patron, library: Library, *, now=NOW) -> Loan:
    copy = rows.copy(at=library)
    return loans.check_out(copy_id=copy.pk, patron_id=patron.pk, library_id=library.pk, by=RULE, now=now)


def give_back(loan: Loan, *, now) -> None:
    loans.take_back(barcode=loan.copy.barcode, library_id=loan.library_id, by=RULE, now=now)


def texts() -> list[tuple[str, str]]:
    return [(row.template, row.body) for row in Message.objects.order_by("pk")]


def test_two_days_before_one_day_and_a_week_after(library: Library, who: Patron) -> None:
    lend(who, library)
    told = {}
    for days in range(30):
        if reminders.remind_due(now=NOW + days * DAY):
            told[days] = Message.objects.latest("pk").template
    assert told == {12: DUE, 15: OVERDUE, 21: OVERDUE}
    assert Message.objects.first().body == "[성동구립도서관] 책 1권 반납일 12/8. 문의 02-100-6440"
    assert {row.kind for row in Message.objects.all()} == {"reminder"}


def test_all_books_of_a_person_are_one_text_a_day(library: Library, who: Patron) -> None:
    sister = rows.library(programme=library.programme)
    lend(who, library)
    lend(who, sister)
    lend(who, library, now=NOW + 1 * DAY)
    lend(who, library, now=NOW - 20 * DAY)
    first = NOW + 12 * DAY
    assert reminders.remind_due(now=first) == 1
    assert texts() == [(BOTH, "[성동구립도서관] 1권 연체, 2권 반납일 12/8. 문의 02-100-6440")]
    for hours in (1, 5):
        assert reminders.remind_due(now=first + timedelta(hours=hours)) == 0
    assert reminders.remind_due(now=first + DAY) == 1  # the one of the day after
    assert texts()[1][1] == "[성동구립도서관] 1권 연체, 1권 반납일 12/9. 문의 02-100-6440"
    assert {loan.reminded_on for loan in Loan.objects.all()} == {date(2026, 12, 6), date(2026, 12, 7)}


def test_a_day_that_was_missed_is_made_up_for(library: Library, who: Patron) -> None:
    lend(who, library)
    assert reminders.remind_due(now=NOW + 13 * DAY) == 1
    assert reminders.remind_due(now=NOW + 14 * DAY) == 0
    assert reminders.remind_due(now=NOW + 24 * DAY) == 1  # once for both days after
    assert [template for template, _body in texts()] == [DUE, OVERDUE]


def test_in_quiet_hours_nothing_is_written(library: Library, who: Patron) -> None:
    lend(who, library)
    assert reminders.remind_due(now=NOW + 12 * DAY + timedelta(hours=12)) == 0  # 22:00
    assert reminders.remind_due(now=NOW + 13 * DAY - timedelta(hours=3)) == 0  # 07:00
    assert reminders.remind_due(now=NOW + 13 * DAY) == 1


def test_a_renewal_begins_anew(library: Library, who: Patron) -> None:
    loan = lend(who, library)
    reminders.remind_due(now=NOW + 12 * DAY)
    loans.renew(loan_id=loan.pk, by=RULE, now=NOW + 13 * DAY)
    assert reminders.remind_due(now=NOW + 15 * DAY) == 0
    assert reminders.remind_due(now=NOW + 26 * DAY) == 1
    assert "12/22" in texts()[-1][1]


def test_a_loan_of_a_day_is_not_reminded_of_when_it_begins() -> None:
    library = rows.library(programme=rows.programme(loan_days=1))
    lend(rows.patron(library), library)
    assert reminders.remind_due(now=NOW + timedelta(hours=1)) == 0
    assert reminders.remind_due(now=NOW + 2 * DAY) == 1
    assert texts()[0][0] == OVERDUE


@pytest.mark.parametrize("rules", [{"remind_before": [], "remind_after": []}, {"loan_days": 60}])
def test_what_no_rule_asks_for_is_not_said(rules: dict[str, object]) -> None:
    library = rows.library(programme=rows.programme(**rules))
    lend(rows.patron(library), library)
    assert reminders.remind_due(now=NOW + 22 * DAY) == 0


def test_nobody_is_told_who_wants_it_not_or_of_whom_only_rehearsals_know(library: Library, who: Patron) -> None:
    Patron.objects.filter(pk=who.pk).update(text_reminders=False)
    lend(who, library)
    training = rows.library(training=True)
    lend(rows.patron(training), training)
    back = rows.patron(library)
    give_back(lend(back, library), now=NOW + DAY)
    assert reminders.remind_due(now=NOW + 20 * DAY) == 0
    assert not Message.objects.exists()


def test_what_was_lent_here_is_reminded_of_until_it_is_back_also_when_loans_are_kept_elsewhere_by_now(
    library: Library, who: Patron
) -> None:
    first, second = lend(who, library), lend(who, rows.library(programme=library.programme))
    for of in (first.library, second.library):
        circulation.refuse_change(library=of, keeps="beside")
    Library.objects.update(circulation="beside")
    assert reminders.remind_due(now=NOW + 12 * DAY) == 1
    circulation.take_back(barcode=second.copy.barcode, library_id=library.pk, by=RULE, now=NOW + 13 * DAY)
    assert reminders.remind_due(now=NOW + 15 * DAY) == 1
    assert [(template, body.split("] ")[1]) for template, body in texts()] == [
        (DUE, "책 2권 반납일 12/8. 문의 02-100-6440"),
        (OVERDUE, "책 1권 연체, 반납일 12/8. 문의 02-100-6440"),
    ]
    circulation.take_back(barcode=first.copy.barcode, library_id=library.pk, by=RULE, now=NOW + 16 * DAY)
    assert reminders.remind_due(now=NOW + 21 * DAY) == 0


def test_what_another_system_lends_is_reminded_of_there(who: Patron) -> None:
    place = rows.point(rows.library(circulation="beside"), rules={"by_appointment": False})
    steps.handed_over(steps.ready(steps.asked(who, place)))
    assert Posting.objects.filter(kind="check_out").exists()
    assert reminders.remind_due(now=NOW + 20 * DAY) == 0


def test_a_bag_that_waits_is_not_reminded_of(library: Library) -> None:
    point = rows.point(library, rules={"by_appointment": False, "lend_at": "packing", "keep_days": 30})
    order = steps.ready(steps.asked(rows.patron(library), point))
    assert reminders.remind_due(now=NOW + 20 * DAY) == 0
    steps.handed_over(order, now=NOW + 20 * DAY)
    assert reminders.remind_due(now=NOW + 32 * DAY) == 1


@pytest.mark.parametrize("number", ["landline", "no_texts", "opted_out", "none", "abroad"])
def test_nobody_is_phoned_by_a_reminder_who_takes_no_texts(number: str, library: Library) -> None:
    who = rows.patron(library, number={"landline": rows.landline(), "none": ""}.get(number))
    if number == "no_texts":
        contact = Contact.objects.get(patron=who)
        contacts.use(patron_id=who.pk, contact_id=contact.pk, may_text=False, may_call=True, by=RULE, now=NOW)
    if number == "opted_out":
        consent.opt_out(number=Contact.objects.get(patron=who).number, source="patron", now=NOW)
    if number == "abroad":
        consents.answer(patron_id=who.pk, what="abroad", given=False, by=RULE, now=NOW)
    lend(who, library)
    now = NOW + 20 * DAY
    reminders.remind_due(now=now)
    assert not Message.objects.exists()
    assert not Call.objects.exists()
    (late,) = reminders.late_people(Library.objects.get(pk=library.pk), now=now)
    assert (late.patron, late.count, late.since, late.texted) == (who, 1, date(2026, 12, 8), False)


def test_the_second_number_is_texted_where_the_first_takes_none(library: Library) -> None:
    who = rows.patron(library, number=rows.landline())
    mobile = rows.contact(who, position=1, language="en")
    rows.contact(who, own=False, name="손자", position=2)
    lend(who, library)
    lend(who, library)
    reminders.remind_due(now=NOW + 12 * DAY)
    message = Message.objects.get()
    assert (message.to, message.body) == (mobile.number, "[Seongdong Library] 2 books due 8 Dec. Tel 02-100-6440")


@pytest.mark.parametrize("key", [DUE, OVERDUE, BOTH, RETURNED])
def test_every_text_fits_a_short_one_also_at_its_longest(key: str) -> None:
    values = {
        "library": "성동구립도서관",
        "phone": "02-2204-6440",
        "due": "12/28-12/31",
        "was_due": "11/28-12/31",
        **dict.fromkeys(("count", "late", "left"), "10"),
    }
    body = wording.render(key=key, language="ko", values=values)
    assert encoding.ucs2_length(body) <= 70, body
    assert encoding.euckr_bytes(body) <= 90, body
    english = {**values, "library": "Seongdong Library", "due": "28 Nov-31 Dec", "was_due": "28 Nov-31 Dec"}
    english |= dict.fromkeys(("count", "late"), "10 books")
    assert encoding.segments(wording.render(key=key, language="en", values=english)) == 1


def test_the_days_are_rules_of_the_programme(library: Library, who: Patron) -> None:
    programmes.change(
        programme_id=library.programme_id, values={"remind_before": [7, 0], "remind_after": [3]}, by=RULE, now=NOW
    )
    lend(who, library)
    told = [days for days in range(30) if reminders.remind_due(now=NOW + days * DAY)]
    assert told == [7, 14, 17]
    for values in ({"remind_before": [31]}, {"remind_after": [0]}):
        with pytest.raises(programmes.NoSuchRule):
            programmes.change(programme_id=library.programme_id, values=values, by=RULE, now=NOW)


def test_a_manager_changes_the_days_on_the_page(client: Client, library: Library) -> None:
    client.force_login(rows.staff(library, role="manager"))
    address = f"/staff/rules/{library.programme_id}/"
    form = client.get(address).context["form"]
    typed = {name: form[name].value() for name in form.fields}
    typed = {name: value for name, value in typed.items() if value is not None and value is not False}
    typed |= {"remind_before": "3, 1", "remind_after": "", "step": "save", "key": "k"}
    answer = client.post(address, typed)
    assert answer.status_code == 303
    programme = Programme.objects.get(pk=library.programme_id)
    assert (programme.remind_before, programme.remind_after) == ([3, 1], [])
    assert client.post(address, {**typed, "remind_after": "90", "key": "l"}).status_code == 400


# Returns


def wanting_returns(library: Library) -> Patron:
    return rows.patron(library, text_returns=True)


def test_books_that_came_back_are_confirmed_in_one_text_after_ten_minutes(library: Library) -> None:
    who = wanting_returns(library)
    first, second, _third = (lend(who, library) for _ in range(3))
    back = NOW + DAY
    give_back(first, now=back)
    give_back(second, now=back + timedelta(minutes=4))
    for minutes in (5, 13):
        assert reminders.confirm_returns(now=back + timedelta(minutes=minutes)) == 0
    assert reminders.confirm_returns(now=back + timedelta(minutes=14)) == 1
    assert texts() == [(RETURNED, "[성동구립도서관] 책 2권 반납되었습니다. 남은 책 1권.")]
    assert reminders.confirm_returns(now=back + timedelta(minutes=30)) == 0


def test_a_return_is_not_confirmed_unasked_nor_when_it_was_undone(library: Library, who: Patron) -> None:
    give_back(lend(who, library), now=NOW + DAY)
    wants = wanting_returns(library)
    loan = lend(wants, library)
    give_back(loan, now=NOW + DAY)
    loans.undo_return(loan_id=loan.pk, by=RULE, now=NOW + DAY)
    assert reminders.confirm_returns(now=NOW + DAY + timedelta(hours=1)) == 0
    give_back(loan, now=NOW + 2 * DAY)
    assert reminders.confirm_returns(now=NOW + 2 * DAY + timedelta(hours=1)) == 1


def test_a_bag_that_nobody_collected_came_back_from_nobody(library: Library) -> None:
    point = rows.point(library, rules={"by_appointment": False, "lend_at": "packing"})
    order = steps.ready(steps.asked(wanting_returns(library), point))
    orders.cancel(order_id=order.pk, by=steps.DESK, now=NOW)
    assert reminders.confirm_returns(now=NOW + timedelta(hours=1)) == 0


def test_the_sweep_does_both(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    lend(rows.patron(library), library)
    give_back(lend(wanting_returns(library), library, now=NOW + 11 * DAY), now=NOW + 12 * DAY - timedelta(hours=1))
    monkeypatch.setattr(clock, "database_now", lambda: NOW + 12 * DAY)
    tasks.remind(of_a_later_version=True)
    assert {template for template, _body in texts()} == {DUE, RETURNED}
    tasks.remind()  # ringing twice is harmless
    assert len(texts()) == 2


# What people choose, and what staff see


def test_a_patron_chooses_on_the_page(client: Client, library: Library) -> None:
    who = rows.patron(library, pin=rows.PIN)
    client.force_login(rows.account_of(who))
    page = client.get("/my/settings/texts/")
    assert [page.context["form"][name].value() for name in ("receipts", "reminders", "returns")] == [
        "text",
        "text",
        "no",
    ]
    chosen = {"receipts": "no", "reminders": "no", "returns": "text"}
    assert client.post("/my/settings/texts/", chosen).status_code == 302
    who.refresh_from_db()
    assert (who.text_receipts, who.text_reminders, who.text_returns) == (False, False, True)


def test_a_patron_chooses_by_program(library: Library) -> None:
    who, mine = api.patron(home=library)
    ways = {"receipts_by": "text", "reminders_by": "text", "returns_by": "text"}
    assert mine.get("me/texts") == {"receipts": True, "reminders": True, "returns": False, **ways}
    assert mine.post("me/texts", {"reminders": False}) == {
        "receipts": True,
        "reminders": False,
        "returns": False,
        **ways,
    }
    who.refresh_from_db()
    assert not who.text_reminders
    assert mine.post("me/texts", {"adverts": True}, 400)["field"] == "adverts"
    assert api.librarian(library).get("me/texts", 403)["code"] == "patron_only"


@pytest.mark.parametrize("language", ["ko", "en"])
def test_staff_see_whom_to_phone_first(
    client: Client, library: Library, language: str, django_assert_max_num_queries
) -> None:
    point = rows.point(library)
    client.force_login(rows.staff(library))
    empty = client.get(f"/staff/overdue/?point={point.pk}", headers={"accept-language": language})
    assert empty.status_code == 200
    texted = rows.patron(library, name="홍길동")
    called = rows.patron(library, name="김영희", number=rows.landline())
    for one in (texted, called, called):
        lend(one, library, now=NOW - 40 * DAY)
    lend(rows.patron(library, name="이몽룡"), library, now=NOW + 400 * DAY)
    page = client.get(f"/staff/overdue/?point={point.pk}", headers={"accept-language": language})
    assert [(one.patron, one.count) for one in page.context["to_call"]] == [(called, 2)]
    assert [one.patron for one in page.context["texted"]] == [texted]
    assert "이몽룡" not in page.content.decode()
    title = Copy.objects.filter(loans__patron=called).first().title.title
    assert title not in page.content.decode()
    for _ in range(10):
        lend(rows.patron(library), library, now=NOW - 40 * DAY)
    library = Library.objects.get(pk=library.pk)
    with django_assert_max_num_queries(3):
        assert len(reminders.late_people(library, now=NOW)) == 12


def test_a_program_asks_for_what_is_overdue(library: Library, who: Patron) -> None:
    late = lend(who, library, now=NOW - 40 * DAY)
    lend(who, library, now=NOW + 400 * DAY)
    desk = api.librarian(library)
    assert [row["id"] for row in desk.get("loans", overdue="true")["results"]] == [late.pk]
    assert len(desk.get("loans")["results"]) == 2


# Every day of a loan is one of the calendar


def test_due_dates_skip_closed_days_when_renewed_and_when_handed_over() -> None:
    library = rows.library(programme=rows.programme(loan_days=5, open_days_only=True), weekly_closed=[0])
    who = rows.patron(library)
    loan = lend(who, library)  # Wednesday to Sunday
    assert loan.due_on == date(2026, 11, 29)
    renewed = loans.renew(loan_id=loan.pk, by=RULE, now=NOW + DAY)
    assert renewed.due_on == date(2026, 12, 5)  # Monday the 30th does not count
    point = rows.point(library, rules={"by_appointment": False, "lend_at": "packing"})
    order = steps.ready(steps.asked(who, point))
    packed = Loan.objects.get(packed_due_on__isnull=False)
    assert packed.due_on == date(2026, 11, 29)
    steps.handed_over(order, now=NOW + DAY)
    packed.refresh_from_db()
    assert (packed.due_on, packed.packed_due_on) == (date(2026, 12, 1), date(2026, 11, 29))
