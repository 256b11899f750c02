"""Forecasts: hand-computed cases, and what is promised of every panel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.forecast_series import drawn, panel, table
from trendloom.errors import ConfigError, InputError
from trendloom.forecast import Signal, Table, align, forecast, read_panel
from trendloom.forecast.calendar import complete, following, recognise, year_position
from trendloom.forecast.combine import Weights, combine
from trendloom.forecast.days import day_shares, to_days, to_weeks
from trendloom.forecast.engine import Engine, Grid
from trendloom.forecast.features import groups_of
from trendloom.forecast.forecasting import grid_of
from trendloom.forecast.intervals import error_quantiles, spread_out
from trendloom.forecast.metrics import coverage, mase, scale_of, season_error, smape, three_class
from trendloom.forecast.prepare import prepare
from trendloom.forecast.signals import at_origin
from trendloom.forecast.simple import seasonal_naive, theta


def days(*text: str) -> np.ndarray:
    return np.array(text, dtype="datetime64[D]")


# ---- calendar


def test_rhythms_are_recognised_with_gaps_in_them() -> None:
    weekly = recognise(days("2024-01-01", "2024-01-08", "2024-01-22", "2024-01-29"))
    assert (weekly.frequency, weekly.season, weekly.weeks) == ("weekly", 52, 1.0)
    assert recognise(days("2024-01-01", "2024-01-02", "2024-01-03")).season == 364
    assert recognise(days("2024-01-01", "2024-02-01", "2024-04-01")).season == 12
    assert recognise(days("2024-01-31", "2024-02-29", "2024-03-31")).month_end


@pytest.mark.parametrize(
    "dates",
    [
        days("2024-01-01"),
        days("2024-01-01", "2024-01-08", "2024-01-15", "2024-01-18"),
        days("2024-01-01", "2024-04-01", "2024-07-01"),
        days("2024-01-01", "2024-02-03", "2024-03-05"),
    ],
)
def test_dates_without_one_rhythm_are_refused(dates: np.ndarray) -> None:
    with pytest.raises(InputError):
        recognise(dates)


def test_months_go_on_at_their_end() -> None:
    dates = days("2023-11-30", "2023-12-31")
    assert following(dates, recognise(dates), 3).tolist() == days("2024-01-31", "2024-02-29", "2024-03-31").tolist()


def test_left_out_dates_are_put_back() -> None:
    dates = days("2024-01-01", "2024-01-15", "2024-01-22")
    whole, places = complete(dates, recognise(days("2024-01-01", "2024-01-08")))
    assert len(whole) == 4
    assert places.tolist() == [0, 2, 3]


def test_a_year_is_52_weeks_and_a_day() -> None:
    assert year_position(days("2023-01-01", "2023-12-31")).tolist() == [0.0, 52.0]


# ---- metrics, by hand


def test_mase_divides_by_the_seasonal_difference_of_the_history() -> None:
    history = np.array([[1.0], [2.0], [3.0], [5.0]])
    assert scale_of(history, 2).tolist() == [2.5]  # |3-1|, |5-2|
    assert mase(np.array([[4.0], [4.0]]), np.array([[5.0], [7.0]]), history, 2).tolist() == [0.8]
    assert np.isnan(mase(np.ones((2, 1)), np.ones((2, 1)), np.ones((4, 1)), 2)).all()


def test_the_other_metrics() -> None:
    truth, said = np.array([[2.0], [0.0]]), np.array([[4.0], [0.0]])
    assert smape(truth, said)[0] == pytest.approx(2 / 3)
    assert coverage(truth, said - 3, said + 0.0).tolist() == [1.0]
    assert coverage(truth, said, said + 1).tolist() == [0.5]
    assert three_class(truth, said, np.array([[1.0], [0.5]]), 2).tolist() == [1.0]
    assert season_error(np.array([[2.0], [2.0]]), np.array([[3.0], [2.0]]), 2).tolist() == [0.25]


def test_seasonal_naive_repeats_the_last_season() -> None:
    history = np.arange(6.0)[:, None]
    assert seasonal_naive(history, 5, 3)[:, 0].tolist() == [3, 4, 5, 3, 4]


def test_theta_halves_the_trend() -> None:
    rhythm = recognise(days("2024-01-01", "2024-02-01"))
    line = np.arange(36.0)[:, None]
    said = theta(line, 12, rhythm)[:, 0]
    assert 0 < said[-1] - said[0] < 23  # less than the trend and the false season it leaves


# ---- intervals


def test_quantiles_of_errors_are_pooled_by_block_and_go_on_where_none_is_known() -> None:
    errors = np.full((6, 50), np.nan)
    errors[:3] = np.linspace(-1, 1, 50)
    found = error_quantiles([errors], [0.1, 0.5, 0.9], 3)
    assert found[1].tolist() == [0.0] * 6
    assert found[0, 0] == pytest.approx(-0.82, abs=0.03)  # calibrated at .09
    assert found[0, 3] == pytest.approx(found[0, 0] * 1.15)


def test_quantiles_stay_within_bounds() -> None:
    point = np.array([[0.9, 0.01]])
    bands = spread_out(point, np.array([[-5.0], [5.0]]), np.array([0.2, 0.2]), highest=np.array([1.0, np.inf]))
    assert bands[0].tolist() == [[0.0, 0.0]]
    assert bands[1, 0, 0] == 1.0
    assert bands[1, 0, 1] > 1.0


# ---- days


def test_days_take_their_share_of_the_week() -> None:
    values = np.tile([1.0, 1, 1, 1, 1, 3, 3], 30)[:, None]
    weeks, ends = to_weeks(np.vstack([[[9.0]], values]), np.arange("2024-01-01", "2024-07-30", dtype="datetime64[D]"))
    assert weeks[:, 0] == pytest.approx(np.full(30, 11 / 7))
    assert len(ends) == 30
    shares = day_shares(values)
    assert shares.mean() == pytest.approx(1)
    said = to_days(weeks[-1], weeks[:2], shares, 14)[:, 0]
    assert said[5] == pytest.approx(3, rel=0.05)
    assert said[0] == pytest.approx(1, rel=0.05)


# ---- panels


def test_names_with_words_in_common_make_groups() -> None:
    names = [f"{country}_{garment}" for country in ("fr", "de", "us") for garment in ("coat", "skirt", "belt")]
    groups = groups_of(names)
    assert [len(np.unique(codes)) for codes in groups] == [3, 3]
    assert groups_of(["a", "b_c"]) == []


def test_treatments_are_counted() -> None:
    given = table(drawn(80, 2))
    rows = [list(row) for row in given.rows]
    rows[10][1], rows[11][2], rows[12][1] = "text", "", "inf"
    rows[3], rows[4] = rows[4], rows[3]
    rows.append(list(rows[20]))
    del rows[50]
    found = read_panel(Table(header=given.header, rows=rows, lines=list(range(2, len(rows) + 2))))
    assert found.treated == {
        "cells with text": 1,
        "infinite values": 1,
        "rows not in order of date": 2,
        "rows with a date that was there before": 1,
        "dates left out": 1,
    }
    assert "'text' in line 12" in found.notes["s0"][0]
    assert np.isnan(found.values[50]).all()


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        (["a", "b"], [["x", "1"], ["y", "2"]], "expected dates in the first column"),
        (["week"], [["2024-01-01"]], "at least one series"),
        (["week", "a", "a"], [["2024-01-01", "1", "2"]], "distinct names"),
        (["week", "a"], [], "a header alone"),
        (["week", "a"], [["2024-01-01", "1", "2"]], "is a comma in a number"),
        (["week", "a"], [["2024-01-01", "1"]], "at least two dates"),
    ],
)
def test_tables_that_make_no_panel_are_refused(header: list[str], rows: list[list[str]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_panel(Table(header=header, rows=rows, lines=list(range(2, len(rows) + 2))))


def test_days_and_months_that_could_be_swapped_are_told_by_their_rhythm() -> None:
    first = read_panel(Table(header=["d", "a"], rows=[["01/02/2024", "1"], ["08/02/2024", "2"]], lines=[2, 3]))
    assert first.date_format == "%d/%m/%Y"
    assert first.rhythm.frequency == "weekly"


def test_a_signal_is_matched_by_name_and_date() -> None:
    own = panel(drawn(80, 3))
    other = panel(drawn(60, 2, seed=1), start="2018-01-08", names=["s2", "else"])
    found, missed = align(other, own)
    values = found.values
    assert np.isfinite(values[1:61, 2]).all()
    assert np.isnan(values[:, :2]).all()
    assert missed == {"series without a signal": 2, "signal columns without a series": 1, "dates without a signal": 20}
    with pytest.raises(InputError, match="named like the series"):
        align(panel(drawn(60, 1), names=["else"]), own)
    with pytest.raises(InputError, match="for the dates"):
        align(panel(drawn(60, 1), start="2010-01-04"), own)


# ---- forecasts


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return drawn(220, 12)


def test_forecasts_beat_seasonal_naive_on_series_with_level_and_season(values: np.ndarray) -> None:
    found = forecast(panel(values[:168]), 52)
    truth, history = values[168:], values[:168]
    ours = mase(truth, found.point, history, 52).mean()
    assert ours < 0.9 * mase(truth, history[-52:], history, 52).mean()
    assert 0.6 < coverage(truth, found.quantiles[0], found.quantiles[1]).mean() <= 1
    assert (found.quantiles[0] <= found.point).all()
    assert (found.point <= found.quantiles[1]).all()
    assert (found.quantiles >= 0).all()
    assert (found.quantiles <= 1).all()
    assert found.dates[0] == np.datetime64("2018-01-01") + 168 * np.timedelta64(7, "D")


def test_the_same_seed_gives_the_same_forecast(values: np.ndarray) -> None:
    one, other = forecast(panel(values), 13, seed=3), forecast(panel(values), 13, seed=3)
    assert np.array_equal(one.point, other.point)
    assert np.array_equal(one.quantiles, other.quantiles)


def test_nothing_after_the_origin_is_looked_at(values: np.ndarray) -> None:
    changed = values.copy()
    changed[160:] = 0.5

    def said(given: np.ndarray) -> np.ndarray:
        grid = Grid(
            values=given,
            signals=(),
            position=year_position(np.datetime64("2018-01-01") + np.arange(272) * np.timedelta64(7, "D")),
            groups=[],
            rhythm=recognise(days("2024-01-01", "2024-01-08")),
            horizon=52,
            seed=0,
        )
        found = combine(Engine(grid), 160)
        return np.concatenate([found.point, *found.said])

    assert np.array_equal(said(values), said(changed), equal_nan=True)


@settings(max_examples=5, deadline=None)
@given(factor=st.floats(1e-3, 1e3), seed=st.integers(0, 3))
def test_a_change_of_unit_changes_the_unit_of_the_forecast(factor: float, seed: int) -> None:
    given_values = drawn(130, 2, seed=seed) * 20  # some above 1: no upper bound
    one, other = forecast(panel(given_values), 13), forecast(panel(given_values * factor), 13)
    bounded = (given_values * factor).max(axis=0) <= 1
    assert np.allclose(one.point[:, ~bounded] * factor, other.point[:, ~bounded], rtol=1e-3)


def test_every_kind_of_series_gets_what_the_evidence_allows(values: np.ndarray) -> None:
    given_values = np.column_stack([values[:150, :8], np.zeros((150, 6))])
    given_values[:, 8] = 3.0  # never changes
    given_values[:, 9] = 0.0
    given_values[:, 10] = values[:150, 8] - 0.05  # negatives
    given_values[:120, 11], given_values[120:, 11] = np.nan, values[120:150, 9]  # 30 weeks
    given_values[:145, 12], given_values[145:, 12] = np.nan, 1.0  # 5 weeks
    given_values[:, 13] = np.nan
    found = forecast(panel(given_values), 26, quantiles=(0.025, 0.1, 0.5, 0.9, 0.975))
    assert set(found.models[:8]) <= {"combined", "seasonal-naive"}
    assert found.models[8:] == ("constant", "constant", found.models[10], "young", "none", "none")
    assert (found.point[:, 8] == 3).all()
    assert (found.point[:, 9] == 0).all()
    assert found.quantiles[:, :, 10].min() < 0
    assert np.isfinite(found.point[:, 11]).all()
    assert np.isnan(found.point[:, 12:]).all()
    assert set(found.reasons) == {"s12", "s13"}
    assert "at least 8 weeks with a value, got 5" in found.reasons["s12"]
    assert np.array_equal(found.quantiles[2, :, :12], found.point[:, :12])
    assert (np.diff(found.quantiles[:, :, :12], axis=0) >= 0).all()
    wide = (found.quantiles[3] - found.quantiles[1]) / np.maximum(found.point, 1e-9)
    assert np.median(wide[:, 11]) > np.median(wide[:, :8])
    assert found.treated["series that never change"] == 2
    assert found.treated["series that are zero throughout"] == 1
    assert found.treated["series with negative values, not bounded by 0"] == 1


def test_where_seasonal_naive_wins_it_is_the_answer() -> None:
    year = np.random.default_rng(0).random((52, 5)) + 0.5
    found = forecast(panel(np.tile(year, (5, 1))[:230]), 52)
    assert set(found.models) == {"seasonal-naive"}
    assert np.allclose(found.point, np.tile(year, (6, 1))[230:282])


def test_gaps_are_filled_and_series_that_ended_are_not_forecast(values: np.ndarray) -> None:
    given_values = values[:150, :4].copy()
    given_values[40:44, 0] = np.nan
    given_values[-3:, 1] = np.nan
    given_values[-20:, 2] = np.nan
    given_values[30:120, 3] = np.nan
    found = forecast(panel(given_values), 13)
    assert found.models[2:] == ("none", "none")
    assert "20 weeks before the others end" in found.reasons["s2"]
    assert "are missing" in found.reasons["s3"]
    assert found.notes["s0"] == ["4 missing values filled between two known"]
    assert np.isfinite(found.point[:, :2]).all()


def test_one_series_alone_is_forecast() -> None:
    found = forecast(panel(drawn(130, 1)), 52)
    assert np.isfinite(found.point).all()


def test_months_and_days_are_forecast_too() -> None:
    chance = np.random.default_rng(0)
    months = 5 + 2 * np.cos(np.arange(60)[:, None] * np.pi / 6) + chance.normal(0, 0.1, (60, 6))
    header, rows = ["month", *"abcdef"], []
    for i, row in enumerate(months):
        rows.append([f"{2018 + i // 12}-{i % 12 + 1:02d}", *(f"{v:.6f}" for v in row)])
    found = forecast(read_panel(Table(header=header, rows=rows, lines=list(range(2, 62)))), 12)
    assert found.dates[0] == np.datetime64("2023-01-01")
    assert np.abs(found.point - (5 + 2 * np.cos(np.arange(60, 72)[:, None] * np.pi / 6))).mean() < 0.3
    daily = 5 + np.tile([0.0, 0, 0, 0, 0, 2, 2], 110)[:, None] + chance.normal(0, 0.1, (770, 3))
    found = forecast(panel(daily, step=1), 28)
    assert found.point[5:7].mean() - found.point[:5].mean() == pytest.approx(2, abs=0.3)
    assert coverage(np.tile([5.0, 5, 5, 5, 5, 7, 7], 4)[:, None].repeat(3, 1), *found.quantiles).mean() > 0.6


def test_a_signal_is_used_only_if_it_helped() -> None:
    given_values = drawn(200, 25)
    noise = np.random.default_rng(5).random((200, 25))
    other = np.random.default_rng(6).random((200, 25))
    signals = [Signal(name="noise", values=noise), Signal(name="other", values=other)]
    found = forecast(panel(given_values), 26, signals=signals)
    told = found.facts["signals"]
    assert isinstance(told, dict)
    assert list(told) == ["noise", "other"]
    for row in told.values():
        assert not row["used"] or row["error_with"] < row["error_without"]
    best = min(told.values(), key=lambda row: row["error_with"])
    assert best["used"] == (best["error_with"] < best["error_without"])


def test_what_is_known_in_advance_moves_the_forecast() -> None:
    chance = np.random.default_rng(0)
    weeks = np.arange(252)
    calm = 0.05 * np.exp(0.3 * np.cos(2 * np.pi * weeks / 52.18)[:, None] + chance.normal(0, 0.05, (252, 25)))
    feast = (chance.random(252) < 0.25).astype(float)  # in no fixed week
    given = panel((calm * (1 + 0.5 * feast[:, None]))[:208])
    file = panel(feast[:234, None], names=["s"])
    with pytest.raises(InputError, match="feast: expected columns"):
        align(file, given, name="feast", horizon=26)
    every = panel(np.repeat(feast[:234, None], 25, axis=1))
    signal, missed = align(every, given, name="feast", horizon=26)
    assert not missed
    assert len(signal.values) == 234
    found = forecast(given, 26, signals=[signal])
    told = found.facts["signals"]
    assert isinstance(told, dict)
    assert told["feast"]["known in advance"]
    assert told["feast"]["used"]
    lifted = found.point / forecast(given, 26).point
    assert lifted[feast[208:234] == 1].mean() > lifted[feast[208:234] == 0].mean() + 0.15
    assert len(at_origin(signal, given, 150, 26).values) == 176


def test_a_signal_column_counts_for_all_series_with_its_word() -> None:
    own = panel(drawn(80, 3), names=["fr_coat", "fr_shirt", "de_coat"])
    found, missed = align(panel(drawn(80, 1, seed=2), names=["fr"]), own)
    assert np.isfinite(found.values[:, :2]).all()
    assert np.isnan(found.values[:, 2]).all()
    assert missed == {"series without a signal": 1}


def test_out_of_range_settings_are_refused(values: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="--horizon"):
        forecast(panel(values), 0)
    with pytest.raises(ConfigError, match="--quantiles"):
        forecast(panel(values), 13, quantiles=(0.1, 1.0))


def test_prepared_series_hold_nothing_but_numbers_after_their_start(values: np.ndarray) -> None:
    given_values = values.copy()
    given_values[:30, 0] = np.nan
    ready = prepare(panel(given_values))
    assert np.isfinite(ready.values[30:]).all()
    assert ready.start.tolist() == [30] + [0] * 11


def test_a_daily_signal_is_averaged_from_date_to_date() -> None:
    own = panel(drawn(80, 1), names=["s0"])
    daily = panel(np.repeat(np.arange(80.0), 7)[:, None] + np.tile([0.0, 0, 0, 7, 0, 0, 0], 80)[:, None], step=1)
    found, missed = align(daily, own)
    assert not missed
    assert found.values[:, 0].tolist() == [week + 1 for week in range(80)]


def test_weights_stay_near_the_usual_unless_earlier_origins_speak_against_it() -> None:
    def weights(count: int) -> Weights:
        given = panel(drawn(120, count))
        return combine(Engine(grid_of(given, prepare(given), [], 13, 0)), 120).weights

    one, many = weights(1), weights(30)
    assert one.correction < 0.01
    assert many.correction > 0.3
    assert max(many.naive, many.theta) < 0.1
