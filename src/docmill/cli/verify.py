"""``docmill verify``: whether what is on the disk is what should be there."""

from typing import TYPE_CHECKING, Annotated

import typer

from docmill.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from docmill.domain.results import VerifyResult

commands = typer.Typer()


@command(
    commands,
    "verify",
    panel="Upkeep",
    events=True,
    lock=True,
    limit=True,
    example="docmill verify\ndocmill verify --repair",
)
def verify(
    invocation: Invocation,
    *,
    repair: Annotated[bool, typer.Option("--repair", help="Make it so, and verify again.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Compare ids, counts and sizes; no contents.")] = False,
    checksum: Annotated[
        bool, typer.Option("--checksum", help="Read every file of the folders, whatever its times say.")
    ] = False,
) -> "VerifyResult":
    """Hold folders, state.db, artifacts, cached vectors and databases against each other. Exit 3 where they disagree.

    Without --repair nothing is written and no lock is taken, and each finding says what --repair would do. Repair does
    again what is wrong and nothing else: from artifacts and cached vectors, so that a lost database costs no parsing
    and no embedding. It waits for an engine that is at work; see docs/verify.md.
    """
    from docmill.service.verify import command as verifying

    return verifying.verify(invocation.settings(), invocation.reporter(), repair=repair, quick=quick, checksum=checksum)
