"""Twilio at the wire: a real HTTP server in a thread that takes, lists and refuses messages as it is told."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Fields = dict[str, str]


@dataclass
class Answer:
    """How a create is answered: `stored` says whether the carrier has the text all the same."""

    status: int = 201
    code: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    stored: bool = True
    pause: float = 0.0
    body: str | None = None
    hang_up: bool = False


TAKEN = Answer()


def refused(status: int, code: int | None = None, **headers: str) -> Answer:
    """Twilio says no, and has nothing."""
    return Answer(status=status, code=code, headers={k.replace("_", "-"): v for k, v in headers.items()}, stored=False)


class StandIn:
    """What the carrier has, how it answers, and who asked."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.taken: list[dict[str, Any]] = []
        self.inbound: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str]] = []
        self.users: list[str] = []
        self.answer: Callable[[Fields], Answer] = lambda _fields: TAKEN
        self.after_taking: Callable[[dict[str, Any]], None] = lambda _message: None
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.list_status = 200
        self.base_url = ""

    def bodies_to(self, number: str) -> list[str]:
        """What was sent to a number, oldest first."""
        return [one["body"] for one in self.taken if one["to"] == number]

    def take(self, fields: Fields) -> dict[str, Any]:
        """Keep a text as sent, in Twilio's shape."""
        message = self._message(fields["To"], fields["From"], fields["Body"], "outbound-api", "queued")
        message["callback"] = fields.get("StatusCallback", "")
        message["fields"] = fields
        with self.lock:
            self.taken.append(message)
        self.after_taking(message)
        return message

    def text_in(self, *, sent_from: str, sent_to: str, body: str) -> dict[str, Any]:
        """Somebody texted our number while no webhook of ours answered."""
        message = self._message(sent_to, sent_from, body, "inbound", "received")
        message["date_sent"] = message["date_created"]
        self.inbound.append(message)
        return message

    def _message(self, to: str, sent_from: str, body: str, direction: str, status: str) -> dict[str, Any]:
        return {
            "sid": f"SM{secrets.token_hex(16)}",
            "to": to,
            "from": sent_from,
            "body": body,
            "direction": direction,
            "status": status,
            "date_created": format_datetime(self.clock()),
            "date_sent": None,
            "error_code": None,
            "num_media": "0",
        }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body go in two writes; without it each answer waits 40 ms
    stand_in: StandIn

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        fields = {name: values[0] for name, values in parse_qs(asked, keep_blank_values=True).items()}
        self._note("POST")
        answer = self.stand_in.answer(fields)
        message = self.stand_in.take(fields) if answer.stored else None
        time.sleep(answer.pause)
        if answer.hang_up:
            self.close_connection = True
            return
        if answer.body is not None:
            self._say(answer.status, answer.body, answer.headers)
        elif answer.status == 201:
            self._say(201, json.dumps(message), answer.headers)
        else:
            error = {"code": answer.code, "message": "no", "status": answer.status, "more_info": ""}
            self._say(answer.status, json.dumps(error), answer.headers)

    def do_GET(self) -> None:
        self._note("GET")
        parts = urlsplit(self.path)
        if self.stand_in.list_status != 200:
            self._say(self.stand_in.list_status, "{}")
            return
        have = [*self.stand_in.taken, *self.stand_in.inbound]
        name = parts.path.rsplit("/", 1)[-1]
        if name != "Messages.json":
            found = [one for one in have if one["sid"] == name.removesuffix(".json")]
            self._say(
                200 if found else 404, json.dumps(found[0] if found else {"code": 20404, "message": "", "status": 404})
            )
            return
        asked = parse_qs(parts.query)
        shown = [one for one in reversed(have) if one["to"] == asked.get("To", [one["to"]])[0]]
        page = {"messages": shown, "page": 0, "page_size": 1000, "next_page_uri": None, "uri": self.path}
        self._say(200, json.dumps(page))

    def _note(self, method: str) -> None:
        coded = self.headers.get("Authorization", "").removeprefix("Basic ")
        self.stand_in.asked.append((method, self.path))
        self.stand_in.users.append(base64.b64decode(coded).decode().partition(":")[0])

    def _say(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        raw = body.encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # whoever asked is dead

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no news here."""


@contextmanager
def serving() -> Iterator[StandIn]:
    """Run the stand-in on a free port of this machine."""
    stand_in = StandIn()
    server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"stand_in": stand_in}))
    stand_in.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
