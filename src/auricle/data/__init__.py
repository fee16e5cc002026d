"""Data: manifests, splits, data loading, published corpora and synthetic sounds."""
