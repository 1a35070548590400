"""The sample library: Seongdong-gu's programme of 2020, with invented people.

Branches, sessions, cut-offs and quota are as the district announced them in March 2020; books come from the records in
lending/samples. People, cards and telephones are invented: the numbers lie in ranges that are given to nobody.
"""

from __future__ import annotations

from datetime import time
from typing import Any, NamedTuple

SOURCE = "sample"
PIN = "804217"
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
    },
    {
        "key": "haneul",
        "number": "+8221002030",
        "name_ko": "하늘마을도서관",
        "name_en": "Haneul Village Library",
        "phone": "02-100-2030",
        "quiet_from": time(21),
        "quiet_until": time(8),
    },
    {  # of the training library: rehearsals are held at any hour, and nobody real is on its call list
        "key": "training",
        "number": "+8221002029",
        "name_ko": "연습 도서관",
        "name_en": "Training Library",
        "phone": "02-100-2029",
        "quiet_from": time(0),
        "quiet_until": time(0),
    },
]
PROGRAMME: dict[str, Any] = {
    "key": "seongdong-2020",
    "name_ko": "성동구 드라이브스루 대출 2020",
    "name_en": "Seongdong drive-through lending 2020",
    "volumes": 5,
    "volumes_per": "household",
    "week": "calendar",
    "loan_days": 14,
    "transfer_days": 1,
    "transfer_cutoff": time(17),
    "foreign_books": "home",
}
BESIDE_PROGRAMME: dict[str, Any] = {
    "key": "haneul",
    "name_ko": "하늘마을 승차 대출",
    "name_en": "Haneul drive-through lending",
    "volumes": 10,
    "volumes_per": "patron",
}
TRAINING_PROGRAMME: dict[str, Any] = {
    "key": "training",
    "name_ko": "연습",
    "name_en": "Training",
    "volumes": 999,
    "volumes_per": "patron",
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
    {
        "code": "training",
        "name_ko": "연습 도서관",
        "name_en": "Training Library",
        "phone": "02-100-2029",
        "rooms": [""],
        "training": True,
        "programme": "training",
        "sender": "training",
        "weekly_closed": [],
    },
    {  # another system keeps its loans; its catalogue is empty but for what that system's lists have told of
        "code": "haneul",
        "name_ko": "하늘마을도서관",
        "name_en": "Haneul Village Library",
        "phone": "02-100-2030",
        "rooms": [""],
        "circulation": "beside",
        "programme": "haneul",
        "sender": "haneul",
    },
]
PLACES = [f"{row}{number}" for row in "AB" for number in range(1, 13)]
DOOR_PLACES = [f"C{number}" for number in range(1, 7)]
POINTS: list[dict[str, Any]] = [
    {
        "library": "seongdong",
        "code": "seongdong-lane",
        "layout": "file",
        "name_ko": "성동구립도서관 차로",
        "name_en": "Seongdong drive lane",
        "place_ko": "주차장 입구 오른쪽",
        "place_en": "Right of the car park entrance",
        "rules": {"promise": "at_order", "bag_places": PLACES},
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
        "rules": {"by_appointment": False, "bag_places": DOOR_PLACES},
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
        "rules": {"promise": "when_ready", "silence": "consent", "bag_places": PLACES},
        "lanes": ["1"],
    },
    {
        "library": "geumho",
        "code": "geumho-bays",
        "layout": "bays",
        "name_ko": "금호도서관 주차면",
        "name_en": "Geumho parking bays",
        "place_ko": "지하 주차장 1번~6번 자리",
        "place_en": "Basement car park, bays 1 to 6",
        "rules": {"promise": "when_ready", "silence": "lapse", "offers": 1, "bag_places": DOOR_PLACES},
        "lanes": [],
    },
    {
        "library": "training",
        "code": "training-lane",
        "layout": "file",
        "name_ko": "연습 차로",
        "name_en": "Practice lane",
        "place_ko": "아무 데나",
        "place_en": "Wherever you like",
        "rules": {"by_appointment": False, "bag_places": [*PLACES, *DOOR_PLACES]},
        "lanes": ["1"],
    },
    {
        "library": "training",
        "code": "training-door",
        "layout": "door",
        "name_ko": "연습 정문",
        "name_en": "Practice door",
        "place_ko": "잘못 찾아온 차의 꾸러미가 있는 곳",
        "place_en": "Where the bag of the car at the wrong place waits",
        "rules": {"by_appointment": False, "bag_places": DOOR_PLACES},
        "lanes": [],
    },
    {
        "library": "haneul",
        "code": "haneul-lane",
        "layout": "file",
        "name_ko": "하늘마을 차로",
        "name_en": "Haneul drive lane",
        "place_ko": "도서관 뒤편 주차장",
        "place_en": "Car park behind the library",
        "rules": {"by_appointment": False, "bag_places": PLACES},
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
    """An invented patron; `together` marks households whose members agreed to be served in one car.

    `note` is what to do at the car in words of the library, `collector` somebody who comes instead: name and number.
    """

    card: str
    name: str
    home: str
    number: str
    household: str = ""
    language: str = "ko"
    together: bool = False
    accessible: bool = False
    needs: tuple[str, ...] = ()
    note: str = ""
    collector: tuple[str, str] = ("", "")


PEOPLE = [
    Person("2020-0001", "김하늘", "seongdong", "+821000000001", "kim", together=True),
    Person("2020-0002", "김바다", "seongdong", "+821000000002", "kim", together=True),
    Person("2020-0003", "박순자", "seongdong", "+8221000003", "park"),  # a landline: the call list is her door
    Person("2020-0004", "Grace Lee", "geumho", "+12125550104", "", "en"),  # her replies arrive
    Person("2020-0005", "이도윤", "geumho", "+821000000005", "lee"),
    Person("2020-0006", "최은서", "geumho", "+821000000006", "choi", accessible=True, needs=("boot",)),
    Person("2020-0007", "정민준", "seongdong", "+821000000007", "jung"),
    Person("2020-0008", "한지우", "seongdong", "+821000000008", "han", accessible=True, needs=("carry",)),
    Person("2020-0009", "Daniel Park", "seongdong", "+821000000009", "", "en"),
    Person("2020-0010", "오서연", "geumho", "+821000000010", "oh"),
    Person("2020-0011", "윤태오", "seongdong", "+821000000011", "yoon"),
    Person("2020-0012", "서예준", "geumho", "+821000000012", "seo"),
    Person("2020-0013", "강나은", "seongdong", "+821000000013", "kang"),
    Person("2020-0014", "조현우", "geumho", "+821000000014", "cho"),
    Person("2020-0015", "문지호", "geumho", "+821000000015", "moon", together=True),
    Person("2020-0016", "문채원", "geumho", "+821000000016", "moon", together=True),
    Person("2020-0017", "문서아", "geumho", "+821000000016", "moon", together=True),  # a child, on her mother's number
    Person("2020-0018", "배순덕", "seongdong", "+8221000018", collector=("배준호", "+821000000118")),  # her grandson
    Person("2020-0019", "노영수", "geumho", "+8221000019"),
    Person("2020-0020", "홍길순", "geumho", "+8221000020", needs=("time",)),
    Person("2020-0021", "임재현", "seongdong", "+821000000021", needs=("board",)),
    Person("2020-0022", "신미경", "geumho", "+821000000022", needs=("board", "window")),
    Person("2020-0023", "권도현", "seongdong", "+821000000023", accessible=True, needs=("carry",)),
    Person("2020-0024", "황보라", "seongdong", "+821000000024", needs=("boot",)),
    Person("2020-0025", "안소희", "geumho", "+821000000025", needs=("window",)),
    Person("2020-0026", "송태양", "seongdong", "+821000000026", needs=("time",)),
    Person("2020-0027", "류하은", "geumho", "+821000000027", needs=("time", "carry")),
    Person(
        "2020-0028", "Nguyễn Thị Lan", "seongdong", "+821000000028", "", "en", needs=("board",),
        note="Tiếng Việt / 베트남어",
    ),
    Person("2020-0029", "王小明", "geumho", "+821000000029", "", "en", needs=("board",), note="中文 / 중국어"),
    Person("2020-0030", "Emily Carter", "geumho", "+12125550130", "", "en"),
    Person("2020-0031", "James Okafor", "seongdong", "+12125550131", "", "en"),
    Person("2020-0032", "Phạm Văn Minh", "geumho", "+821000000032", "", "en", note="Tiếng Việt / 베트남어"),
    Person("2020-0033", "李美玲", "seongdong", "+821000000033", "", "en", note="中文 / 중국어"),
    *(
        Person(f"2020-00{34 + place}", name, "geumho" if place % 3 == 2 else "seongdong", f"+8210000000{34 + place}")
        for place, name in enumerate(
            (
                "전유진", "양준서", "손하린", "배시우", "백서준", "유나라", "남궁민서", "심재윤", "노아인", "하윤슬",
                "곽동현", "성민재", "주하랑", "우지안", "구본아", "나예린", "민서후", "진가온", "지수호", "엄태리",
                "채원희", "천다온", "방유찬", "공서린", "현지담", "변우진", "염소이",
            )
        )
    ),
]  # fmt: skip
STAFF = [
    ("librarian", "성동 사서", "ko", {"seongdong": "librarian", "geumho": "librarian", "training": "librarian"}),
    (
        "manager",
        "성동 관리자",
        "ko",
        {"seongdong": "manager", "geumho": "manager", "yongdap": "manager", "training": "manager"},
    ),
    ("english", "Seongdong desk", "en", {"seongdong": "librarian", "training": "librarian"}),
    ("haneul", "하늘마을 사서", "ko", {"haneul": "manager"}),
]
# Who is worth signing in as: the end of the card number or a user name, and what is special about them.
TRY_PATRONS = [
    ("01", "가족 두 사람의 책이 한 차에. 지금 줄에 서 있습니다", "Two cards in one car, in line at the window now"),
    (
        "04",
        "미국 전화로 문자에 답할 수 있습니다. 시간 제안이 와 있습니다",
        "Answers texts from a US phone; a time is offered",
    ),
    ("09", "영어로 읽고 걸어서 찾으러 옵니다", "Reads English, collects on foot"),
    ("07", "책 세 권을 신청했고, 아직 담는 중입니다", "Has asked for three books, being packed"),
    ("36", "집에 있는 책의 반납일이 곧 옵니다", "Has books at home that are due soon"),
    ("34", "반납일이 지난 책이 있습니다", "Has books at home that are overdue"),
    ("27", "어제 시간에 못 왔습니다. 책은 보관 중입니다", "Missed the time; the bag is kept"),
    ("46", "대출 중인 책을 예약하고 기다립니다", "Waits in line for a book that is lent out"),
    ("33", "영어로 읽습니다. 도서관에 메모를 남겼습니다", "Reads English; left a note with the order"),
]
TRY_STAFF = [
    ("librarian", "성동·금호 창구, 한국어 화면", "Window at Seongdong and Geumho, Korean pages"),
    ("english", "성동 창구, 영어 화면", "Window at Seongdong, English pages"),
    ("manager", "세 도서관의 관리자", "Manager of all three libraries"),
    (
        "haneul",
        "대출을 다른 시스템에 두는 도서관",
        "A library whose loans another system keeps",
    ),
]
