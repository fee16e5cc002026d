"""What a front-end does over time: the gain of adaptive compression and the weights of attention."""

from __future__ import annotations

import copy

import numpy as np
import torch
from matplotlib.figure import Figure

from auricle.frontends import Frontend
from auricle.frontends.attention import TFDELayer
from auricle.reports import plots


def workings(frontend: Frontend, waveform: np.ndarray) -> dict[str, Figure]:
    """Plots of a front-end over time: "gain" with the parameters of adaptive compression, "attention" weights."""
    frontend = copy.deepcopy(frontend).cpu()
    clip = torch.from_numpy(np.asarray(waveform, dtype=np.float32))[None]
    figures = {}
    with torch.no_grad():
        energies = frontend.energies(clip)
        trace = getattr(frontend.compression, "trace", None)
        if trace is not None:
            traced = trace(energies)
            gain_db = 10.0 * torch.log10(traced.gain[0].clamp(min=1e-12)).numpy()
            times_s = np.arange(gain_db.shape[-1]) * frontend.hop_length / frontend.sample_rate
            parameters = {"α": traced.alpha[0].numpy(), "γ": traced.gamma[0].numpy()}
            figures["gain"] = plots.gain_over_time(times_s, gain_db, parameters)
        if isinstance(frontend.attention, TFDELayer):
            spectrogram = frontend.compression(energies)
            shown = [values[0].numpy() for values in (spectrogram, frontend.attention(spectrogram))]
            if min(values.min() for values in shown) >= 0:
                shown = [np.log(values + 1e-5) for values in shown]
            weights = {name: values[0].numpy() for name, values in frontend.attention.weights(spectrogram).items()}
            hop_s = frontend.hop_length / frontend.sample_rate
            figures["attention"] = plots.attention_maps(shown[0], shown[1], weights, hop_s)
    return figures
