"""What the demo says in the terminal: where it is, who may come in, and what to try."""

import json
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hub.demo.company import company


def greet(
    console: Console,
    *,
    url: str,
    receiver: str,
    keys: Mapping[str, str],
    vendors: Mapping[str, str],
    kept: str | None,
) -> None:
    """Print everything somebody needs who has just started the demo."""
    us = company()

    def say(text: str = "", style: str = "") -> None:
        # As it is: never wrapped, so that a line can be pasted; never read as markup.
        console.print(Text(text, style), soft_wrap=True)

    say()
    say(f"Team Signals Hub: a week at {us.name}, who make {us.about}", "bold")
    say()
    say(f"  dashboard  {url}/", "bold green")
    say(f"  GraphQL    {url}/graphql")
    say(f"  webhooks   {receiver}/  (what the sales team's endpoint received)")
    say(f"  data       {kept or 'in a temporary folder, removed at the end (--data DIR keeps it)'}")
    say()
    say("demo data, nothing leaves this machine", "yellow")
    say("anyone on this machine may sign in: the page offers every role's key", "yellow")
    say()
    table = Table("role", "API key", box=None, header_style="bold", pad_edge=False)
    for role, key in keys.items():
        table.add_row(role, Text(key, no_wrap=True))
    console.print(table)
    say()
    say("Three things to try", "bold")
    say("1. Ask what sales should hear, and why:")
    query = (
        '{ feed(role: "sales", first: 5) { edges { score reasons { evidence } node { title } } } }'
    )
    say(
        f"curl -s {url}/graphql -H 'Authorization: Bearer {keys['sales']}' "
        f"-H 'Content-Type: application/json' -d '{json.dumps({'query': query})}'",
        "cyan",
    )
    say("2. Open the dashboard, come in as sales, then as support: one company, two stories.")
    say("3. Make something happen at a vendor, and watch it arrive:")
    deal = {"dealname": "Hinode Denki: all of Japan", "company": "Hinode Denki", "amount": 240000}
    say(
        f"curl -s {vendors['hubspot']}/_demo/emit -d '{json.dumps(deal)}'",
        "cyan",
    )
    say()
    say("Ctrl-C stops", "bold")
    say()
