"""Images of one kind ask for those of the same thing among images of another kind."""
