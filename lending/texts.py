"""What this room says by text, in Korean and English."""

from __future__ import annotations

from notifications import wording

CODE = "lending.code"
MAIL = "lending.mail"
DUE, OVERDUE, BOTH, RETURNED = "lending.due", "lending.overdue", "lending.due_and_overdue", "lending.returned"
NOT_NEEDED = "lending.not_needed"

wording.register(
    key=CODE,
    kind="code",
    places={"library", "code", "phone"},
    ko="[{library}] 인증번호 {code}, 10분 유효. 아무에게도 알리지 마십시오. 문의 {phone}",
    en="[{library}] Your code is {code}, good for 10 minutes. Tell it to nobody. Tel {phone}",
)
wording.register(
    key=MAIL,
    kind="answer",
    places={"library", "phone"},
    ko="[{library}] 알림을 이 메일로 받으시려면 확인해 주세요: {link} 아니시면 무시해 주세요.",
    en="[{library}] To get your library's messages at this address, please confirm: {link}"
    " Did you not ask for it? Then leave it. Tel {phone}",
)
_OF_LOANS = {
    DUE: (
        "[{library}] 책 {count}권 반납일 {due}. 문의 {phone}",
        "[{library}] {count} due {due}. Tel {phone}",
    ),
    OVERDUE: (
        "[{library}] 책 {late}권 연체, 반납일 {was_due}. 문의 {phone}",
        "[{library}] {late} overdue, due {was_due}. Please bring them back. Tel {phone}",
    ),
    BOTH: (
        "[{library}] {late}권 연체, {count}권 반납일 {due}. 문의 {phone}",
        "[{library}] {late} overdue, {count} due {due}. Tel {phone}",
    ),
    RETURNED: (
        "[{library}] 책 {count}권 반납되었습니다. 남은 책 {left}권.",
        "[{library}] {count} returned, {left} still with you. Thank you.",
    ),
}
PLACES = {"library", "count", "due", "late", "was_due", "left", "phone"}

wording.register(
    key=NOT_NEEDED,
    places=PLACES,
    ko="[{library}] 책 {count}권, 필요하신 날이 지나 예약을 마칩니다. 문의 {phone}",
    en="[{library}] {count} did not come by the day you named, so we stopped waiting. Tel {phone}",
)
for _key, (_ko, _en) in _OF_LOANS.items():
    wording.register(key=_key, places=PLACES, ko=_ko, en=_en, kind="reminder")

_LONGEST = {
    "library": ("성동구립도서관", "Seongdong Library"),
    "phone": ("02-2204-6440", "02-2204-6440"),
    "code": ("482913", "482913"),
    "count": ("10", "10 books"),
    "late": ("10", "10 books"),
    "left": ("10", "10"),
    "due": ("12/28-12/31", "28 Nov-31 Dec"),
    "was_due": ("11/28-12/31", "28 Nov-31 Dec"),
}
for _place, (_ko, _en) in _LONGEST.items():
    wording.example(_place, ko=_ko, en=_en)
