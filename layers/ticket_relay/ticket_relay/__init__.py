"""Signed partner webhooks become exactly one Zendesk ticket each; tickets are updated without overwriting anybody."""

__version__ = "0.1.0"
"""Of the relay, in each line of its logs. pyproject.toml reads it here; CHANGELOG.md says what is in it."""
