"""A row that is read is the row that Django would have made of what was read."""

from __future__ import annotations

import gc

import pytest
from django.apps import apps
from django.db import models

from core.rows import Read, by_the_thousand
from lending.models import Patron
from tests import rows

pytestmark = pytest.mark.django_db


def test_a_row_is_read_as_django_reads_it():
    who = rows.patron()
    mine, theirs = Patron.objects.get(pk=who.pk), super(Read, Patron).from_db("default", [], _stored(who))
    assert (mine, vars(mine).keys()) == (theirs, vars(theirs).keys())
    assert all(getattr(mine, name) == getattr(theirs, name) for name in vars(mine) if name != "_state")
    assert [(one.adding, one.db, one.fields_cache) for one in (mine._state, theirs._state)] == [
        (False, "default", {})
    ] * 2
    assert not mine.get_deferred_fields()


def _stored(who):
    return Patron.objects.filter(pk=who.pk).values_list(*[field.attname for field in Patron._meta.concrete_fields])[0]


def test_a_column_that_was_not_read_is_read_when_it_is_asked_for(django_assert_num_queries):
    who = rows.patron()
    with django_assert_num_queries(1):
        some = Patron.objects.only("name").get(pk=who.pk)
    with django_assert_num_queries(1):
        assert some.card_number == who.card_number
    joined = Patron.objects.select_related("home").get(pk=who.pk)
    with django_assert_num_queries(0):
        assert joined.home.name_ko
    joined.name = "another"
    joined.refresh_from_db()
    assert joined.name == who.name


def test_a_new_row_is_made_as_django_makes_it():
    home = rows.library()
    columns = {"card_number": "2020-9999", "name": "가나", "home": home, "household_id": None}
    mine, theirs = Patron.made(**columns), Patron(**columns)
    assert vars(mine).keys() == vars(theirs).keys()
    assert all(getattr(mine, name) == getattr(theirs, name) for name in vars(mine) if name != "_state")
    assert (mine.home_id, mine._state.adding) == (home.pk, True)
    assert {mine.pk, mine._state.db} == {None}
    assert mine._state.fields_cache == {"home": home}
    for name, value in vars(mine).items():  # what is made for each is not shared
        if isinstance(value, list | dict):
            assert getattr(Patron.made(**columns), name) is not value
    with pytest.raises(TypeError):
        Patron.made(nickname="x")


def test_nothing_listens_to_rows_that_are_read():
    """They would not hear of it."""
    quick = [model for model in apps.get_models() if issubclass(model, Read)]
    assert quick
    assert not any(models.signals.post_init.has_listeners(model) for model in quick)
    assert not any(models.signals.pre_init.has_listeners(model) for model in quick)
    assert all(model.__init__ is models.Model.__init__ for model in quick)


def test_every_row_that_is_read_so_has_its_key_under_one_name():
    assert {model._meta.pk.attname for model in apps.get_models() if issubclass(model, Read)} == {"id"}


@pytest.mark.parametrize("looks", [True, False])
def test_no_garbage_is_looked_for_meanwhile_and_then_as_before(looks):
    was = gc.isenabled()
    (gc.enable if looks else gc.disable)()
    try:
        with pytest.raises(LookupError):
            _not_found()
        assert gc.isenabled() == looks
    finally:
        (gc.enable if was else gc.disable)()


@by_the_thousand
def _not_found():
    assert not gc.isenabled()
    raise LookupError
