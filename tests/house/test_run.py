"""`make run` as a real tree of processes: it starts, is found, survives its killers, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from config.embedded import processes
from config.embedded.host import LOOPBACK, ROOT, Stop, free_port, kept_secret, next_free_port, wanted_port
from config.embedded.product import answers, read_environment
from tests import checkout
from tests.checkout import Service
from tests.product import until

PREPARING = "2/3 Preparing the database, the translations and the static files ..."
# Seconds for everything to end: streams are cut after three; the rest is for a machine that does other work besides.
ENDS_WITHIN = 12.0
run_tests = [pytest.mark.fault, pytest.mark.journey, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A copy of the checkout; its database is made by whoever starts it first.

    Its sample library has books and people, but no last weeks: to live them takes most of a first start.
    """
    made = checkout.copy(tmp_path_factory.mktemp("run") / "책 대출" / "드라이브 스루")
    seed = made / "config" / "management" / "commands" / "seed_sample.py"
    weeks = "sample_days.live(now=now, deliver=past.deliver, answer=past.answer)"
    assert weeks in seed.read_text(encoding="utf-8")
    seed.write_text(seed.read_text(encoding="utf-8").replace(weeks, "pass"), encoding="utf-8")
    yield made
    checkout.forget(made)


@pytest.fixture(scope="module")
def shared(place):
    """The services that the tests of this module share, the newest last."""
    made: list[Service] = []
    yield made
    for service in made:
        service.end()
        assert service.processes() == []


@pytest.fixture
def service(place, shared):
    """`make run` there, up to its first page and the end of its words; the one of the last test when it still runs."""
    if not shared or not shared[-1].runs:
        made = Service(place)
        shared.append(made)
        made.start()
        made.wait_for_page()
        made.wait_for_words("Phones")
    return shared[-1]


@pytest.fixture
def another(place):
    """Starts a service of one test's own there; it ends with the test, also when that fails."""
    made: list[Service] = []

    def start(**wanted: Any) -> Service:
        made.append(Service(place, **wanted))
        made[-1].start()
        return made[-1]

    yield start
    for service in made:
        service.end()


def stream(port: int) -> http.client.HTTPResponse:
    """A live stream that stays open until its server ends."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=30)
    connection.request("GET", "/live/now/1/")
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.fp.readline()
    return answer


def ended(command: list[str], folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    environment = checkout.environment(**changes)
    return subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


class TestRunning:
    pytestmark = run_tests

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_ends_with_a_stream_open_and_leaves_no_process(self, service, number):
        open_stream = stream(service.port)
        everything = service.processes()
        assert len(everything) > 6
        assert service.end(number) < ENDS_WITHIN
        assert [one for one in everything if checkout.alive(one)] == []
        assert "Ended. Everything is kept" in service.said
        open_stream.close()

    def test_it_names_three_addresses_and_all_answer(self, service):
        for path in ("/", "/staff/", "/sandbox/phones/"):
            assert f"http://{LOOPBACK}:{service.port}{path}" in service.said
            assert answers(service.port, path) in {200, 302}

    def test_the_second_start_says_where_the_first_one_is(self, service):
        command = ["make", "--no-print-directory", f"PYTHON={sys.executable}", "run"]
        second = ended(command, service.checkout)
        assert second.returncode == 0, second.stderr
        assert "It already runs." in second.stdout
        assert f"http://{LOOPBACK}:{service.port}/" in second.stdout
        assert answers(service.port, "/healthz") == 200

    def test_secrets_are_for_their_owner_alone_and_stay(self, service, another):
        kept = service.checkout / "var" / "run.env"
        assert kept.stat().st_mode & 0o777 == 0o600
        before = read_environment(kept)
        service.end()
        again = another()
        again.wait_for_page()
        after = read_environment(kept)
        again.end()
        assert {"SECRET_KEY", "LINK_KEY", "TWILIO_AUTH_TOKEN", "DATABASE_URL", "REDIS_URL"} <= set(before)
        moved = {"PUBLIC_BASE_URL", "TWILIO_API_BASE_URL"}
        assert {name for name in before if before[name] != after[name]} <= moved
        lines = again.said.splitlines()
        assert float(lines[lines.index(PREPARING) + 1].split()[2]) < 5, "nothing had changed"

    def test_no_command_line_shows_a_password(self, service):
        kept = read_environment(service.checkout / "var" / "run.env")
        hidden = [kept["SECRET_KEY"], kept["LINK_KEY"], kept["TWILIO_AUTH_TOKEN"]]
        hidden += [kept[name].split("@")[0].rpartition(":")[2] for name in ("DATABASE_URL", "REDIS_URL")]
        lines = " ".join(" ".join(one.cmdline()) for one in service.processes())
        assert [word for word in hidden if word in lines] == []

    def test_servers_listen_on_loopback_only(self, service):
        listening = [
            socket_.laddr.ip
            for one in service.processes()
            for socket_ in one.net_connections("inet")
            if socket_.status == psutil.CONN_LISTEN
        ]
        assert len(listening) >= 3
        assert set(listening) == {LOOPBACK}

    @pytest.mark.parametrize("words", [("granian",), ("worker",), ("beat",)])
    def test_a_killed_process_comes_back(self, service, words):
        victim = service.find(*words)
        assert victim is not None
        victim.kill()
        until(lambda: (now := service.find(*words)) and now.pid != victim.pid, within=60, what="a new process")
        until(lambda: answers(service.port, "/healthz") == 200, within=60, what="the page again")

    def test_killed_servers_come_back_with_the_data(self, service):
        executables = {"postgres": ["postgres"], "valkey": ["valkey", "redis"]}  # Debian's is called redis-check-rdb
        for program, names in executables.items():
            found = (one for one in service.processes() if any(name in Path(one.exe()).name for name in names))
            victim = next(found)
            victim.kill()
            service.wait_for_words(f"{program} ended; it starts again", within=30)
        until(lambda: answers(service.port, "/readyz") == 200, within=90, what="ready again")

    def test_what_a_killed_runner_leaves_is_ended_by_the_next_one(self, service, another):
        runner = service.find("config.embedded", "run")
        assert runner is not None
        everything = service.processes()
        orphans = [one for one in everything if one.pid not in {runner.pid, service.make.pid}]
        for one in orphans:
            with contextlib.suppress(psutil.NoSuchProcess):  # a connection of the database may have closed
                one.suspend()  # so that no farewell of the dying runner reaches them
        runner.kill()
        service.make.wait(20)
        again = another()
        for one in orphans:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.resume()
        again.wait_for_page()
        assert [one for one in orphans if checkout.alive(one)] == []
        again.end()
        assert again.processes() == []

    def test_ctrl_c_while_it_starts_ends_everything(self, another):
        starting = another()
        until(lambda: len(starting.processes()) > 3, within=60, what="its servers")
        assert starting.end(signal.SIGINT) < 60
        assert starting.processes() == []

    def test_a_taken_port_gives_the_next_one(self, another):
        with socket.create_server((LOOPBACK, free_port())) as other:
            taken = other.getsockname()[1]
            second = another(port=taken)
            second.wait_for_words("Phones")
            assert f"Port {taken} is taken; the service will answer on " in second.said
            assert f"http://{LOOPBACK}:{taken}/" not in second.said
            second.end()

    def test_a_wrong_setting_stops_the_start_and_is_named(self, another):
        broken = another(changes={"DATABASE_POOL": "plenty"})
        assert broken.make is not None
        assert broken.make.wait(120) != 0
        assert "DATABASE_POOL must be a whole number" in broken.said
        assert broken.processes() == []

    def test_a_port_that_is_none_is_refused_before_anything_begins(self, place):
        command = [sys.executable, "-m", "config.embedded.bootstrap", "run"]
        refused = ended(command, place, PORT="http")
        assert refused.returncode == 1
        assert "PORT must be a number from 1 to 65535, not 'http'" in refused.stderr

    def test_without_a_network_and_in_a_terminal_full_of_other_settings_it_starts_as_ever(self, place, another):
        """Nothing is fetched, nothing goes through a proxy, and nobody else's settings count."""
        away = "http://127.0.0.1:9"
        others = another(
            changes={
                "PIP_INDEX_URL": f"{away}/simple/", "UV_OFFLINE": "1", "HTTP_PROXY": away, "http_proxy": away,
                "HTTPS_PROXY": away, "ALL_PROXY": away, "NO_PROXY": "intranet", "PGSSLMODE": "require", "PGPORT": "1",
                "CELERY_BROKER_URL": "redis://127.0.0.1:9/0", "DJANGO_SETTINGS_MODULE": "shop.settings",
                "GRANIAN_PORT": "9", "PYTHONPATH": str(place / "docs"), "LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii",
            },
        )  # fmt: skip
        others.wait_for_page()
        others.wait_for_words("Phones")
        assert others.said.isascii()
        assert "warn" not in others.said.lower()
        worker = until(lambda: others.find("worker"), within=30, what="the worker")
        assert worker.environ()["NO_PROXY"] == "intranet,127.0.0.1,localhost"
        heard = place / "var" / "log" / "worker.log"
        until(lambda: "succeeded" in heard.read_text(encoding="utf-8"), within=60, what="a task of our own broker")
        others.end()
        assert others.processes() == []


def test_without_python_make_says_what_to_install():
    refused = ended(["make", "--no-print-directory", "PYTHON=/nowhere/python3", "run"], ROOT)
    assert refused.returncode == 2
    assert "Cannot go on: there is no /nowhere/python3 here. Install Python 3.11 to 3.14" in refused.stdout


# -- its parts -----------------------------------------------------------------------------


@pytest.fixture
def sleeper():
    """A process of somebody else."""
    made = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield made
    made.kill()
    made.wait()


def recorded(place: Path, pid: int, *, earlier: float = 0) -> str:
    """A record of one process, as a killed runner leaves it."""
    started = psutil.Process(pid).create_time() - earlier
    return json.dumps({"place": str(place), "processes": [[pid, started, 15, "web"]]})


def test_a_left_over_is_ended(tmp_path, sleeper):
    record = tmp_path / "processes.json"
    record.write_text(recorded(record, sleeper.pid))
    assert processes.end_left_overs(record) == ["web"]
    assert sleeper.wait(5) is not None
    assert not record.exists()


def test_another_process_with_a_recorded_number_is_left_alone(tmp_path, sleeper):
    record = tmp_path / "processes.json"
    record.write_text(recorded(record, sleeper.pid, earlier=60))
    assert processes.end_left_overs(record) == []
    assert sleeper.poll() is None


def test_a_copy_of_a_running_folder_leaves_the_processes_of_the_first_one_alone(tmp_path, sleeper):
    record = tmp_path / "processes.json"
    record.write_text(recorded(tmp_path / "first" / "processes.json", sleeper.pid))
    assert processes.end_left_overs(record) == []
    assert sleeper.poll() is None


@pytest.mark.parametrize("text", ["", "{", "null", "[[1]]", '{"place": 1}', '{"processes": [[1]]}'])
def test_a_broken_record_stops_nothing(tmp_path, text):
    record = tmp_path / "processes.json"
    record.write_text(text)
    assert processes.end_left_overs(record) == []


def test_a_kept_secret_stays_and_is_private(tmp_path):
    first = kept_secret(tmp_path / "secret")
    assert kept_secret(tmp_path / "secret") == first
    assert len(first) > 30
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_free_port_is_none_that_a_client_may_be_lent():
    with socket.create_server((LOOPBACK, 0)) as somewhere:
        lent = []
        for _ in range(5):
            with socket.create_connection(somewhere.getsockname()) as client:
                lent.append(client.getsockname()[1])
    assert max(free_port() for _ in range(20)) < min(lent)


def test_a_wanted_port_is_taken_only_while_it_is_free():
    with socket.create_server((LOOPBACK, free_port())) as other:
        taken = other.getsockname()[1]
        assert free_port(taken) != taken
    assert free_port(taken) == taken


def test_the_next_free_port_is_past_a_taken_one():
    with socket.create_server((LOOPBACK, free_port())) as other:
        taken = other.getsockname()[1]
        found, claim = next_free_port(taken)
        assert taken < found < taken + 200
        os.close(claim)


def test_two_services_that_look_for_a_port_at_the_same_moment_find_two():
    """Granian would let both have the same one, and each would get half of the requests."""
    with socket.create_server((LOOPBACK, free_port())) as other:
        first, claim = next_free_port(other.getsockname()[1])
        second, other_claim = next_free_port(other.getsockname()[1])
        assert first != second
        os.close(claim)
        third, claim = next_free_port(other.getsockname()[1])
        assert third == first
        os.close(claim)
        os.close(other_claim)


@pytest.mark.parametrize("said", ["abc", "0", "65536", "-1", "8000 ", "８０００", "1e3"])
def test_what_is_no_port_is_refused(monkeypatch, said):
    monkeypatch.setenv("PORT", said)
    with pytest.raises(Stop, match="PORT must be a number from 1 to 65535"):
        wanted_port()


@pytest.mark.parametrize(("said", "port"), [("", 8000), ("9000", 9000)])
def test_what_is_a_port_is_taken(monkeypatch, said, port):
    monkeypatch.setenv("PORT", said)
    assert wanted_port() == port


def test_a_test_cannot_leave_this_machine():
    with pytest.raises(RuntimeError, match="wanted to leave this machine"), socket.socket() as outward:
        outward.connect(("192.0.2.1", 9))


def test_a_program_that_will_not_end_is_killed_with_its_children(tmp_path):
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print('up', flush=True); time.sleep(60)"
    )
    program = processes.Program("stubborn", [sys.executable, "-c", stubborn], tmp_path / "log")
    program.start()
    until(lambda: "up" in program.said())
    family = [psutil.Process(program.pid), *psutil.Process(program.pid).children()]
    assert len(family) == 2
    began = time.monotonic()
    program.end(0.5)
    assert time.monotonic() - began < 5
    until(lambda: not [one for one in family if checkout.alive(one)], within=5)


def test_the_number_of_a_program_that_is_gone_is_never_signalled(tmp_path, monkeypatch):
    """Numbers come round again: another program, or a whole group of them, may have it by then."""
    program = processes.Program("short", [sys.executable, "-c", ""], tmp_path / "log")
    program.start()
    until(lambda: not program.runs, within=20)
    assert psutil.Process(program.pid).status() == psutil.STATUS_ZOMBIE, "nobody else can have its number yet"
    program.end()
    signalled: list[int] = []
    monkeypatch.setattr(os, "kill", lambda number, _signal: signalled.append(number))
    monkeypatch.setattr(os, "killpg", lambda number, _signal: signalled.append(number))
    program.send(signal.SIGTERM)
    program.send_all(signal.SIGKILL)
    program.end()
    assert signalled == []
