"""Ticket Relay: signed partner webhooks become exactly one Zendesk ticket each, and tickets are updated without
overwriting anybody.
"""
