"""Every pair of every table of moves: the allowed ones leave a journal row, the others are refused."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command

from config.management.commands.draw_states import nouns
from core.actor import Actor
from core.models import Journal
from core.moves import MovedMeanwhile, MoveRefused, Moving
from tests.house.conftest import HOUR, NOW

pytestmark = pytest.mark.lawless("I1", "I2", "I3", "I11", "I13", why="one row of each kind, put there by hand")

BY = Actor("staff", 3, "desk")
NAMES = {
    "lending.copy": "other_copy",
    "lending.reservation": "other_reservation",
    "lending.loan": "loan",
    "lending.transfer": "transfer",
    "lending.posting": "posting",
    "notifications.message": "message",
    "notifications.inboundmessage": "inbound",
    "notifications.call": "call",
    "pickup.appointment": "appointment",
    "pickup.visit": "visit",
    "pickup.order": "order",
    "pickup.orderline": "line",
    "pickup.rehearsal": "rehearsal",
    "pickup.rehearsalcar": "rehearsal_car",
}


def columns_of(noun: str, state: str, rows: SimpleNamespace) -> dict[str, Any]:
    """What the laws of the table want to see beside a state."""
    match noun:
        case "lending.reservation":
            copy = None if state in {"waiting", "suspended"} else rows.other_copy
            return {"copy": copy, "suspended_until": NOW.date() if state == "suspended" else None}
        case "lending.loan":
            return {"returned_at": NOW + HOUR if state == "returned" else None}
        case "lending.posting":
            return {"reason": "card" if state == "refused" else ""}
        case "notifications.message":
            return {"lease_until": NOW + HOUR}
        case "pickup.visit":
            return {"called_at": NOW}
        case "pickup.order":
            return {"handed_over_at": NOW + HOUR if state == "handed_over" else None}
        case "pickup.rehearsal":
            return {"ended_at": NOW + HOUR if state == "ended" else None}
        case "pickup.rehearsalcar":
            return {"visit": None if state == "due" else rows.visit}
        case _:
            return {}


def at_state(row: Moving, state: str, rows: SimpleNamespace) -> Moving:
    """The row as if it had come to that state."""
    type(row)._default_manager.filter(pk=row.pk).update(state=state, **columns_of(row.noun(), state, rows))
    return type(row)._default_manager.get(pk=row.pk)


def test_every_noun_is_tried() -> None:
    assert {noun.noun() for noun in nouns()} <= set(NAMES)


@pytest.mark.parametrize("noun", nouns(), ids=lambda noun: noun.noun())
def test_a_row_moves_along_its_table_and_nowhere_else(noun: type[Moving], rows: SimpleNamespace) -> None:
    row = getattr(rows, NAMES[noun.noun()])
    for was, to in product(noun.MOVES, repeat=2):
        here = at_state(row, was, rows)
        before = Journal.objects.count()
        if to in noun.MOVES[was]:
            here.move(to, at=NOW + HOUR, by=BY, **columns_of(noun.noun(), to, rows))
            last = Journal.objects.latest("id")
            told = (last.noun, last.row, last.was, last.became, last.at, last.principal, last.channel)
            assert told == (noun.noun(), row.pk, was, to, NOW + HOUR, "staff:3", "desk")
            assert Journal.objects.count() == before + 1
            assert noun._default_manager.get(pk=row.pk).state == to == here.state
        else:
            with pytest.raises(MoveRefused):
                here.move(to, at=NOW, by=BY)
            assert Journal.objects.count() == before
            assert noun._default_manager.get(pk=row.pk).state == was


@pytest.mark.parametrize("noun", nouns(), ids=lambda noun: noun.noun())
def test_many_rows_move_along_the_same_table(noun: type[Moving], rows: SimpleNamespace) -> None:
    row = getattr(rows, NAMES[noun.noun()])
    for was, to in product(noun.MOVES, repeat=2):
        here = at_state(row, was, rows)
        before = Journal.objects.count()
        if to in noun.MOVES[was]:
            assert noun.move_many([here], to, at=NOW + HOUR, by=BY, **columns_of(noun.noun(), to, rows)) == [here]
            assert Journal.objects.count() == before + 1
        else:
            with pytest.raises(MoveRefused):
                noun.move_many([here], to, at=NOW, by=BY)
            assert Journal.objects.count() == before


def test_every_state_of_a_noun_is_in_its_table() -> None:
    for noun in nouns():
        targets = {to for many in noun.MOVES.values() for to in many}
        assert targets | {noun.FIRST} <= set(noun.MOVES), noun


def test_a_row_that_somebody_else_moved_first_says_who_and_when(rows: SimpleNamespace) -> None:
    mine, theirs = (type(rows.order).objects.get(pk=rows.order.pk) for _ in range(2))
    theirs.move("cancelled", at=NOW + HOUR, by=BY)
    with pytest.raises(MovedMeanwhile) as refused:
        mine.move("expired", at=NOW + HOUR, by=Actor("rule"))
    assert refused.value.facts["state"] == "cancelled"
    assert refused.value.facts["by"] == "staff:3"
    assert refused.value.facts["at"] == (NOW + HOUR).isoformat(timespec="seconds")


def test_of_many_rows_only_those_move_that_nobody_moved_first(rows: SimpleNamespace) -> None:
    mine, theirs = (type(rows.order).objects.get(pk=rows.order.pk) for _ in range(2))
    theirs.move("cancelled", at=NOW + HOUR, by=BY)
    assert type(mine).move_many([mine], "expired", at=NOW + HOUR, by=BY) == []


def test_a_state_is_moved_never_saved(rows: SimpleNamespace) -> None:
    with pytest.raises(TypeError):
        rows.order.save()
    with pytest.raises(TypeError):
        rows.order.save(update_fields=["state"])
    rows.order.plate = "12가3456"
    rows.order.save(update_fields=["plate"])


def test_the_drawing_of_the_states_is_up_to_date() -> None:
    call_command("draw_states", "--check")
