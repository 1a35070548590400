"""What the texts of this room say, in Korean and English, and how they say moments and numbers."""

from __future__ import annotations

import functools
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from notifications import wording

WEEKDAYS = {"ko": "월화수목금토일", "en": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]}
TAILS = {
    "": ("", ""),
    ".reply": (" 답장 1=예 2=변경 3=취소", " Reply 1=yes 2=other time 3=not needed"),
    ".link": (" {link}", " {link}"),
    ".reply_link": (" 답장 1=예 2=변경 3=취소 {link}", " Reply 1=yes 2=other time 3=not needed {link}"),
}
# Where an answer arrives a question does too; without the number to call the Korean text stays a short one.
_SHORTER = {
    "offer": "[{library}] 책 {count}권 준비. {when} 수령, 번호 {number}.",
    "offer_part": "[{library}] {count}권 준비, {sought}권 못 구함. {when}, {number}.",
    "moved": "[{library}] 준비 늦어 새 시간 {when}, 번호 {number}.",
    "closing": "[{library}] 휴관, 새 시간 {when}, 번호 {number}.",
    "hours": "[{library}] 운영 변경, 새 시간 {when}, 번호 {number}.",
}

_ASKING = {
    "offer": (
        "[{library}] 책 {count}권 준비. {when} 수령, 번호 {number}. 문의 {phone}",
        "[{library}] {count} ready. Pick up {when}, order {number}. Tel {phone}",
    ),
    "offer_part": (
        "[{library}] 책 {count}권 준비, {sought}권은 못 구해 예약 유지. {when}, 번호 {number}.",
        "[{library}] {count} ready, {sought} not found and kept in line. Pick up {when}, order {number}. Tel {phone}",
    ),
    "moved": (
        "[{library}] 준비가 늦어 새 시간 {when}. 번호 {number}. 문의 {phone}",
        "[{library}] Sorry, we need longer. New time {when}, order {number}. Tel {phone}",
    ),
    "closing": (
        "[{library}] 휴관으로 새 시간 {when}. 번호 {number}. 문의 {phone}",
        "[{library}] We are closed that day. New time {when}, order {number}. Tel {phone}",
    ),
    "hours": (
        "[{library}] 운영 변경으로 새 시간 {when}. 번호 {number}. 문의 {phone}",
        "[{library}] Our pickup hours change. New time {when}, order {number}. Tel {phone}",
    ),
}
_SAYING = {
    "hours_kept": (
        "[{library}] 운영 변경, 시간 취소. {until}까지 보관, 번호 {number}. 문의 {phone}",
        "[{library}] Our hours change, your time falls away. Kept until {until}, order {number}. Tel {phone}",
    ),
    "hours_packing": (
        "[{library}] 운영 변경, 시간 취소. 새 시간을 알립니다. 번호 {number}. 문의 {phone}",
        "[{library}] Our hours change, your time falls away. We tell you a new one. Order {number}. Tel {phone}",
    ),
    "closing_kept": (
        "[{library}] 휴관으로 시간 취소. {until}까지 보관, 번호 {number}. 문의 {phone}",
        "[{library}] Your time falls away, we are closed. Kept until {until}, order {number}. Tel {phone}",
    ),
    "closing_packing": (
        "[{library}] 휴관으로 시간 취소. 새 시간을 곧 알립니다. 번호 {number}. 문의 {phone}",
        "[{library}] Your time falls away, we are closed. We tell you a new one. Order {number}. Tel {phone}",
    ),
    "fixed": (
        "[{library}] 수령 시간 {when} 확정. 번호 {number}. 문의 {phone}",
        "[{library}] Your time is fixed: {when}, order {number}. We tell you when it is ready. Tel {phone}",
    ),
    "ready": (
        "[{library}] 책 {count}권 준비. 예약 {when}, 번호 {number}. 문의 {phone}",
        "[{library}] {count} ready for {when}, order {number}. Tel {phone}",
    ),
    "ready_until": (
        "[{library}] 책 {count}권 준비. {until}까지 수령, 번호 {number}. 문의 {phone}",
        "[{library}] {count} ready. Pick up by {until}, order {number}. Tel {phone}",
    ),
    "next": (
        "[{library}] 책 {count}권 준비. 곧 차례입니다. 번호 {number}",
        "[{library}] {count} ready, your turn comes soon. Order {number}",
    ),
    "recalled": (
        "[{library}] 차례가 되어 다시 부릅니다. 지금 와 주세요. 번호 {number}",
        "[{library}] It is your turn, please come now. Order {number}",
    ),
    "ready_part": (
        "[{library}] 책 {count}권 준비, {sought}권은 못 구해 예약 유지. {when}, 번호 {number}.",
        "[{library}] {count} ready for {when}, {sought} not found and kept in line. Order {number}. Tel {phone}",
    ),
    "ready_until_part": (
        "[{library}] 책 {count}권 준비, {sought}권은 못 구해 예약 유지. {until}까지, 번호 {number}.",
        "[{library}] {count} ready, {sought} not found and kept in line. Collect by {until}, no. {number}. Tel {phone}",
    ),
    "next_part": (
        "[{library}] 책 {count}권 준비, {sought}권은 못 구해 예약 유지. 곧 차례입니다. 번호 {number}",
        "[{library}] {count} ready, {sought} not found and kept in line. Your turn comes soon. Order {number}",
    ),
    "back_in_line": (
        "[{library}] 책 {count}권을 못 구해 예약을 유지합니다. 번호 {number}. 문의 {phone}",
        "[{library}] Order {number}: {count} not found and kept in line; we tell you when a copy is there. Tel {phone}",
    ),
    "missed": (
        "[{library}] 시간에 못 오셨습니다. {until}까지 보관, 번호 {number}. 문의 {phone}",
        "[{library}] We missed you. Kept until {until}, order {number}. Tel {phone}",
    ),
    "kept": (
        "[{library}] 시간은 취소되었습니다. {until}까지 보관, 번호 {number}. 문의 {phone}",
        "[{library}] Your time is not held any more. Kept until {until}, order {number}. Tel {phone}",
    ),
    "cancelled": (
        "[{library}] 신청 {number} 취소되었습니다. 문의 {phone}",
        "[{library}] Order {number} is cancelled. Tel {phone}",
    ),
    "cancelled_rest": (
        "[{library}] 신청 {number} 취소. 나머지 {count}권은 계속 예약 중. 문의 {phone}",
        "[{library}] Order {number} is cancelled. Still on order: {count}. Tel {phone}",
    ),
    "not_found": (
        "[{library}] 책을 서가에서 못 찾아 다시 찾고 있습니다. 번호 {number}. 문의 {phone}",
        "[{library}] A book is not on its shelf; we keep looking. Order {number}. Tel {phone}",
    ),
    "elsewhere": (
        "[{library}] 수령 장소 변경. 새 번호 {number}, 준비되면 알려 드립니다. 문의 {phone}",
        "[{library}] Your pickup place is changed. New order {number}; we tell you when it is ready. Tel {phone}",
    ),
    "elsewhere_waits": (
        "[{library}] 수령 장소 변경. 책이 오면 알려 드립니다. 문의 {phone}",
        "[{library}] Your pickup place is changed. We tell you when the books are there. Tel {phone}",
    ),
    "late": (
        "[{library}] 준비가 늦어집니다. 준비되면 알려 드립니다. 번호 {number}. 문의 {phone}",
        "[{library}] Sorry, we need longer. We tell you when it is ready. Order {number}. Tel {phone}",
    ),
    "expired": (
        "[{library}] 보관 기간이 지나 신청 {number} 종료되었습니다. 문의 {phone}",
        "[{library}] Order {number} was not collected in time and is closed. Tel {phone}",
    ),
    "receipt": (
        "[{library}] 책 {count}권 대출. 반납일 {due}. 고맙습니다.",
        "[{library}] {count} lent, due {due}. Thank you.",
    ),
    "given": (
        "[{library}] 책 {count}권을 드렸습니다. 고맙습니다.",
        "[{library}] {count} handed over. Thank you.",
    ),
}
PLACES = frozenset({"library", "count", "sought", "when", "until", "number", "phone", "due"})
PARTLY = frozenset({"offer", "ready", "ready_until", "next"})
"""What is also said of bags of which a book could not be had: under the same key with `_part`."""

for _name, (_ko, _en) in _ASKING.items():
    for _variant, (_tail_ko, _tail_en) in TAILS.items():
        _plain = _SHORTER[_name] if "reply" in _variant else _ko
        wording.register(key=f"{_name}{_variant}", places=PLACES, ko=_plain + _tail_ko, en=_en + _tail_en)
for _name, (_ko, _en) in _SAYING.items():
    wording.register(key=_name, places=PLACES, ko=_ko, en=_en)

_ANSWERING = {
    "answer_confirmed": (
        "[{library}] {when} 확인했습니다. 번호 {number}. 문의 {phone}",
        "[{library}] Confirmed: {when}, order {number}. Tel {phone}",
    ),
    "answer_offered": (
        "[{library}] 예정 {when}, 번호 {number}. 1=예 2=변경 3=취소. 문의 {phone}",
        "[{library}] Your time is {when}, order {number}. 1=yes 2=other time 3=not needed. Tel {phone}",
    ),
    "answer_packing": (
        "[{library}] 신청 {number} 준비 중입니다. 준비되면 알려 드립니다. 문의 {phone}",
        "[{library}] Order {number} is being packed. We will tell you when it is ready. Tel {phone}",
    ),
    "answer_travels": (
        "[{library}] 신청 {number} 책이 {until} 도착 예정입니다. 오면 알려 드립니다.",
        "[{library}] Order {number} comes from another library, expected by {until}. We will tell you. Tel {phone}",
    ),
    "answer_until": (
        "[{library}] 신청 {number} 준비되었습니다. {until}까지 찾아가 주세요.",
        "[{library}] Order {number} is ready. Please collect it by {until}.",
    ),
    "answer_any_time": (
        "[{library}] 시간 예약 없이 오시면 됩니다. 번호 {number}. 문의 {phone}",
        "[{library}] You need no time here, come whenever it is open. Order {number}. Tel {phone}",
    ),
    "answer_times": (
        "[{library}] 시간 {options}. 숫자로 답해 주세요.",
        "[{library}] Other times: {options}. Reply with the digit. Your old time stays until then.",
    ),
    "answer_first_times": (
        "[{library}] 시간 {options}. 숫자로 답해 주세요.",
        "[{library}] Free times: {options}. Reply with the digit.",
    ),
    "answer_gone": (
        "[{library}] 찼습니다. {options} 숫자로 답해 주세요.",
        "[{library}] That time has just gone. Other times: {options}. Reply with the digit.",
    ),
    "answer_no_times": (
        "[{library}] 지금은 다른 시간이 없습니다. 번호 {number}. 문의 {phone}",
        "[{library}] There is no other time at the moment. Order {number}. Tel {phone}",
    ),
    "answer_changed": (
        "[{library}] 시간을 바꾸었습니다. {when}, 번호 {number}. 문의 {phone}",
        "[{library}] Changed: {when}, order {number}. Tel {phone}",
    ),
    "answer_which": (
        "[{library}] 어느 신청입니까? {options}. 숫자로 답해 주세요.",
        "[{library}] Which order? {options}. Reply with the digit.",
    ),
    "answer_here": (
        "[{library}] {number} 도착 접수되었습니다. 앞에 {ahead}팀 있습니다.",
        "[{library}] {number}: checked in, {ahead} ahead of you.",
    ),
    "answer_here_minutes": (
        "[{library}] {number} 도착 접수되었습니다. 앞에 {ahead}팀, 약 {minutes}분 기다리시면 됩니다.",
        "[{library}] {number}: checked in, {ahead} ahead of you, about {minutes} min to wait.",
    ),
    "answer_next": (
        "[{library}] {number} 도착 접수되었습니다. 다음 차례입니다.",
        "[{library}] {number}: checked in, you are next.",
    ),
    "answer_next_minutes": (
        "[{library}] {number} 도착 접수되었습니다. 다음 차례, 약 {minutes}분 기다리시면 됩니다.",
        "[{library}] {number}: checked in, you are next, about {minutes} min to wait.",
    ),
    "answer_called": (
        "[{library}] {number} 도착 접수되었습니다. 지금 차례입니다.",
        "[{library}] {number}: checked in, it is your turn now.",
    ),
    "answer_called_to": (
        "[{library}] {number} 도착 접수되었습니다. 지금 차례입니다. 차로: {lane}",
        "[{library}] {number}: checked in, it is your turn now. Please come to lane {lane}.",
    ),
    "answer_here_packing": (
        "[{library}] {number} 도착 접수되었습니다. 책을 담고 있으니 기다려 주세요.",
        "[{library}] {number}: checked in. Your bag is being packed, please wait a moment.",
    ),
    "answer_which_bay": (
        "[{library}] {number} 도착 접수되었습니다. 주차 자리 번호를 답해 주세요. 예: 자리 {bay}",
        "[{library}] {number}: checked in. Which parking place are you in? Reply for example: place {bay}",
    ),
    "answer_bay": (
        "[{library}] {number} {bay}번 자리로 가져다드립니다. 차에서 기다려 주세요.",
        "[{library}] {number}: we come to place {bay}. Please stay in the car.",
    ),
    "answer_bay_minutes": (
        "[{library}] {number} 약 {minutes}분 뒤 {bay}번 자리로 가져다드립니다.",
        "[{library}] {number}: we come to place {bay} in about {minutes} min. Please stay in the car.",
    ),
    "answer_bay_packing": (
        "[{library}] {number} 책을 담는 대로 {bay}번 자리로 가져다드립니다.",
        "[{library}] {number}: your bag is being packed, then we come to place {bay}.",
    ),
    "answer_closed": (
        "[{library}] 지금은 닫혀 있습니다. {when}에 엽니다. 문의 {phone}",
        "[{library}] We are closed now and open {when}. Tel {phone}",
    ),
    "answer_collected": (
        "[{library}] 신청 {number} {at}에 이미 수령하셨습니다. 문의 {phone}",
        "[{library}] Order {number} was already collected at {at}. Tel {phone}",
    ),
    "answer_nothing": (
        "[{library}] 지금 받으실 책이 없습니다. 문의 {phone}",
        "[{library}] There is nothing to collect at the moment. Tel {phone}",
    ),
    "answer_elsewhere": (
        "[{library}] 신청 {number}의 책은 {place}에 있습니다. 문의 {phone}",
        "[{library}] Order {number} waits elsewhere: {place}. Tel {phone}",
    ),
    "answer_help": (
        "[{library}] 1=예 2=다른 시간 3=취소 4=도착. 직원이 곧 확인합니다. 문의 {phone}",
        "[{library}] 1=yes 2=other time 3=not needed 4=I am here. A librarian will read your text. Tel {phone}",
    ),
    "answer_sorry": (
        "[{library}] 처리하지 못했습니다. 직원이 확인합니다. 문의 {phone}",
        "[{library}] That did not work. A librarian will look into it. Tel {phone}",
    ),
}
ANSWER_PLACES = PLACES | {"options", "ahead", "minutes", "lane", "bay", "at", "place"}

for _name, (_ko, _en) in _ANSWERING.items():
    wording.register(key=_name, places=ANSWER_PLACES, ko=_ko, en=_en, kind="answer")

_LONGEST = {
    "when": ("11/25(수) 16:00", "Wed 25 Nov 16:00"),
    "until": ("11/28(토)", "Sat 28 Nov"),
    "number": ("47-21+2", "47-21+2"),
    "options": ("5=11/25 16:00 6=11/26 16:15 7=11/27 16:30", "5=25 Nov 16:00 6=26 Nov 16:15 7=27 Nov 16:30"),
    "ahead": ("12", "12"),
    "sought": ("2", "2 books"),
    "minutes": ("120", "120"),
    "lane": ("2번 창구", "Window 2"),
    "bay": ("B 112", "B 112"),
    "at": ("14:02", "14:02"),
    "place": ("성동구립도서관 주차면", "Seongdong Library, parking bays"),
    wording.LINK: ("/o/4f9c2b7d1e8a6053/", "/o/4f9c2b7d1e8a6053/"),
}
for _place, (_ko, _en) in _LONGEST.items():
    wording.example(_place, ko=_ko, en=_en)
wording.example("options", ko="5=47-21 6=47-22", en="5=47-21 6=47-22", key="answer_which")


@functools.lru_cache(maxsize=1024)  # thousands of texts name the same few hundred moments
def moment(at: datetime, zone: ZoneInfo, language: str) -> str:
    """A moment as texts write it: `11/25(수) 16:00`, `Wed 25 Nov 16:00`. Never "today": a text may wait for morning."""
    local = at.astimezone(zone)
    return f"{day(at, zone, language)} {local:%H:%M}"


def is_whole_day(opens: datetime, zone: ZoneInfo) -> bool:
    """Whether a place that opens at this moment has no hours of its own: it opens at midnight, and its day is said."""
    return opens.astimezone(zone).time() == time.min


def opening(at: datetime, zone: ZoneInfo, language: str) -> str:
    """The moment at which a place opens, or only its day; see `is_whole_day`."""
    return day(at, zone, language) if is_whole_day(at, zone) else moment(at, zone, language)


def day(at: datetime, zone: ZoneInfo, language: str) -> str:
    """The local day of a moment: `11/25(수)`, `Wed 25 Nov`."""
    return day_of(at.astimezone(zone).date(), language)


def day_of(local: date, language: str) -> str:
    """The same of a day that is local already."""
    if language.startswith("ko"):
        return f"{local.month}/{local.day}({WEEKDAYS['ko'][local.weekday()]})"
    return f"{WEEKDAYS['en'][local.weekday()]} {local.day} {local:%b}"


@functools.lru_cache(maxsize=1024)
def last_day(until: datetime, zone: ZoneInfo, language: str) -> str:
    """The last local day before a moment: what is kept until midnight is kept until the day that ends there."""
    return day(until - timedelta(microseconds=1), zone, language)


def short_day(at: datetime, zone: ZoneInfo, language: str) -> str:
    """The local day where room is scarce: `11/25`, `25 Nov`."""
    local = at.astimezone(zone)
    return f"{local.month}/{local.day}" if language.startswith("ko") else f"{local.day} {local:%b}"


def partly(key: str) -> str:
    """The key of the same sentence for bags of which a book could not be had; itself where there is none."""
    name, dot, tail = key.partition(".")
    return f"{name}_part{dot}{tail}" if name in PARTLY else key


def counted(count: int, language: str) -> str:
    """A number of books as texts say it, which in Korean name what they count."""
    if language.startswith("ko"):
        return str(count)
    return "1 book" if count == 1 else f"{count} books"
