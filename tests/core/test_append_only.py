"""Journals are never changed; who looked at whose record is kept until its time is over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from core import access
from core.actor import Actor
from core.models import Access, Journal
from tests.house.conftest import NOW

STAFF = Actor("staff", 3, "desk")
pytestmark = pytest.mark.django_db


def test_a_journal_row_can_neither_be_changed_nor_deleted() -> None:
    row = Journal.objects.create(
        noun="pickup.order", row=1, was="", became="picking", at=NOW, principal="rule", channel="rule"
    )
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Journal.objects.filter(pk=row.pk).update(became="ready")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Journal.objects.filter(pk=row.pk).delete()
    assert Journal.objects.get(pk=row.pk).became == "picking"


def test_a_look_is_noted_once_for_each_record_and_names_no_patron_who_looked() -> None:
    access.saw(["patron:1", "patron:2", "patron:1"], purpose="lane", by=STAFF, now=NOW)
    rows = Access.objects.order_by("about")
    assert [(row.principal, row.about, row.purpose) for row in rows] == [
        ("staff:3", "patron:1", "lane"),
        ("staff:3", "patron:2", "lane"),
    ]
    assert rows[0].keep_until == NOW + access.KEPT


def test_a_look_at_needs_is_kept_for_two_years() -> None:
    access.saw(["patron:1"], purpose="lane", by=STAFF, now=NOW, needs=True)
    assert Access.objects.get().keep_until == NOW + access.KEPT_FOR_NEEDS


def test_a_look_is_not_changed_and_not_deleted_before_its_time() -> None:
    access.saw(["patron:1"], purpose="lane", by=STAFF, now=timezone.now())
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Access.objects.update(purpose="other")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Access.objects.all().delete()
    assert Access.objects.count() == 1


def test_a_look_is_forgotten_when_its_time_is_over() -> None:
    now = timezone.now()
    access.saw(["patron:1"], purpose="lane", by=STAFF, now=now - access.KEPT - timedelta(days=1))
    access.saw(["patron:2"], purpose="lane", by=STAFF, now=now)
    assert access.forget(now=now) == 1
    assert Access.objects.get().about == "patron:2"
