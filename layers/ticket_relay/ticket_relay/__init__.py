"""Signed partner webhooks become exactly one Zendesk ticket each; tickets are updated without overwriting anybody."""
