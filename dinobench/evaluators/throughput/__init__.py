"""Images per second."""
