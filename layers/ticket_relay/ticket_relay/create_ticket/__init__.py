"""A partner's event becomes one ticket."""
