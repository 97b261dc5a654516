from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyaudit import wording

ZONES = [
    UTC,
    *map(ZoneInfo, ("Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns")),
]


@pytest.mark.parametrize("zone", ZONES, ids=str)
@given(moments=st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), min_size=1, max_size=5))  # noqa: DTZ001
def test_a_column_of_times_reads_like_each_of_them(zone: ZoneInfo, moments: list[datetime]) -> None:
    aware = [moment.replace(tzinfo=UTC) for moment in moments]
    column = pd.Series(aware, dtype="datetime64[us, UTC]")
    assert [wording.timestamp(moment, zone) for moment in aware] == wording.timestamps(column, zone).to_pylist()


@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_ends_of_the_calendar_are_told_in_utc_where_the_zone_has_no_such_day(moment: datetime) -> None:
    zone = ZoneInfo("America/New_York" if moment.year == 1 else "Asia/Tokyo")
    assert wording.timestamp(moment, zone).endswith(" UTC")
    assert f"{moment.year:04}" in wording.timestamp(moment, zone)
    assert f"{moment.year:04}" in wording.timestamps(pd.Series([moment], dtype="datetime64[us, UTC]"), UTC)[0].as_py()


def test_counts_and_days_agree_with_their_numbers() -> None:
    assert ["1 key", "2 keys", "1,204 keys"] == [wording.count(n, "key") for n in (1, 2, 1204)]
    assert "2 copies" == wording.count(2, "copy", "copies")
    assert ["0 days", "1 day", "46 days"] == wording.days(np.array([0.0, 1.0, 46.0])).to_pylist()
