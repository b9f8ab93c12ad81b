"""Fine-tuning of the whole network."""
