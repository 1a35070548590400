"""Which door opens where."""

from __future__ import annotations

from datetime import date

import pytest

from notifications import doors
from notifications.doors import Closed, Door

EVERYWHERE = [*doors.TABLE, "VN", ""]


def test_nobody_in_korea_is_asked_to_reply_unless_a_domestic_gateway_carries_it():
    assert not doors.open("KR", Door.REPLY)
    assert doors.open("KR", Door.REPLY, domestic_gateway=True)


def test_texts_to_korea_carry_links_only_by_choice():
    assert not doors.open("KR", Door.LINK)
    assert not doors.open("KR", Door.LINK, domestic_gateway=True)
    assert doors.open("KR", Door.LINK, links=True)


def test_a_gateway_in_korea_opens_nothing_in_japan():
    assert not doors.open("JP", Door.REPLY, domestic_gateway=True)
    assert doors.open("JP", Door.LINK)


@pytest.mark.parametrize("country", ["US", "CA", "us"])
def test_every_door_is_open_in_north_america(country):
    assert all(doors.open(country, door) for door in Door)


@pytest.mark.parametrize("country", ["VN", "GB", "", "??"])
def test_an_unknown_country_is_asked_nothing_that_may_not_arrive(country):
    assert not doors.open(country, Door.REPLY, domestic_gateway=True)
    assert not doors.open(country, Door.LINK)
    assert doors.open(country, Door.CODE_PAGE)
    assert doors.open(country, Door.CALL_IN)
    assert doors.by_staff(country, Door.CALL_OUT)


@pytest.mark.parametrize("country", EVERYWHERE)
def test_everybody_has_a_door(country):
    assert doors.open(country, Door.CODE_PAGE)
    assert doors.open(country, Door.CALL_OUT) or doors.by_staff(country, Door.CALL_OUT)


@pytest.mark.parametrize("country", EVERYWHERE)
@pytest.mark.parametrize("door", list(Door))
def test_every_cell_says_why_and_as_of_when(country, door):
    cell = doors.cell(country, door)
    assert cell.source
    assert cell.as_of >= date(2025, 1, 1)
    assert isinstance(cell, Closed) is not doors.open(country, door)
