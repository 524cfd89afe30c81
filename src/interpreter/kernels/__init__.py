"""Languages with state: kernels, started and watched by the session's keeper."""
