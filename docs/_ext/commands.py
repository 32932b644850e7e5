"""The directive ``commands``: the help of every command, as the command prints it."""

from __future__ import annotations

from collections.abc import Iterator

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from rarecorrect.cli import main


def _all_of(command: click.Command, context: click.Context) -> Iterator[click.Context]:
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, name
            if not inner.hidden:
                yield from _all_of(inner, click.Context(inner, context, name))


class Commands(SphinxDirective):
    """A section for each command that does something itself."""

    def run(self) -> list[nodes.Node]:
        """Ask every command for its help, 88 columns wide."""
        top = click.Context(main, info_name="rarecorrect", terminal_width=88)
        return [
            self._section(context)
            for context in _all_of(main, top)
            if not isinstance(context.command, click.Group)
        ]

    def _section(self, context: click.Context) -> nodes.section:
        path = context.command_path
        section = nodes.section(ids=[nodes.make_id(path)], names=[path])
        section += nodes.title(text=path)
        text = context.command.get_help(context)
        section += nodes.literal_block(text, text, language="text")
        return section


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
