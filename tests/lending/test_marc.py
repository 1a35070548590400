"""Records from MARC files: true ones of the Library of Congress, and damaged ones made of them."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending import marc
from lending.isbn import isbn13
from lending.marc import BadRecord, ParsedRecord, read_titles

SAMPLES = Path(__file__).parents[2] / "lending" / "samples"
KOREAN = (SAMPLES / "loc_korean_sample.mrc").read_bytes()
MIXED = (SAMPLES / "loc_mixed_sample.mrc").read_bytes()
FIRST, SECOND = (piece + b"\x1d" for piece in KOREAN.split(b"\x1d")[:2])


@pytest.fixture(scope="module")
def korean() -> dict[str, ParsedRecord]:
    return {record.control_number: record for record in good(KOREAN)}


@pytest.fixture(scope="module")
def mixed() -> dict[str, ParsedRecord]:
    return {record.control_number: record for record in good(MIXED)}


def good(source: bytes, **how) -> list[ParsedRecord]:
    return [record for record in read_titles(source, **how) if isinstance(record, ParsedRecord)]


def bad(source: bytes, **how) -> list[tuple[int, str]]:
    return [(r.offset, r.reason) for r in read_titles(source, **how) if isinstance(r, BadRecord)]


def record(*fields: tuple[str, str], encoding: str = "utf-8", control: str = "") -> bytes:
    """A record in the exchange format: a leader, a directory, and fields written as "$atitle$brest"."""
    texts = [("001", "1"), *([("008", control)] if control else []), *fields]
    directory, body = b"", b""
    for tag, text in texts:
        field = (text if tag < "010" else "  " + text.replace("$", "\x1f")).encode(encoding) + b"\x1e"
        directory += f"{tag}{len(field):04d}{len(body):05d}".encode()
        body += field
    base = 24 + len(directory) + 1
    flag = "a" if encoding == "utf-8" else " "
    leader = f"{base + len(body) + 1:05d}nam {flag}22{base:05d}   4500"
    return leader.encode() + directory + b"\x1e" + body + b"\x1d"


def test_every_sample_record_is_read(korean, mixed):
    assert len(korean) == 907
    assert len(mixed) == 387
    assert bad(KOREAN) == bad(MIXED) == []


def test_the_korean_sample_as_it_is(korean):
    assert Counter(r.language for r in korean.values()) == {"kor": 905, "chi": 1, "eng": 1}
    assert sum(r.isbn13 is not None for r in korean.values()) == 651
    assert sum(bool(r.title_romanised) for r in korean.values()) == 906
    assert all(r.year for r in korean.values())
    assert all("\u3000" not in r.title for r in korean.values())


def test_the_title_is_the_one_in_its_own_script(korean):
    found = korean["00272144"]
    assert found.title == "한국 경제 더 물러 설 수 없다"
    assert found.title_romanised == "Hanʼguk kyŏngje tŏ mullŏ sŏl su ŏpta"
    assert found.authors == ("조 동성",)
    assert found.authors_romanised == ("Cho, Tong-sŏng",)
    assert found.responsibility == "조 동성 지음"
    assert found.publisher == "한국 경제 신문사"
    assert (found.year, found.isbn13, found.language) == (1999, "9788947522779", "kor")
    assert (found.scheme, found.classification) == ("lcc", "HC467")
    assert (found.extent, found.volumes) == ("262 p.", 1)
    assert found.offset == len(FIRST)


def test_rest_of_title_and_part_of_title(korean):
    assert korean["00272142"].title == "지식 경영 과 한국 의 미래 : 지식 경영 심포지엄 발표집"
    assert "서대문 형무소 근현대사. 일제 시대 편" in {r.title for r in korean.values()}


def test_a_record_without_its_own_script_keeps_what_it_has(korean):
    assert korean["00422624"].title == "Korean art book"
    assert korean["00422624"].title_romanised == ""


def test_isbd_marks_go_and_initials_stay(mixed):
    found = mixed["00008233"]
    assert found.title == "An enduring legacy : the story of Basques in Idaho"
    assert found.authors == ("Bieter, John P.", "Bieter, Mark")
    assert found.publisher == "University of Nevada Press"
    assert (found.scheme, found.classification) == ("ddc", "979.60049992")


def test_other_scripts_too(mixed):
    titles = " ".join(r.title for r in mixed.values() if r.title_romanised)
    assert any("\u0590" <= ch <= "\u05ff" for ch in titles)  # Hebrew
    assert any("\u0600" <= ch <= "\u06ff" for ch in titles)  # Arabic
    assert any("\u3040" <= ch <= "\u309f" for ch in titles)  # hiragana


def test_a_stream_gives_what_bytes_give():
    assert list(read_titles(io.BytesIO(KOREAN))) == list(read_titles(KOREAN))


@pytest.mark.parametrize(
    ("printed", "control", "year"),
    [
        ("c1999.", "", 1999),
        ("[1999?]", "", 1999),
        ("1998-<2007>", "", 1998),
        ("Tanʼgi 4291 [1958]", "", 1958),
        ("Sohwa 15 [1940]", "", 1940),
        ("1998 [i.e. 1999]", "", 1999),
        ("[199-?]", "990101s1990    ", None),
        ("[19--?]", "", None),
        ("-", "990101s2001    ", 2001),
        ("", "990101s199u    ", None),
        ("2999", "", None),
        ("20011.", "", None),
    ],
)
def test_years_as_cataloguers_write_them(printed, control, year):
    (found,) = good(record(("245", "$a책"), ("260", f"$c{printed}"), control=control))
    assert found.year == year


@pytest.mark.parametrize(
    ("text", "isbn"),
    [
        ("8976330714", "9788976330710"),
        ("89-7633-071-4 (set)", "9788976330710"),
        ("9788976330710 :", "9788976330710"),
        ("080442957X (pbk.)", "9780804429573"),
        ("8976330715", None),
        ("(v. 1)", None),
        ("", None),
        ("₩12,000", None),
    ],
)
def test_isbns_are_checked_and_made_thirteen_digits(text, isbn):
    assert isbn13(text) == isbn


def test_the_first_valid_isbn_counts():
    (found,) = good(record(("245", "$a책"), ("020", "$a8976330715"), ("020", "$a8976330714 (세트)")))
    assert found.isbn13 == "9788976330710"


@pytest.mark.parametrize(
    ("extent", "volumes"),
    [
        ("391 p. :", 1),
        ("3 v. :", 3),
        ("v. <1-3, 5> ;", 4),
        ("v. <4   > :", 1),
        ("전3책", 1),
        ("3책 ;", 3),
        ("v. <9-1>", 1),
        ("", 1),
    ],
)
def test_volumes_of_a_set(extent, volumes):
    (found,) = good(record(("245", "$a책"), ("300", f"$a{extent}")))
    assert found.volumes == volumes


def test_kdc_before_ddc_before_lcc():
    fields = [("245", "$a소년이 온다"), ("050", "$aPL992"), ("082", "$a895.7/35"), ("056", "$a813.7")]
    assert [good(record(*fields[:n]))[0].classification for n in (2, 3, 4)] == ["PL992", "895.735", "813.7"]


@pytest.mark.parametrize("encoding", ["cp949", "euc_kr"])
def test_a_legacy_korean_file_is_read_with_and_without_its_encoding_named(encoding):
    data = record(("245", "$a소년이 온다 /$c한강 지음"), ("260", "$b창비,$c2014"), encoding=encoding)
    for how in ({"encoding": encoding}, {}):
        (found,) = good(data, **how)
        assert (found.title, found.responsibility, found.publisher) == ("소년이 온다", "한강 지음", "창비")


def test_syllables_outside_euc_kr_are_read():
    (found,) = good(record(("245", "$a똠방각하"), encoding="cp949"))
    assert (found.title, found.encoding) == ("똠방각하", "cp949")


def test_marc8_is_not_taken_for_korean():
    data = record(("245", "$aCaf#e de nuit"), encoding="ascii").replace(b"#e", b"\xe2e")
    (found,) = good(data)
    assert (found.title, found.encoding) == ("Café de nuit", "marc8")


def test_a_file_that_lies_about_its_encoding():
    korean = record(("245", "$a소년이 온다"), encoding="cp949")
    lying = korean[:9] + b"a" + korean[10:]
    assert bad(lying) == [(0, "not_text")]
    assert [r.title for r in good(lying, encoding="cp949")] == ["소년이 온다"]


def test_a_wrong_length_costs_one_record():
    broken = b"00042" + FIRST[5:]
    assert bad(broken + SECOND) == [(0, "wrong_length")]
    assert [r.offset for r in good(broken + SECOND)] == [len(broken)]


def test_a_truncated_record_does_not_take_the_next_with_it():
    cut = FIRST[:500]
    assert bad(cut + SECOND) == [(0, "wrong_length")]
    assert [(r.offset, r.control_number) for r in good(cut + SECOND)] == [(500, "00272144")]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (FIRST[:12] + b"99999" + FIRST[17:], "bad_base_address"),
        (FIRST[:12] + b"00000" + FIRST[17:], "bad_base_address"),
        (FIRST[:12] + b"abcde" + FIRST[17:], "bad_leader"),
        (b"hello\x1d", "bad_leader"),
        (FIRST[:27] + b"xxxx" + FIRST[31:], "unreadable"),
        (record(("260", "$c1999")), "no_title"),
        (record(("245", "$a /")), "no_title"),
    ],
)
def test_a_damaged_record_is_named_and_the_rest_goes_on(broken, reason):
    assert bad(SECOND + broken + SECOND) == [(len(SECOND), reason)]
    assert len(good(SECOND + broken + SECOND)) == 2


def test_a_file_that_breaks_off():
    assert bad(FIRST + SECOND[:-40]) == [(len(FIRST), "no_terminator")]
    assert bad(b"x" * (marc.MAX_RECORD + 70_000)) == [(0, "no_terminator")]


def test_line_ends_and_fillers_between_records_are_no_records():
    assert [r.offset for r in good(b"\n" + FIRST + b"\r\n" + SECOND + b"\x1a")] == [1, len(FIRST) + 3]
    assert list(read_titles(b"")) == []


@given(
    st.integers(0, len(FIRST) + len(SECOND) - 1), st.integers(0, 255), st.sampled_from([None, "cp949", "marc8", "x"])
)
def test_one_wrong_byte_anywhere_never_breaks_the_reader(at, byte, encoding):
    data = bytearray(FIRST + SECOND)
    data[at] = byte
    found = list(read_titles(bytes(data), encoding=encoding))
    assert 1 <= len(found) <= 4
