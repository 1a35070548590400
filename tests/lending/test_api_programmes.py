"""The rules of a programme through API v1: read, looked at, changed, and who changed them."""

from __future__ import annotations

import pytest

from lending.models import Programme, ProgrammeChange
from tests import api, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def library():
    return rows.library(programme=rows.programme(volumes=5, loan_days=14))


@pytest.fixture
def address(library):
    return f"programmes/{library.programme_id}"


def test_staff_read_the_rules_of_their_programmes_and_of_no_other(library, address):
    rows.library()
    staff = api.librarian(library)
    (row,) = staff.get("programmes")["results"]
    assert (row["id"], row["libraries"], row["last_change"]) == (library.programme_id, [library.code], 0)
    assert (row["rules"]["volumes"], row["rules"]["week"], row["rules"]["orders_per_week"]) == (5, "calendar", None)
    assert staff.get(address) == row
    assert api.librarian(rows.library()).get(address, status=404)["code"] == "not_found"
    assert api.patron()[1].get("programmes", status=403)["code"] == "staff_only"


def test_a_manager_looks_changes_and_reads_the_history(library, address):
    boss = api.librarian(library, role="manager")
    rows.reserve(rows.patron(library), *(rows.copy(at=library).title for _ in range(3)), at=rows.point(library))
    look = boss.post(f"{address}/preview", {"rules": {"volumes": 2, "loan_days": 21}})
    assert sorted((one["rule"], one["was"], one["becomes"]) for one in look["differences"]) == [
        ("loan_days", 14, 21), ("volumes", 5, 2)
    ]  # fmt: skip
    assert "volumes" in look["refused"]
    assert look["paused"] == {}
    paused = boss.post(f"{address}/preview", {"rules": {"overdue_pause": 2}})["paused"]
    assert paused == {"overdue_pause": {"was": 0, "becomes": 0, "days": 28}}
    assert not ProgrammeChange.objects.exists()
    changed = boss.post(address, {"rules": {"volumes": 2, "loan_days": 21, "materials_excluded": ["kit"]}, "seen": 0})
    assert (changed["rules"]["volumes"], changed["rules"]["materials_excluded"]) == (2, ["kit"])
    (change,) = boss.get(f"{address}/history")["results"]
    assert (change["id"], change["was"]["volumes"], change["became"]["volumes"]) == (changed["last_change"], 5, 2)
    assert change["by"].startswith("librarian-")
    assert boss.post(address, {"rules": {"volumes": None}, "seen": 0}, status=409)["code"] == "rules_changed"
    assert boss.post(address, {"rules": {"volumes": None}})["rules"]["volumes"] is None


def test_librarians_read_and_do_not_change(library, address):
    for body in ({"rules": {"volumes": 9}},):
        assert api.librarian(library).post(address, body, status=403)["code"] == "forbidden"
        assert api.librarian(library).post(f"{address}/preview", body, status=403)["code"] == "forbidden"
        stranger = api.librarian(rows.library(), role="manager")
        assert stranger.post(address, body, status=404)["code"] == "not_found"
    assert Programme.objects.get(pk=library.programme_id).volumes == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"volumes": 0},
        {"volumes": "many"},
        {"week": "moon"},
        {"materials_excluded": ["dragon"]},
        {"no_such_rule": 1},
        {"strikes": 2, "strike_days": 0},
        {"name_ko": ""},
    ],
)
def test_what_is_no_rule_is_refused(library, address, wrong):
    boss = api.librarian(library, role="manager")
    said = boss.post(address, {"rules": wrong}, status=400)
    assert said["code"] in {"invalid", "unknown_field", "no_such_rule"}
    assert boss.post(address, wrong, status=400)["code"] == "unknown_field"
    assert not ProgrammeChange.objects.exists()
