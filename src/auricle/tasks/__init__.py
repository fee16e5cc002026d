"""The tasks, one package each: classification, enhancement, emotion recognition, separation and pre-training."""
