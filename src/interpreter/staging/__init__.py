"""Staged mode on the host's side: what lies in the stage, shown and committed. Nothing in there is believed."""
