"""What evaluators that train something share."""
