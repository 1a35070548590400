"""Four hard moments of a running town, of many in test_long_days.py: whoever was promised a text gets it, once."""

from __future__ import annotations

import os
import time

import pytest

from tests.faults.town import SENT, Town, hurt
from tests.notifications.standin import TAKEN, Answer, Fields, refused
from tests.product import until

pytestmark = [pytest.mark.fault, pytest.mark.timeout(240)]

SWEPT = {"notifications.tasks.resolve_doubts", "pickup.tasks.offer", "lending.tasks.send_codes"}  # every 5 to 10 s
SEED = int(os.environ.get("SEED", "2020"))


@pytest.fixture(scope="module")
def town(product):
    with hurt(product, seed=SEED) as made:
        made.recovery(within=60)  # everybody is awake
        yield made


@pytest.fixture(autouse=True)
def _calm(town: Town, capsys):
    town.says(capsys, f"seed {SEED} (SEED=.. changes it)")
    yield
    town.carrier.answer = lambda _fields: TAKEN


def test_a_carrier_that_refuses_breaks_off_and_repeats_itself_brings_each_text_once(town: Town, capsys):
    moods = [
        refused(429, 20429, Retry_After="1"),
        Answer(status=500),  # it has the text all the same
        Answer(status=500, stored=False),
        Answer(hang_up=True),
        Answer(hang_up=True, stored=False),
        Answer(pause=2.0),  # longer than we wait
    ]

    def bad(_fields: Fields) -> Answer:
        return town.luck.choice(moods) if town.luck.random() < 0.15 else TAKEN

    town.carrier.answer = bad
    with town.reporting(copies=3, late=0.5) as reports:
        ids = town.queue(150)["ids"]
        time.sleep(2)
        town.carrier.answer = lambda _fields: TAKEN
        took = town.settled(ids, within=60)
    came = town.reckon(ids)
    town.says(capsys, f"a bad carrier: {came}; {reports.told} reports, settled {took:.1f} s after it was well again")
    assert (came.lost, came.twice, reports.refused) == (0, 0, {})
    assert came.states == {"delivered": 150 - came.called, **({"failed": came.called} if came.called else {})}


def test_redis_is_killed_and_flushed_and_no_text_waits_for_more_than_a_sweep(town: Town, capsys):
    town.home.stop_redis()
    try:
        said = town.queue(20)
        assert said["slowest"] < 5, "whoever works must not wait for a dead Redis"
    finally:
        town.home.start_redis()
    began = time.monotonic()
    new = town.recovery(within=30)
    town.settled(said["ids"], within=30, states=SENT)
    back = time.monotonic() - began
    more = town.queue(40)["ids"]
    town.redis_said("FLUSHALL")
    flushed = town.settled(more, within=30, states=SENT)
    came = town.reckon(said["ids"] + more)
    town.says(
        capsys,
        f"Redis killed: slowest commit {said['slowest']:.2f} s, a new text after {new:.1f} s, all after {back:.1f} s;"
        f" flushed: all after {flushed:.1f} s; {came}",
    )
    assert (came.lost, came.twice) == (0, 0)
    assert max(new, back, flushed) <= 10


@pytest.mark.long
def test_workers_and_connections_die_while_texts_leave(town: Town, capsys):
    with town.reporting(copies=2):
        with town.killing(every=0.5) as killed, town.queueing(120, seconds=4) as said:
            time.sleep(2)
            cut = town.end_connections()
        took = town.settled(said["ids"], within=60)
    came = town.reckon(said["ids"])
    town.says(
        capsys,
        f"{len(killed)} workers killed, {cut} connections cut, {said['again']:.0f} commits made again: {came};"
        f" settled {took:.1f} s later",
    )
    assert (came.lost, came.twice) == (0, 0)
    assert took <= 45
    assert "laws hold" in town.breaches()


@pytest.mark.long
def test_a_flood_of_doorbells_does_not_keep_the_sweeps_waiting(town: Town, capsys):
    town.carrier.answer = lambda _fields: Answer(pause=0.8)  # a worker is long at each of them
    ids = town.queue(1_000, batch=5)["ids"]
    began = time.monotonic()
    [(flooded,)] = town.rows("SELECT now()")

    def swept() -> bool:
        ran = town.rows("SELECT sweep FROM core_heartbeat WHERE at > %s", flooded)
        return {sweep for (sweep,) in ran} >= SWEPT

    until(swept, within=20, what="every sweep ran once more")
    took = time.monotonic() - began
    town.carrier.answer = lambda _fields: TAKEN
    town.settled(ids, within=60, states=SENT)
    town.says(capsys, f"every sweep ran again {took:.1f} s after 200 doorbells had been rung")
