"""The AWS side: the stack made from the template, DynamoDB, and the schedule."""
