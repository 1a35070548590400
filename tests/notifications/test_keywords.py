"""What somebody means who answers a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications import keywords
from notifications.keywords import Answer, Meaning


@pytest.mark.parametrize(
    "body",
    [
        *(
            "1",
            " 1 ",
            "１",
            "1.",
            "1~",
            "1!",
            "①",
            "(1)",
            "1️⃣",
            "١",
            "1 please",
            "1번",
            "1번이요",
            "1 번 입니다",
            "1 네",
        ),
        *(
            "네",
            "네~",
            "네!!",
            "넵.",
            "예",
            "확인",
            "확인이요",
            "네 감사합니다",
            "확인했습니다. 감사합니다",
            "네 알겠습니다",
        ),
        *("yes please", "Ok", "okay.", "👍", "👍🏽", "👍👍!", "\u200b1", "갈게요"),
    ],
)
def test_yes_i_come(body):
    assert keywords.parse(body) == Answer(Meaning.CONFIRM)


@pytest.mark.parametrize("body", ["YES", "yes", "Yes!", " ＹＥＳ "])
def test_yes_also_lifts_an_opt_out(body):
    assert keywords.parse(body) == Answer(Meaning.CONFIRM, also_opt_in=True)


@pytest.mark.parametrize("body", ["2", "２번", "변경", "변경해 주세요", "later", "Later!", "another time", "2 please"])
def test_another_time(body):
    assert keywords.parse(body) == Answer(Meaning.CHANGE)


@pytest.mark.parametrize("body", ["3", "3.", "취소", "취소요", "취소해 주세요", "신청 취소", "３번이요"])
def test_i_do_not_need_the_books(body):
    assert keywords.parse(body) == Answer(Meaning.GIVE_BACK)


@pytest.mark.parametrize("body", ["4", "도착", "도착!", "도착 했어요", "here", "I'm here", "I’m here.", "Arrived"])
def test_i_am_here(body):
    assert keywords.parse(body) == Answer(Meaning.HERE)


@pytest.mark.parametrize(("body", "bay"), [
    ("자리 12", "12"), ("12번 자리", "12"), ("12번 자리에 있어요", "12"), ("자리는 3번이요", "3"), ("주차면 B7", "B7"),
    ("도착 12", "12"), ("도착했습니다. 12번입니다", "12"), ("4 자리 4", "4"), ("자리 １２", "12"),
    ("4, bay 12", "12"), ("Place 12 please", "12"), ("I'm in bay b-7", "B7"), ("here, spot #3", "3"),
])  # fmt: skip
def test_i_am_here_in_this_parking_place(body, bay):
    assert keywords.parse(body) == Answer(Meaning.HERE, bay=bay)


@pytest.mark.parametrize(("body", "bay"), [("12", "12"), ("3", "3"), ("12번이요", "12"), ("b-7", "B7"), ("#5", "5")])
def test_a_number_alone_names_the_place_of_who_was_asked_for_it(body, bay):
    assert keywords.bay_alone(body) == bay


@pytest.mark.parametrize("body", ["4", "4번", "4721", "3시", "12 11", "네", "", "yes", "12분", "🙏"])
def test_no_other_text_names_a_place(body):
    assert keywords.bay_alone(body) == ""


@pytest.mark.parametrize("n", range(5, 10))
def test_five_to_nine_are_choices(n):
    for body in (f"{n}", f"{n}.", f"{n}번", f"{n} please"):
        assert keywords.parse(body) == Answer(Meaning.CHOICE, n)


@pytest.mark.parametrize("word", sorted(keywords.STOP_WORDS))
def test_stop_words_opt_out_when_they_stand_alone(word):
    assert keywords.parse(word) == Answer(Meaning.OPT_OUT)
    assert keywords.parse(f" {word.upper()}. ") == Answer(Meaning.OPT_OUT)
    assert keywords.parse(f"please {word}").meaning is Meaning.UNKNOWN
    assert keywords.parse(f"{word} please").meaning is Meaning.UNKNOWN


def test_twilios_own_words():
    assert {"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"} <= keywords.STOP_WORDS
    assert keywords.parse("START").meaning is keywords.parse("unstop").meaning is Meaning.OPT_IN
    assert keywords.parse("HELP").meaning is keywords.parse("Info").meaning is Meaning.HELP


@pytest.mark.parametrize(
    "body",
    [
        *("", "   ", "~", "?", "0", "10", "12", "11", "1,2", "1 2", "1/2", "-", "👎", "👍👎", "📚"),
        *(
            "3시에 갈게요",
            "1시간 늦어요",
            "2권만 주세요",
            "4 books?",
            "1 취소",
            "please cancel",
            "취소하지 마세요",
            "취소 안 해요",
        ),
        *(
            "47-21",
            "4721",
            "도착 못 해요",
            "yes but later",
            "no",
            "아니요",
            "I will be here at 5",
            "도착 10분 전",
            "도착 3시",
            "4 12",
            "412",
            "자리 있어요?",
            "here in 5",
            "<b>1</b>",
            "x" * 1600,
        ),
    ],
)
def test_anything_else_goes_to_the_staff(body):
    assert keywords.parse(body) == Answer(Meaning.UNKNOWN)


@given(st.text(max_size=80))
def test_no_text_breaks_it(body):
    answer = keywords.parse(body)
    assert (answer.choice is not None) is (answer.meaning is Meaning.CHOICE)


@given(st.sampled_from("123456789"), st.text(alphabet=" \t\n.~!?,()\u200b\u3000", max_size=5))
def test_space_and_punctuation_never_change_a_digit(digit, around):
    assert keywords.parse(around + digit + around) == keywords.parse(digit)


@pytest.mark.parametrize("body", ["4721", "47-21", "47 21", " ４７２１번 ", "#4721", "47.21."])
def test_an_order_number_alone_is_recognised(body):
    assert keywords.order_number(body) == "4721"


@pytest.mark.parametrize("body", ["472", "47211", "4721 도착", "010-0000-4721", "", "1"])
def test_no_other_text_is_an_order_number(body):
    assert keywords.order_number(body) is None
