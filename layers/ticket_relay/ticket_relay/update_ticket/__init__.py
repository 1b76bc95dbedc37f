"""A Zendesk trigger's webhook becomes one safe update of its ticket."""
