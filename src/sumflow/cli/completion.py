"""Shell completion: prints the script that a shell sources."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from sumflow.cli.output import examples

SHELLS = ("bash", "zsh", "fish")


@click.command(
    epilog=examples(
        'eval "$(sumflow completion bash)"              in ~/.bashrc',
        'eval "$(sumflow completion zsh)"               in ~/.zshrc',
        "sumflow completion fish | source               in ~/.config/fish/config.fish",
    )
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click knows the three shells offered
    click.echo(kind(context.find_root().command, {}, "sumflow", "_SUMFLOW_COMPLETE").source())
