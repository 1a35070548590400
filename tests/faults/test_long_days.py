"""Everything else that may break under a running town, and thousands of texts while workers die: `make test-long`."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest
import requests

from tests.faults.town import BEATS, SENT, SHORT, WORKERS, Town, hurt, post
from tests.notifications.standin import TAKEN, Answer
from tests.product import Running, running, until

pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(900)]

SEED = int(os.environ.get("SEED", "2020"))


@pytest.fixture(scope="module")
def durable():
    """A product whose PostgreSQL keeps what it has committed, as in production."""
    with running(sample=False, durable=True, programs=("web",)) as made:
        yield made


@pytest.fixture(scope="module")
def town(durable: Running):
    with hurt(durable, seed=SEED) as made:
        made.recovery(within=60)
        yield made


@pytest.fixture(autouse=True)
def _seed(capsys):
    with capsys.disabled():
        print(f"\n  seed {SEED} (SEED=.. changes it)", end="")


def test_redis_hangs_and_work_goes_on(town: Town, capsys):
    server = town.home.redis.program
    assert server is not None
    server.send(signal.SIGSTOP)
    try:
        said = town.queue(40, batch=2, seconds=8)
    finally:
        server.send(signal.SIGCONT)
    new = town.recovery(within=60)
    old = town.settled(said["ids"], within=60, states=SENT)
    came = town.reckon(said["ids"])
    town.says(capsys, f"Redis hung: slowest commit {said['slowest']:.2f} s, then a new text after {new:.1f} s; {came}")
    assert (came.lost, came.twice) == (0, 0)
    assert said["slowest"] < 3
    assert new + old <= 10


def test_redis_is_full(town: Town, capsys):
    town.redis_said("CONFIG", "SET", "maxmemory", "1")
    try:
        said = town.queue(40, batch=2, seconds=12)
    finally:
        town.redis_said("CONFIG", "SET", "maxmemory", "0")
    new = town.recovery(within=60)
    old = town.settled(said["ids"], within=60, states=SENT)
    came = town.reckon(said["ids"])
    town.says(capsys, f"Redis full: slowest commit {said['slowest']:.2f} s, then a new text after {new:.1f} s; {came}")
    assert (came.lost, came.twice) == (0, 0)
    assert all(town.crew.program(name).runs for name in (*WORKERS, *BEATS))
    assert new + old <= 10


def test_postgresql_crashes_and_what_was_said_to_be_done_is_done(town: Town, capsys):
    with town.reporting(), town.queueing(200, seconds=10) as said:
        time.sleep(4)
        town.home.crash_postgres()
        new = time.monotonic()
    new = town.recovery(within=60)
    took = town.settled(said["ids"], within=90)
    came = town.reckon(said["ids"])
    town.says(
        capsys,
        f"PostgreSQL crashed: {said['again']:.0f} commits made again, a new text after {new:.1f} s, all {took:.1f} s"
        f" later; {came}",
    )
    assert sum(came.states.values()) == len(said["ids"])
    assert (came.lost, came.twice) == (0, 0)
    assert new + took <= 30
    assert answers(town) == 200


def test_connections_are_cut_every_second(town: Town, capsys):
    with town.reporting(), town.every(1.0, town.end_connections) as cut:
        said = town.queue(200, seconds=10)
    took = town.settled(said["ids"], within=90)
    came = town.reckon(said["ids"])
    town.says(capsys, f"connections cut {cut}, {said['again']:.0f} commits made again, all {took:.1f} s later; {came}")
    assert (came.lost, came.twice) == (0, 0)
    assert took <= 30
    assert answers(town) == 200


def test_one_beat_is_enough_and_without_any_the_doorbell_rings(town: Town, capsys):
    town.crew.kill("beat-1")
    said = town.queue(40)
    one = town.settled(said["ids"], within=30, states=SENT)
    town.crew.kill("beat-2")
    try:
        rung = town.queue(40)
        none = town.settled(rung["ids"], within=30, states=SENT)
    finally:
        town.crew.start(*BEATS)
    came = town.reckon(said["ids"] + rung["ids"])
    town.says(capsys, f"one beat dead: all after {one:.1f} s; both: after {none:.1f} s; {came}")
    assert (came.lost, came.twice) == (0, 0)


def test_replies_that_come_while_the_web_is_down_count_once(town: Town, capsys):
    made = town.feed.ask(do="readers", count=30)
    readers: list[dict[str, Any]] = made["readers"]
    orders = [one["order"] for one in readers]
    until(
        lambda: len(promises(town, orders, "offered")) == len(readers), within=60, what="every reader is offered a time"
    )
    with requests.Session() as session:
        for place, reader in enumerate(readers):
            if place == len(readers) // 2:
                town.home.kill("web")
            text = town.carrier.text_in(sent_from=reader["number"], sent_to=made["library"], body="1")
            heard = {
                post(session, town.environment, f"{town.home.base_url}/hooks/twilio/messages", fields(town, text))
                for _ in range(3)
            }
            assert heard == {200 if place < len(readers) // 2 else 0}
    town.home.start("web")
    began = time.monotonic()
    town.crew.sweep()
    until(lambda: len(promises(town, orders, "confirmed")) == len(readers), within=60, what="every reply is applied")
    took = time.monotonic() - began
    stored = town.rows(
        "SELECT state, count(*) FROM notifications_inboundmessage WHERE from_number = ANY(%s) GROUP BY state",
        [reader["number"] for reader in readers],
    )
    town.says(
        capsys, f"replies while the web was down: all of {len(readers)} applied {took:.1f} s after it was up again"
    )
    assert stored == [("applied", len(readers))]
    until(lambda: open_texts(town) == 0, within=30, what="every answer has left")
    said = town.rows(
        'SELECT id, "to" FROM notifications_message WHERE kind = \'answer\' AND "to" = ANY(%s)',
        [reader["number"] for reader in readers],
    )
    assert sorted(number for _, number in said) == sorted(reader["number"] for reader in readers)
    came = town.reckon([key for key, _ in said])
    assert (came.lost, came.twice) == (0, 0)
    moves = town.rows(
        "SELECT row, count(*) FROM core_journal WHERE noun = 'pickup.appointment' AND became = 'confirmed'"
        " AND row = ANY(%s) GROUP BY row",
        promises(town, orders, "confirmed"),
    )
    assert [times for _, times in moves] == [1] * len(readers)


def test_the_carrier_hangs_for_a_while(town: Town, capsys):
    town.carrier.answer = lambda _fields: Answer(pause=3.0)  # longer than we wait; it has the text all the same
    try:
        said = town.queue(60, seconds=10)
        hung = town.reckon(said["ids"])
    finally:
        town.carrier.answer = lambda _fields: TAKEN
    took = town.settled(said["ids"], within=90, states=SENT)
    came = town.reckon(said["ids"])
    town.says(capsys, f"the carrier hung ({hung.states}), all {took:.1f} s after it was well; {came}")
    assert (came.lost, came.twice) == (0, 0)


@pytest.mark.parametrize("count", [2_000, 10_000])
def test_thousands_of_texts_while_a_worker_dies_every_half_second(town: Town, capsys, count):
    began = time.monotonic()
    with town.reporting(copies=2 if count <= 2_000 else 1):  # tens of thousands of reports take minutes
        with town.killing(every=0.5) as killed:
            said = town.queue(count, batch=20, seconds=count / 50)
        took = town.settled(said["ids"], within=120)
    came = town.reckon(said["ids"])
    town.says(
        capsys,
        f"a worker killed every 0.5 s, {len(killed)} in all: {came}; settled {took:.1f} s after the last,"
        f" {time.monotonic() - began:.0f} s in all",
    )
    assert len(killed) > count / 50
    assert came.lost == 0
    assert came.twice <= count / 1000
    assert took <= 45


def test_thousands_of_texts_in_peace_come_once_each(town: Town, capsys):
    with town.reporting():
        said = town.queue(2_000, batch=100)
        took = town.settled(said["ids"], within=120)
    came = town.reckon(said["ids"])
    town.says(capsys, f"in peace: {came}; {took:.1f} s after the last was queued")
    assert (came.lost, came.twice, came.called, came.resent) == (0, 0, 0, 0)


def test_whole_workers_die_with_the_leases_of_production(durable: Running, town: Town, capsys):
    town.crew.stop(*WORKERS, *BEATS)
    with hurt(durable, seed=SEED, **dict.fromkeys(SHORT, "")) as other:
        other.recovery(within=60)
        other.carrier.answer = lambda _fields: Answer(pause=0.2)
        said = other.queue(300)
        time.sleep(1)
        for name in WORKERS:
            other.crew.kill(name)
        died = time.monotonic()
        held = other.states(said["ids"]).get("sending", 0)
        other.crew.start(*WORKERS)
        other.recovery(within=45)
        back = time.monotonic() - died
        other.settled(said["ids"], within=120)
        took = time.monotonic() - died
        came = other.reckon(said["ids"])
    other.says(
        capsys,
        f"both workers killed with {held} texts in their hands: texts leave again {back:.1f} s later, the last of those"
        f" is settled after {took:.1f} s; {came}",
    )
    assert held > 0
    assert (came.lost, came.twice) == (0, 0)
    assert took <= 45


def answers(town: Town) -> int:
    """The status of /readyz: the web has found its database again by itself."""
    return requests.get(f"{town.home.base_url}/readyz", timeout=10).status_code


def fields(town: Town, text: dict[str, Any]) -> dict[str, str]:
    """An answer as Twilio posts it."""
    return {
        "MessageSid": text["sid"],
        "AccountSid": town.environment["TWILIO_ACCOUNT_SID"],
        "From": text["from"],
        "To": text["to"],
        "Body": text["body"],
        "NumMedia": "0",
    }


def promises(town: Town, orders: list[int], state: str) -> list[int]:
    """The promises of these orders in that state."""
    sql = (
        "SELECT a.id FROM pickup_appointment a JOIN pickup_order o ON o.appointment_id = a.id"
        " WHERE o.id = ANY(%s) AND a.state = %s"
    )
    return [int(key) for (key,) in town.rows(sql, orders, state)]


def open_texts(town: Town) -> int:
    """How many texts are not with the carrier yet."""
    [(count,)] = town.rows(
        "SELECT count(*) FROM notifications_message WHERE state IN ('queued', 'sending', 'in_doubt')"
    )
    return int(count)
