"""What the evaluators of frozen features share."""
