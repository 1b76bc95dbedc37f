"""What the relay costs, as figures to compare: one module for each, and a table of it."""
