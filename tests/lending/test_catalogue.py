"""Titles and copies come in, one by one and by the file."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

import lending
from core.actor import RULE
from core.models import Journal
from core.refusal import BadInput
from lending import catalogue, imports, queries, search
from lending.errors import BarcodeTaken, UnknownTitle
from lending.models import Copy, Title
from lending.states import CopyState
from tests import rows

pytestmark = pytest.mark.django_db

SAMPLES = Path(lending.__file__).parent / "samples"
KOREAN, MIXED = SAMPLES / "loc_korean_sample.mrc", SAMPLES / "loc_mixed_sample.mrc"
COUNTS = ("copies_count", "free_count", "waiting_count")
HOLDINGS = SAMPLES / "holdings_sample_cp949.csv"


def run(command: str, *args: str | Path, **options: Any) -> str:
    out = io.StringIO()
    call_command(command, *map(str, args), stdout=out, **options)
    return out.getvalue()


# One by one


def test_the_same_record_twice_is_one_title_brought_up_to_date() -> None:
    first = rows.title(source="s", control_number="1", title="소년이 온디")
    second = rows.title(source="s", control_number="1", title="소년이 온다")
    assert first.pk == second.pk
    assert (search.find("온다").count(), search.find("온디").count()) == (1, 0)


def test_too_long_texts_are_cut_and_nul_characters_go() -> None:
    title = rows.title(title="책" * 2000, author="한\x00강", classification="9" * 99, control_number="7" * 99)
    title.refresh_from_db()
    assert (len(title.title), title.author, len(title.classification)) == (1000, "한강", 30)
    assert search.find("책").get() == title


def test_a_copy_stands_where_its_call_number_says() -> None:
    library = rows.library(rooms=["아동", ""])
    title = rows.title()
    numbers = ["813.7 한31ㅅ", "아동 813.6 황12ㅅ", "813.7 한4ㅅ", "020 가1"]
    for number in numbers:
        rows.copy(title, library, call_number=number)
    in_order = Copy.objects.filter(at_library=library).order_by("shelf_key").values_list("call_number", flat=True)
    assert list(in_order) == ["아동 813.6 황12ㅅ", "020 가1", "813.7 한31ㅅ", "813.7 한4ㅅ"]


def test_a_new_copy_is_on_the_shelf_with_a_journal() -> None:
    copy = rows.copy()
    assert (copy.state, copy.at_library) == (CopyState.SHELF, copy.library)
    assert Journal.objects.filter(noun="lending.copy", row=copy.pk, was="", became="shelf").count() == 1


def test_a_barcode_belongs_to_one_copy() -> None:
    copy = rows.copy()
    with pytest.raises(BarcodeTaken) as caught:
        rows.copy(barcode=copy.barcode)
    assert (caught.value.code, caught.value.facts) == ("barcode_taken", {"barcode": copy.barcode})


def test_a_copy_needs_a_title_and_a_library() -> None:
    plain: dict[str, Any] = {"barcode": "X1", "by": RULE, "now": rows.NOW}
    with pytest.raises(UnknownTitle):
        catalogue.add_copy(title_id=10**9, library_id=rows.library().pk, **plain)
    with pytest.raises(BadInput):
        catalogue.add_copy(title_id=rows.title().pk, library_id=10**9, **plain)


def test_availability_is_counted_per_title() -> None:
    library, other = rows.library(), rows.library()
    title, bare = rows.title(), rows.title()
    point = rows.point(library)
    rows.copy(title, library)
    rows.copy(title, other)
    rows.reserve(rows.patron(library), title, at=point)
    rows.reserve(rows.patron(library), title, at=point)
    counted = {
        pk: rest for pk, *rest in queries.titles_with_availability(Title.objects.all()).values_list("pk", *COUNTS)
    }
    assert counted == {title.pk: [2, 1, 1], bare.pk: [0, 0, 0]}
    here = queries.titles_with_availability(library_ids=[library.pk]).filter(pk=title.pk)
    assert list(here.values_list(*COUNTS)) == [(1, 0, 1)]
    assert [vars(copy)["free"] for copy in queries.copies_of(title.pk)] == [False, True]


# MARC files


def test_the_sample_files_are_recorded_with_their_hangul() -> None:
    out = run("import_marc", KOREAN, MIXED)
    assert Title.objects.count() == 907 + 387
    title = Title.objects.get(isbn="9788976330710")
    assert title.title == "지식 경영 과 한국 의 미래 : 지식 경영 심포지엄 발표집"
    assert title.title_romanised.startswith("Chisik")
    assert title in search.find("한국의 미래")
    assert title in search.find("ㅎㄱㅇㅁㄹ")
    assert title in search.find("hangukui mirae") or title in search.find("hanguk mirae")
    assert "loc_korean_sample" in out
    assert "907" in out


def test_the_same_file_twice_changes_nothing() -> None:
    with KOREAN.open("rb") as stream:
        first = imports.load_marc(stream, source="loc")
    before = list(Title.objects.order_by("pk").values())
    with KOREAN.open("rb") as stream:
        second = imports.load_marc(stream, source="loc")
    assert (first.titles.new, second.titles.new, second.titles.changed, second.titles.same) == (907, 0, 0, 907)
    assert list(Title.objects.order_by("pk").values()) == before


def test_a_dry_run_records_nothing_and_counts_the_same() -> None:
    out = run("import_marc", MIXED, dry_run=True)
    assert not Title.objects.exists()
    assert "387" in out
    assert "nothing was recorded" in out


def test_a_bad_record_is_named_by_its_byte_and_the_rest_is_loaded(tmp_path: Path) -> None:
    data = MIXED.read_bytes()
    first = int(data[:5])
    broken = tmp_path / "broken.mrc"
    broken.write_bytes(data[:first] + data[first : first + 200] + data[first * 1 :][int(data[first : first + 5]) :])
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 of "):
        call_command("import_marc", str(broken), stdout=out)
    assert str(first) in out.getvalue()
    assert "wrong_length" in out.getvalue()
    assert Title.objects.count() >= 385


@pytest.mark.parametrize(
    "content", [b"", b"\x1d", b"no marc at all", b"\x00" * 5000, b"00026     2200025   4500\x1e\x1d"]
)
def test_a_file_that_is_no_marc_is_told_not_a_traceback(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.mrc"
    path.write_bytes(content)
    with contextlib.suppress(CommandError):  # a sentence; anything else is a failure
        run("import_marc", path)
    assert not Title.objects.exists()


def test_a_missing_file_or_an_unknown_encoding_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        run("import_marc", tmp_path / "none.mrc")
    with pytest.raises(CommandError, match="no encoding"):
        run("import_marc", MIXED, encoding="klingon")
    with pytest.raises(CommandError, match="at most 20"):
        run("import_marc", MIXED, source="x" * 21)


# Holdings


def test_holdings_become_copies_of_the_titles_they_name() -> None:
    run("import_marc", KOREAN, source="loc")
    library = rows.library(code="seongdong")
    out = run("import_holdings", HOLDINGS, library="seongdong")
    assert Copy.objects.filter(library=library).count() == 394
    assert Title.objects.filter(source="holdings").count() < 394 < Title.objects.count()
    copy = Copy.objects.get(barcode="SEONGDONG-1")
    assert copy.title.isbn == "9788976330710"
    assert copy.title.source == "loc"
    assert "394" in out
    assert "lost character" in out


def test_the_same_holdings_twice_add_nothing_and_a_dry_run_nothing_at_all() -> None:
    rows.library(code="geumho")
    run("import_holdings", HOLDINGS, library="geumho", dry_run=True)
    assert not Copy.objects.exists()
    assert not Title.objects.exists()
    run("import_holdings", HOLDINGS, library="geumho", prefix="GH")
    titles, copies = Title.objects.count(), Copy.objects.count()
    run("import_holdings", HOLDINGS, library="geumho", prefix="GH")
    assert (Title.objects.count(), Copy.objects.count()) == (titles, copies)


def test_bad_rows_are_listed_and_the_rest_is_added(tmp_path: Path) -> None:
    rows.library(code="geumho")
    path = tmp_path / "holdings.csv"
    path.write_text(
        "번호,도서명,저자,ISBN,권,주제분류번호,도서권수\n"
        "1,소년이 온다,한강,9788936434120,,813.7,2\n"
        "2,나쁜 책,누구,123,,,\n"
        "3,토지,박경리,,1,813.6,1\n"
        "4,토지,박경리,,2,813.6,1\n"
        "5,많은 책,누구,,,,5000\n",
        encoding="cp949",
    )
    out = io.StringIO()
    with pytest.raises(CommandError, match="2 of 5 rows"):
        call_command("import_holdings", str(path), library="geumho", prefix="G", stdout=out)
    assert "not_an_isbn" in out.getvalue()
    assert "too_many" in out.getvalue()
    assert sorted(Copy.objects.values_list("barcode", "volume")) == [("G1", ""), ("G1-2", ""), ("G3", "1"), ("G4", "2")]
    assert Copy.objects.get(barcode="G3").title == Copy.objects.get(barcode="G4").title
    assert Copy.objects.get(barcode="G4").call_number == "813.6 박14ㅌ v.2"


def test_an_unknown_library_is_answered_with_the_known_ones() -> None:
    rows.library(code="geumho")
    with pytest.raises(CommandError, match="geumho"):
        run("import_holdings", HOLDINGS, library="nowhere")
