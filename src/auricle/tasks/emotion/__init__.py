"""Emotion recognition in noise (TRNet): leave-one-speaker-out folds, noisy and enhanced speech, evaluation."""
