"""A database in which Korean cannot be searched is refused."""

from __future__ import annotations

import pytest

from config import checks


@pytest.mark.django_db
def test_the_tests_own_database_knows_hangul():
    assert checks.locale_knows_hangul(databases=["default"]) == []


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_a_database_without_letters_is_refused_with_the_way_to_make_a_good_one(locale):
    [error] = checks.refused(locale)
    assert "C.UTF-8" in str(error.hint)


def test_a_database_of_another_language_is_fine():
    assert checks.refused("ko_KR.UTF-8") == []
