"""What every feature is, in plain Python, straight from rows: the oracle that the compiled kernels are held against.

Nothing of the project's feature code is used here: loops, dictionaries, `math` and `zoneinfo` only. To learn what a
feature is, read the module of its family:

    case                a series at an issue time, and its origin: what the others ask about
    known               what was known at an issue time, and how forecasts are read between their times
    clock               local time, kinds of day, the same time of day on days before
    sun                 where the sun stands, and what a cloudless sky gives
    recent              how the series moved in the last hours, and its range
    past_days           the same time of day on days before
    calendar            time, kind of day, season, sun, holidays
    operator_forecast   the operator's own forecast
    generation          wind and solar power: shares of the recent peak
    weather             reports, forecasts of weather, means of several stations
    quality             what was flagged lately, and how late it came
    features            all of them, in the order of a feature block
    deliveries          from what publishers deliver to rows that are stored

Times are whole minutes since 1970 in UTC, power is in MW, and what is unknown is NaN.
"""
