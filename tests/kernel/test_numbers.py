"""Numbers as text: the parser against Python's own float, the writer against its bound."""

import locale
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from twinsdk.core import _kernel_reference as reference
from twinsdk.core import kernel
from twinsdk.errors import FormatError, ShapeError, ValueRangeError

steady = settings(deadline=None, derandomize=True, database=None, max_examples=300)
finite = st.floats(allow_nan=False, allow_infinity=False)


@steady
@given(st.lists(finite, max_size=20))
@example([0.0, -0.0, 5e-324, 1.7976931348623157e308, 2.2250738585072011e-308])
@example([9007199254740993.0, 1e22, 1e23, 123456789012345678.0])
def test_every_double_comes_back_from_its_own_text(values):
    text = " ".join(map(repr, values)).encode()
    assert kernel.parse_numbers(text).tolist() == values


@steady
@given(
    st.from_regex(
        r"[+-]?([0-9]{1,25}\.?[0-9]{0,25}|\.[0-9]{1,25})([eE][+-]?[0-9]{1,3})?", fullmatch=True
    )
)
@example("1e-400")
@example("-0.000000000000000000000000000001e-300")
@example("00000000000000000000000000000000001")
def test_any_decimal_is_read_as_python_reads_it(text):
    text = text.encode()
    if math.isinf(float(text)):
        with pytest.raises(FormatError, match="byte 0: expected a number"):
            kernel.parse_numbers(text)
    else:
        assert kernel.parse_numbers(text)[0] == float(text)


@steady
@given(st.binary(max_size=60))
@example(b"1 2 nan")
@example(b"1,5")
@example(b"1e")
@example(b"-")
@example(b"0x10")
@example(b"1_000")
@example("1\u00a02".encode())
def test_any_bytes_give_numbers_or_a_format_error_just_as_the_reference_does(text):
    out, expected = np.zeros((2, len(text) // 2 + 1))
    assert kernel.implementation(kernel.isa()).parse_numbers(text, out) == (
        reference.parse_numbers(text, expected)
    )
    np.testing.assert_array_equal(out, expected)
    words = text.split()
    if all(reference._NUMBER.fullmatch(word) and math.isfinite(float(word)) for word in words):
        assert kernel.parse_numbers(text).tolist() == [float(word) for word in words]
    else:
        with pytest.raises(FormatError, match=r"byte [0-9]+: expected a number"):
            kernel.parse_numbers(text)


def test_line_ends_tabs_and_signs_of_every_kind_are_read():
    text = b"\r\n 1\t+2.\r\n-.5\n\n3E2 1e+1 \n"
    assert kernel.parse_numbers(text).tolist() == [1, 2, -0.5, 300, 10]
    assert kernel.parse_numbers(b"").tolist() == []
    assert kernel.parse_numbers(b" \n").tolist() == []


def test_the_parser_reads_no_further_than_its_bytes():
    # A slice whose next byte would continue the number.
    assert kernel.parse_numbers(memoryview(b"1 23456")[:4]).tolist() == [1, 23]


@pytest.mark.parametrize(
    ("text", "count", "words"),
    [
        (b"1 2 x", None, "byte 4: expected a number, got 'x'"),
        (b"1 2,5", None, "byte 2: expected a number, got '2,5'"),
        (b"1 nan", None, "byte 2: expected a number, got 'nan'"),
        (b"1 2 3", 2, "byte 4: expected 2 numbers, got more: '3'"),
        (b"1 2", 3, "expected 3 numbers, got 3 bytes"),
        (b"1 2 ", 3, "expected 3 numbers, got 2"),
        (b"1", 10**12, "expected 1000000000000 numbers, got 1 bytes"),
        (b"1", -1, "expected -1 numbers"),
    ],
)
def test_what_is_no_block_of_numbers_is_refused_by_place(text, count, words):
    with pytest.raises(FormatError, match=words):
        kernel.parse_numbers(text, count)


@steady
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8), st.integers(0, 9))
@example([-0.0, 0.5, -1e-9, 999999.9999999], 6)
def test_what_is_written_reads_back_within_half_a_unit_of_the_last_place(values, decimals):
    text = kernel.format_numbers([values], decimals)
    back = kernel.parse_numbers(text, len(values))
    bound = 0.5 * 10.0**-decimals * (1 + 1e-6) + 1e-9  # and the rounding of the product
    np.testing.assert_allclose(back, values, rtol=0, atol=bound)
    for word in text.decode().split():
        assert word != "-0"
        assert "." not in word or not word.endswith(("0", "."))


def test_rows_become_lines():
    assert kernel.format_numbers([[1, 2.5], [-0.125, 0]], 3) == b"1 2.5\n-0.125 0\n"
    assert kernel.format_numbers(np.zeros((0, 3))) == b""


@steady
@given(st.lists(finite, min_size=1, max_size=5))
def test_huge_values_are_written_exactly(values):
    huge = [v for v in values if abs(v) >= 9e15]
    back = kernel.parse_numbers(kernel.format_numbers([huge], 0)) if huge else np.zeros(0)
    assert back.tolist() == huge


def test_the_locale_has_no_say():
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8"):
        try:
            locale.setlocale(locale.LC_NUMERIC, name)
        except locale.Error:
            continue
        try:
            assert kernel.parse_numbers(b"1.5 0.1234567890123456789")[0] == 1.5
            assert kernel.format_numbers([[1.5]]) == b"1.5\n"
        finally:
            locale.setlocale(locale.LC_NUMERIC, "C")


def test_what_cannot_be_written_is_refused_by_name():
    with pytest.raises(ValueRangeError, match="rows: expected finite"):
        kernel.format_numbers([[np.nan]])
    with pytest.raises(ShapeError, match=r"rows: expected shape \(T, C\)"):
        kernel.format_numbers([1, 2])
    with pytest.raises(ValueRangeError, match="decimals: expected 0 to 9, got 10"):
        kernel.format_numbers([[1]], 10)
