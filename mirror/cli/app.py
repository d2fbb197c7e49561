"""The command line ``mirror``: exit 0 on success, 1 on a failure told in one line, 2 on wrong usage.

Built of the table of commands: a command's module is imported when it is called, so that ``mirror
status`` is quick, and the help imports none of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from mirror.cli.table import COMMANDS, GROUPS, Command, Panel
from mirror.errors import MirrorError
from mirror.named import resolve


def run() -> NoReturn:
    """Entry point of the console script."""
    sys.exit(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (wrong usage raises SystemExit(2))."""
    try:
        get_command(_app())(list(sys.argv[1:] if arguments is None else arguments), prog_name="mirror")
    except SystemExit as end:  # the only way out
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if code == 2:
            raise
        return code
    return 0


class _Listed(TyperCommand):
    """A command of the table as the help lists it; its module is not imported."""

    def __init__(self, command: Command) -> None:
        self.listed = command
        super().__init__(
            command.path.split()[-1],
            help=command.help,
            hidden=command.hidden,
            rich_help_panel=command.panel.value,
        )


class _Group(TyperGroup):
    """Commands of the table whose path begins alike."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {}
        for command in COMMANDS:
            *first, last = command.path.split()
            if first == self.first_words():
                self.commands[last] = _Listed(command)

    def first_words(self) -> list[str]:
        """The words before those of this group's commands."""
        return [self.name] if self.name else []

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that is called, its module imported."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(command.listed) if isinstance(command, _Listed) else command, rest


class _Root(_Group):
    """All of the command line. Failures become one line and an exit code."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for group in GROUPS:
            self.commands[group.path] = _Group(
                name=group.path, help=group.help, rich_help_panel=group.panel.value
            )
        panels = {command.path: list(Panel).index(command.panel) for command in COMMANDS}
        panels |= {group.path: list(Panel).index(group.panel) for group in GROUPS}
        self.commands = dict(sorted(self.commands.items(), key=lambda item: panels[item[0]]))

    def first_words(self) -> list[str]:
        """None: its commands' paths are one word."""
        return []

    def invoke(self, ctx: Any) -> Any:
        """Run the command that is called and end with its exit code."""
        try:
            code = super().invoke(ctx)
        except MirrorError as error:
            print(f"mirror: {error}", file=sys.stderr)
            code = 1
        except KeyboardInterrupt:
            print("mirror: interrupted", file=sys.stderr)
            code = 1
        except BrokenPipeError:  # the reader of our output has gone, as in `mirror logs | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
        raise typer.Exit(code or 0)


def load(command: Command) -> Any:
    """The command of a line of the table, its module imported and its options known."""
    app = typer.Typer(add_completion=False, rich_markup_mode="rich")
    app.command(command.path.split()[-1], help=command.help)(resolve(command.function))
    return get_command(app)


def _app() -> typer.Typer:
    app = typer.Typer(name="mirror", cls=_Root, rich_markup_mode="rich")
    app.callback(help="A virtual fitting mirror.")(_mirror)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        try:
            print(f"mirror {version('fitting-mirror')}")
        except PackageNotFoundError:
            print("mirror (not installed)")
        raise typer.Exit


def _mirror(
    _version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version."),
    ] = False,
) -> None:
    """Take the options that stand before any command."""
