"""The people of a journey, each with their own door: a program, a telephone, a carrier."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from typing import Any

import requests
from twilio.request_validator import RequestValidator

from tests.product import until

PATIENCE = 30.0  # seconds; the slowest sweep that a journey may need comes every 20


@dataclass
class Program:
    """Somebody who speaks to API v1."""

    base: str
    token: str = ""

    def sign_in(self, **who: str) -> Program:
        self.token = self.post("tokens", who)["token"]
        return self

    def get(self, path: str, **query: Any) -> Any:
        return self._said(requests.get(f"{self.base}/api/v1/{path}", params=query, headers=self._headers(), timeout=20))

    def post(self, path: str, body: dict[str, Any] | None = None, *, key: str = "", status: int | None = None) -> Any:
        headers = {**self._headers(), "Idempotency-Key": key or str(uuid.uuid4())}
        answer = requests.post(f"{self.base}/api/v1/{path}", json=body or {}, headers=headers, timeout=20)
        if status is not None:
            assert answer.status_code == status, (answer.status_code, answer.text)
            return answer.json()
        return self._said(answer)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.token}"} if self.token else {}

    @staticmethod
    def _said(answer: requests.Response) -> Any:
        assert answer.ok, (answer.status_code, answer.request.method, answer.url, answer.text)
        return answer.json() if answer.content else None


@dataclass
class Telephone:
    """A phone: reads what Twilio's stand-in brought, and answers through signed webhooks."""

    base: str
    environment: dict[str, str]
    number: str
    library: str  # the number that texts come from

    def texts(self) -> list[dict[str, Any]]:
        """What arrived, newest first, as Twilio's own list of messages."""
        sid = self.environment["TWILIO_ACCOUNT_SID"]
        answer = requests.get(
            f"{self.base}/2010-04-01/Accounts/{sid}/Messages.json",
            params={"To": self.number, "PageSize": "50"},
            auth=(sid, self.environment["TWILIO_AUTH_TOKEN"]),
            timeout=20,
        )
        assert answer.ok, answer.text
        return [row for row in answer.json()["messages"] if row["direction"].startswith("outbound")]

    def text_with(self, *words: str, within: float = PATIENCE) -> str:
        """The newest text that has all these words, as soon as it is there."""

        def look() -> str:
            bodies = [str(row["body"]) for row in self.texts()]
            return next((body for body in bodies if all(word in body for word in words)), "")

        return until(look, within=within, what=f"a text to {self.number} with {words}")

    def answer(self, body: str, *, sid: str = "") -> requests.Response:
        """An answer, as the carrier delivers it: signed, to the webhook."""
        form = {
            "MessageSid": sid or "SM" + secrets.token_hex(16),
            "AccountSid": self.environment["TWILIO_ACCOUNT_SID"],
            "From": self.number,
            "To": self.library,
            "Body": body,
            "NumMedia": "0",
        }
        address = f"{self.base}/hooks/twilio/messages"
        signature = RequestValidator(self.environment["TWILIO_AUTH_TOKEN"]).compute_signature(address, form)
        return requests.post(address, data=form, headers={"X-Twilio-Signature": signature}, timeout=20)
