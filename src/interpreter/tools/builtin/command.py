"""Commands of the shell, for sessions in which the model may run nothing else."""

from __future__ import annotations

from ..definition import ToolContext, tool


@tool(access="write", targets=("command",), timeout=600.0, runs="shell", inside=False)
def run_command(ctx: ToolContext, command: str) -> str:
    """Run a command in the shell and see its output. Its folder and variables are kept between calls.

    Args:
        command: As it would be typed, for example: ls -l data
    """
    raise AssertionError("a call of it is an action of the shell")
