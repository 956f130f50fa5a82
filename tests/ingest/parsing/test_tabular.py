"""tabular: where the header is, what separates columns, and what is said of a file that cannot be read."""

from collections.abc import Collection
from io import BytesIO

import polars as pl
import pytest

from power_nowcast.errors import SourceFormatError
from power_nowcast.ingest.names import named
from power_nowcast.ingest.parsing import tabular
from power_nowcast.ingest.parsing.tabular import table, titled_again


def is_load(titles: Collection[str]) -> bool:
    return {"time", "A"} <= set(titles)


def read(text: str | bytes, **options: object) -> dict[str, list[str | None]]:
    data = text.encode() if isinstance(text, str) else text
    return table(data, "a.csv", is_header=is_load, **options).to_dict(as_series=False)  # type: ignore[arg-type]


RIGHT = {"time": ["t1", "t2"], "A": ["1", "2"]}


@pytest.mark.parametrize(
    "text",
    [
        "time,A\nt1,1\nt2,2\n",
        "time,A\r\nt1,1\r\nt2,2",
        "time,A\rt1,1\rt2,2\r",
        "time,A\r\r\nt1,1\r\r\nt2,2\r\r\n",
        "\ufefftime,A\nt1,1\nt2,2\n",
        "time;A\nt1;1\nt2;2\n",
        "time\tA\nt1\t1\nt2\t2\n",
        "time|A\nt1|1\nt2|2\n",
        " time , A ,\nt1,1,\nt2,2,\n",
        "time,A,,\nt1,1,,\nt2,2, ,\n",
        "time,A\nt1,1,\nt2,2,,\n",
        "time,A\n\nt1,1\n,\nt2,2\n",
        "Direction: consumption,,\nReport of May; all zones,,\n\ntime,A,\nt1,1,\nt2,2,\n",
        "sep=;\ntime;A\nt1;1\nt2;2\n",
        '"Report, of, three"\ntime,"A"\n"t1","1"\nt2,2\n',
        "# generated\n" * 100 + "time,A\nt1,1\nt2,2\n",
    ],
)
def test_the_same_rows_however_they_are_written(text: str) -> None:
    assert read(text) == RIGHT


def test_what_follows_the_rows_stays_for_the_quarantine() -> None:
    assert read("time,A\nt1,1\nTotal,98765\n")["time"] == ["t1", "Total"]


def test_a_separator_by_option() -> None:
    assert read("time:A\nt1:1\nt2:2\n", separator=":") == RIGHT


def test_names_are_compared_in_one_normal_form() -> None:
    assert named(" Ile\u0301 \u00a0") == named("Il\u00e9") == "Il\u00e9"
    assert named("\ufeffA\u200b") == "A"


def test_titles_that_stand_there_twice_keep_apart() -> None:
    rows = read("time,A, A\nt1,1,3\n")
    assert titled_again("A", rows)
    assert not titled_again("time", rows)
    assert list(rows) == ["time", "A", "A (column 2 of this title)"]


def test_a_column_without_a_title_and_with_values_is_named_by_its_place() -> None:
    assert list(read(",time,A\n0,t1,1\n")) == ["(column 1, without title)", "time", "A"]


def test_without_the_titles_the_first_line_is_the_header() -> None:
    assert list(read("x;y\n1;2\n")) == ["x", "y"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,A\nt1,816,7\n", r"'t1,816,7' has more fields than the header, 3 and 2.*decimal commas"),
        ("time,A,B\nt1,1,2,3\n", "4 and 3, separated by ','.*option separator"),
        ("time,A\nt1,1\n".encode("utf-16"), "is in UTF-16, not UTF-8.*Save it as CSV in UTF-8"),
        ("time,A\nt1,1\n".encode("utf-16-le"), "is in UTF-16, not UTF-8"),
        ("time,A\nt1,1\n".encode("utf-32"), "is in UTF-32"),
        ("time,A\nt1,1\nMünchen,2\n".encode("cp1252"), "line 3 has the byte 0xfc .*München.*Windows-1252"),
        (b"\x01\x00\x02\x00\x03" * 100, "is no text"),
        ("<html><body>Sign in</body></html>", "is a web page"),
        ('{"time": 1}', "is JSON"),
        ("", "is empty"),
        ("\n \n", "is empty"),
        (b"PAR1 and nothing else", "no whole Parquet file"),
    ],
)
def test_what_cannot_be_read_is_named(text: str | bytes, message: str) -> None:
    with pytest.raises(SourceFormatError, match=message):
        read(text)


def test_lines_with_more_fields_are_cut_only_where_nothing_read_is_cut() -> None:
    text = "time,A,bid\nt1,1,-42,900\nt2,2,\n"
    assert read(text, drop_extra_fields=True)["A"] == ["1", "2"]
    with pytest.raises(SourceFormatError, match="more fields"):
        read("time,A\nt1,1,001\n", drop_extra_fields=True, last_is_read=lambda title: title == "A")


def test_a_million_columns_are_refused() -> None:
    titles = ",".join(f"c{number}" for number in range(1_000_000))
    with pytest.raises(SourceFormatError, match="where its header should be"):
        read(f"time,A,{titles}\n")
    few = ",".join(map(str, range(tabular.COLUMNS)))
    with pytest.raises(SourceFormatError, match=r"has 10,002 columns or more, above the 10,000"):
        read(f"time,A,{few}\n")


def parquet(frame: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def test_parquet_has_titles_with_spaces_and_columns_of_lists_too() -> None:
    frame = pl.DataFrame({" time ": ["t1", "t2"], "A": [1, 2], "more": [[1], [2]]})
    assert read(parquet(frame)) == RIGHT


def test_a_small_parquet_file_of_endless_rows_is_refused() -> None:
    data = parquet(pl.DataFrame({"time": pl.repeat(0, 1_000_001, dtype=pl.Int8, eager=True)}))
    assert len(data) < 10_000
    with pytest.raises(SourceFormatError, match="1,000,001 rows of 1 columns, more than 1,000,000 values"):
        read(data, cells=1_000_000)
