"""Search: what is stored, what is asked, and that the index never loses a hit."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending import grams
from lending.marc import ParsedRecord, read_titles

SAMPLE = Path(__file__).parents[2] / "lending" / "samples" / "loc_korean_sample.mrc"
TITLES = st.text(st.sampled_from("소년이온다韓國史のがABcé 12-'ㅅㄴ!　%_"), max_size=25)


def finds(title: str, query: str) -> bool:
    text = grams.searchable(title)
    found = grams.matches(text, query)
    if found:
        assert set(grams.query_grams(query)) <= set(grams.grams(text))
    return found


@pytest.mark.parametrize(
    "query",
    [
        "소년이 온다",
        "소년이온다",
        "소",
        "온다",
        "년이온",
        "온다 소년",
        "ㅅㄴㅇ",
        "ㅅㄴㅇㅇㄷ",
        "소 년",
        "소년이 온다!",
        "ㄷ",
        "소년이\u3000온다",
    ],
)
def test_a_korean_title_is_found_however_it_is_typed(query):
    assert finds("소년이 온다", query)


@pytest.mark.parametrize("query", ["소년은", "온다면", "ㅅㄴㄷ", "", "  ", "!?", "%", "소년이 갔다"])
def test_what_is_not_there_is_not_found(query):
    assert not finds("소년이 온다", query)


def test_word_division_of_the_record_does_not_matter():
    assert finds("한국　의　미래", "한국의 미래")
    assert finds("한국의미래", "한국 의 미래")


def test_romanised_titles_are_found_without_their_marks():
    assert finds("Hanʼguk ŭi kyŏngje", "hanguk kyongje")
    assert finds("Hanʼguk ŭi kyŏngje", "HAN'GUK")
    assert finds("Hanʼguk", "angu")
    assert not finds("the art", "hear")


def test_isbns_signs_and_numbers():
    text = grams.searchable("C++ 입문", "한강", "9788936434120")
    assert text == "c++입문 한강 9788936434120 ㅇㅁ"
    assert grams.matches(text, "978-89-364-3412-0")
    assert grams.matches(text, "c++ 한강")
    assert not grams.matches(text, "c#")
    assert finds("21세기　지도자", "２１세기")


def test_other_scripts_keep_their_marks():
    assert grams.normalise("ガ が") == "ガ が"
    assert grams.normalise("ไทย हिन्दी") == "ไทย हिन्दी"
    assert grams.normalise("Ёлка Ñandú") == "елка nandu"


def test_what_the_index_gets_and_what_a_query_asks():
    assert grams.grams("소년a1b") == sorted(["소", "년", "소년", "년a", "a", "1", "b", "a1", "1b", "a1b"])
    assert grams.query_grams("소년이") == ["년이", "소년"]
    assert grams.query_grams("history") == ["his", "ist", "ory", "sto", "tor"]
    assert grams.query_grams("ai") == ["ai"]
    assert grams.query_grams("책 a") == ["a", "책"]
    assert grams.query_grams("") == []


def test_initials():
    assert grams.initials("소년이 온다 1") == "ㅅㄴㅇㅇㄷ"


@given(TITLES, TITLES)
def test_the_index_lets_every_hit_through(title, query):
    finds(title, query)


@given(TITLES, st.integers(0, 30), st.integers(1, 30))
def test_every_piece_of_a_searchable_text_is_found(title, start, length):
    text = grams.searchable(title)
    piece = text[start : start + length]
    if grams.words(piece):
        assert grams.matches(text, piece)
        assert set(grams.query_grams(piece)) <= set(grams.grams(text))


@given(st.text(max_size=60))
def test_folding_twice_changes_nothing_and_like_needs_no_escape(text):
    once = grams.normalise(text)
    assert grams.normalise(once) == once
    assert not set("%_\\") & set(once)


def test_every_sample_title_is_found_by_each_of_its_words():
    for record in read_titles(SAMPLE.read_bytes()):
        assert isinstance(record, ParsedRecord)
        text = grams.searchable(record.title)
        for word in record.title.split():
            if grams.words(word):
                assert grams.matches(text, word), (record.title, word)
