"""LEAF's pooled energies at a fraction of the direct convolution's cost."""
