"""The Zendesk Support API as this project uses it."""
