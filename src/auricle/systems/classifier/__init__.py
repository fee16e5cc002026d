"""The classifier: front-end, backbone and one head per task."""
