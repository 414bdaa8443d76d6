"""The menu of the release ledger: `digital-cluster ledger ...`. Parses, calls, prints; no logic."""

from pathlib import Path
from typing import Annotated

import typer

KeyFileOption = Annotated[Path, typer.Option(help="File to write; one that is there is never replaced.")]

ledger_app = typer.Typer(no_args_is_help=True, help="The release ledger: its key, its proof, its audit.")


@ledger_app.command()
def key(
    out: Annotated[Path, typer.Option(help="File to write; one that is there is never replaced.")],
) -> None:
    """Make a key that seals and signs the ledger; only its owner can read the file."""
    from pipelines.connectors.sealing import make_key_file

    made = make_key_file(out)
    typer.echo(
        f"{out}: key {made.key_id}; keep a copy apart from the store, and set DC_LEDGER_KEY_FILE={out}"
        f" / 저장소와 다른 곳에 사본을 보관하고 DC_LEDGER_KEY_FILE={out}로 지정하세요"
    )
