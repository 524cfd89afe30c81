"""A small listener for people: one page for each question, opened by a signed link."""
