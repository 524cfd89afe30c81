"""The settings of checkpoints: what saving the variables of kernels may cost."""

from __future__ import annotations

from .key import N_, Key

CHECKPOINTS = (
    Key(
        "checkpoints.enabled",
        "bool",
        N_("Save the variables of kernels after each step, so that they come back after a crash."),
        env="checkpoints",
        guard="never",
    ),
    Key(
        "checkpoints.variable",
        "size",
        N_("Size up to which one variable is saved; a larger one is named as not saved."),
        env="checkpoints_variable",
        guard="never",
        least=1 << 10,
    ),
    Key(
        "checkpoints.total",
        "size",
        N_("Size of one checkpoint, at most half of the free disk; what goes beyond it is named as not saved."),
        env="checkpoints_total",
        guard="never",
        least=1 << 20,
    ),
    Key(
        "checkpoints.disk",
        "size",
        N_("Disk space of all checkpoints of a session; the oldest give way."),
        env="checkpoints_disk",
        guard="never",
        least=1 << 20,
    ),
    Key(
        "checkpoints.deadline",
        "float",
        N_("Seconds for saving once, beside whatever runs; what is not saved by then is named as not saved."),
        env="checkpoints_deadline",
        guard="never",
        least=1,
    ),
    Key(
        "checkpoints.memory",
        "size",
        N_("Memory that the process which saves may take for itself."),
        env="checkpoints_memory",
        guard="never",
        least=64 << 20,
    ),
)
