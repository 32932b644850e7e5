"""Values come back exactly, type and value."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from rarecorrect._files.archive import read_arrays, write_arrays
from rarecorrect._files.forms import FORMS
from rarecorrect._files.reading import Reader
from rarecorrect._files.writing import Writer
from rarecorrect.inputs import _Name

from .helpers import same


def there_and_back(value):
    writer = Writer(FORMS)
    stored = json.loads(json.dumps(writer.write(value, "it"), allow_nan=False))
    arrays = read_arrays(bytearray(write_arrays(writer.arrays)))
    reader = Reader(FORMS, arrays, writer.members, ())
    found = reader.read(stored, "it")
    assert reader.unused() == []
    return found


NUMBERS = arrays_of.arrays(
    arrays_of.boolean_dtypes()
    | arrays_of.integer_dtypes(endianness="=")
    | arrays_of.unsigned_integer_dtypes(endianness="=")
    | arrays_of.floating_dtypes(endianness="="),
    arrays_of.array_shapes(min_dims=0, min_side=0),
)
TEXTS = arrays_of.arrays(
    arrays_of.unicode_string_dtypes(endianness="="), st.integers(0, 5)
)
TIMES = arrays_of.arrays(arrays_of.datetime64_dtypes(endianness="="), st.integers(0, 5))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(dt.UTC))
    | st.text().map(_Name)
    | st.text(st.characters(exclude_characters="\0")).map(np.str_)
    | arrays_of.arrays(
        arrays_of.boolean_dtypes()
        | arrays_of.integer_dtypes(endianness="=")
        | arrays_of.floating_dtypes(endianness="=")
        | arrays_of.datetime64_dtypes(endianness="="),
        1,
    ).map(lambda one: one[0])
)
VALUES = st.recursive(
    SCALARS | NUMBERS | TEXTS | TIMES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.none(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_every_value(value):
    assert same(value, there_and_back(value))


@given(st.lists(SCALARS, max_size=6))
def test_columns_of_anything(items):
    column = np.empty(len(items), dtype=object)
    column[:] = items
    assert same(column, there_and_back(column))


@given(st.frozensets(st.text() | st.integers()))
def test_sets(value):
    for one in (value, set(value)):
        found = there_and_back(one)
        assert (type(found), found) == (type(one), one)


def test_the_order_of_numbers_in_memory():
    for array in (np.ones((3, 4)), np.ones((3, 4), order="F"), np.ones((3, 4)).T):
        found = there_and_back(array)
        assert found.flags.c_contiguous == array.flags.c_contiguous
        assert found.flags.f_contiguous == array.flags.f_contiguous
    every_other = np.arange(10.0)[::2]
    assert same(every_other, there_and_back(every_other))


def test_numbers_of_another_machine():
    array = np.arange(3, dtype=">i4")
    found = there_and_back(array)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == np.int32


def test_a_shared_array_is_stored_once():
    array = np.arange(3.0)
    one, two = there_and_back([array, array])
    assert one is two


def test_a_generator_goes_on_where_it_was():
    state = np.random.RandomState(3)
    state.normal(size=3)
    found = there_and_back(state)
    assert same(found.normal(size=5), state.normal(size=5))


def test_wide_texts_need_no_room():
    array = np.array(["a"], dtype="<U100000")
    found = there_and_back(array)
    assert found.tolist() == ["a"]
    assert found.dtype == np.dtype("<U1")


@pytest.mark.parametrize("value", [1 + 2j, np.longdouble(1), np.array([1 + 2j])])
def test_what_is_no_plain_value(value):
    with pytest.raises(ValueError, match=r"^it is "):
        Writer(FORMS).write(value, "it")
