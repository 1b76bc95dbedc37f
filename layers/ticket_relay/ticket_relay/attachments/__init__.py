"""The files that a partner's event brings: fetched from where it says, checked, and uploaded to Zendesk."""
