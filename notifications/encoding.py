"""How long a text is: in segments, as Twilio and most of the world count, and in bytes, as Korean carriers do.

Sources
- 3GPP TS 23.038 section 6.2.1: the GSM 7-bit default alphabet and its extension table, of which a character takes two
  places (an escape and itself); TS 23.040 section 9.2.3.24.1: a joined text loses six octets of each part to its
  header, and an escape sequence is not cut in two.
- Twilio, "How long can a message be?" (9 December 2025): 160 or 153 of GSM-7, 70 or 67 of UCS-2, 1,600 characters at
  most. UCS-2 is counted in UTF-16 code units, so an emoji takes two, and a code point that does not fit moves on whole.
  Twilio's own message-segment-calculator moves whole graphemes, so at the end of a part a joined emoji (a family) may
  make a difference of one.
- Korean carriers transport EUC-KR with Microsoft's extension (code page 949): a Hangul syllable is two bytes, a short
  text (SMS, 단문) holds 90 bytes, a long one (LMS, 장문) 2,000. What the code page lacks arrives as "?".
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

GSM_SINGLE, GSM_JOINED = 160, 153
UCS2_SINGLE, UCS2_JOINED = 70, 67
SMS_BYTES, LMS_BYTES = 90, 2000

_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION = frozenset("\f^{}\\[~]|€")
_GSM = _GSM_BASIC | _GSM_EXTENSION


class KoreanText(StrEnum):
    """What a Korean carrier makes of a text."""

    SMS = "sms"
    LMS = "lms"
    TOO_LONG = "too_long"


def is_gsm7(body: str) -> bool:
    """Whether every character is in the GSM 7-bit alphabet or its extension table."""
    return _GSM.issuperset(body)


def ucs2_length(body: str) -> int:
    """Length in UTF-16 code units, which is how UCS-2 texts are counted; an emoji is two or more."""
    return len(body.encode("utf-16-le", "surrogatepass")) // 2


def segments(body: str) -> int:
    """How many segments the text takes, 0 for an empty one.

    GSM-7 when every character allows it, else UCS-2 for the whole text. Exact: a two-place character is never cut by
    the end of a part, so a text of 306 places may take three.
    """
    if is_gsm7(body):
        return _parts([2 if ch in _GSM_EXTENSION else 1 for ch in body], GSM_SINGLE, GSM_JOINED)
    if 0 < ucs2_length(body) <= UCS2_SINGLE:
        return 1
    return _parts([2 if ord(ch) > 0xFFFF else 1 for ch in body], UCS2_SINGLE, UCS2_JOINED)


def euckr_bytes(body: str) -> int:
    """Length in bytes of code page 949. What it lacks counts as the one "?" it would become; see carried_in_korea."""
    return len(body.encode("cp949", errors="replace"))


def carried_in_korea(body: str) -> tuple[str, ...]:
    """The characters that a Korean carrier does not carry, each once, in order; empty when the text arrives whole."""
    return tuple(dict.fromkeys(ch for ch in body if not _in_cp949(ch)))


def sms_or_lms(body: str) -> KoreanText:
    """Whether a Korean carrier sends the text as a short or a long one, or refuses it (over 2,000 bytes)."""
    size = euckr_bytes(body)
    if size <= SMS_BYTES:
        return KoreanText.SMS
    return KoreanText.LMS if size <= LMS_BYTES else KoreanText.TOO_LONG


def _in_cp949(ch: str) -> bool:
    try:
        ch.encode("cp949")
    except UnicodeEncodeError:
        return False
    return True


def _parts(widths: Sequence[int], single: int, joined: int) -> int:
    if sum(widths) <= single:
        return 1 if widths else 0
    parts, used = 1, 0
    for width in widths:
        if used + width > joined:
            parts, used = parts + 1, 0
        used += width
    return parts
