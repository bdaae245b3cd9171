"""The list of commands under headings, in the order in which people meet them."""

from typing import Any

from typer.core import TyperGroup

SECTIONS = ("Begin", "Run", "Look", "Keep")


class InSections(TyperGroup):
    """Lists commands under the `rich_help_panel` that they were registered with."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        names = self.list_commands(ctx)
        width = max(map(len, names))
        for name in names:
            command = self.get_command(ctx, name)
            assert command is not None, "what is listed exists"
            section = getattr(command, "rich_help_panel", None) or "Commands"
            short = command.get_short_help_str(limit=formatter.width - width - 6)
            sections.setdefault(section, []).append((f"{name:<{width}}", short))
        for section in (*SECTIONS, "Commands"):
            if section in sections:
                with formatter.section(section):
                    formatter.write_dl(sections[section])
