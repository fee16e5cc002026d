"""Emotion recognition in noise: folds over speakers, noisy and enhanced speech, trainings and tables."""
