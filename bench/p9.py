"""P9: from the commit of an arrival until two hundred open boards have heard of it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from bench.rows import Ratio
from config.embedded.host import ROOT, free_port
from tests.product import Running, running, until

BOARDS, CARS, EVERY, ROUNDS = 200, 40, 0.15, 3
LOST = 50  # boards that lose their connection
WITHIN = 3.0  # seconds after which an event counts as not delivered
name = f"an arrival, committed until heard by {BOARDS} boards ({CARS} arrivals, one each {EVERY} s)"


@dataclass
class Board:
    """One open stream, and the moments at which it told a version."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: list[float] = field(default_factory=list)
    version: str = ""

    async def listen(self) -> None:
        """Until the stream ends."""
        while line := await self.reader.readline():
            if line.startswith(b"data: ") and line.strip() != b"data: -":
                self.heard.append(time.monotonic())
                self.version = line.decode().removeprefix("data: ").strip()


@dataclass(frozen=True)
class Round:
    """Milliseconds from commit to board, the 99th of a hundred; processor microseconds each; percent delivered."""

    late: float
    work: float
    delivered: float


class Lane:
    """The process in which cars arrive."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        told = json.loads(self._line())
        self.point, self.cookie = told["point"], told["cookie"]

    async def let_come(self, count: int, *, bell: int = 0) -> list[float]:
        """So many cars; the moments of their commits."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{count} {EVERY} {bell}\n")
        self.process.stdin.flush()
        committed: list[float] = json.loads(await asyncio.to_thread(self._line))
        return committed

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


def run() -> list[Ratio]:
    """Ours and the bare loop in turn, in the same minutes."""
    ours: list[Round] = []
    bare: list[Round] = []
    with running(sample=False, programs=("web",)) as town, _lane(town) as lane, _bare() as (port, loop):
        web = psutil.Process(town.program("web").pid)
        path = f"/live/points/{lane.point}/"
        for _ in range(ROUNDS):
            ours.append(asyncio.run(_round(town.product.port, path, lane, web)))
            bare.append(asyncio.run(_round(port, path, lane, loop, bell=port)))
        memory, again = asyncio.run(_held(town.product.port, path, lane, web))
    return [
        Ratio("p99", "ms", _each(ours, "late"), "bare loop", _each(bare, "late"), must=3, better="less"),
        Ratio(
            "processor, a delivery", "us", _each(ours, "work"), "bare loop", _each(bare, "work"), must=4, better="less"
        ),
        Ratio("delivered", "%", _each(ours, "delivered"), "limit", must=100),
        Ratio(f"delivered to {LOST} that came back", "%", (again,), "limit", must=100),
        Ratio("memory, a board", "KiB", (memory,), "limit", must=64, better="less"),
    ]


def _each(rounds: list[Round], figure: str) -> tuple[float, ...]:
    return tuple(float(getattr(one, figure)) for one in rounds)


async def _round(port: int, path: str, lane: Lane, server: psutil.Process, *, bell: int = 0) -> Round:
    boards = await _open(port, path, lane.cookie, BOARDS)
    tasks = [asyncio.create_task(board.listen()) for board in boards]
    await asyncio.sleep(1)
    spent = _processor(server)
    committed = await lane.let_come(CARS, bell=bell)
    await asyncio.sleep(1)
    spent = _processor(server) - spent
    late = sorted(_after(board, at) for board in boards for at in committed)
    await _close(boards, tasks)
    come = [one for one in late if one <= WITHIN]
    return Round(1000 * late[int(0.99 * len(late))], 1e6 * spent / len(late), 100 * len(come) / len(late))


async def _held(port: int, path: str, lane: Lane, server: psutil.Process) -> tuple[float, float]:
    """KiB that a board more takes, and the share of lost boards that hear the newest version when they come back."""
    boards = await _open(port, path, lane.cookie, BOARDS)
    await asyncio.sleep(1)
    before = _memory(server)
    boards += await _open(port, path, lane.cookie, BOARDS)
    tasks = [asyncio.create_task(board.listen()) for board in boards]
    await asyncio.sleep(1)
    memory = (_memory(server) - before) / BOARDS / 1024
    await _close(boards[:LOST], tasks[:LOST])
    await lane.let_come(3)
    back = await _open(port, path, lane.cookie, LOST)
    more = [asyncio.create_task(board.listen()) for board in back]
    await asyncio.sleep(1)
    newest = boards[-1].version
    again = 100 * sum(board.version == newest for board in back) / LOST
    await _close([*boards[LOST:], *back], [*tasks[LOST:], *more])
    return memory, again


def _after(board: Board, at: float) -> float:
    return next((heard - at for heard in board.heard if heard >= at), float("inf"))


async def _open(port: int, path: str, cookie: str, count: int) -> list[Board]:
    async def one() -> Board:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n".encode())
        status = await reader.readline()
        assert b" 200 " in status, status
        return Board(reader, writer)

    found: list[Board] = []
    while len(found) < count:
        found += await asyncio.gather(*(one() for _ in range(min(20, count - len(found)))))
    return found


async def _close(boards: list[Board], tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for board in boards:
        board.writer.close()
    await asyncio.gather(*tasks, return_exceptions=True)


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _processor(process: psutil.Process) -> float:
    return sum(times.user + times.system for times in (one.cpu_times() for one in _family(process)))


def _memory(process: psutil.Process) -> int:
    return sum(one.memory_info().rss for one in _family(process))


@contextmanager
def _lane(town: Running) -> Iterator[Lane]:
    environment = {**os.environ, **town.environment}
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.arrive"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Lane(process)
    finally:
        process.kill()
        process.wait()


@contextmanager
def _bare() -> Iterator[tuple[int, psutil.Process]]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.fanout", str(port)], cwd=ROOT)
    found = psutil.Process(process.pid)
    try:
        until(lambda: any(one.status == psutil.CONN_LISTEN for one in found.net_connections()), what="the bare loop")
        yield port, found
    finally:
        process.kill()
        process.wait()
