"""The team's documents, indexed on this machine: what a search finds stands there, with path and line."""
