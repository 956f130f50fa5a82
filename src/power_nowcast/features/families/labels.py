"""Labels of features for people: the few reasons for a nowcast, in the order in which they are shown."""

from enum import StrEnum


class Label(StrEnum):
    """Labels of features; a family may have several, and families may share one."""

    RECENT = "recent hours"
    RANGE = "range of past hours"
    OTHERS = "other series"
    SAME_TIME = "same time, past days"
    LEVEL = "level against past days"
    KIND_OF_DAY = "time and kind of day"
    SUN = "sun and season"
    OPERATOR = "operator's forecast"
    CLEAR_SKY = "output under a clear sky"
    WEATHER_FORECAST = "weather forecast"
    WEATHER = "weather"
    QUALITY = "quality of the data"
