"""Logistic regression on frozen features."""
