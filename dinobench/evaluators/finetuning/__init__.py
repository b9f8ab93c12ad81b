"""Parts of fine-tuning: recipe, augmentation, batches, classifier, checkpoints, loop."""
