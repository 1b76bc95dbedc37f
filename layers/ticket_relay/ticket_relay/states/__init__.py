"""How rows move: pure functions from a row and what was learned to the next row."""
