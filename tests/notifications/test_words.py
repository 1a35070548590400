"""A library's own words: what they may be, that they are said, and that nothing can go wrong when a text is due."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config import sample
from core.refusal import Refusal
from lending import texts as lending_texts
from notifications import encoding, inbound, outbox, wording, words
from notifications.inbound import Reply, Text
from notifications.models import Call, Message, OwnWords, Sender
from pickup import wordings
from tests import rows
from tests.notifications.conftest import enqueue, queue
from tests.rows import NOW, RULE

REGISTERED = sorted(key for key in wording.keys() if not key.startswith("test."))  # noqa: SIM118 - a function
LONGEST = max((str(one["name_ko"]) for one in sample.LIBRARIES if not one.get("training")), key=encoding.euckr_bytes)


def say(sender: Sender, body: str, *, key: str = "test.ready", language: str = "ko", **more: Any) -> words.Listed:
    return words.change(sender_key=sender.key, key=key, language=language, body=body, by=RULE, now=NOW, **more)


def refused(body: str, key: str = "offer.reply_link", language: str = "ko") -> Refusal:
    with pytest.raises(Refusal) as caught:
        words.check(key=key, language=language, body=body)
    return caught.value


# What is registered


@pytest.mark.parametrize("key", [key for key in REGISTERED if ".link" not in key and "_link" not in key])
def test_every_korean_text_fits_a_short_one_with_the_longest_library_name(key: str):
    """Links are left aside: no text to Korea carries one, see doors.py."""
    values = {**wording.examples(key, "ko"), "library": LONGEST, "phone": "02-100-2020"}
    places = wording.sentence(key).places
    told = {name: value for name, value in values.items() if name in places}
    body = wording.render(key=key, language="ko", values=told)
    assert encoding.ucs2_length(body) <= 70, body
    assert encoding.euckr_bytes(body) <= 90, body
    assert encoding.carried_in_korea(body) == ()


@pytest.mark.parametrize("key", REGISTERED)
@pytest.mark.parametrize("language", words.LANGUAGES)
def test_the_words_that_came_with_the_service_are_allowed_themselves(key: str, language: str):
    plain = wording.sentence(key).in_language(language)
    assert words.check(key=key, language=language, body=plain) == plain
    assert wording.places_of(plain) <= wording.examples(key, language).keys()


def test_the_rooms_registered_their_texts():
    assert {lending_texts.CODE, lending_texts.DUE, "offer", "answer_help"} <= set(REGISTERED)
    assert wording.examples("offer", "en").keys() == wordings.PLACES | {"link"}


# What own words may be


def test_what_a_text_has_to_say_is_said():
    error = refused("[{library}] 책 준비. 번호 {number}. 문의 {phone}")
    assert (error.code, error.facts["places"]) == ("text_place_missing", ["link", "when"])
    assert "{link}, {when}" in str(error)


def test_a_courtesy_may_be_left_out():
    body = "[{library}] {when}까지 오세요. {number} {link}"
    assert words.check(key="offer.reply_link", language="ko", body=f"  {body}\r\n") == body


@pytest.mark.parametrize(
    ("body", "unknown"),
    [
        ("{titel} {library} {when} {number} {link}", "{titel}"),
        ("{due} {library} {when} {number} {link}", "{due}"),  # filled elsewhere, empty here
        ("{library} {when} {number} {link} {", "{"),
        ("{library} {when} {number} {link} }", "}"),
        ("{library} {when} {number} {link} {{phone}}", "{"),
        ("{library} {when} {number} {link} {phone.secret}", "{phone.secret}"),
        ("{library} {when} {number} {link} {}", "{}"),
        ("{library} {when} {number} {link} { phone }", "{ phone }"),
    ],
)
def test_what_cannot_be_filled_in_is_refused(body: str, unknown: str):
    error = refused(body)
    assert error.code == "text_place_unknown"
    assert str(error).startswith(("This cannot be filled in: " + unknown, "채울 수 없는"))
    assert "link" in error.facts["allowed"]


def test_no_link_comes_in_where_none_may_be_sent():
    assert refused("{library} {when} {number} {link}", key="offer").code == "text_place_unknown"


@pytest.mark.parametrize(("body", "code"), [("", "text_empty"), (" \r\n", "text_empty"), ("x" * 501, "text_too_long")])
def test_nothing_and_too_much_are_refused(body: str, code: str):
    assert refused(body).code == code


def test_what_becomes_too_long_when_it_is_filled_in_is_refused():
    body = "{library}" * 40 + "{when} {number}"
    with pytest.raises(Refusal) as error:
        words.check(key="offer", language="ko", body=body, values={"library": "도" * 60})
    assert (error.value.code, error.value.facts["most"]) == ("text_too_long", 1600)


@pytest.mark.parametrize(("key", "language"), [("nothing", "ko"), ("offer", "vi"), ("", "ko")])
def test_a_text_that_is_none_is_unknown(key: str, language: str):
    assert refused("{library}", key=key, language=language).code == "unknown_text"


# That they are said


@pytest.mark.django_db
def test_own_words_are_said_by_this_sender_in_this_language_alone(sender: Sender):
    say(sender, "[우리] {count}권!")
    assert queue(sender).body == "[우리] 3권!"
    assert queue(sender, language="ko-KR").body == "[우리] 3권!"
    assert queue(sender, language="en").body == "3 books ready"
    assert queue(rows.sender()).body == "책 3권 준비"


@pytest.mark.django_db
def test_what_waits_keeps_its_words_and_the_next_text_has_the_new_ones(sender: Sender):
    waiting = queue(sender)
    say(sender, "{count}권 왔어요")
    waiting.refresh_from_db()
    assert waiting.body == "책 3권 준비"
    again = say(sender, "{count}권 도착")
    assert (again.own, again.principal, OwnWords.objects.count()) == ("{count}권 도착", "rule", 1)
    assert queue(sender).body == "3권 도착"


@pytest.mark.django_db
def test_a_call_says_them_too(sender: Sender):
    say(sender, "{count}권 왔어요")
    call = enqueue(sender, to=rows.landline())
    assert isinstance(call, Call)
    assert call.say == "3권 왔어요"


@pytest.mark.django_db
def test_an_answer_in_own_words_is_still_not_repeated_for_ever(sender: Sender, settings, now):
    """The look for the very same answer reads the words as they are said."""
    settings.INBOUND_ANSWER = "tests.notifications.test_words.ready"
    say(sender, "{count}권!")
    number = rows.american()
    for sid in ("SM1", "SM2"):
        inbound.store(
            provider_id=sid,
            from_number=number,
            to_number=sender.number,
            body="books?",
            media=0,
            opt_out_type="",
            now=now,
        )
    inbound.apply(now=now)
    assert list(Message.objects.filter(to=number).values_list("body", flat=True)) == ["3권!"]


def ready(inbound: Any, *, now: Any) -> Any:
    return Reply(True, "ready", "", Text("test.ready", {"count": 3}, "ko"))


@pytest.mark.django_db
def test_the_words_that_came_back_are_no_own_words(sender: Sender):
    say(sender, "{count}권 왔어요")
    say(sender, "책 {count}권 준비")
    assert not OwnWords.objects.exists()
    say(sender, "{count}권 왔어요")
    words.take_back(sender_key=sender.key, key="test.ready", language="ko")
    assert (OwnWords.objects.count(), queue(sender).body) == (0, "책 3권 준비")


@pytest.mark.django_db
def test_many_texts_ask_for_own_words_once(sender: Sender):
    def asked(count: int) -> int:
        with CaptureQueriesContext(connection) as seen:
            outbox.enqueue_all(
                [
                    outbox.Text(
                        sender=sender.key, to=rows.mobile(), language="ko", kind="notice", template="test.ready",
                        values={"count": 3}, about="", dedup_key=f"many:{rows.serial()}",
                    )
                    for _ in range(count)
                ],
                now=NOW,
            )  # fmt: skip
        return len([one for one in seen if "notifications_ownwords" in one["sql"]])

    assert (asked(1), asked(20)) == (1, 1)


@pytest.mark.django_db
def test_a_brace_in_a_name_opens_no_place_of_own_words(sender: Sender):
    say(sender, "{count}권 {count}")
    assert queue(sender, values={"count": "{link}"}).body == "(link)권 (link)"


# What they take


@pytest.mark.django_db
def test_words_are_measured_at_their_longest(sender: Sender):
    sender.part_price, sender.currency = Decimal("9.9"), "KRW"
    short = words.measure(
        sender=sender, key="offer", language="ko", body="[{library}] {when} {number}", values={"library": "성동도서관"}
    )
    assert short.body == "[성동도서관] 11/25(수) 16:00 47-21+2"
    assert (short.parts, short.korean, short.gsm, short.price) == (1, "sms", False, Decimal("9.9"))
    assert (short.characters, short.korean_bytes) == (30, 36)
    long = words.measure(sender=sender, key="offer", language="ko", body="{library} {when} {number}" + "가📚" * 40)
    assert (long.parts, long.korean, long.lost, long.price) == (3, "lms", ("📚",), Decimal("29.7"))
    english = words.measure(sender=sender, key="offer", language="en", body="[{library}] {when} {number}")
    assert (english.gsm, english.parts) == (True, 1)


@pytest.mark.django_db
def test_a_link_is_measured_with_its_address(sender: Sender, settings):
    settings.PUBLIC_BASE_URL = "https://pickup.example.org"
    body = "[{library}] {when} {number} {link}"
    told = words.measure(sender=sender, key="offer.link", language="en", body=body)
    assert told.body.endswith("https://pickup.example.org/o/4f9c2b7d1e8a6053/")
    assert told.price is None
