"""The sample library: Seongdong-gu's programme of 2020, with invented people.

Branches, sessions, cut-offs and quota are as the district announced them in March 2020; books come from the records in
lending/samples. People, cards and telephones are invented: the numbers lie in ranges that are given to nobody.
"""

from __future__ import annotations

from datetime import time
from typing import Any, NamedTuple

SOURCE = "sample"
PIN = "2020"
PASSWORD = "window-2020"  # noqa: S105 - the sample's own, printed by `make run`; a real library sets its own

SENDERS: list[dict[str, Any]] = [
    {
        "key": "seongdong",
        "number": "+8221002020",
        "name_ko": "성동구립도서관",
        "name_en": "Seongdong Library",
        "phone": "02-100-2020",
        "quiet_from": time(21),
        "quiet_until": time(8),
    }
]
PROGRAMME: dict[str, Any] = {
    "key": "seongdong-2020",
    "name_ko": "성동구 드라이브스루 대출 2020",
    "name_en": "Seongdong drive-through lending 2020",
    "volumes": 5,
    "volumes_per": "household",
    "week": "calendar",
    "loan_days": 14,
}
LIBRARIES: list[dict[str, Any]] = [
    {
        "code": "seongdong",
        "name_ko": "성동구립도서관",
        "name_en": "Seongdong Library",
        "phone": "02-100-2020",
        "rooms": ["아동", "", "큰글자"],
    },
    {
        "code": "geumho",
        "name_ko": "금호도서관",
        "name_en": "Geumho Library",
        "phone": "02-100-2021",
        "rooms": ["", "아동", "큰글자"],
    },
    {"code": "yongdap", "name_ko": "용답도서관", "name_en": "Yongdap Library", "phone": "02-100-2022", "rooms": [""]},
]
POINTS: list[dict[str, Any]] = [
    {
        "library": "seongdong",
        "code": "seongdong-lane",
        "layout": "file",
        "name_ko": "성동구립도서관 차로",
        "name_en": "Seongdong drive lane",
        "place_ko": "주차장 입구 오른쪽",
        "place_en": "Right of the car park entrance",
        "rules": {"promise": "at_order"},
        "lanes": ["1", "2"],
    },
    {
        "library": "seongdong",
        "code": "seongdong-door",
        "layout": "door",
        "name_ko": "성동구립도서관 정문",
        "name_en": "Seongdong front door",
        "place_ko": "걸어서 오시는 분",
        "place_en": "For people on foot",
        "rules": {"by_appointment": False},
        "lanes": [],
    },
    {
        "library": "geumho",
        "code": "geumho-lane",
        "layout": "file",
        "name_ko": "금호도서관 차로",
        "name_en": "Geumho drive lane",
        "place_ko": "주차장 입구",
        "place_en": "Car park entrance",
        "rules": {"promise": "when_ready", "silence": "consent"},
        "lanes": ["1"],
    },
]
# Two sessions a day, Tuesday to Sunday. The morning's books are ordered by 17:00 of the open day before, the
# afternoon's by noon of the same day.
SESSIONS: list[dict[str, Any]] = [
    {
        "opens": time(11),
        "closes": time(12),
        "cutoff_days": 1,
        "cutoff_time": time(17),
        "session_ko": "1회차",
        "session_en": "Session 1",
    },
    {
        "opens": time(16),
        "closes": time(17),
        "cutoff_days": 0,
        "cutoff_time": time(12),
        "session_ko": "2회차",
        "session_en": "Session 2",
    },
]
SLOT: dict[str, Any] = {"slot_minutes": 15, "capacity": 3, "accessible": 1}
WEEKDAYS = range(1, 7)  # closed on Mondays


class Person(NamedTuple):
    """An invented patron; `together` marks households whose members agreed to be served in one car."""

    card: str
    name: str
    home: str
    number: str
    household: str = ""
    language: str = "ko"
    together: bool = False
    accessible: bool = False
    needs: str = ""


PEOPLE = [
    Person("2020-0001", "김하늘", "seongdong", "+821000000001", "kim", together=True),
    Person("2020-0002", "김바다", "seongdong", "+821000000002", "kim", together=True),
    Person("2020-0003", "박순자", "seongdong", "+8221000003", "park"),  # a landline: the call list is her door
    Person("2020-0004", "Grace Lee", "geumho", "+12125550104", "", "en"),  # her replies arrive
    Person("2020-0005", "이도윤", "geumho", "+821000000005", "lee"),
    Person("2020-0006", "최은서", "geumho", "+821000000006", "choi", accessible=True, needs="트렁크에 실어 주세요"),
    Person("2020-0007", "정민준", "seongdong", "+821000000007", "jung"),
    Person("2020-0008", "한지우", "seongdong", "+821000000008", "han", accessible=True),
    Person("2020-0009", "Daniel Park", "seongdong", "+821000000009", "", "en"),
    Person("2020-0010", "오서연", "geumho", "+821000000010", "oh"),
    Person("2020-0011", "윤태오", "seongdong", "+821000000011", "yoon"),
    Person("2020-0012", "서예준", "geumho", "+821000000012", "seo"),
    Person("2020-0013", "강나은", "seongdong", "+821000000013", "kang"),
    Person("2020-0014", "조현우", "geumho", "+821000000014", "cho"),
]
STAFF = [
    ("librarian", "성동 사서", "ko", {"seongdong": "librarian", "geumho": "librarian"}),
    ("manager", "성동 관장", "ko", {"seongdong": "manager", "geumho": "manager", "yongdap": "manager"}),
    ("english", "Seongdong desk", "en", {"seongdong": "librarian"}),
]
