"""Each image of a labeled set asks for the others of its class."""
