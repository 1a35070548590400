"""The least that P9 could do: an event loop that writes the same bytes to everybody whenever a datagram comes.

`python -m bench.fanout PORT`: streams and datagrams on that port of loopback.
"""

from __future__ import annotations

import asyncio
import sys

EVENT = b"event: version\ndata: %d\nid: %d\n\n"


async def main(port: int) -> None:
    """Serve for ever."""
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + EVENT % (0, 0))
        writers.add(writer)
        await reader.read()
        writers.discard(writer)

    class Bell(asyncio.DatagramProtocol):
        rung = 0

        def datagram_received(self, data: bytes, addr: object) -> None:
            self.rung += 1
            for writer in writers:
                writer.write(EVENT % (self.rung, self.rung))

    await asyncio.get_running_loop().create_datagram_endpoint(Bell, local_addr=("127.0.0.1", port))
    async with await asyncio.start_server(serve, "127.0.0.1", port, backlog=500) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
