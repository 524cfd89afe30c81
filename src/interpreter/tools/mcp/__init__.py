"""Tools that servers of others bring by the Model Context Protocol: each started inside walls of its own."""
