"""What Zendesk allows, shared by all functions through the table."""
