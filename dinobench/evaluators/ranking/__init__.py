"""What the ranking evaluators share."""
