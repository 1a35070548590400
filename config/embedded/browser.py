"""A Chromium for the tests and the pictures: found, or installed, or a clear stop. Never a silent skip."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from config.embedded.host import Stop

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("chromium", "fonts-noto-cjk")  # without the fonts every Hangul syllable is an empty box
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find() -> str:
    """The path of a Chromium; "" for the one that Playwright brings. Installs one where it can."""
    if named := os.environ.get("CHROMIUM"):
        if not shutil.which(named):
            raise Stop(f"CHROMIUM={named} is no program")
        return named
    if found := _on_path():
        return found
    if _playwrights_own():
        return ""
    print("No Chromium here; installing one ...", flush=True)
    if _by_apt() and (found := _on_path()):
        return found
    if _by_playwright():
        return ""
    raise Stop(
        "the browser tests need Chromium, and none could be installed here. Install `chromium` and `fonts-noto-cjk`"
        " (Debian, Ubuntu) or Google Chrome, or name one: CHROMIUM=/path/to/chrome"
    )


def launch_options(found: str) -> dict[str, object]:
    """How Playwright starts it. Chromium's own sandbox cannot work for root."""
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    return {"args": flags, **({"executable_path": found} if found else {})}


def _on_path() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def _playwrights_own() -> bool:
    asked = "from playwright.sync_api import sync_playwright as p\nwith p() as it: print(it.chromium.executable_path)"
    said = subprocess.run([sys.executable, "-c", asked], check=False, capture_output=True, text=True).stdout.strip()
    return bool(said) and Path(said).exists()


def _by_apt() -> bool:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    return apt_install(*PACKAGES)


def apt_install(*packages: str) -> bool:
    """Install Debian packages as root; no service is started by it."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    for command in (install, ["apt-get", "update", "-qq"], install):
        done = subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL)
        if command is install and done.returncode == 0:
            return True
    return False


def _by_playwright() -> bool:
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    return subprocess.run(command, check=False).returncode == 0
