"""`python -m curate.llm.scripted`: the scripted server in a process of its own, with made-up answers."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import click

from curate.llm.scripted import JUDGES, BatchPlan, FaultPlan, Reply, ScriptedServer, by_role, fabricated, scripted_judge
from curate.llm.scripted.server import FEATURES


@click.command(context_settings={"show_default": True})
@click.option("--port", type=click.IntRange(0, 65535), default=8090, help="Port on loopback; 0: any that is free.")
@click.option("--latency", type=click.FloatRange(0), default=0.0, help="Seconds before each answer.")
@click.option("--faults", type=click.FloatRange(0, 1), default=0.0, help="Share of replies that go wrong.")
@click.option("--seed", type=int, default=13, help="Which ones go wrong.")
@click.option("--timeout", type=click.FloatRange(0), default=600.0, help="Seconds that a fault of kind time-out hangs.")
@click.option("--refuse", multiple=True, type=click.Choice(FEATURES), help="Answer 400 to requests that use this.")
@click.option("--judge", type=click.Choice(JUDGES), help="How verdicts are answered; made up unless it is given.")
@click.option("--polls", type=click.IntRange(0), default=3, help="Looks at a batch before it is ready.")
@click.option("--batch-latency", type=click.FloatRange(0), default=0.0, help="Seconds before a batch is ready.")
def main(**options: Any) -> None:
    """Answer like a language model's endpoint, with made-up questions about the passage of each request."""

    made_up = by_role(fabricated, scripted_judge(options["judge"])) if options["judge"] else fabricated

    def answers(body: dict[str, Any]) -> Reply:
        return replace(made_up(body), delay_s=options["latency"])

    plan = FaultPlan(answers, options["faults"], options["seed"], timeout_s=options["timeout"])
    with ScriptedServer(plan if options["faults"] else answers, port=options["port"], refuses=options["refuse"]) as server:
        server.remembers = False
        server.batches.plan = BatchPlan(options["polls"], options["batch_latency"])
        click.echo(f"base_url = {server.url}   (any model name, no key; stop with Ctrl-C)")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            click.echo(f"{server.answered:,} requests answered")


if __name__ == "__main__":
    main()
