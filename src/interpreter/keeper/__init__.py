"""The keeper: a program of its own that owns a session's kernels. Run as `python -I -S <this folder> RUN_DIR`."""
