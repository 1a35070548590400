"""What somebody means who answers a text.

Advertised are digits: 1 yes I come, 2 another time, 3 I do not need the books any more, 4 I am here, 5 to 9 a choice we
offered. They keep their meaning for ever. Words are accepted too, so that nobody has to read the instructions twice.

Two kinds of matching:
- **exact**: the carrier's own words (STOP and its kind, START, HELP). The whole text is the word, in any case and
  width, with nothing but space and punctuation around it; "please cancel" is no opt-out. Twilio acts on single-word
  texts only (Twilio, "Twilio support for opt-out keywords"; REVOKE and OPTOUT since April 2025, after 47 CFR
  64.1200(a)(10), which also names "opt out"). Where Twilio would not act (STOP with a full stop, 수신거부) we still do.
- **known**: a digit or one of the words below, alone or with a polite ending ("1번이요", "네~", "yes please").

Whatever remains is UNKNOWN and belongs to the staff inbox: "3시에 갈게요" must never cancel anything, so a digit counts
only when nothing but politeness, or words of the same meaning, come with it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_READ = 60
"""Characters after clean-up beyond which a text is not read for a keyword: it is a letter to the staff."""


class Meaning(StrEnum):
    """What an answer asks for."""

    CONFIRM = "confirm"  # 1
    CHANGE = "change"  # 2
    GIVE_BACK = "give_back"  # 3
    HERE = "here"  # 4
    CHOICE = "choice"  # 5 to 9
    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    HELP = "help"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """A meaning; `choice` is 5 to 9 for CHOICE, else None; `bay` is the parking place that HERE named, else "".

    `also_opt_in`: the text was exactly YES, which at Twilio lifts an opt-out; whoever had opted out is back in.
    """

    meaning: Meaning
    choice: int | None = None
    also_opt_in: bool = False
    bay: str = ""


STOP_WORDS: Final = frozenset(
    {"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt out", "수신거부", "수신 거부"}
)
START_WORDS: Final = frozenset({"start", "unstop"})
HELP_WORDS: Final = frozenset({"help", "info"})

_DIGITS = {1: Meaning.CONFIRM, 2: Meaning.CHANGE, 3: Meaning.GIVE_BACK, 4: Meaning.HERE}
_WORDS_OF = {  # written without spaces and apostrophes, as they are compared
    Meaning.CONFIRM: (
        "네 넵 넹 네네 예 예예 확인 확인했습니다 확인했어요 확인합니다 알겠습니다",
        "갈게요 가겠습니다 갑니다 좋아요 좋습니다 오케이 ㅇㅋ ㅇㅇ",
        "yes y yep yeah ok okay confirm confirmed",
    ),
    Meaning.CHANGE: (
        "변경 변경요청 변경할게요 변경해주세요 변경하고싶어요 시간변경 시간변경해주세요 다른시간 나중에",
        "later change changetime anothertime reschedule",
    ),
    Meaning.GIVE_BACK: (
        "취소 취소요청 취소해주세요 취소할게요 취소합니다 취소하겠습니다 취소하고싶어요 신청취소",
        "giveback notneeded",
    ),
    Meaning.HERE: (
        "도착 도착함 도착완료 도착했어요 도착했습니다 왔어요 왔습니다",
        "here iamhere imhere arrived ihavearrived",
    ),
}
_THUMBS = frozenset("👍👌🙆✅🆗")  # all of them say yes
_POLITE = (
    "감사합니다 고맙습니다 감사해요 고마워요 부탁드립니다 부탁드려요 부탁합니다 부탁해요 주세요",
    "please pls plz thanks thankyou thx",
)
_ENDINGS = ["", "번", "이요", "요", "입니다", "이에요", "예요", "번이요", "번요", "번입니다", "번으로", "번이에요"]
_BAYS = (
    "주차자리 주차면 주차칸 주차구역 주차장 자리 구역",
    "parkingplace parkingbay parkingspot parkingspace place bay spot space stall",
)
_STANDS = "로 에 에요 에있어요 에있습니다 에주차했어요 에주차했습니다"
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_GAPS = re.compile(r"[\W_]+")


def _fold(text: str) -> str:
    """NFKC, ASCII digits, lower case, without the invisible, skin tones, keycap frames, apostrophes; single spaces."""
    kept = []
    for ch in unicodedata.normalize("NFKC", text):
        category = unicodedata.category(ch)
        if category == "Nd":
            kept.append(str(unicodedata.decimal(ch)))
        elif ch.isspace() or not (category in {"Cf", "Cc", "Cs", "Me"} or ch in _DROPPED):
            kept.append(ch)
    return " ".join("".join(kept).casefold().split())


_DROPPED = frozenset("\ufe0e\ufe0f'’ʼ`") | frozenset(map(chr, range(0x1F3FB, 0x1F400)))


_WORDS: Final = {_fold(word): meaning for meaning, words in _WORDS_OF.items() for word in " ".join(words).split()}
_ENDS_POLITELY: Final = tuple(map(_fold, " ".join(_POLITE).split()))


def _any_of(*words: str) -> str:
    return f"(?:{'|'.join(' '.join(words).split())})"


_BAY: Final = _any_of(*_BAYS)
_HERE: Final = _any_of(*_WORDS_OF[Meaning.HERE])
_NUMBER: Final = "([a-z]?[0-9]{1,3})"
_END: Final = f"(?:{'|'.join(_ENDINGS)})"
_BAY_ALONE: Final = re.compile(_NUMBER + _END)
_BAY_NAMED: Final = (
    # "자리 12", "4, bay 12"; "12번 자리에 있어요"; "도착 12"
    re.compile(f"(?:4|{_HERE})?(?:iam|im)?(?:at|in)?{_BAY}(?:은|는|no|number)?{_NUMBER}{_END}"),
    re.compile(f"{_HERE}?{_NUMBER}번?{_BAY}(?:{_END}|{_any_of(_STANDS)})"),
    re.compile(f"{_HERE}{_NUMBER}{_END}"),
)


def parse(body: str) -> Answer:
    """What the text means. Never refuses; what it cannot read is UNKNOWN.

    Accepts full-width and circled digits, spaces, leading and trailing punctuation ("1." "1~" "네~" "Yes!"), thumbs.
    """
    folded = _fold(body)
    if len(folded) > MAX_READ:
        return Answer(Meaning.UNKNOWN)
    bare = _EDGES.sub("", folded)
    if not bare:
        marks = {ch for ch in folded if not (ch.isspace() or ch in "!.~")}
        return Answer(Meaning.CONFIRM if marks and marks <= _THUMBS else Meaning.UNKNOWN)
    if bare in STOP_WORDS:
        return Answer(Meaning.OPT_OUT)
    if bare in START_WORDS:
        return Answer(Meaning.OPT_IN)
    if bare in HELP_WORDS:
        return Answer(Meaning.HELP)
    key = _without_politeness(_GAPS.sub("", bare))
    said = _known(key)
    if said.meaning is Meaning.UNKNOWN:  # "네 알겠습니다": several words that all mean one thing
        each = {_WORDS.get(word) for word in _GAPS.split(bare)}
        said = Answer(each.pop() or Meaning.UNKNOWN) if len(each) == 1 else said
    if said.meaning is Meaning.UNKNOWN:
        bay = next((found[1] for form in _BAY_NAMED if (found := form.fullmatch(key))), "")
        return Answer(Meaning.HERE, bay=bay.upper()) if bay else said
    return Answer(said.meaning, said.choice, also_opt_in=bare == "yes")


def order_number(body: str) -> str | None:
    """The four digits of an order number when the text is nothing else: "4721", "47-21", "４７２１번"; else None."""
    found = re.fullmatch(r"\W*([0-9]{2})[\s.-]?([0-9]{2})(?:\s?번)?\W*", _fold(body))
    return found[1] + found[2] if found else None


def bay_alone(body: str) -> str:
    """The number of a parking place when the text is nothing else: "12", "12번이요", "B3"; else "".

    For who was asked for one: from anybody else "3" gives books back. A 4 is none, it says again "I am here".
    """
    found = _BAY_ALONE.fullmatch(_without_politeness(_GAPS.sub("", _fold(body))))
    return "" if found is None or found[1] == "4" else found[1].upper()


def _without_politeness(key: str) -> str:
    for polite in _ENDS_POLITELY:
        if key.endswith(polite) and key not in _WORDS and key != polite:
            return key.removesuffix(polite)
    return key


def _known(key: str) -> Answer:
    for word in (key, key.removesuffix("이요"), key.removesuffix("요")):
        if word in _WORDS:
            return Answer(_WORDS[word])
    if not re.match(r"[1-9](?!\d)", key):
        return Answer(Meaning.UNKNOWN)
    digit, rest = int(key[0]), key[1:]
    meaning = _DIGITS.get(digit, Meaning.CHOICE)
    if rest in _ENDINGS or _WORDS.get(rest) is meaning:
        return Answer(meaning, digit if meaning is Meaning.CHOICE else None)
    return Answer(Meaning.UNKNOWN)
