"""The command line: one group, whose commands are imported when they are called."""

from importlib import import_module

import click

from compose.version import VERSION

COMMANDS = {
    "alerts": "compose.alerts_command:alerts",
    "dashboard": "compose.dashboard_command:dashboard",
    "demo": "compose.demo_command:demo",
    "exporter": "compose.exporter_command:exporter",
    "status": "compose.status_command:status",
    "targets": "compose.targets_command:targets",
    "up": "compose.up_command:up",
}


class LazyGroup(click.Group):
    """A group that imports a command only when it is asked for: `targets check` needs no Streamlit."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, also of what is not imported yet."""
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None = there is none of that name."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "CELERY_SLO", "show_default": True},
)
@click.version_option(VERSION, prog_name="celery-slo")
def cli() -> None:
    """Which Celery queues break their promise right now, since when, and why."""
