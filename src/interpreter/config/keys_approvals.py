"""Settings of questions: what becomes of them when nobody is there, who is told, and when a run stands still to ask."""

from __future__ import annotations

from .key import N_, Key

ASKING = (
    Key(
        "approvals",
        "choice",
        N_(
            "What becomes of a question when nobody is there. deny: a no. park: the run stops until it is answered."
            " wait: it stays and waits."
        ),
        ("--approvals",),
        "agent.approvals",
        choices=("", "deny", "park", "wait"),
    ),
    Key(
        "approval_timeout",
        "float",
        N_("Seconds after which a question that nobody answered is a no. Unset: it waits."),
        ("--approval_timeout",),
        "agent.approval_timeout",
        least=1,
    ),
    Key(
        "approval_notify",
        "names",
        N_("Targets of the tool notify that are told of a question when nobody is there."),
        into="links.notify",
        guard="never",
    ),
    Key(
        "approval_url",
        "text",
        N_("Address at which people reach interpreter approvals serve: questions go out with a link that answers."),
        into="links.url",
        guard="never",
    ),
    Key(
        "approval_link",
        "float",
        N_("Seconds that such a link counts."),
        into="links.lifetime",
        guard="never",
        least=1,
        most=604_800,
    ),
)
RISES = (
    Key(
        "rise_failures",
        "int",
        N_("As many failures among the last five actions, after few before, stop an unattended run to ask. 0: never."),
        into="agent.rise_failures",
        guard="never",
        least=0,
        most=5,
    ),
    Key(
        "rise_factor",
        "float",
        N_("A request that costs as many times the usual stops an unattended run to ask. 0: never."),
        into="agent.rise_factor",
        guard="never",
        least=0,
    ),
    Key(
        "rise_tokens",
        "int",
        N_("Tokens below which a request is never such a rise."),
        into="agent.rise_tokens",
        guard="never",
        least=0,
    ),
)
