"""Patrons from another system's list: new ones, known ones, and every row that cannot be taken, by its line."""

from __future__ import annotations

import io
from datetime import date

import pytest
from django.core.management import CommandError, call_command

from lending import patron_lists
from lending.models import Consent, Contact, Patron
from tests import rows

pytestmark = pytest.mark.django_db

KOLAS = "이용자번호,성명,휴대폰번호,생년월일,대출정지일,주소\n"
KOHA = "cardnumber,firstname,surname,mobile,dateofbirth,debarred\n"


@pytest.fixture
def library():
    return rows.library()


@pytest.fixture
def load(tmp_path, library):
    def run(text, *more, encoding="utf-8", at=None):
        path = tmp_path / "patrons.csv"
        path.write_bytes(text.encode(encoding))
        out = io.StringIO()
        try:
            call_command("import_patrons", str(path), "--library", (at or library).code, *more, stdout=out)
        except CommandError as error:
            out.write(f"!{error}")
        return out.getvalue()

    return run


def test_patrons_come_without_pin_and_without_any_consent(load, library):
    said = load(
        KOLAS + "2199000001,김하늘,010-0000-0001,2018-03-02,,서울\n2199000002,박바다,,,2099-12-31,\n", encoding="cp949"
    )
    assert "columns of KOLAS III" in said
    assert "2 new, 0 changed, 0 as they were" in said
    child, other = Patron.objects.filter(card_number__startswith="2199").order_by("card_number")
    assert (child.name, child.home, child.account, child.child_until) == ("김하늘", library, None, date(2032, 3, 2))
    contact = Contact.objects.get(patron=child)
    assert (contact.number, contact.may_text, contact.own) == ("+821000000001", False, True)
    assert (other.blocked_until, other.child_until, other.contacts.count()) == (date(2099, 12, 31), None, 0)
    assert not Consent.objects.exists()


def test_the_same_list_again_changes_nothing_and_a_newer_one_brings_up_to_date(load):
    load(KOLAS + "2199000001,김하늘,010-0000-0001,2018-03-02,,\n")
    assert "0 new, 0 changed, 1 as they were" in load(KOLAS + "2199000001,김 하늘,010-0000-0001,2018-03-02,,\n")
    assert "0 new, 1 changed, 0 as they were" in load(KOLAS + "2199000001,김바람,010-0000-0009,,2099-01-31,\n")
    one = Patron.objects.get(card_number="2199000001")
    assert (one.name, one.blocked_until, one.child_until) == ("김바람", date(2099, 1, 31), date(2032, 3, 2))
    numbers = Contact.objects.filter(patron=one).order_by("position").values_list("number", "may_text")
    assert list(numbers) == [("+821000000009", False), ("+821000000001", False)]


def test_a_koha_list_is_read_by_its_own_headings(load):
    said = load(KOHA + "2199000003,Ada,Kim,+821000000003,2017-02-28,\n")
    assert "columns of Koha" in said
    assert Patron.objects.get(card_number="2199000003").name == "Ada Kim"


def test_each_row_that_cannot_be_taken_is_named_with_its_line(load, library):
    rows.patron(rows.library(), card_number="2199000099")
    said = load(
        KOLAS
        + "2199000001,김하늘,,,,\n"
        + ",이름뿐,,,,\n"
        + "2199000002,,,,,\n"
        + "2199000004,오류,12,,,\n"
        + "2199000005,오류,,2018-13-02,,\n"
        + "2199000001,김하늘,,,,\n"
        + "2.199E+9,오류,,,,\n"
        + "2199000099,남의 집,,,,\n"
    )
    for line, reason in (
        (3, "missing"), (4, "missing"), (5, "not_a_phone"), (6, "not_a_day"), (7, "twice_card"), (8, "rounded"),
        (9, "another_programme"),
    ):  # fmt: skip
        assert any(text.split("│")[1:2] and str(line) in text and reason in text for text in said.splitlines()), line
    assert "!7 of 8 rows were left out." in said
    assert Patron.objects.filter(home=library).count() == 1


def test_a_dry_run_keeps_nothing_and_tells_the_same(load):
    said = load(KOLAS + "2199000001,김하늘,010-0000-0001,,,\n2199000002,,,,,\n", "--dry-run")
    assert "1 new" in said
    assert "nothing was kept" in said
    assert not Patron.objects.filter(card_number__startswith="2199").exists()


def test_what_is_no_list_of_patrons_is_refused(load):
    assert load("서명,저자\n소년이 온다,한강\n").startswith("!")
    assert "There is no library" in _missing()
    assert "[columns] needs" in load(KOLAS, "--map", __file__.replace("test_patron_lists.py", "../../pyproject.toml"))


def _missing():
    with pytest.raises(CommandError) as error:
        call_command("import_patrons", "nothing.csv", "--library", "nowhere")
    return str(error.value)


def test_texts_begin_when_the_patron_agrees(load, library):
    from core.actor import RULE
    from lending import consents

    load(KOLAS + "2199000001,김하늘,010-0000-0001,,,\n")
    one = Patron.objects.get(card_number="2199000001")
    consents.answer(patron_id=one.pk, what=consents.What.ABROAD, given=True, by=RULE, now=rows.NOW)
    assert Contact.objects.get(patron=one).may_text


def test_a_leap_day_turns_fourteen_on_the_first_of_march():
    assert patron_lists._turns(date(2016, 2, 29)) == date(2030, 3, 1)
