from __future__ import annotations

import uuid

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyaudit.columns import all_differ

ids = st.one_of(
    st.lists(st.text("ab", min_size=9, max_size=9)),
    st.lists(st.text("ab", min_size=8, max_size=8)),
    st.lists(st.text("ab", min_size=17, max_size=17)),
    st.lists(st.text(max_size=3)),
)


@given(ids)
def test_it_agrees_with_a_set(texts: list[str]) -> None:
    assert (len(set(texts)) == len(texts)) == all_differ(pd.Series(texts, dtype="str"))


@pytest.mark.parametrize("skipped", [0, 1, 5])
def test_a_part_of_a_column_is_judged_by_itself(skipped: int) -> None:
    texts = pd.Series([*["same-same-same"] * 5, *(f"id-{n:011}" for n in range(100))], dtype="str")
    assert (skipped == 5) == all_differ(texts.iloc[skipped:])


def test_many_ids_differ_and_one_twice_is_seen() -> None:
    many = [str(uuid.UUID(int=n)) for n in range(5000)]
    assert all_differ(pd.Series(many, dtype="str"))
    assert not all_differ(pd.Series([*many, many[77]], dtype="str"))
