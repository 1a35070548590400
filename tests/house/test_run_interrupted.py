"""`make run` cut short at each stage of its first start: the next one finds a half of something and makes it whole."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from config.management.commands import prepare
from tests import checkout
from tests.checkout import Service
from tests.product import until


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A copy of the checkout in which nothing was ever started."""
    made = checkout.copy(tmp_path_factory.mktemp("cut") / "checkout")
    yield made
    checkout.forget(made)


class TestCutShort:
    """One fresh folder through all its accidents, in the order in which they happen."""

    pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(400)]

    def kill(self, service: Service) -> None:
        """`kill -9` the runner; what it started goes with it."""
        runner = service.find("config.embedded", "run")
        assert runner is not None
        service.processes()
        runner.kill()
        service.make.wait(20)
        until(lambda: service.processes() == [], within=20, what="its processes gone")

    def test_killed_while_the_cluster_is_made(self, place):
        service = Service(place)
        service.start()
        until(lambda: list((place / "var").glob("postgres.half-*/*")), within=60, what="half a cluster")
        self.kill(service)
        assert not (place / "var" / "postgres").exists()

    def test_ended_while_the_database_is_prepared(self, place):
        service = Service(place)
        service.start()
        until(lambda: service.find("prepare"), within=60, what="the preparation")
        assert service.end(signal.SIGINT) < 15
        assert "Ended. Everything is kept" in service.said
        assert "Cannot go on" not in service.said
        assert service.processes() == []
        assert not list((place / "var").glob("postgres.half-*"))

    def test_killed_while_the_sample_library_is_loaded(self, place):
        service = Service(place)
        service.start()
        static = place / "var" / "static"
        collected = [static, static.with_name("static.begun")]
        until(lambda: [path.exists() for path in collected] == [True, False], within=120, what="the static files")
        self.kill(service)
        assert not (place / "var" / "prepared").exists()

    def test_then_two_start_at_the_same_moment_and_there_is_one_whole_library(self, place):
        first, second = Service(place), Service(place)
        first.start()
        second.start()
        until(lambda: not (first.runs and second.runs), within=150, what="the second one's end")
        runs, ended = (first, second) if first.runs else (second, first)
        assert ended.make.wait(5) == 0, ended.said
        assert "Another `make run` is starting in this folder; waiting for it ..." in ended.said
        assert f"It already runs.\n\n  Patrons   http://127.0.0.1:{runs.port}/" in ended.said
        asked = (
            "from lending.models import Library; from pickup.models import Order;"
            "print(Library.objects.count(), Order.objects.count())"
        )
        counted = subprocess.run(
            [sys.executable, "manage.py", "shell", "--no-imports", "-c", asked],
            check=True, cwd=place, env=checkout.environment(), capture_output=True, text=True,
        )  # fmt: skip
        libraries, orders = map(int, counted.stdout.split())
        told = (place / "var" / "log" / "commands.log").read_text(encoding="utf-8")
        assert libraries > 1
        assert f" {orders} orders" in told
        assert told.count("orders.") == 1, "the first sample was undone as a whole"
        runs.end()
        assert runs.processes() == []


def test_half_a_static_file_does_not_stay(tmp_path, settings):
    """It is newer than its source, so that `collectstatic` alone would leave it as it is."""
    settings.STATIC_ROOT = to = tmp_path / "static"
    source = Path(django_settings.STATICFILES_DIRS[0]) / "site.css"
    settings.STATICFILES_DIRS = [source.parent]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    prepare.collect(to)
    whole = (to / "site.css").read_bytes()
    assert whole == source.read_bytes()
    shutil.rmtree(to)
    (to / "site.css").parent.mkdir()
    (to / "site.css").write_bytes(whole[:100])
    to.with_name("static.begun").touch()  # as a `kill -9` leaves it
    prepare.collect(to)
    assert (to / "site.css").read_bytes() == whole
    assert not to.with_name("static.begun").exists()


@pytest.mark.long
@pytest.mark.django_db
def test_a_sample_library_that_fails_half_way_leaves_nothing(monkeypatch, settings, tmp_path):
    from django.core.management import call_command

    from config import sample_days
    from lending.models import Library, Title

    def fail(**_: object) -> None:
        raise RuntimeError("cut short")

    settings.STATIC_ROOT = tmp_path / "static"
    settings.STATICFILES_FINDERS = []
    monkeypatch.setattr(sample_days, "live", fail)
    with pytest.raises(RuntimeError, match="cut short"):
        call_command("prepare", sample=True, verbosity=0)
    assert not Library.objects.exists()
    assert not Title.objects.exists()
