"""Languages with state: kernels, started and watched by the session's keeper."""

from .contracts import Hello, KernelOptions, Restored, Running, Sink, Walls
from .kernels import Kernels

__all__ = ["Hello", "KernelOptions", "Kernels", "Restored", "Running", "Sink", "Walls"]
