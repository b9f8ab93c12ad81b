"""What features say of themselves, without labels."""
