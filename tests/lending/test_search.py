"""Finding titles: as people type, and as the definition in lending/grams.py says."""

from __future__ import annotations

import pytest
from django.db import connection
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lending import catalogue, grams, search
from lending.models import Title
from tests import rows

pytestmark = pytest.mark.django_db

BOOKS = [
    ("소년이 온다", "한강", 2014, "9788936434120"),
    ("채식주의자", "한강", 2007, "9788936433598"),
    ("한국　의　미래", "삼성 경제 연구소", 1999, ""),
    ("한강의 역사 100% 이해하기", "김영자", 2001, ""),
    ("C++ primer : a_b\\c", "Lippman, Stanley", None, "9780321714114"),
    ("Les misérables", "Hugo, Victor", 1862, ""),
    ("서울, 1964년 겨울", "김승옥", 1966, ""),
]


@pytest.fixture
def shelf() -> None:
    for title, author, year, isbn in BOOKS:
        rows.title(title=title, author=author, year=year, isbn=isbn)


def titles(q: str) -> list[str]:
    return [row.title for row in search.find(q)]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("소년이 온다", ["소년이 온다"]),
        ("소년이온다", ["소년이 온다"]),
        ("온다 소년", ["소년이 온다"]),
        ("ㅅㄴㅇㅇㄷ", ["소년이 온다"]),
        ("ㅊㅅㅈㅇ", ["채식주의자"]),
        ("한국의미래", ["한국　의　미래"]),
        ("misérables", ["Les misérables"]),
        ("MISERABLES hugo", ["Les misérables"]),
        ("c++", ["C++ primer : a_b\\c"]),
        ("9788936434120", ["소년이 온다"]),
        ("978-89-364-3412-0", ["소년이 온다"]),
        ("8936434128", ["소년이 온다"]),
        ("1964", ["서울, 1964년 겨울"]),
        ("100%", ["한강의 역사 100% 이해하기"]),
        ("100% 역사", ["한강의 역사 100% 이해하기"]),
        ("없는책", []),
        ("소년 misérables", []),
    ],
)
def test_people_find_what_they_type(q: str, found: list[str], shelf: None) -> None:
    assert titles(q) == found


def test_one_syllable_is_enough_and_the_newest_comes_first(shelf: None) -> None:
    assert titles("강") == ["소년이 온다", "채식주의자", "한강의 역사 100% 이해하기"]


def test_what_begins_with_the_query_comes_before_what_is_newer(shelf: None) -> None:
    assert titles("한강") == ["한강의 역사 100% 이해하기", "소년이 온다", "채식주의자"]


@pytest.mark.parametrize(
    ("q", "title", "longer"),
    [
        ("소년이 온다", "소년이 온다", "소년이 온다 : 그 뒷이야기"),
        ("소년이온다", "소년이　온다!", "소년이 온다는데"),
        ("한국노동법개정과노사관계", "한국　노동법 개정 과 노사 관계", "한국 노동법 개정과 노사 관계학"),
        ("ecole", "École", "École normale"),
        ("the snow", "The snow.", "The snow, again"),
        ("c++ primer", "C++ : primer", "C++ primer 2"),
        ("한강의 역사 100% 이해", "한강의 역사, 100% 이해", "한강의 역사 100% 이해하기"),
    ],
)
def test_the_whole_title_comes_before_newer_ones_that_only_begin_with_it(q: str, title: str, longer: str) -> None:
    for name, year in ((f"새 {longer}", 2022), (longer, 2021), (title, 1999), (title, 2001)):
        rows.title(title=name, author="", year=year)
    assert [(row.title, row.year) for row in search.find(q)] == [
        (title, 2001), (title, 1999), (longer, 2021), (f"새 {longer}", 2022)
    ]  # fmt: skip


@pytest.mark.parametrize("q", ["", " ", "%", "_", "\\", "!!!", "…", "%_\\", "' & '", "\u200b"])
def test_nothing_asked_finds_nothing(q: str, shelf: None) -> None:
    assert titles(q) == []


def test_a_nul_character_is_refused(shelf: None) -> None:
    with pytest.raises(search.UnreadableQuery) as caught:
        search.find("소년\x00이")
    assert (caught.value.code, caught.value.status, caught.value.field) == ("unreadable_query", 400, "q")


def test_an_endless_query_is_cut(shelf: None) -> None:
    assert titles("소년이 " * 5000) == ["소년이 온다"]
    assert titles(" ".join(f"w{n}" for n in range(5000))) == []


def test_counts_do_not_hang_on_the_order(shelf: None) -> None:
    assert search.find("한강").count() == 3
    assert search.find("한강").values_list("pk", flat=True)[:2].count() == 2


def test_the_index_can_answer() -> None:
    rows_of = [
        catalogue.row(source="many", control_number=str(n), title=f"책 {n} 제목 {n * 7919 % 10007}") for n in range(300)
    ]
    catalogue.put_titles(rows_of)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # a table of so few rows is read faster from end to end
    assert "lending_title_grams" in search.find("제목 299 책").order_by().explain()


TEXTS = st.text(alphabet="소년이온다한강의 abcXYZ019%_\\'&|!()*:<->ㅅㄴㅇ.-’é", min_size=1, max_size=12)


@settings(max_examples=60)
@given(stored=st.lists(TEXTS, min_size=1, max_size=6), q=TEXTS)
@example(stored=["a'b\\c%_d"], q="'\\%_")
@example(stored=["소년이 온다"], q="ㅅㄴ")
def test_the_database_finds_exactly_what_the_definition_says(stored: list[str], q: str) -> None:
    Title.objects.filter(source="fuzz").delete()
    catalogue.put_titles(
        [catalogue.row(source="fuzz", control_number=str(n), title=text) for n, text in enumerate(stored)]
    )
    found = set(search.find(q).filter(source="fuzz").values_list("title", flat=True))
    assert found == {text for text in stored if grams.matches(grams.searchable(text, "", "", "", ""), q)}
