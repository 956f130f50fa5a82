"""Groups of commands: a command is a module of the group's package, imported for a call or for its help.

A command's module has the command's name, its docstring is the command's help, and the function of the same name runs
the command. The modules import their libraries inside that function, so that help does not wait for the libraries of
tables, models and pages. A sub-group is a package with an `app`.
"""

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

SETTINGS: dict[str, Any] = {"rich_markup_mode": "rich", "pretty_exceptions_enable": False, "add_completion": False}


def group(package: str, file: str, *names: str, **options: Any) -> typer.Typer:
    """A group of the modules `names` of a package (its `__name__` and `__file__`), listed in this order."""
    folder = Path(file).parent

    class Commands(TyperGroup):
        """Lists the commands with the docstrings of their files, and imports only the one that is called."""

        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands = {name: TyperCommand(name) for name in names}

        def parse_args(self, ctx: Any, args: list[str]) -> Any:
            # For an absent option Typer imports pydantic, which takes as long as the rest of a help.
            own, is_asked = self.params, not args or args[0].startswith("-")
            self.add_help_option, self.params = is_asked, own if is_asked else []
            try:
                return super().parse_args(ctx, args)
            finally:
                self.add_help_option, self.params = True, own

        def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - part of the interface
            return TyperCommand(cmd_name, help=told(folder, cmd_name)) if cmd_name in names else None

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            name, listed, rest = super().resolve_command(ctx, args)
            return name, listed and command(package, folder, str(name)), rest

    made = typer.Typer(cls=Commands, help=told(folder), **(SETTINGS | {"no_args_is_help": True} | options))
    made.callback()(lambda: None)
    return made


def command(package: str, folder: Path, name: str) -> Any:
    """The command of a module, or the group of a package."""
    module = import_module(f"{package}.{name}")
    app = getattr(module, "app", None)
    if app is None:
        app = typer.Typer(**SETTINGS)
        # A command whose argument may be a negative number must not take it for an option.
        context = {"ignore_unknown_options": True} if getattr(module, "TAKES_NEGATIVE_NUMBERS", False) else None
        app.command(name, help=told(folder, name), context_settings=context)(getattr(module, name))
    made = get_command(app)
    made.name = name
    return made


def told(folder: Path, name: str = "") -> str:
    """The docstring in the file of a command, or of a group, read without an import."""
    file = folder / f"{name}.py" if (folder / f"{name}.py").is_file() else folder / name / "__init__.py"
    return ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
