"""Data: manifests, published corpora and synthetic sounds."""
