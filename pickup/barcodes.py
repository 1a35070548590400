"""Marks for scanners, as SVG without colours, styles or text: QR for order numbers, Code 128 for barcodes.

Drawn from the modules themselves: the writers of the libraries add style attributes, which the pages' content security
policy forbids. Widths are in modules; the style sheet says how large one is on paper.
"""

from __future__ import annotations

import segno
from barcode.codex import Code128
from barcode.errors import BarcodeError
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

QUIET_QR = 4  # modules of white around it, ISO/IEC 18004
QUIET_128 = 10  # modules of white at either side, ISO/IEC 15417
HEIGHT_128 = 50  # modules; stretched to what the style sheet gives


def qr(text: str) -> SafeString:
    """A QR code (never a Micro QR code, which few scanners read) with error correction M or better."""
    code = segno.make_qr(text, error="m")
    size = len(code.matrix) + 2 * QUIET_QR
    path = "".join(
        f"M{start + QUIET_QR} {y + QUIET_QR}h{length}v1h-{length}z"
        for y, row in enumerate(code.matrix)
        for start, length in _runs([bool(module) for module in row])
    )
    return _svg("qr", size, size, path)


def code_128(text: str) -> SafeString:
    """A Code 128 bar code; "" for what it cannot hold, such as Hangul."""
    try:
        [modules] = Code128(text).build()
    except BarcodeError:
        return mark_safe("")
    path = "".join(
        f"M{start + QUIET_128} 0h{length}v{HEIGHT_128}h-{length}z"
        for start, length in _runs([module == "1" for module in modules])
    )
    return _svg("code-128", len(modules) + 2 * QUIET_128, HEIGHT_128, path)


def _runs(modules: list[bool]) -> list[tuple[int, int]]:
    """Where dark stretches begin and how long they are."""
    runs: list[tuple[int, int]] = []
    for place, dark in enumerate(modules):
        if dark and runs and sum(runs[-1]) == place:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        elif dark:
            runs.append((place, 1))
    return runs


def _svg(name: str, width: int, height: int, path: str) -> SafeString:
    return format_html(
        '<svg class="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" shape-rendering="crispEdges"'
        ' aria-hidden="true" focusable="false"><path d="{}" /></svg>',
        name,
        width,
        height,
        path,
    )
