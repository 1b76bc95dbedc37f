"""The command `relay console`."""

import click

from cli.options import a_stack, configured
from cli.where import Where
from layers.config.compile import Config

DEFAULT_PORT = 8321


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="Of the page; 0: any."
)
@click.option(
    "--days",
    type=click.FloatRange(0, min_open=True),
    default=7,
    show_default=True,
    help="Show what came in so many days, and what is not over, however old.",
)
@a_stack
@configured
def console(where: Where, config: Config, *, port: int, days: float) -> None:
    """Show events, definitions and health as a page in your browser, on this machine only.

    Prints the page's address, which holds a token; who has no token is refused. Ctrl-C ends it.

    Changes nothing but rows that you redrive there. Scans the whole table once at its start, as `list` does, and then
    follows the table's stream.
    """
    from cli.console.serving import listening  # noqa: PLC0415 - the other commands start faster without a web server

    with listening(where, config, port=port, days=days) as (address, server):
        click.echo(address)
        click.echo("Open this address in a browser on this machine. Ctrl-C ends the console.", err=True)
        server.serve_forever()
