"""Pre-training of an audio masked autoencoder on recordings without labels."""
