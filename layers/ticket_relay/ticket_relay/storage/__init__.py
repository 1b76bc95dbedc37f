"""What is stored in DynamoDB, and how: every write has a condition."""
