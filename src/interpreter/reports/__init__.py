"""Reports of a run: readings of its log for people, for build servers and for programs."""
