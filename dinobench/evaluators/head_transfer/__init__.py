"""A classifier trained on ImageNet, scored on other images of its classes."""
