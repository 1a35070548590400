"""A wrong value in the environment stops the start and says which; `.env.example` explains every one."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from config.embedded.host import ROOT
from tests.servers import SETTINGS

GOOD = {**SETTINGS, "DATABASE_URL": "postgres://a:b@127.0.0.1:1/c", "REDIS_URL": "redis://:b@127.0.0.1:1/0"}
READ = re.compile(r'environment\.\w+\(\s*"([A-Z_]+)"')


def start(tmp_path, *, show: str = "", **changes: str | None) -> subprocess.CompletedProcess[str]:
    """Read the settings in a process of its own, where var/run.env of this checkout is out of sight."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **GOOD, **changes}
    code = (
        "from config import environment; environment.read_file = lambda path: None\n"
        "import config.settings as s; print(s.DATABASES['default']['OPTIONS']['options'])\n" + show
    )
    known = {name: value for name, value in environment.items() if value is not None}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=False, cwd=tmp_path, env=known, capture_output=True, text=True)


def test_the_good_values_start(tmp_path):
    started = start(tmp_path)
    assert started.returncode == 0, started.stderr
    assert "-c statement_timeout=5000 -c lock_timeout=3000" in started.stdout


@pytest.mark.parametrize("name", ["SECRET_KEY", "LINK_KEY", "PUBLIC_BASE_URL", "DATABASE_URL", "REDIS_URL"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_value_is_named(tmp_path, name, value):
    refused = start(tmp_path, **{name: value})
    assert refused.returncode != 0
    assert f"ImproperlyConfigured: {name} is missing" in refused.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "short"),
        ("LINK_KEY", "x" * 31),
        ("PUBLIC_BASE_URL", "pickup.example.org"),
        ("PUBLIC_BASE_URL", "ftp://pickup.example.org"),
        ("PUBLIC_BASE_URL", "https://pickup.example.org/app"),
        ("PUBLIC_BASE_URL", "https://pickup.example.org:port"),
        ("PUBLIC_BASE_URL", "https://a:b@pickup.example.org"),
        ("DATABASE_URL", "mysql://a:b@127.0.0.1/c"),
        ("DATABASE_URL", "sqlite:///lending.db"),
        ("DATABASE_URL", "postgres://a:b@127.0.0.1"),
        ("DATABASE_URL", "postgres://a:b@127.0.0.1:port/c"),
        ("REDIS_URL", "127.0.0.1:6379"),
        ("REDIS_URL", "memory://"),
        ("REDIS_URL", "redis://127.0.0.1:6379/queue"),
        ("SANDBOX", "perhaps"),
        ("DEBUG", "2"),
        ("DATABASE_POOL", "-1"),
        ("DATABASE_POOL", "51"),
        ("DATABASE_POOL", "four"),
        ("STATEMENT_TIMEOUT_MS", "5s"),
        ("LOCK_TIMEOUT_MS", "-1"),
        ("IDLE_IN_TRANSACTION_MS", "1e9"),
        ("PROXIES", "x"),
        ("LIVE_PREFIX", "two words"),
        ("TEXT_TRANSPORT", "console"),
        ("MAIL_URL", "mail.example.org"),
        ("MAIL_URL", "http://mail.example.org"),
        ("MAIL_URL", "smtp://reader:password@host:port"),
        ("TWILIO_ACCOUNT_SID", "SK0123"),
        ("TWILIO_API_KEY", "key"),
        ("TWILIO_API_BASE_URL", "api.twilio.com"),
    ],
)
def test_a_wrong_value_is_named(tmp_path, name, value):
    refused = start(tmp_path, **{name: value})
    assert refused.returncode != 0
    assert f"ImproperlyConfigured: {name} must" in refused.stderr
    assert "password" not in value or value not in refused.stderr


@pytest.mark.parametrize(
    ("name", "value"), [("DATABASE_URL", "mysql://a:hunter2@h/c"), ("REDIS_URL", "http://:hunter2@h")]
)
def test_a_secret_is_not_repeated(tmp_path, name, value):
    assert "hunter2" not in start(tmp_path, **{name: value}).stderr.rpartition("ImproperlyConfigured")[2]


def test_the_example_explains_every_variable():
    read = set(READ.findall((ROOT / "config" / "settings.py").read_text(encoding="utf-8")))
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    explained = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
    assert len(read) > 20
    assert explained == read
    for block in re.split(r"\n\n", example):
        assert not re.search(r"^[A-Z_]+=", block, re.MULTILINE) or block.startswith("#"), block


def test_mails_need_an_address_to_come_from_and_take_the_port_of_their_kind(tmp_path):
    server = {"MAIL_URL": "smtp+tls://reader:p%40ss@mail.example.org"}
    assert "MAIL_FROM is missing" in start(tmp_path, **server).stderr
    told = "EMAIL_HOST", "EMAIL_PORT", "EMAIL_HOST_PASSWORD", "EMAIL_USE_TLS", "EMAIL_TIMEOUT"
    show = f"print([getattr(s, name) for name in {told}])"
    started = start(tmp_path, show=show, **server, MAIL_FROM="library@example.org", MESSAGE_HTTP_SECONDS="7")
    assert "['mail.example.org', 587, 'p@ss', True, 7]" in started.stdout, started.stderr


def test_no_other_module_of_ours_reads_the_environment():
    rooms = ("core", "notifications", "lending", "pickup")
    for path in (path for room in rooms for path in (ROOT / room).rglob("*.py")):
        assert not re.search(r"os\.(environ|getenv)", path.read_text(encoding="utf-8")), path
