"""Execution environments of the functions: the real Lambda runtime, or plain Python processes."""
