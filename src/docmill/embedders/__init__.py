"""One file a way of turning text into vectors."""
