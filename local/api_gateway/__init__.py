"""What API Gateway does with a request."""
