"""Write the reference pages of the site from what they describe: commands, HTTP API and settings.

    python scripts/make_reference.py docs/reference

The commands tell their own help, the application describes its routes (OpenAPI), and `settings.py` says what each field
means. `make docs` calls this before it builds the site; nothing of it is committed.
"""

import ast
import inspect
import io
import sys
import tempfile
import tokenize
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import typer

import power_nowcast.cli
from power_nowcast import settings as settings_module
from power_nowcast.cli.group import command, told
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.settings import Settings, origins
from power_nowcast.store import Store

PROGRAM = "nowcast"
CLI = Path(power_nowcast.cli.__file__).parent
INDEX = """# Reference

Made from the code when the site is built.

| page | what it lists |
| --- | --- |
| [Commands](commands.md) | every command with its arguments and options |
| [HTTP API](http.md) | every route with its parameters, answers and forms |
| [Settings](settings.md) | every setting with its variable, default and meaning |
"""
ABOUT_HTTP = """The routes of `nowcast api` and `nowcast live`, from the OpenAPI document that the service hands out at
`/openapi.json`. [Serving by HTTP](../serving.md) explains them with examples."""
ABOUT_SETTINGS = """Every setting is an environment variable or a line of `.env`; the environment comes first.
`nowcast config show` prints the values in force with their origin.
[Settings and credentials](../data.md#settings-and-credentials) says more about keys and AWS Parameter Store."""


def main(folder: Path) -> None:
    """Write the pages into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"index": INDEX, "commands": commands_page(), "http": http_page(), "settings": settings_page()}
    for name, page in pages.items():
        (folder / f"{name}.md").write_text(page, encoding="utf-8")


def commands_page() -> str:
    """Every command with its help, arguments and options."""
    parts = [
        "# Commands",
        "Each section is the help of one command, as `nowcast COMMAND --help` prints it.",
    ]
    for name, found in commands():
        parts += [f"## {PROGRAM} {name}", _paragraphs(found.help or ""), *_parameters(name, found)]
    return "\n\n".join(parts) + "\n"


def commands(
    package: str = power_nowcast.cli.__name__, folder: Path = CLI, before: str = ""
) -> Iterator[tuple[str, Any]]:
    """Every command by its full name, those of sub-groups after their group."""
    group = command(package.rpartition(".")[0], folder.parent, folder.name)
    for name in group.commands:
        found = command(package, folder, name)
        found.help = told(folder, name)
        yield f"{before}{name}", found
        if hasattr(found, "commands"):
            yield from commands(f"{package}.{name}", folder / name, f"{before}{name} ")


def _parameters(name: str, found: Any) -> Iterator[str]:
    """The usage of a command and the table of its parameters; a group lists its commands."""
    if hasattr(found, "commands"):
        yield "Commands: " + ", ".join(f"`{PROGRAM} {name} {one}`" for one in found.commands) + "."
        return
    context = typer.Context(found, info_name=f"{PROGRAM} {name}")
    yield f"```text\n{found.get_usage(context)}\n```"
    records = [one.get_help_record(context) for one in found.params]
    rows = [(f"`{names}`", meaning) for names, meaning in filter(None, records)]
    if rows:
        yield _table(("argument or option", "meaning"), rows)


def http_page() -> str:
    """Every route with its parameters, bodies and answers, and every form."""
    with tempfile.TemporaryDirectory() as folder:
        description = create_app({}, Store(folder), default_region="").openapi()
    parts = [
        "# HTTP API",
        ABOUT_HTTP,
    ]
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            parts += _operation(f"{method.upper()} {path}", operation)
    parts.append("## Forms")
    for name, schema in sorted(description["components"]["schemas"].items()):
        choices = f"One of {_kind(schema)}." if "enum" in schema else ""
        fields_of = _properties(schema) if schema.get("properties") else choices
        parts += [f"### {name}", _paragraphs(schema.get("description", "")), fields_of]
    return "\n\n".join(part for part in parts if part) + "\n"


def _operation(title: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"## {title}"
    yield _paragraphs(operation.get("description") or operation.get("summary", ""))
    if given := operation.get("parameters"):
        rows = [
            (f"`{one['name']}`", one["in"], _kind(one["schema"]), _yes(one.get("required")), one.get("description", ""))
            for one in given
        ]
        yield _table(("parameter", "where", "type", "required", "meaning"), rows)
    rows = [("request", "", *_contents(operation["requestBody"]))] if "requestBody" in operation else []
    rows += [(status, one.get("description", ""), *_contents(one)) for status, one in operation["responses"].items()]
    yield _table(("answer", "meaning", "media type", "form"), rows)


def _contents(one: dict[str, Any]) -> tuple[str, str]:
    contents = one.get("content", {})
    kinds = {_kind(told.get("schema", {})) for told in contents.values()}
    return ", ".join(f"`{name}`" for name in contents), ", ".join(sorted(kind for kind in kinds if kind))


def _kind(schema: dict[str, Any]) -> str:
    """The type of a value in a few words; a form is a link to its section."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"] if one.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {})) or 'values'}"
    if schema.get("type") == "object" and isinstance(inner := schema.get("additionalProperties"), dict):
        return f"object of {_kind(inner) or 'values'}"
    return str(schema.get("format") or schema.get("type") or "")


def _yes(holds: object) -> str:
    return "yes" if holds else ""


def _properties(schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        (f"`{name}`", _kind(one), _yes(name in required), one.get("description", ""))
        for name, one in schema["properties"].items()
    ]
    return _table(("field", "type", "always", "meaning"), rows)


def settings_page() -> str:
    """Every setting with its variable, type, default and meaning."""
    variables, meanings = {name: one[0] for name, one in origins().items()}, meanings_of_settings()
    kinds = inspect.get_annotations(Settings)
    rows = [
        (f"`{variables[one.name]}`", _type(kinds[one.name]), _default(one), meanings[one.name])
        for one in fields(Settings)
    ]
    parts = [
        "# Settings",
        ABOUT_SETTINGS,
        _table(("variable", "type", "default", "meaning"), rows),
    ]
    return "\n\n".join(parts) + "\n"


def meanings_of_settings() -> dict[str, str]:
    """The comment behind each field of `Settings`.

    Raises:
        SystemExit: a field has none.
    """
    source = Path(settings_module.__file__).read_text(encoding="utf-8")
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    body = next(one.body for one in ast.parse(source).body if isinstance(one, ast.ClassDef) and one.name == "Settings")
    found = {
        one.target.id: comments.get(one.lineno, "")
        for one in body
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    }
    if bare := [name for name, meaning in found.items() if not meaning]:
        sys.exit(f"settings.py: no comment says what these fields mean: {', '.join(bare)}")
    return found


def _type(kind: Any) -> str:
    text = kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))
    words = {"str": "text", "int": "whole number", "Path": "path", "SecretStr": "secret", "Mapping": "JSON object"}
    return next((word for name, word in words.items() if name in text), text)


def _default(one: Any) -> str:
    if one.default is MISSING or one.default in (None, ""):
        return ""
    return f"`{one.default}`"


def _paragraphs(text: str) -> str:
    return inspect.cleandoc(text)


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
