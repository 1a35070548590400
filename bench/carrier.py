"""Twilio's message resource with a fixed latency, in one process that can do thousands a second; and a bare client.

`python -m bench.carrier serve SECONDS` prints its port and serves until it is ended. `python -m bench.carrier ask PORT
TEXTS CLIENTS` sends so many texts over so many connections with nothing around it, and prints the texts a second.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections import defaultdict
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

BARE = (
    b"To=%2B821000000000&From=%2B821000000001&Body=Order+1&StatusCallback=http%3A%2F%2F127.0.0.1%2F%3Fm%3D0"
    b"&ValidityPeriod=36000"
)


class Carrier(asyncio.Protocol):
    """One connection. A text is taken when its request is there, and answered after the latency."""

    latency = 0.1
    taken: dict[str, list[dict[str, Any]]] = defaultdict(list)
    told: dict[str, list[float]] = defaultdict(list)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.pipe, self.kept = transport, b""

    def data_received(self, data: bytes) -> None:
        self.kept += data
        while (end := self.kept.find(b"\r\n\r\n")) >= 0:
            head = self.kept[:end].decode("latin-1")
            named = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head.split("\r\n")[1:]}
            whole = end + 4 + int(named.get("content-length", 0))
            if len(self.kept) < whole:
                return
            body, self.kept = self.kept[end + 4 : whole].decode(), self.kept[whole:]
            method, address, _ = head.split(" ", 2)
            if method == "POST":
                asyncio.get_running_loop().call_later(self.latency, self._say, 201, self._take(body))
            else:
                self._say(200, self._look(address))

    def _take(self, body: str) -> dict[str, Any]:
        fields = {name: values[0] for name, values in parse_qs(body).items()}
        message = {
            "sid": f"SM{secrets.token_hex(16)}",
            "to": fields["To"],
            "from": fields["From"],
            "body": fields["Body"],
            "direction": "outbound-api",
            "status": "queued",
            "date_created": format_datetime(datetime.now(UTC)),
            "date_sent": None,
            "error_code": None,
            "num_media": "0",
        }
        self.taken[fields["To"]].append(message)
        self.told[parse_qs(urlsplit(fields["StatusCallback"]).query)["m"][0]].append(time.time())
        return message

    def _look(self, address: str) -> dict[str, Any]:
        parts = urlsplit(address)
        if parts.path == "/told":
            return dict(self.told)
        if parts.path == "/count":
            return {"texts": len(self.told)}
        to = parse_qs(parts.query).get("To", [""])[0]
        return {"messages": self.taken[to][::-1], "page": 0, "page_size": 1000, "next_page_uri": None, "uri": address}

    def _say(self, status: int, what: dict[str, Any]) -> None:
        raw = json.dumps(what).encode()
        self.pipe.write(
            b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(raw)) + raw
        )


async def serve(latency: float) -> None:
    """Serve for ever."""
    Carrier.latency = latency
    server = await asyncio.get_running_loop().create_server(Carrier, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def ask(port: int, texts: int, clients: int) -> None:
    """The ceiling: so many connections, each with its next text as soon as the last one is answered."""
    left = iter(range(texts))
    request = (
        b"POST /2010-04-01/Accounts/AC/Messages.json HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(BARE) + BARE
    )

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]))
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(clients)))
    print(texts / (time.perf_counter() - began), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(float(sys.argv[2])))
    else:
        asyncio.run(ask(*map(int, sys.argv[2:])))
