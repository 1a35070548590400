"""The first command on a fresh machine: what it says when something is missing, and when it works again."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys

import pytest

from config.embedded import bootstrap


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A `.venv` that is made up."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "installed.json")
    return tmp_path


def test_a_python_without_ensurepip_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(bootstrap.Stop, match=r"apt install python3\.\d+-venv"):
        bootstrap.need_ensurepip()


def test_a_python_that_is_too_old_is_told_which_to_take(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(bootstrap.Stop, match=r"Python 3\.11 to 3\.14 is needed"):
        bootstrap.fit_python()


def test_a_stamp_of_this_lock_fits(elsewhere):
    bootstrap.STAMP.write_text(json.dumps({"embedded": bootstrap.digest("embedded")}))
    assert bootstrap.fits("embedded")
    assert not bootstrap.fits("dev")


@pytest.mark.parametrize("stamp", ["", "{", '{"embedded": "of another lock"}'])
def test_another_lock_does_not_fit(elsewhere, stamp):
    bootstrap.STAMP.write_text(stamp)
    assert not bootstrap.fits("embedded")


def test_a_python_that_is_gone_does_not_fit(elsewhere):
    bootstrap.STAMP.write_text(json.dumps({"embedded": bootstrap.digest("embedded")}))
    (elsewhere / "bin" / "python").unlink()
    (elsewhere / "bin" / "python").symlink_to(elsewhere / "removed")
    assert not bootstrap.fits("embedded")


def test_pip_steps_in_where_uv_does_not_work(elsewhere, monkeypatch):
    ran: list[str] = []

    def run(*command: object) -> bool:
        line = " ".join(str(part) for part in command)
        ran.append(line)
        return "uv pip" not in line

    monkeypatch.setattr(bootstrap, "run", run)
    (elsewhere / "bin" / "pip").touch()
    bootstrap.install("embedded")
    assert len(ran) == 3
    assert all("--require-hashes" in line for line in ran)
    assert "-m pip install" in ran[2]
    assert bootstrap.fits("embedded")


def test_only_uv_itself_is_installed_before_uv(elsewhere, monkeypatch):
    monkeypatch.setattr(bootstrap, "run", lambda *_command: True)
    assert bootstrap.by_uv("embedded")
    pinned = (elsewhere / "uv.txt").read_text()
    assert pinned.startswith("uv==")
    assert pinned.count("==") == 1
    assert "--hash=sha256:" in pinned
