"""Libraries and titles through API v1, and how lists are paged."""

from __future__ import annotations

from typing import Any

import pytest

from tests import api, rows

pytestmark = pytest.mark.django_db


def walk(who: api.Api, path: str, **query: Any) -> list[dict[str, Any]]:
    """Every row of a list, page by page."""
    found: list[dict[str, Any]] = []
    page = who.get(path, **query)
    while True:
        found += page["results"]
        if page["next"] is None:
            return found
        assert page["next"].startswith("http://testserver/api/v1/")
        page = who.get(page["next"].removeprefix("http://testserver/api/v1/"))


def test_everybody_may_see_the_libraries() -> None:
    libraries = [rows.library() for _ in range(3)]
    found = walk(api.anyone(), "libraries", page_size=2)
    assert [row["code"] for row in found] == [library.code for library in libraries]
    assert found[0]["zone"] == "Asia/Seoul"


def test_titles_are_found_with_what_is_free() -> None:
    library = rows.library()
    title = rows.title(title="채식주의자", author="한강")
    rows.copy(title, library)
    rows.copy(title, library)
    [found] = api.anyone().get("titles", q="채식주의")["results"]
    assert (found["id"], found["copies_count"], found["free_count"], found["waiting_count"]) == (title.pk, 2, 2, 0)


def test_one_title_says_where_its_copies_stand_but_not_their_barcodes() -> None:
    library = rows.library()
    copy = rows.copy(at=library)
    found = api.anyone().get(f"titles/{copy.title_id}")
    assert found["copies"] == [
        {
            "library": {"id": library.pk, "code": library.code},
            "volume": "",
            "call_number": copy.call_number,
            "free": True,
        }
    ]
    assert copy.barcode not in api.anyone().client.get(f"/api/v1/titles/{copy.title_id}").content.decode()


@pytest.mark.parametrize("title_id", ["999999999", "9223372036854775807", "1" + "0" * 40])
def test_a_title_that_does_not_exist_is_not_found(title_id: str) -> None:
    assert api.anyone().get(f"titles/{title_id}", 404)["code"] == "unknown_title"


def test_a_search_is_paged_without_loss() -> None:
    made = {rows.title(title=f"바다 이야기 {number}").pk for number in range(7)}
    found = walk(api.anyone(), "titles", q="바다", page_size=3)
    assert [row["id"] for row in found] == list(dict.fromkeys(row["id"] for row in found))
    assert {row["id"] for row in found} == made


@pytest.mark.parametrize("q", ["", " ", "%_\\", "'; DROP TABLE", "\u200b", "ㅎㄱ", "a" * 10_000, "<script>", "🙂"])
def test_a_strange_search_finds_nothing_and_breaks_nothing(q: str) -> None:
    rows.title(title="한강")
    assert "results" in api.anyone().get("titles", q=q)


def test_a_search_for_nothing_in_particular_is_asked_for_words() -> None:
    assert api.anyone().get("titles", 400)["field"] == "q"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"q": "a\x00b"}, "q"),
        ({"q": "a", "page": "-1"}, "page"),
        ({"q": "a", "ordering": "password"}, "ordering"),
        ({"q": "a", "page_size": "1000000000"}, "page_size"),
        ({"q": "a", "page_size": "-1"}, "page_size"),
        ({"q": "a", "page_size": "NaN"}, "page_size"),
        ({"q": "a", "cursor": "x"}, "cursor"),
        ({"q": "a", "cursor": "LTE"}, "cursor"),
        ({"q": "a", "cursor": "OTk5OTk5OTk5OTk5"}, "cursor"),
        ({"q": "a", "cursor": "서울"}, "cursor"),
        ({"q": ["a", "b"]}, "q"),
    ],
)
def test_a_query_that_cannot_be_read_is_refused_with_its_field(query: dict[str, Any], field: str) -> None:
    assert api.anyone().get("titles", 400, **query)["field"] == field


def test_a_cursor_of_another_list_is_refused() -> None:
    _who, mine = api.patron()
    for cursor in ("x", "bm90LWEtbnVtYmVy", "AA"):
        assert mine.get("reservations", 400, cursor=cursor)["field"] == "cursor"
