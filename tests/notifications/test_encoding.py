"""How long texts are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications import encoding
from notifications.encoding import KoreanText

READY = "[성동도서관] 책 3권 준비되었습니다. 오늘 4~5시. 번호 47-21. 문의 02-2204-6440"


def test_the_ready_text_is_one_segment_and_one_short_korean_text():
    assert encoding.ucs2_length(READY) == 56
    assert encoding.euckr_bytes(READY) == 77
    assert encoding.segments(READY) == 1
    assert encoding.sms_or_lms(READY) is KoreanText.SMS
    assert encoding.carried_in_korea(READY) == ()


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ("", 0),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 159 + "€", 2),
        ("가" * 70, 1),
        ("가" * 71, 2),
        ("가" * 134, 2),
        ("가" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("a" * 69 + "가", 1),
        ("a" * 70 + "가", 2),
        ("à" * 160, 1),
        ("ç" * 71, 2),  # the alphabet has the capital only
    ],
)
def test_segments_at_the_edges(body, parts):
    assert encoding.segments(body) == parts


def test_a_two_place_character_is_never_cut_in_two():
    assert encoding.segments("a" * 152 + "€" + "a" * 152) == 3  # 306 places, which would be two parts
    assert encoding.segments("가" * 66 + "😀" + "가" * 66) == 3  # 134 units


@given(st.text(max_size=400))
def test_segments_hold_the_text_and_waste_little(body):
    parts = encoding.segments(body)
    if encoding.is_gsm7(body):
        places, single, joined = sum(2 if ch in "\f^{}\\[~]|€" else 1 for ch in body), 160, 153
    else:
        places, single, joined = len(body.encode("utf-16-le", "surrogatepass")) // 2, 70, 67
    assert (parts <= 1) == (places <= single)
    if parts > 1:
        assert places <= parts * joined
        assert places > (parts - 1) * (joined - 1)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_length_is_that_of_utf_16(body):
    assert encoding.ucs2_length(body) == len(body.encode("utf-16-le")) // 2


def test_korean_carriers_lose_what_their_code_page_lacks():
    assert encoding.carried_in_korea("Sách của bạn 📚 đã sẵn sàng 📚")[:2] == ("á", "ủ")
    assert "📚" in encoding.carried_in_korea("책 📚")
    assert encoding.carried_in_korea("您的书") == ("您", "书")
    assert encoding.carried_in_korea("똠방각하 펲시") == ()  # outside EUC-KR, inside the code page
    assert encoding.euckr_bytes("책📚") == 3


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("가" * 45, KoreanText.SMS),
        ("가" * 45 + ".", KoreanText.LMS),
        ("가" * 1000, KoreanText.LMS),
        ("가" * 1000 + ".", KoreanText.TOO_LONG),
    ],
)
def test_ninety_bytes_are_short_two_thousand_long(body, kind):
    assert encoding.sms_or_lms(body) is kind
