"""Offers an embedding model to other programs, by the APIs that they speak already."""
