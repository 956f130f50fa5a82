"""A region as the text of its TOML file, with comments."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from power_nowcast.regions.region import Region


def toml_of(region: Region, notes: Mapping[str, str]) -> str:
    """The file of a region whose only source is that of its power.

    Args:
        region: the region.
        notes: comments by key ("label", "zones"; "" for the first lines); each stands above its key.
    """
    keys = region.model_dump(mode="json", exclude_unset=True)
    power = keys.pop("power")
    options = power.pop("options", {})
    lines = [*_comment(notes.get("", "")), *_keys(keys, notes)]
    lines += ["", "[power]", *_keys(power, notes)]
    lines += ["", "[power.options]", *_keys(options, notes)]
    return "\n".join(lines) + "\n"


def _keys(keys: Mapping[str, Any], notes: Mapping[str, str]) -> Iterator[str]:
    for key, value in keys.items():
        yield from _comment(notes.get(key, ""))
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield from (f"{key} = [", *(f"    {_value(one)}," for one in value), "]")
        else:
            yield f"{key} = {_value(value)}"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in text.splitlines()]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _key(key: str) -> str:
    is_bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if is_bare else _text(key)


def _text(text: str) -> str:
    # A basic string of TOML has JSON's escapes, and allows no DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
