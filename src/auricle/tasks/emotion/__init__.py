"""Emotion recognition in noise (TRNet): folds over speakers, noisy and enhanced speech, and tables."""
