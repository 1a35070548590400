"""Whatever a form or the API says of bad input is a sentence of ours when it is said in Korean."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django import forms
from django.test import Client
from django.utils import translation

from lending.forms import SearchForm
from lending.serializers import Moment, Paged, Strict
from pickup.desk_forms import PhoneOrderForm
from pickup.forms import AskForm
from pickup.serializers import OrderInput
from tests import api, rows
from tests.house.test_catalogue import catalogue

ROOMS = ("lending", "pickup", "notifications")
NEVER_SAID = {"min_length", "make_aware", "overflow", "date", "datetime"}  # no field of ours has such a rule


def kinds(of: Any) -> Iterator[Any]:
    """The classes of our rooms below one of a framework."""
    for kind in of.__subclasses__():
        if kind.__module__.partition(".")[0] in ROOMS:
            yield kind
        yield from kinds(kind)


def of_forms() -> Iterator[str]:
    for kind in kinds(forms.Form):
        for field in kind.base_fields.values():
            yield from map(str, field.error_messages.values())
            for validator in field.validators:
                if str(getattr(validator, "message", "")):  # one that counts says nothing without a count
                    yield str(validator.message)


def of_serializers(fields: Iterable[Any]) -> Iterator[str]:
    for field in fields:
        own = type(field).default_error_messages if isinstance(field, Moment) else field.error_messages
        yield from (str(words) for code, words in own.items() if code not in NEVER_SAID)
        for validator in field.validators:
            if type(validator).__name__.startswith("Prohibit"):
                yield str(validator.message)
        yield from of_serializers([field.child] if hasattr(field, "child") else [])
        yield from of_serializers(getattr(field, "fields", {}).values())


def test_every_sentence_of_a_framework_is_said_in_our_own_korean():
    with translation.override("en"):
        said = {*of_forms(), *of_serializers(kind() for kind in kinds(Strict))}
    assert len(said) > 20
    known = {singular for _context, singular, _plural in catalogue()}
    assert said - known == set()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "field", "korean", "english"),
    [
        ({}, "items", "꼭 필요한 항목입니다. 입력해 주세요.", "This field is required."),
        ({"items": None}, "items", "값이 있어야 합니다. null 대신 값을 보내 주세요.", "This field may not be null."),
        ({"items": []}, "items", "하나 이상 보내 주세요.", "This list may not be empty."),
        ({"items": 5}, "items", "목록으로 보내 주세요. 받은 형식은 int입니다.", "Expected a list of items"),
        ({"items": [5]}, "items.0", "이름과 값의 묶음(object)으로 보내 주세요.", "Invalid data."),
        (
            {"items": [{"title": 1}] * 51},
            "items",
            "50개까지 보낼 수 있습니다. 줄여 주세요.",
            "no more than 50 elements",
        ),
        ({"pickup_point": "1"}, "pickup_point", "정수로 보내 주세요.", "A valid integer is required."),
        ({"pickup_point": 0}, "pickup_point", "1 이상의 값을 보내 주세요.", "greater than or equal to 1"),
        ({"pickup_point": 2**63}, "pickup_point", "9223372036854775807 이하의 값을", "less than or equal to"),
        ({"plate": 5}, "plate", "문자열로 보내 주세요.", "Not a valid string."),
        ({"plate": "가" * 21}, "plate", "20자까지 보낼 수 있습니다. 줄여 주세요.", "no more than 20 characters"),
        ({"card_number": " "}, "card_number", "비워 둘 수 없습니다. 입력해 주세요.", "may not be blank"),
        ({"collector": {"name": "a", "number": "1", "language": "fr"}}, "collector.language", "‘fr’", "valid choice"),
        ({"collector": {"name": "a", "number": "1", "may_text": 7}}, "collector.may_text", "true나 false로", "boolean"),
    ],
)
def test_a_program_hears_what_is_wrong_with_its_body(body, field, korean, english):
    assert set(body) <= set(OrderInput().fields)
    _who, mine = api.patron()
    right = {"pickup_point": 1, "items": [{"title": 1}]}
    sent = body if body == {} else {**right, **body}
    for language, words in (("ko", korean), ("en", english)):
        answer = mine.client.post(
            "/api/v1/orders",
            json.dumps(sent),
            content_type="application/json",
            headers={"Accept-Language": language, "Idempotency-Key": f"{language}-{rows.serial()}"},
        )
        assert answer.status_code == 400
        said = {error["field"]: error["detail"] for error in answer.json()["facts"]["errors"]}
        assert words in said[field]


def problems(form: forms.Form) -> dict[str, list[str]]:
    return {name: [str(error) for error in errors] for name, errors in form.errors.items()}


def test_a_person_reads_what_is_wrong_with_a_form():
    typed = {"point": "x", "slot": "0", "who": "nobody", "name": "가" * 81, "plate": "a\x00b"}
    with translation.override("ko"):
        assert problems(AskForm(typed)) == {
            "point": ["정수를 입력해 주세요."],
            "slot": ["1 이상의 값을 입력해 주세요."],
            "who": ["목록에서 골라 주세요. ‘nobody’ 값은 목록에 없습니다."],
            "name": ["80자까지 입력할 수 있습니다(지금 81자)."],
            "plate": ["읽을 수 없는 문자(NUL)가 들어 있습니다. 지우고 다시 입력해 주세요."],
        }
        called = PhoneOrderForm({"slot": str(2**63), "needs": ["flying"]}, contacts=[], needs=[("boot", "x")])
        assert problems(called) == {
            "slot": [f"{2**63 - 1} 이하의 값을 입력해 주세요."],
            "who": ["꼭 필요한 항목입니다. 입력해 주세요."],
            "needs": ["목록에서 골라 주세요. ‘flying’ 값은 목록에 없습니다."],
        }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("q", "korean", "english"),
    [
        ("%00", "읽을 수 없는 문자가 들어 있습니다.", "There is a character in it that cannot be read."),
        ("a%00b", "검색어를 다시 입력해 주세요.", "Please type the words anew."),
        ("a" * 201, "검색어가 너무 깁니다.", "This is too long to search for."),
    ],
)
def test_a_search_that_cannot_be_read_says_so_and_no_more(q, korean, english):
    for language, words in (("ko", korean), ("en", english)):
        page = Client(headers={"Accept-Language": language}).get(f"/?q={q}")
        assert page.status_code == 400
        assert words in page.content.decode()
        assert "NUL" not in page.content.decode()
    assert len(SearchForm({"q": "a" * 200}).errors) == 0


def test_no_word_of_a_framework_is_left_in_korean():
    """Formats and values may be Latin: object, true, null, int."""
    fine = {"null", "true", "false", "object", "NUL", "U"}
    with translation.override("ko"):
        said = {*of_forms(), *of_serializers(kind() for kind in (Paged, OrderInput))}
    for words in said:
        rest = re.sub(r"%\(\w+\)\w|\{[^}]*\}|\d{4}-\d\d-\d\dT[^ ]*|%2B", "", words)
        assert re.search("[가-힣]", words), words
        assert set(re.findall("[A-Za-z]+", rest)) <= fine, words
