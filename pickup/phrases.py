"""Sentences to hold up to a driver who cannot hear us, or who reads another language. Content, not words of the page.

Short, polite, one request each. Vietnamese and Chinese are what people say at a counter, not translated grammar.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Phrase(NamedTuple):
    """One sentence in every language of the show card; `key` is its address on the page."""

    key: str
    ko: str
    en: str
    vi: str
    zh: str


TONGUES: Final = {"ko": "한국어", "en": "English", "vi": "Tiếng Việt", "zh": "中文"}
"""The languages of the card by their own names."""

PHRASES: Final = (
    Phrase(
        "hello",
        "안녕하세요. 도서관입니다.",
        "Hello, this is the library.",
        "Xin chào, đây là thư viện.",
        "您好，这里是图书馆。",
    ),
    Phrase(
        "number",
        "신청번호를 보여 주세요.",
        "Please show your order number.",
        "Vui lòng cho xem số đơn mượn sách.",
        "请出示您的预约号码。",
    ),
    Phrase(
        "card",
        "회원증을 보여 주세요.",
        "Please show your library card.",
        "Vui lòng cho xem thẻ thư viện.",
        "请出示您的借书证。",
    ),
    Phrase("engine", "시동을 꺼 주세요.", "Please turn off the engine.", "Vui lòng tắt máy xe.", "请关闭发动机。"),
    Phrase(
        "window",
        "조수석 창문을 열어 주세요.",
        "Please open the passenger window.",
        "Vui lòng mở cửa kính bên ghế phụ.",
        "请打开副驾驶的车窗。",
    ),
    Phrase("boot", "트렁크를 열어 주세요.", "Please open the boot.", "Vui lòng mở cốp xe.", "请打开后备箱。"),
    Phrase("books", "신청하신 책입니다.", "Here are your books.", "Sách của bạn đây ạ.", "这是您的书。"),
    Phrase(
        "returns",
        "반납하실 책이 있으신가요?",
        "Do you have books to return?",
        "Bạn có sách cần trả không?",
        "您有要还的书吗？",
    ),
    Phrase("moment", "잠시만 기다려 주세요.", "One moment, please.", "Xin chờ một chút.", "请稍等。"),
    Phrase(
        "not-ready",
        "책이 아직 준비되지 않았습니다.",
        "Your books are not ready yet.",
        "Sách của bạn chưa sẵn sàng.",
        "您的书还没有准备好。",
    ),
    Phrase(
        "forward",
        "앞으로 조금 이동해 주세요.",
        "Please pull forward.",
        "Vui lòng cho xe tiến lên một chút.",
        "请往前开一点。",
    ),
    Phrase(
        "aside",
        "잠시 옆에 세워 주세요.",
        "Please wait at the side.",
        "Vui lòng đỗ xe sang bên và chờ.",
        "请先把车停到旁边等候。",
    ),
    Phrase(
        "elsewhere",
        "책이 다른 수령 장소에 있습니다.",
        "Your books are at another pickup place.",
        "Sách của bạn ở điểm nhận khác.",
        "您的书在另一个取书点。",
    ),
    Phrase(
        "due",
        "반납예정일은 문자로 알려 드립니다.",
        "We will text you the due date.",
        "Hạn trả sẽ được báo qua tin nhắn.",
        "还书日期会用短信通知您。",
    ),
    Phrase(
        "call",
        "도서관으로 전화해 주세요.",
        "Please call the library.",
        "Vui lòng gọi điện cho thư viện.",
        "请给图书馆打电话。",
    ),
    Phrase(
        "closed",
        "오늘은 마감되었습니다.",
        "We are closed for today.",
        "Hôm nay chúng tôi đã đóng cửa.",
        "今天的服务已经结束。",
    ),
    Phrase("thanks", "감사합니다. 안녕히 가세요.", "Thank you. Goodbye.", "Cảm ơn bạn. Tạm biệt.", "谢谢，再见。"),
)
