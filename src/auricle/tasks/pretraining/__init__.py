"""Pre-training of an audio masked autoencoder on unlabelled recordings."""
