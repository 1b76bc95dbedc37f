"""`relay doctor`: is everything set up that the relay needs? It changes nothing, and Zendesk makes a token."""
