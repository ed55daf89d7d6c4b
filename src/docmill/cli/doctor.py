"""``docmill doctor``: what docmill rests on, and what to do where it is amiss."""

from typing import TYPE_CHECKING

import typer

from docmill.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from docmill.domain.results import DoctorResult

PANEL = "Upkeep"
commands = typer.Typer()


@command(commands, "doctor", panel=PANEL, example="docmill doctor\ndocmill doctor --json")
def doctor(invocation: Invocation) -> "DoctorResult":
    """Check the installation, the machine and the home, and say what to do about what is amiss.

    Works without a home and without a network, and changes nothing. Exit 7 where docmill cannot work as things are.
    """
    from docmill.service.doctor import examine

    return examine(invocation.home)
