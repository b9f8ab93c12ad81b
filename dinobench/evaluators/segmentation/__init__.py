"""A class for every pixel, from frozen patch features."""
