"""Each damaged archive is reported in one line."""

from triptych.records import ImageRecord
from triptych.runs.missing_sources import MOST_LINES, ArchiveDamage


def _lines(*records: ImageRecord) -> list[str]:
    damage = ArchiveDamage()
    for record in records:
        damage.look_at(record)
    return list(damage.lines())


def test_archives_are_named_and_images_are_not() -> None:
    """A tar inside a tar isn't named either. A name with a newline doesn't break the line."""
    assert ["a.tar: empty archive: no bytes", "b c.parquet#3: damaged archive: snappy"] == _lines(
        ImageRecord(key="fine.jpg"),
        ImageRecord(key="x.jpg", unreadable="truncated: cut"),
        ImageRecord(key="a.tar", unreadable="empty archive: no bytes"),
        ImageRecord(key="a/inner.tar", unreadable="not an image: .tar"),
        ImageRecord(key="b\nc.parquet#3", unreadable="damaged archive: snappy"),
    )


def test_after_a_limit_further_archives_are_only_counted() -> None:
    """A failing disk can damage hundreds."""
    records = [ImageRecord(key=f"{n}.tar", unreadable="read error: I/O") for n in range(MOST_LINES + 5)]
    *named, rest = _lines(*records)

    assert MOST_LINES == len(named)
    assert "5 more damaged archives; images/*.jsonl has each reason" == rest
