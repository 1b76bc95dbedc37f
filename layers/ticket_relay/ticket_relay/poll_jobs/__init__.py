"""What is unfinished is driven on, every minute."""
