"""Tables of other programs: every form, every encoding, and every way in which a file can be wrong."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime
from typing import Any

import pytest
from openpyxl import Workbook

from lending import day_lists, sheets
from lending.errors import UnreadableTable
from lending.sheets import Sheet

TEXT = "대출자번호,이용자명,등록번호,서명\r\n2100000001,김하늘,EM0001,소년이 온다\r\n"


def workbook(*lines: list[Any]) -> bytes:
    book = Workbook()
    for line in lines:
        book.active.append(line)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def cells(sheet: Sheet) -> list[list[str]]:
    return [row for _line, row in sheet.rows]


def listed(text: str, **more: Any) -> day_lists.DayList:
    return day_lists.read(sheets.read(text.encode()), day_lists.saved_maps().values(), region="KR", **more)


def wrong(text: str) -> list[tuple[int, str, str, str]]:
    return [(one.line, one.column, one.value, one.reason) for one in listed(text).bad]


HEAD = "대출자번호,이용자명,휴대폰,등록번호,청구기호,서명\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16", "utf-16-le", "utf-16-be"])
def test_the_encoding_is_found_out_and_told(encoding):
    sheet = sheets.read(TEXT.encode(encoding))
    assert (sheet.encoding, sheet.form) == (encoding, "csv")
    assert cells(sheet)[1] == ["2100000001", "김하늘", "EM0001", "소년이 온다"]


def test_an_encoding_that_is_named_beats_what_is_found_out():
    assert cells(sheets.read(TEXT.encode("cp949"), encoding="cp949"))[1][1] == "김하늘"
    assert {row.reason for row in sheets.read(TEXT.encode("cp949"), encoding="utf-8").bad} == {"not_text"}
    with pytest.raises(UnreadableTable):
        sheets.read(TEXT.encode(), encoding="klingon")


@pytest.mark.parametrize(("delimiter", "form"), [(",", "csv"), (";", "csv"), ("\t", "tsv")])
def test_the_delimiter_is_found_out(delimiter, form):
    sheet = sheets.read(TEXT.replace(",", delimiter).encode())
    assert (sheet.form, len(cells(sheet)[0])) == (form, 4)


def test_lines_within_quotes_blank_lines_and_line_numbers():
    sheet = sheets.read(b'a,b\r\n\r\n"one\r\ntwo",2\r\n,\r\n3,4\r\n')
    assert sheet.rows == [(1, ["a", "b"]), (3, ["one two", "2"]), (6, ["3", "4"])]


def test_a_quote_that_never_closes_takes_its_own_line_alone():
    sheet = sheets.read(b'a,b\n"one,2\n' + b"3,4\n" * 9)
    assert (sheet.bad[0].line, sheet.bad[0].reason, len(sheet.rows)) == (2, "quotes", 10)


def test_a_workbook_is_read_as_people_see_it():
    sheet = sheets.read(
        workbook(
            ["등록번호", "card"],
            [12345678901, 1.0],
            [date(2003, 1, 2), 1.5],
            [],
            [datetime.fromisoformat("2026-01-02T03:04"), None],
        )
    )
    assert (sheet.form, sheet.encoding) == ("xlsx", "")
    assert cells(sheet)[1:] == [["12345678901", "1"], ["2003-01-02 00:00", "1.5"], ["2026-01-02 03:04"]]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"x" * (sheets.LARGEST + 1), "too_large"),
        (b"a,b\n" * (sheets.MOST_ROWS + 2), "too_many_rows"),
        (b"PK\x03\x04 and no more", "no_table"),
        (b"\xd0\xcf\x11\xe0 an old .xls", "no_table"),
        (b"%PDF-1.7", "no_table"),
        (b"<html><table>", "no_table"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_do(content, why):
    with pytest.raises(UnreadableTable) as refused:
        sheets.read(content)
    assert refused.value.facts["why"] == why
    assert "%(" not in str(refused.value)


def packed(**parts: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(f"xl/{name}.xml", content)
    return written.getvalue()


def test_a_workbook_that_unpacks_to_very_much_is_not_unpacked():
    with pytest.raises(UnreadableTable) as refused:
        sheets.read(packed(bomb=b"0" * (sheets.UNPACKED + 1)))
    assert refused.value.facts["why"] == "too_large"


def test_a_workbook_with_entities_of_its_own_and_one_that_is_none_are_refused():
    laughs = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha">]><a>&b;</a>'
    for content in (packed(workbook=laughs), packed(workbook=b"<workbook/>"), workbook()):
        with pytest.raises(UnreadableTable):
            sheets.read(content)


# The rows of a list


def test_a_kolas_list_with_a_line_above_its_headings():
    found = listed("2026년 예약자 목록\n" + HEAD + "2100000001,김하늘,010-0000-0001,EM0001,813.7 한31ㅅ,소년이 온다\n")
    assert found.map.key == "kolas"
    assert found.found["phone"] == "휴대폰"
    [entry] = found.entries
    assert (entry.line, entry.card, entry.number, entry.barcode) == (3, "2100000001", "+821000000001", "EM0001")


def test_a_koha_report_whose_name_is_in_two_columns_and_whose_other_columns_are_named():
    found = listed(
        "cardnumber;surname;firstname;mobile;barcode;itemcallnumber;title;branchcode\n"
        "2100000001;Lee;Grace;;39999000001;823 L;Emma;CPL\n"
    )
    assert (found.map.key, found.unknown) == ("koha", ["branchcode"])
    [entry] = found.entries
    assert (entry.name, entry.number, entry.title) == ("Grace Lee", "", "Emma")


def test_a_list_without_headings_is_refused():
    with pytest.raises(UnreadableTable) as refused:
        listed("a,b,c\n1,2,3\n")
    assert refused.value.facts["why"] == "no_heading"


@pytest.mark.parametrize(
    ("row", "column", "value", "reason"),
    [
        (",김하늘,,EM1,,책", "대출자번호", "", "missing"),
        ("2100000001,김하늘,,,,책", "등록번호", "", "missing"),
        ("2.1E+9,김하늘,,EM1,,책", "대출자번호", "2.1E+9", "rounded"),
        ("2100000001,김하늘,,1e400,,책", "등록번호", "1e400", "rounded"),
        ("카드 하나,김하늘,,EM1,,책", "대출자번호", "카드 하나", "not_a_card"),
        ('2100000001,김하늘,,"=HYPERLINK(""x"")",,책', "등록번호", '=HYPERLINK("x")', "not_a_barcode"),
        (f"2100000001,김하늘,,{'1' * 31},,책", "등록번호", "1" * 31, "not_a_barcode"),
        ("2100000001,김하늘,전화 없음,EM1,,책", "휴대폰", "전화 없음", "not_a_phone"),
        ("2100000001,김하늘,1588-0000,EM1,,책", "휴대폰", "1588-0000", "not_a_phone"),
        ('2100000001,"김하늘,,EM1,,책', "", '2100000001,"김하늘,,EM1,,책', "quotes"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_row_is_told_with_line_column_value_and_reason(row, column, value, reason):
    good = "2100000009,이바다,010-0000-0009,EM9,,다른 책\n" * 1
    assert wrong(HEAD + good + row + "\n") == [(3, column, value, reason)]
    assert all(one.sentence for one in listed(HEAD + row + "\n" + good).bad)


def test_the_same_book_twice_and_one_card_with_two_names():
    first, second = "2100000001,김하늘,,EM1,,책\n", "2100000002,이바다,,EM1,,책\n"
    text = f"{HEAD}{first}{second}2100000001,박 산,,EM2,,책\n2100000001,김 하늘,,EM3,,책\n"
    assert wrong(text) == [(3, "등록번호", "EM1", "twice"), (4, "이용자명", "박 산", "another_name")]


def test_numbers_that_spreadsheets_have_changed_are_understood():
    text = HEAD + '="0012",김하늘,1000000001,\'0034,,책\n'
    [entry] = listed(text).entries
    assert (entry.card, entry.number, entry.barcode) == ("0012", "+821000000001", "0034")


def test_a_column_map_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[columns]\ncard = ["Nr"]\nbarcode = ["Code"]\n', encoding="utf-8")
    mine = day_lists.read_map(path)
    found = day_lists.read(sheets.read(b"Nr,Code\n2100000001,EM1\n"), [mine], region="KR")
    assert (mine.name_in("ko"), found.entries[0].barcode) == ("mine", "EM1")
    for bad in ("[columns]\ncard = ['a']", "nonsense", "[columns]\ncard='a'\nbarcode=['b']", "[columns]\nx=['a']"):
        path.write_text(bad, encoding="utf-8")
        with pytest.raises(day_lists.BadMap):
            day_lists.read_map(path)
    with pytest.raises(day_lists.BadMap):
        day_lists.read_map(tmp_path / "nowhere.toml")
