"""Holdings files as Korean public libraries publish them."""

from __future__ import annotations

import codecs
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.holdings import COLUMNS, BadRow, Holding, read_holdings

SAMPLE = (Path(__file__).parents[2] / "lending" / "samples" / "holdings_sample_cp949.csv").read_bytes()
GOOD = ("1", "소년이 온다", "한강 지음", "창비", "2014", "9788936434120", "", "", "", "813.7", "2", "31", "2014-05-19")


def line(*values: str, end: str = ",\r\n") -> str:
    return ",".join(f'"{value}"' for value in values) + end


def with_value(column: str, value: str) -> tuple[str, ...]:
    return tuple(value if name == column else old for name, old in zip(COLUMNS, GOOD, strict=True))


def file(*lines: str) -> str:
    return ",".join(COLUMNS) + ",\r\n" + "".join(lines)


def read(text: str, encoding: str = "cp949") -> list[Holding | BadRow]:
    return list(read_holdings(text.encode(encoding)))


def test_every_row_of_the_sample_is_read():
    rows = list(read_holdings(SAMPLE))
    assert len(rows) == 394
    assert all(isinstance(row, Holding) for row in rows)
    first, lost = rows[0], rows[2]
    assert isinstance(first, Holding)
    assert isinstance(lost, Holding)
    assert first.line == 2
    assert first.title == "지식 경영 과 한국 의 미래 지식 경영 심포지엄 발표집"
    assert (first.year, first.isbn13, first.copies) == (1999, "9788976330710", 1)
    assert first.registered_on == date(2021, 3, 19)
    assert lost.publisher == "世宗 ?究所"
    assert lost.doubtful == ("출판사",)
    assert sum(bool(row.doubtful) for row in rows if isinstance(row, Holding)) == 53


def test_one_row_in_full():
    (row,) = read(file(line(*GOOD)))
    assert row == Holding(
        line=2,
        number="1",
        title="소년이 온다",
        author="한강 지음",
        publisher="창비",
        year=2014,
        isbn13="9788936434120",
        set_isbn13=None,
        volume="",
        classification="813.7",
        copies=2,
        loans=31,
        registered_on=date(2014, 5, 19),
        doubtful=(),
    )


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("도서명", "", "missing"),
        ("도서명", " \u3000", "missing"),
        ("번호", "", "missing"),
        ("도서권수", "두 권", "not_a_number"),
        ("도서권수", "-1", "not_a_number"),
        ("대출건수", "1e400", "not_a_number"),
        ("등록일자", "01/02/03", "not_a_date"),
        ("등록일자", "2021-02-30", "not_a_date"),
        ("ISBN", "9788936434121", "not_an_isbn"),
    ],
)
def test_a_bad_row_is_named_and_the_rest_goes_on(column, value, reason):
    wrong, fine = read(file(line(*with_value(column, value)), line(*GOOD)))
    assert isinstance(wrong, BadRow)
    assert (wrong.line, wrong.column, wrong.reason) == (2, column, reason)
    assert isinstance(fine, Holding)
    assert fine.line == 3


def test_empty_values_are_unknown_not_wrong():
    (row,) = read(file(line("1", "책", *[""] * 11)))
    assert isinstance(row, Holding)
    assert (row.year, row.isbn13, row.copies, row.loans, row.registered_on) == (None, None, 1, 0, None)


def test_rows_with_other_columns_are_reported_and_blank_lines_are_not():
    rows = read(file(line("1", "책"), "\r\n", line(*GOOD, "", "more"), line(*GOOD, end="\r\n")))
    assert [getattr(row, "reason", "fine") for row in rows] == ["columns", "columns", "fine"]
    assert rows[-1].line == 5


def test_line_ends_inside_quotes_belong_to_the_value():
    one, two = read(file(line(*with_value("도서명", "소년이\r\n온다")), line(*GOOD)))
    assert isinstance(one, Holding)
    assert one.title == "소년이 온다"
    assert (one.line, two.line) == (2, 4)


def test_a_quote_that_never_closes_costs_its_own_line():
    rows = read(file('"1","책 "하나,\r\n', *[line(*GOOD)] * 9))
    assert [type(row) for row in rows] == [BadRow] + [Holding] * 9
    assert getattr(rows[0], "reason", "") == "quotes"


def test_bytes_that_are_no_text_cost_their_row():
    data = file(line(*GOOD), line(*GOOD)).encode("cp949").replace("창비".encode("cp949"), b"\xff\xff", 1)
    wrong, fine = read_holdings(data)
    assert isinstance(wrong, BadRow)
    assert (wrong.column, wrong.reason) == ("출판사", "not_text")
    assert isinstance(fine, Holding)


@pytest.mark.parametrize(("mark", "encoding"), [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le")])
def test_a_byte_order_mark_tells_the_encoding(mark, encoding):
    (row,) = read_holdings(mark + file(line(*GOOD)).encode(encoding))
    assert isinstance(row, Holding)
    assert row.title == "소년이 온다"


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_semicolons_and_tabs_part_columns_too(delimiter):
    (row,) = read(file(line(*GOOD)).replace(",", delimiter))
    assert isinstance(row, Holding)
    assert row.publisher == "창비"


def test_columns_are_found_by_name_in_any_order():
    (row,) = read("도서명,번호\r\n=HYPERLINK(1),7\r\n")
    assert isinstance(row, Holding)
    assert (row.title, row.number, row.copies) == ("=HYPERLINK(1)", "7", 1)


@pytest.mark.parametrize("text", ["", "a,b\r\n1,2\r\n", "도서명\r\n책\r\n"])
def test_a_file_without_the_needed_header_is_refused_at_once(text):
    (row,) = read(text)
    assert isinstance(row, BadRow)
    assert (row.line, row.reason) == (1, "columns")


@given(st.binary(max_size=200))
def test_no_bytes_break_it(junk):
    for row in read_holdings(file(line(*GOOD)).encode("cp949") + junk):
        assert row.line >= 2
    assert list(read_holdings(junk)) is not None
