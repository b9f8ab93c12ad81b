"""A classifier trained on ImageNet, scored on corrupted images."""
