from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticket_relay.zendesk.timestamps import Stamp, covers, exact, parse

MOMENT = datetime(2013, 12, 12, 5, 35, 12, tzinfo=UTC)
MINUTE = MOMENT.replace(second=0)


@pytest.mark.parametrize(
    "text",
    [
        "2013-12-12T05:35Z",
        "2013-12-12T06:35+0100",
        "2013-12-12T06:35+01:00",
        "2013-12-12T06:35+01",
        "2013-12-12T00:05-0530",
        "2013-12-12t05:35z",
        "2013-12-12 05:35Z",
    ],
)
def test_a_minute_is_read_in_every_rendering(text):
    assert parse(text) == Stamp(MINUTE, precise=False)


@pytest.mark.parametrize(
    "text",
    [
        "2013-12-12T05:35:12Z",
        "2013-12-12T06:35:12+0100",
        "2013-12-12T06:35:12+01:00",
        "2013-12-12T06:35:12+01",
        "2013-12-11T23:35:12-06:00",
        "2013-12-12T05:35:12.000000000Z",
        "2013-12-12T06:35:12,0+0100",
        "2013-12-12 05:35:12z",
    ],
)
def test_a_second_is_read_in_every_rendering(text):
    assert parse(text) == Stamp(MOMENT, precise=True)


@pytest.mark.parametrize("fraction", ["7", "672", "672717", "672717030", "672717030123456789"])
def test_a_fraction_of_any_length_is_read_to_the_microsecond(fraction):
    assert parse(f"2025-01-08T10:12:07.{fraction}Z").instant.microsecond == int(fraction[:6].ljust(6, "0"))


@pytest.mark.parametrize(
    "text",
    [
        None,
        17,
        "",
        "May18",
        "February 10, 14:29",
        "{{ticket.updated_at_with_timestamp}}",
        "2013-12-12",
        "2013-12-12T05:35",
        "2013-12-12T05:35:12",
        "2013-13-12T05:35Z",
        "2013-12-12T25:35Z",
        "2013-12-12T05:35:61Z",
        "2013-12-12T05:35.5Z",
        "2013-12-12T05:35:12Z\n",
        " 2013-12-12T05:35:12Z",
        "2013-12-12T05:35+99:99",
        "0001-01-01T00:00+01:00",
        "9999-12-31T23:59-01:00",
        "٢٠١٣-12-12T05:35Z",
    ],
)
def test_garbage_is_no_stamp(text):
    assert parse(text) is None


@given(st.text(alphabet="0123456789-+:.TtZz ", max_size=40) | st.text())
def test_whatever_comes_is_a_moment_in_utc_or_none(text):
    stamp = parse(text)
    assert stamp is None or stamp.instant.utcoffset() == timedelta(0)


moments = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- hypothesis adds the zone
offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(moments, offsets, st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"]), st.booleans())
def test_every_rendering_of_a_moment_is_read_as_that_moment(moment, offset, timespec, colon):
    text = moment.astimezone(offset).isoformat(timespec=timespec)
    stamp = parse(text if colon else text[:-3] + text[-2:])
    assert stamp.precise == (timespec != "minutes")
    assert stamp.instant.isoformat(timespec=timespec) == moment.isoformat(timespec=timespec)


@given(moments)
def test_what_is_sent_is_the_moment_to_the_second(moment):
    assert exact(Stamp(moment, precise=True)) == moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_what_the_api_says_is_sent_back_as_it_was():
    assert exact(parse("2019-09-12T21:45:16Z")) == "2019-09-12T21:45:16Z"


@pytest.mark.parametrize(
    ("stamp", "updated_at", "expected"),
    [
        ("2013-12-12T05:35Z", "2013-12-12T05:35:00Z", True),
        ("2013-12-12T05:35Z", "2013-12-12T05:35:59Z", True),
        ("2013-12-12T05:35Z", "2013-12-12T05:36:00Z", False),
        ("2013-12-12T05:35:12Z", "2013-12-12T05:35:12Z", True),
        ("2013-12-12T05:35:12.900Z", "2013-12-12T05:35:12Z", True),
        ("2013-12-12T05:35:12Z", "2013-12-12T05:35:13Z", False),
        ("2013-12-12T06:35:12+0100", "2013-12-12T05:35:12Z", True),
        ("2013-12-12T05:35:12Z", "2013-12-12T05:35:11Z", True),
        ("2013-12-12T05:35:12Z", "garbage", False),
        ("2013-12-12T05:35:12Z", None, False),
        ("2013-12-12T05:35:12Z", "2013-12-12T06:35:12+01:00", True),
        ("2013-12-12T05:35:12Z", "2013-12-12T05:35:12.999Z", True),
        ("2013-12-12T05:35Z", "2013-12-12T05:34:59Z", True),
        ("2013-12-12T06:35+0100", "2013-12-12T05:35:59Z", True),
        ("2013-12-12T06:35+0100", "2013-12-12T05:36Z", False),
    ],
)
def test_a_later_update_is_a_conflict_already(stamp, updated_at, expected):
    assert covers(parse(stamp), updated_at) is expected


@given(moments)
def test_a_ticket_is_covered_by_its_own_stamp_in_either_precision(moment):
    updated_at = exact(Stamp(moment, precise=True))
    assert covers(parse(updated_at), updated_at)
    assert covers(parse(updated_at[:-4] + "Z"), updated_at)
    assert not covers(parse(updated_at), exact(Stamp(moment + timedelta(seconds=1), precise=True)))
    assert not covers(parse(updated_at[:-4] + "Z"), exact(Stamp(moment + timedelta(minutes=1), precise=True)))
