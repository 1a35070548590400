"""A patron's numbers and the people they named."""

from __future__ import annotations

from typing import Any

import pytest

from core.actor import RULE
from core.refusal import NotFound
from lending import consents, contacts
from lending.errors import LastNumber, NumberListed
from lending.models import Contact
from tests import rows

pytestmark = pytest.mark.django_db

NOW = rows.NOW
BY: dict[str, Any] = {"by": RULE, "now": NOW}


def test_a_new_number_comes_first_and_is_listed_once() -> None:
    who = rows.patron(number="+821000000701")
    contacts.add_own(patron_id=who.pk, number="+821000000702", **BY)
    assert [one.number for one in contacts.of(who.pk)] == ["+821000000702", "+821000000701"]
    with pytest.raises(NumberListed):
        contacts.add_own(patron_id=who.pk, number="+821000000701", **BY)


def test_a_landline_is_kept_for_calls() -> None:
    who = rows.patron(number="")
    made = contacts.add_own(patron_id=who.pk, number="+8221000701", **BY)
    assert (made.may_text, made.may_call) == (False, True)
    assert not contacts.use(patron_id=who.pk, contact_id=made.pk, may_text=True, may_call=True, **BY).may_text


def test_another_number_can_come_first_and_one_that_collects_cannot() -> None:
    who = rows.patron(number="+821000000703")
    first = Contact.objects.get(patron=who)
    contacts.add_own(patron_id=who.pk, number="+821000000704", **BY)
    grandson = rows.contact(who, own=False, name="손자")
    contacts.put_first(patron_id=who.pk, contact_id=first.pk, **BY)
    assert contacts.of(who.pk)[0] == first
    with pytest.raises(NotFound):
        contacts.put_first(patron_id=who.pk, contact_id=grandson.pk, **BY)


def test_the_last_number_stays_and_who_collects_goes() -> None:
    who = rows.patron()
    mine, grandson = Contact.objects.get(patron=who), rows.contact(who, own=False, name="손자")
    contacts.remove(patron_id=who.pk, contact_id=grandson.pk, **BY)
    with pytest.raises(LastNumber):
        contacts.remove(patron_id=who.pk, contact_id=mine.pk, **BY)
    assert contacts.of(who.pk) == [mine]


def test_nobody_changes_a_number_of_somebody_else() -> None:
    who, other = rows.patron(), rows.patron()
    theirs = Contact.objects.get(patron=other)
    for act in (
        lambda: contacts.remove(patron_id=who.pk, contact_id=theirs.pk, **BY),
        lambda: contacts.put_first(patron_id=who.pk, contact_id=theirs.pk, **BY),
        lambda: contacts.use(patron_id=who.pk, contact_id=theirs.pk, may_text=False, may_call=False, **BY),
    ):
        with pytest.raises(NotFound):
            act()


def test_who_wants_no_carrier_abroad_is_not_texted_until_they_agree_again() -> None:
    who = rows.patron()
    mine = Contact.objects.get(patron=who)

    def texted() -> bool:
        return Contact.objects.get(pk=mine.pk).may_text

    consents.answer(patron_id=who.pk, what="abroad", given=False, **BY)
    assert not texted()
    contacts.use(patron_id=who.pk, contact_id=mine.pk, may_text=True, may_call=True, **BY)
    assert not texted()
    consents.answer(patron_id=who.pk, what="abroad", given=True, **BY)
    assert texted()
