"""Languages with state: kernels, started and watched by the session's keeper."""

from .contracts import Hello, KernelOptions, Running, Sink, Walls
from .kernels import Kernels

__all__ = ["Hello", "KernelOptions", "Kernels", "Running", "Sink", "Walls"]
