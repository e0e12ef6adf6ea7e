"""The price in words: what people read."""

import pytest

from sweep.pricing.estimate import Interval, PhasePrice, Price
from sweep.pricing.table import Bill, describe_bill
from sweep.pricing.wording import shown_bytes, shown_hours, shown_number, shown_seconds

PHASE = PhasePrice(
    label="pretrain",
    stages=1400,
    epochs=(20, 100),
    epoch_s=Interval(40.0, 95.0, 200.0),
    slot_s=Interval(3.0e6, 4.0e6, 9.9e6),
    host_bytes=12_400_000_000,
    cuda_bytes=70_000_000_000,
    disk_bytes=Interval(2.0e11, 2.1e11, 3.0e11),
)
BILL = Bill(
    title="price of 1,400 trials, from 3 arms and 6 points of the space tried here",
    price=Price([PHASE], Interval(3.0e6, 4.0e6, 9.9e6), Interval(4.0e5, 5.0e5, 9.0e5)),
    gpus_per_slot=4.0,
    prepare_s=400.0,
    start_s=20.0,
    other_bytes=0.0,
    free_bytes=1e12,
    warnings=["pretrain of point 3 (pretrain/batch_size=4096, pretrain/x=1) does not fit " * 2],
    assumptions=["bounds hold nine times out of ten."],
)


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ((2.0, 3.0, 4.0), "3 s (2..4)"),
        ((80.0, 85.0, 89.0), "85 s (80..89)"),
        ((60.0, 90.0, 120.0), "1.5 min (1..2)"),
        ((3600.0, 5400.0, 36000.0), "1.5 h (1..10)"),
        ((3600.0, 3600.0, 3600.0), "60 min"),
    ],
)
def test_a_duration_and_its_bounds_share_the_unit_that_fits_the_upper_one(interval, text):
    assert shown_seconds(Interval(*interval)) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.04567, "0.046"), (9.96, "10"), (123456.7, "123,457")]
)
def test_numbers_have_as_many_digits_as_mean_something(value, text):
    assert shown_number(value) == text


def test_sizes_are_in_units_of_1000_and_hours_are_hours():
    assert [shown_bytes(size) for size in (0, 999, 1e6, 1.2345e9)] == [
        "0 bytes",
        "999 bytes",
        "1 MB",
        "1.2 GB",
    ]
    assert shown_hours(Interval(360.0, 720.0, 3600.0)) == "0.2 h (0.1..1)"


def test_it_fits_a_terminal_of_80_columns_and_ends_with_the_warnings():
    text = describe_bill(BILL)
    assert max(map(len, text.splitlines())) <= 80
    assert "  GPU-hours   4,444 h (3,333..11,000)\n" in text
    assert "  pretrain  1,400   20..100" in text
    assert "70 GB" in text, "with GPUs, their memory counts"
    assert text.index("wall clock") < text.index("assumed") < text.index("warnings")


def test_without_a_price_the_reasons_are_left():
    nothing = Bill(**{**vars(BILL), "price": None})
    text = describe_bill(nothing)
    assert "wall clock" not in text
    assert "does not fit" in text
