"""Every minute: poll jobs, and send what is due."""
