"""The documents name every law, and no law and no file that is not there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection

from config import invariants
from tests.house.test_constraints import ROOMS, laws_of_the_tables

ROOT = Path(settings.BASE_DIR)
PAGE = (ROOT / "docs/invariants.md").read_text(encoding="utf-8")
PAPERS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]

LAW = re.compile(r"^\| `(\w+)` \| (\w+) \| \S.* \|$", re.MULTILINE)
ACROSS = re.compile(r"^\| (I\d+) \|", re.MULTILINE)
TRIGGER = re.compile(r"^\| `(\w+)` \| (?:UPDATE|DELETE)\b", re.MULTILINE)
COLUMN = re.compile(r"`([A-Z]\w+\.\w+)`")
FILE = re.compile(r"(?<![\w./-])(?:\w+/)*\w+\.py\b")


def amiss(page: str) -> set[tuple[str, str]]:
    """The laws of tables that a page leaves out, makes up, tells twice or of another table; each with its table."""
    told = Counter(LAW.findall(page))
    there = Counter((name, model.__name__) for name, model in laws_of_the_tables())
    return set(told - there) | set(there - told)


def test_the_page_of_laws_tells_each_law_of_a_table_and_no_other() -> None:
    assert amiss(PAGE) == set()


ROW = "| `lending_copy_lent_once` | Loan | a copy is out once ◆ |"


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (f"{ROW}\n", ""),
        (ROW, f"{ROW}\n{ROW}"),
        ("| `lending_copy_lent_once` | Loan |", "| `lending_copy_lent_once` | Copy |"),
        ("| `lending_copy_lent_once` | Loan |", "| `lending_copy_lent_twice` | Loan |"),
        ("a copy is out once ◆", ""),
    ],
)
def test_a_law_that_is_left_out_or_told_wrong_is_found(was: str, becomes: str) -> None:
    assert PAGE.count(was) == 1
    assert ("lending_copy_lent_once", "Loan") in amiss(PAGE.replace(was, becomes))


def test_a_law_that_is_not_there_is_found() -> None:
    assert amiss(f"{PAGE}\n| `pickup_nobody_waits` | Visit | nobody waits |\n") == {("pickup_nobody_waits", "Visit")}


def test_the_page_of_laws_tells_each_column_that_is_unique() -> None:
    unique = {
        f"{model.__name__}.{field.name}"
        for room in ROOMS
        for model in apps.get_app_config(room).get_models()
        for field in model._meta.local_concrete_fields
        if field.unique and not field.primary_key
    }
    told = PAGE.partition("These columns are unique as well:")[2].partition("\n\n")[0]
    assert set(COLUMN.findall(told)) == unique


@pytest.mark.django_db
def test_the_page_of_laws_and_i11_tell_each_trigger() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname")
        there = [name for (name,) in cursor.fetchall()]
    assert there == sorted(TRIGGER.findall(PAGE))
    (law,) = (law for law in invariants.LAWS if law.number == "I11")
    assert [name for name in there if f"('{name}')" not in law.sql] == []


def test_the_page_of_laws_tells_each_law_across_tables() -> None:
    assert ACROSS.findall(PAGE) == list(dict.fromkeys(law.number for law in invariants.laws()))


def python_files() -> set[str]:
    """The paths of the Python files of the house, below its root."""
    folders = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "var"))]
    inside = (path for folder in folders for path in folder.rglob("*.py"))
    return {path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.py"), *inside)}


def absent(text: str, paths: Collection[str]) -> list[str]:
    """The Python files that a text names and that are not there: with a folder just there, else in any folder."""
    names = {path.rpartition("/")[2] for path in paths}
    return [name for name in FILE.findall(text) if name not in (paths if "/" in name else names)]


def test_each_file_that_a_document_names_is_there() -> None:
    paths = python_files()
    said = {paper.relative_to(ROOT).as_posix(): absent(paper.read_text(encoding="utf-8"), paths) for paper in PAPERS}
    assert {paper: names for paper, names in said.items() if names} == {}
    assert len(said) > 30


def test_a_file_that_is_not_there_is_found() -> None:
    text = "`core/driver.py` and `core/moves.py`, `wire.py`, `wires.py`, `*/states.py`, `manage.py sweep`."
    assert absent(text, python_files()) == ["core/driver.py", "wires.py"]
