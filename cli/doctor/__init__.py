"""`relay doctor`: checks the set-up. It changes nothing, except that Zendesk makes a token for it."""
