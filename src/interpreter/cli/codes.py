"""The exit codes, as a table; `docs/exit-codes.md` is compared with it."""

from __future__ import annotations

EXIT_CODES: dict[int, str] = {
    0: "The task is done.",
    1: "The task failed or could not be verified, or this program has a mistake.",
    2: "Wrong usage or configuration.",
    3: "The run ended because somebody, or a policy, said no.",
    4: "An approval is missing and nobody is there to give it; the session waits and can be resumed.",
    5: "A limit was reached: steps, time, tokens or cost.",
    6: "The model could not be reached, or failed.",
    7: "No sandbox where one was asked for.",
    130: "Interrupted.",
    141: "Nobody read standard output any more.",
}
