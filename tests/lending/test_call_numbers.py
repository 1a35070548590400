"""Call numbers: read, written, and in the order in which the books stand."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending import call_numbers
from lending.call_numbers import CallNumber, NotACallNumber, author_mark, compose, parse, rough_kdc, shelf_key

SHELF = [
    "005.133 ㄱ123ㄴ",
    "813",
    "813 황2ㅅ",
    "813.6 김1ㄱ",
    "813.6 김12ㄱ",
    "813.6 김2ㄱ",
    "813.6 황12ㅅ",
    "813.6 황12ㅅ c.2",
    "813.6 황12ㅅ c.10",
    "813.6 황12ㅅ v.1",
    "813.6 황12ㅅ v.2",
    "813.6 황12ㅅ v.2 c.2",
    "813.6 황12ㅅ v.10",
    "813.6 황12ㅇ",
    "813.6 황2ㅅ",
    "813.62 가1ㄱ",
    "813.7 가1ㄱ",
    "814 가1ㄱ",
    "R 030 브31ㅂ",
    "아동 813.8 가1ㄱ",
    "유아 375.1 나1ㄴ",
    "AB 020 가1ㄱ",
    "ZZZ",
]
LETTERS = st.text(st.sampled_from("가나황한ㄱㅅABcv"), min_size=1, max_size=3)
DIGITS = st.text(st.sampled_from("0123456789"), max_size=4)
NUMBERS = st.builds(
    CallNumber,
    class_number=st.from_regex(r"[0-9]{3}(\.[0-9]{1,4})?", fullmatch=True),
    author_mark=st.builds("{}{}{}".format, LETTERS, DIGITS.filter(bool), st.sampled_from(["", "ㅅ", "ab"])),
    room=st.sampled_from(["", "아동", "R", "큰글자 도서", "DVD-실"]),
    volume=st.sampled_from(["", "1", "2", "10", "1-2", "상", "하", "2019"]),
    copy=st.none() | st.integers(1, 9999),
)


def test_a_pull_list_is_in_the_order_of_the_shelves():
    mixed = random.Random(4721).sample(SHELF, len(SHELF))
    assert (
        sorted(mixed, key=lambda text: shelf_key(text, ["R", "아동", "유아"]).encode())
        == [
            *SHELF[:18],  # the open shelf first
            *SHELF[18:],
        ]
    )


def test_the_digits_of_an_author_mark_are_a_decimal():
    assert shelf_key("813.6 황12ㅅ") < shelf_key("813.6 황2ㅅ")


def test_rooms_stand_in_the_librarys_own_order():
    texts = ["813 가1", "아동 813 가1", "R 813 가1"]
    assert sorted(texts, key=lambda t: shelf_key(t, ["아동", "", "R"])) == ["아동 813 가1", "813 가1", "R 813 가1"]
    assert sorted(texts, key=shelf_key) == ["813 가1", "R 813 가1", "아동 813 가1"]


@given(NUMBERS)
def test_what_is_written_is_read_back(number):
    assert parse(str(number)) == number


@given(NUMBERS, NUMBERS)
def test_keys_sort_by_bytes_as_by_characters(one, two):
    a, b = shelf_key(str(one)), shelf_key(str(two))
    assert (a < b) == (a.encode() < b.encode())
    same = [(n.room, n.class_number, n.author_mark, n.volume.lstrip("0"), n.copy or 1) for n in (one, two)]
    assert (a == b) == (same[0] == same[1])


@given(NUMBERS, NUMBERS)
def test_a_lower_class_never_stands_after_a_higher_one(one, two):
    lower, higher = sorted([one, two], key=lambda number: float(number.class_number))
    if lower.room == higher.room and float(lower.class_number) < float(higher.class_number):
        assert shelf_key(str(lower)) < shelf_key(str(higher))


@given(st.text(max_size=300))
def test_any_text_has_a_place(text):
    assert len(shelf_key(text, ["아동"])) <= call_numbers.KEY_LENGTH


@pytest.mark.parametrize(
    "text",
    [
        "아동 813.6 황12ㅅ v.2 c.3",
        "아동813.6-황12ㅅ-2=3",
        "아동\n813.6\n황12ㅅ\nv.2\nc.3",
        "아동　８１３．６　황12ㅅ　2=3",
        "아동 813.6 황12ㅅ 2권 c3",
        "아동 813.6-황12ㅅ-v2-c3",
    ],
)
def test_labels_are_written_in_many_ways(text):
    assert parse(text) == CallNumber("813.6", "황12ㅅ", "아동", "2", 3)


def test_parts_may_be_missing():
    assert parse("813") == CallNumber("813")
    assert parse("813.7 한31ㅊ 하권") == CallNumber("813.7", "한31ㅊ", volume="하")
    assert parse("R 030") == CallNumber("030", room="R")


@pytest.mark.parametrize("text", ["", "황12ㅅ", "HD53 .C48", "81", "8134 황12", "813.6 황12ㅅ 그리고 더"])
def test_other_texts_are_no_call_numbers_and_stand_last(text):
    with pytest.raises(NotACallNumber):
        parse(text)
    assert shelf_key(text) > shelf_key("유아 999 힣9힣 v.9 c.9")


def test_parts_of_a_wrong_form_are_refused():
    for wrong in (
        {"class_number": "81"},
        {"class_number": "813", "author_mark": "12"},
        {"class_number": "813", "copy": 0},
    ):
        with pytest.raises(NotACallNumber):
            compose(**wrong)
    assert compose("813.6", "황12ㅅ", room="아동", volume="2", copy=3) == "아동 813.6 황12ㅅ v.2 c.3"


@pytest.mark.parametrize(
    ("author", "title", "mark"),
    [
        ("황순원", "소나기", "황56ㅅ"),
        ("조 동성", "한국 경제", "조25ㅎ"),
        ("한강", "채식주의자", "한12ㅊ"),
        ("허", "Zen", "허1z"),
        ("", "소나기", ""),
        ("[1999]", "소나기", ""),
    ],
)
def test_sample_copies_get_author_marks(author, title, mark):
    assert author_mark(author, title) == mark


@given(st.text(max_size=20), st.text(max_size=20))
def test_author_marks_are_call_number_parts(author, title):
    mark = author_mark(author, title)
    if mark:
        assert parse(compose("813", mark)).author_mark == mark


def test_library_of_congress_classes_find_a_shelf():
    assert (rough_kdc("PL992.9.H3"), rough_kdc("HC467"), rough_kdc("bf173"), rough_kdc("")) == ("810", "300", "180", "")
