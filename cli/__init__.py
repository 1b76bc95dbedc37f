"""The operator's command line. Never deployed. It reads a stack and its table, and writes only to redrive a row."""
