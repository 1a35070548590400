"""What a scanner reads from the paper: the drawn modules are read back here by rules of their own."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
import segno

from pickup import barcodes

# ISO/IEC 15417, table 1: the widths of the bars and spaces of each value; 103 to 105 begin, the last one ends.
TABLE = (
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222 "
    "123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321 "
    "232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 "
    "313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 "
    "111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111 "
    "111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 "
    "114311 411113 411311 113141 114131 311141 411131 211412 211214 211232 2331112"
)
WIDTHS = TABLE.split()
TO_CODE_SET = {99: "C", 100: "B", 101: "A", 103: "A", 104: "B", 105: "C"}
STOP = 106


def bars(svg: str) -> list[tuple[int, int, int]]:
    """Where each dark stretch begins, in which row, and how long it is."""
    return [(int(x), int(y), int(length)) for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)", svg)]


def read_128(svg: str) -> str:
    """The text of a Code 128: quiet zones, a start, a right check sum and a stop, or it is none."""
    dark = bars(svg)
    [width] = [int(found) for found in re.findall(r'viewBox="0 0 (\d+)', svg)]
    assert dark[0][0] >= 10
    assert width - (dark[-1][0] + dark[-1][2]) >= 10
    edges = [edge for x, _y, length in dark for edge in (x, x + length)]
    runs = "".join(str(after - before) for before, after in pairwise(edges))
    values = [WIDTHS.index(runs[place : place + 6]) for place in range(0, len(runs) - 7, 6)]
    assert WIDTHS[STOP] == runs[-7:]
    *told, check = values
    assert check == (told[0] + sum(place * value for place, value in enumerate(told[1:], 1))) % 103
    text, code_set = "", TO_CODE_SET[told[0]]
    for value in told[1:]:
        if value in TO_CODE_SET and not (code_set == "C" and value == 99):
            code_set = TO_CODE_SET[value]
        else:
            text += f"{value:02}" if code_set == "C" else chr(value + 32)
    return text


@pytest.mark.parametrize(
    "barcode", ["SD00000123", "EM0000012345", "2020-0001", "4721", "0", "12345", "AB12CD", "a/b c~"]
)
def test_a_bar_code_says_what_it_was_made_of(barcode):
    assert read_128(barcodes.code_128(barcode)) == barcode


def test_what_a_bar_code_cannot_hold_is_left_out():
    assert barcodes.code_128("한글") == ""


def test_a_qr_code_is_drawn_as_the_standard_encodes_it():
    svg = barcodes.qr("4721")
    dark = {(x + step, y) for x, y, length in bars(svg) for step in range(length)}
    meant = segno.make_qr("4721", error="m")
    quiet = 4
    assert not meant.is_micro
    assert dark == {
        (x + quiet, y + quiet) for y, row in enumerate(meant.matrix) for x, module in enumerate(row) if module
    }
    assert f'viewBox="0 0 {len(meant.matrix) + 2 * quiet} ' in svg


@pytest.mark.parametrize("svg", [barcodes.qr("4721"), barcodes.code_128("SD00000123")])
def test_a_mark_needs_no_style_and_no_script(svg):
    assert "style" not in svg
    assert "<script" not in svg
    assert "<text" not in svg
