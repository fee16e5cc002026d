"""The classifier: a front-end, a backbone and a head."""
