"""Classifiers on frozen features for images of several classes."""
