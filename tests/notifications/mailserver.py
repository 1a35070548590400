"""A mail server at the wire: takes mails over SMTP on this machine, and refuses as it is told."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage


@dataclass
class MailServer:
    """What it has, and how it answers: `says` maps a command (`RCPT`, `end` of the data) to a reply in place of "ok".

    `hangs_up_after` closes the line in place of the reply to that command; with `end` the mail is kept all the same.
    """

    port: int = 0
    taken: list[tuple[str, EmailMessage]] = field(default_factory=list)
    says: dict[str, str] = field(default_factory=dict)
    hangs_up_after: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def bodies_to(self, address: str) -> list[str]:
        """What an address got, oldest first."""
        return [mail.get_content().replace("\r\n", "\n").rstrip("\n") for to, mail in self.taken if to == address]


class Handler(socketserver.StreamRequestHandler):
    server_state: MailServer

    def handle(self) -> None:
        self._reply("220 ready")
        to = ""
        while line := self.rfile.readline():
            command = line[:4].decode().upper().strip()
            if command == "RCPT":
                to = line.decode().partition("<")[2].partition(">")[0]
            if command == "DATA":
                self._reply("354 go on")
                mail = email.message_from_bytes(self._data(), policy=email.policy.default)
                answer = self.server_state.says.get("end", "250 taken")
                if answer.startswith("2"):
                    with self.server_state.lock:
                        self.server_state.taken.append((to, mail))
                if self.server_state.hangs_up_after == "end":
                    return
                self._reply(answer)
                continue
            if self.server_state.hangs_up_after == command:
                return
            self._reply(self.server_state.says.get(command, "221 bye" if command == "QUIT" else "250 ok"))
            if command == "QUIT":
                return

    def _data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines)

    def _reply(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64


@contextmanager
def serving() -> Iterator[MailServer]:
    """Run it on a free port."""
    state = MailServer()
    server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"server_state": state}))
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
