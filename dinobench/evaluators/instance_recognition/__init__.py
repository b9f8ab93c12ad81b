"""Which of very many things a photo shows, or none of them, by nearest neighbors."""
