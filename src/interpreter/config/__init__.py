"""Settings: the rooms' own option classes put together, read once from five layers, frozen."""
