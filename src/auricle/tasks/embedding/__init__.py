"""Embeddings of recordings: computing them in bulk, and searching for sounds like an example."""
