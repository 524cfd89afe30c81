"""Values that travel between rooms: frozen, tagged, encoded by msgspec, and knowing nobody."""
