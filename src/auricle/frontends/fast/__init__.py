"""LEAF's pooled energies at a fraction of the direct convolution's cost.

LEAF filters a clip x with Gabor filters φ and pools the squared modulus with windows g, one frame every `hop` samples:

    y(t) = (x * φ)(t),    E[k] = Σ_t g(t − k·hop)·|y(t)|².

Computed directly, y is a convolution at every sample (stride 1), although only one value per hop is used. But φ passes
a narrow band and g removes all but the slow changes of |y|², so that y is needed at every d-th sample only:

    E[k] ≈ Σ_j g̃(j·d − k·hop)·|y(j·d)|²,    g̃(j·d) = Σ_t g(t)·sinc((t − j·d)/d).

- `plan` chooses the stride d of every filter from its bandwidth and makes a `Plan` of the present parameters.
- `convolution` applies a plan by strided convolutions; exported graphs use it.
- `products` applies it to few frames by large matrix products; streams use it.
- `transform` applies it by Fourier transforms, which is faster on whole clips.
- `leakage` handles the lowest filters: the window truncates them, so that they are not narrow-band.
"""
