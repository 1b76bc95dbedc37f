"""Who sent a request, and what it says: signatures and payloads."""
