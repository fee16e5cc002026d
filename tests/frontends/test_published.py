"""The front-ends' numbers against the published implementations, and against figures typed in here.

The comparisons with complete recorded outputs need the `shared` material and skip without it; the figures do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from auricle.frontends import Frontend, create_frontend, list_frontends
from auricle.frontends.adaptive import AdaptivePCEN
from auricle.frontends.attention import TFDELayer
from auricle.frontends.compression import PCEN
from auricle.frontends.filterbanks import GaborFilterbank, gabor_initialisation
from auricle.frontends.scales import mel_matrix
from auricle.frontends.wavegram import Wavegram
from published import PublishedFigures, voice

PUBLISHED = {
    "leaf": "leaf",
    "melfilterbanks": "mel",
    "timedomainfilterbanks": "td-filterbanks",
    "sincnet": "sincnet",
    "sincnetplus": "sincnet+",
}
LENGTHS = (15999, 16001, 16080, 400)
KEYS = ("speech_out", "noise_out", "tone_out", "silence_out", *(f"speech_out_{n}" for n in LENGTHS))


def golden_input(key: str, speech: np.ndarray) -> np.ndarray:
    """The waveform of the recorded output `key`."""
    if key == "noise_out":
        return (0.01 * np.random.RandomState(0).randn(1, 16000))[0]
    if key == "tone_out":
        return 0.1 * np.sin(2.0 * np.pi * 1000.0 * np.arange(16000) / 16000)
    if key == "silence_out":
        return np.zeros(16000)
    n_samples = int(key.removeprefix("speech_out_")) if key != "speech_out" else len(speech)
    return np.concatenate([speech, np.zeros(max(0, n_samples - len(speech)))])[:n_samples]


def run(frontend: Frontend, waveform: np.ndarray) -> np.ndarray:
    """(bands, frames) of one waveform, in float32 as the published code computes."""
    with torch.no_grad():
        return frontend.eval()(torch.from_numpy(waveform.astype(np.float32))[None])[0].numpy()


def leaf_with_moved_parameters() -> Frontend:
    """Somewhat as training might move them; some pooling windows are wider than the bound of 0.5."""
    leaf = create_frontend("leaf", method="direct")
    steps = torch.arange(40)
    with torch.no_grad():
        leaf.filterbank.center_freqs.mul_(1.0 + 0.02 * torch.cos(1.7 * steps))
        leaf.filterbank.bandwidths.mul_(1.0 + 0.3 * torch.sin(2.3 * steps))
        leaf.pooling.widths.copy_(0.35 + 0.25 * torch.sin(0.9 * steps))
    assert (leaf.pooling.widths > 0.5).any()
    return leaf


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    return float(np.max(np.abs(actual - expected) / np.abs(expected)))


class TestRecordedOutputs:
    @pytest.mark.parametrize("key", KEYS)
    @pytest.mark.parametrize("stem", PUBLISHED)
    def test_published_variants_compute_what_leaf_audio_computes(
        self, shared: Path, stem: str, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recorded = np.load(shared / "golden" / f"leaf_audio_{stem}.npz")
        frontend = create_frontend(PUBLISHED[stem], variant="published")
        if key not in recorded:
            assert (stem, key) == ("timedomainfilterbanks", "speech_out_400")
            assert frontend.n_frames(400) == 0
            return
        expected = recorded[key].T
        actual = run(frontend, golden_input(key, recorded["speech"]))
        assert actual.shape == expected.shape
        error = np.abs(actual - expected)
        if (stem, key) == ("sincnetplus", "tone_out"):
            # Bands far from a steady tone hold nothing but the rounding of the float32 kernels, which PCEN
            # then lifts by dividing it by its own average. Sums in float32 add noise that depends on the processor.
            assert error.max() <= 5e-4
            kernels = frontend.filterbank.kernels().detach().double()
            exact = frontend.double()
            monkeypatch.setattr(exact.filterbank, "kernels", lambda: kernels)
            with torch.no_grad():
                summed = exact(torch.from_numpy(golden_input(key, recorded["speech"])).float().double()[None])[0]
            error = np.abs(summed.numpy() - expected)
            assert error.max() <= 5e-4
            assert (error > 1e-4).sum() <= 10
        else:
            assert error.max() <= (3e-4 if stem == "melfilterbanks" else 1e-4)

    @pytest.mark.parametrize("stem", PUBLISHED)
    def test_every_recorded_array_is_compared(self, shared: Path, stem: str) -> None:
        names = set(np.load(shared / "golden" / f"leaf_audio_{stem}.npz").files)
        assert {n for n in names if not n.startswith("variable/")} <= {"speech", *KEYS}

    @pytest.mark.parametrize("stem", PUBLISHED)
    def test_published_variants_start_from_leaf_audios_variables(self, shared: Path, stem: str) -> None:
        recorded = np.load(shared / "golden" / f"leaf_audio_{stem}.npz")
        variables = {n.removeprefix("variable/"): recorded[n] for n in recorded.files if n.startswith("variable/")}
        frontend = create_frontend(PUBLISHED[stem], variant="published")
        counterparts = dict(published_variables(stem, frontend))
        assert set(counterparts) == set(variables)
        for name, expected in variables.items():
            actual = counterparts[name].detach().numpy()
            np.testing.assert_allclose(actual, expected, rtol=2e-6, atol=2e-6, err_msg=name)

    def test_published_gabor_filters_are_exact_to_float32(self, shared: Path) -> None:
        recorded = np.load(shared / "golden" / "leaf_audio_leaf.npz")["variable/kernel:0"]
        bank = create_frontend("leaf", variant="published").filterbank
        assert relative_error(bank.center_freqs.detach().numpy(), recorded[:, 0]) < 1e-6
        assert relative_error(bank.bandwidths.detach().numpy(), recorded[:, 1]) < 1e-6

    def test_default_leaf_starts_where_the_port_starts(self, shared: Path) -> None:
        recorded = np.load(shared / "golden" / "leaf.npz")
        leaf = create_frontend("leaf")
        assert relative_error(leaf.filterbank.center_freqs.detach().numpy(), recorded["center_freqs"]) < 1e-5
        assert relative_error(leaf.filterbank.bandwidths.detach().numpy(), recorded["bandwidths"]) < 1e-5
        np.testing.assert_array_equal(leaf.pooling.widths.detach().numpy(), recorded["pooling_widths"])

    @pytest.mark.parametrize(("method", "tolerance"), [("direct", 1e-4), ("fast", 1e-3)])
    def test_default_leaf_computes_what_the_port_computes(self, shared: Path, method: str, tolerance: float) -> None:
        recorded = np.load(shared / "golden" / "leaf.npz")
        leaf = create_frontend("leaf", method=method)
        with torch.no_grad():
            energies = leaf.energies(torch.from_numpy(recorded["waveform"])[None])[0].numpy()
        assert energies.shape == recorded["energies"].shape
        if method == "direct":
            assert relative_error(energies, recorded["energies"]) <= tolerance
        errors = np.linalg.norm(energies - recorded["energies"], axis=-1) / np.linalg.norm(
            recorded["energies"], axis=-1
        )
        assert errors.max() <= tolerance
        assert np.abs(run(leaf, recorded["waveform"]) - recorded["pcen"]).max() <= tolerance

    def test_leaf_with_changed_parameters_computes_what_the_port_computes(self, shared: Path) -> None:
        recorded = np.load(shared / "golden" / "leaf_perturbed.npz")
        assert (recorded["pooling_widths"] > 0.5).any(), "this file is to exercise the bound as well"
        leaf = create_frontend("leaf", method="direct")
        with torch.no_grad():
            leaf.filterbank.center_freqs.copy_(torch.from_numpy(recorded["center_freqs"]))
            leaf.filterbank.bandwidths.copy_(torch.from_numpy(recorded["bandwidths"]))
            leaf.pooling.widths.copy_(torch.from_numpy(recorded["pooling_widths"]))
            energies = leaf.energies(torch.from_numpy(recorded["waveform"])[None])[0].numpy()
        assert relative_error(energies, recorded["energies"]) <= 1e-4


class TestFiguresOfRecordedOutputs:
    """The same for those who lack the recorded outputs; the constants of a front-end are recorded, too."""

    @pytest.mark.parametrize("key", ["noise_out", "tone_out", "silence_out"])
    @pytest.mark.parametrize("stem", PUBLISHED)
    def test_published_variants(self, stem: str, key: str, figures: PublishedFigures) -> None:
        bound = 3e-4 if stem == "melfilterbanks" else 5e-4 if (stem, key) == ("sincnetplus", "tone_out") else 1e-4
        actual = run(create_frontend(PUBLISHED[stem], variant="published"), golden_input(key, np.zeros(0)))
        figures(f"leaf_audio_{stem}/{key}", actual.T, atol=bound)

    @pytest.mark.parametrize("n_samples", [400, 15999, 16001, 16080])
    @pytest.mark.parametrize("stem", PUBLISHED)
    def test_published_variants_at_any_length(self, stem: str, n_samples: int, figures: PublishedFigures) -> None:
        frontend = create_frontend(PUBLISHED[stem], variant="published")
        if (stem, n_samples) == ("timedomainfilterbanks", 400):
            assert frontend.n_frames(400) == 0
            return
        actual = run(frontend, voice(n_samples))
        figures(f"leaf_audio_{stem}/voice_out_{n_samples}", actual.T, atol=3e-4 if stem == "melfilterbanks" else 1e-4)

    @pytest.mark.parametrize("stem", PUBLISHED)
    def test_variables_of_leaf_audio(self, stem: str, figures: PublishedFigures) -> None:
        for name, actual in published_variables(stem, create_frontend(PUBLISHED[stem], variant="published")):
            figures(f"leaf_audio_{stem}/variable/{name}", actual.detach().numpy(), rtol=2e-6, atol=2e-6)

    def test_default_leaf_starts_where_the_port_starts(self, figures: PublishedFigures) -> None:
        leaf = create_frontend("leaf")
        figures("leaf/center_freqs", leaf.filterbank.center_freqs.detach(), rtol=1e-5)
        figures("leaf/bandwidths", leaf.filterbank.bandwidths.detach(), rtol=1e-5)
        figures("leaf/pooling_widths", leaf.pooling.widths.detach(), rtol=1e-7)

    @pytest.mark.parametrize(("method", "tolerance"), [("direct", 1e-4), ("fast", 1e-3)])
    def test_default_leaf(self, method: str, tolerance: float, figures: PublishedFigures) -> None:
        leaf = create_frontend("leaf", method=method)
        if method == "direct":
            with torch.no_grad():
                energies = leaf.energies(torch.from_numpy(voice(16000))[None])[0]
            figures("leaf/energies of voice", energies, rtol=tolerance)
        figures("leaf/pcen of voice", run(leaf, voice(16000)), atol=tolerance)

    def test_leaf_with_moved_parameters(self, figures: PublishedFigures) -> None:
        with torch.no_grad():
            energies = leaf_with_moved_parameters().energies(torch.from_numpy(voice(16000))[None])[0]
        figures("leaf_perturbed/energies of voice", energies, rtol=1e-4)


def published_variables(stem: str, frontend: Frontend) -> Iterator[tuple[str, torch.Tensor]]:
    """The front-end's values by leaf-audio's variable names, in its shapes."""
    bank, pooling, compression = frontend.filterbank, frontend.pooling, frontend.compression
    if stem == "leaf":
        yield "kernel:0", torch.stack([bank.center_freqs, bank.bandwidths], dim=1)
        yield "leaf/learnable_pooling/kernel:0", pooling.widths[None, None, :, None]
        for name in ("alpha", "delta", "root"):
            yield f"leaf/PCEN/{name}:0", getattr(compression, name)
        yield "leaf/PCEN/EMA/smooth:0", compression.smooth
    elif stem == "timedomainfilterbanks":
        interleaved = torch.stack(bank.weight.chunk(2), dim=1).flatten(0, 1)
        yield "tfbanks/tfbanks_complex_conv/kernel:0", interleaved.T[:, None]
        yield "tfbanks/learnable_pooling/conv2d/kernel:0", pooling.window[None, :, None, None]
    elif stem in ("sincnet", "sincnetplus"):
        yield "kernel:0", torch.stack([bank.low_hz, bank.band_hz], dim=1)
        if stem == "sincnet":
            yield "sincnet/layer_normalization/gamma:0", compression.norm.weight
            yield "sincnet/layer_normalization/beta:0", compression.norm.bias
        else:
            yield "sincnet_plus/learnable_pooling/kernel:0", pooling.widths[None, None, :, None]
            for name in ("alpha", "delta", "root"):
                yield f"sincnet_plus/PCEN/{name}:0", getattr(compression, name)
            cell = "sincnet_plus/PCEN/simple_rnn/simple_rnn_cell"
            yield f"{cell}/kernel:0", torch.diag(compression.smooth)
            yield f"{cell}/recurrent_kernel:0", torch.diag(1.0 - compression.smooth)


class TestConstants:
    """Known initial values of the published code and its ports, which need no file."""

    def test_published_centres_are_bins_of_a_512_point_spectrum(self) -> None:
        centers, _ = gabor_initialisation(40, 16000, 60.0, 7800.0, "published")
        bins = centers * 512 / (2.0 * np.pi)
        np.testing.assert_allclose(bins, np.round(bins), atol=1e-9)
        assert np.round(bins[:8]).astype(int).tolist() == [3, 5, 7, 8, 10, 12, 14, 17]

    def test_published_bandwidths(self) -> None:
        _, widths = gabor_initialisation(40, 16000, 60.0, 7800.0, "published")
        np.testing.assert_allclose(widths[[0, 1, 20, 39]], [95.944, 63.963, 23.986, 8.343], atol=5e-4)

    def test_analytic_initialisation(self) -> None:
        centers, widths = gabor_initialisation(40, 16000, 60.0, 7800.0, "mel")
        assert centers[0] * 16000 / (2.0 * np.pi) == pytest.approx(106.10, abs=5e-3)
        assert widths[0] == pytest.approx(84.21, abs=5e-3)

    def test_the_two_initialisations_differ_by_up_to_a_quarter(self) -> None:
        _, published = gabor_initialisation(40, 16000, 60.0, 7800.0, "published")
        _, analytic = gabor_initialisation(40, 16000, 60.0, 7800.0, "mel")
        assert np.abs(analytic / published - 1.0).max() == pytest.approx(0.2413, abs=1e-3)

    @pytest.mark.parametrize(("n_filters", "distinct"), [(40, 40), (80, 78), (128, 116)])
    def test_distinct_published_centres(self, n_filters: int, distinct: int) -> None:
        centers, _ = gabor_initialisation(n_filters, 16000, 60.0, 7800.0, "published")
        assert len(np.unique(np.round(centers * 512 / (2.0 * np.pi)))) == distinct

    @pytest.mark.parametrize("n_filters", [40, 64, 80, 128])
    def test_default_centres_are_all_distinct_and_rising(self, n_filters: int) -> None:
        assert (create_frontend("leaf", n_filters=n_filters).filterbank.center_freqs.diff() > 0).all()

    @pytest.mark.parametrize("variant", ["paper", "published"])
    def test_bounds_of_the_bandwidth(self, variant: str) -> None:
        bank = create_frontend("leaf", variant=variant).filterbank
        assert isinstance(bank, GaborFilterbank)
        for value, bound in ((0.0, 1.499), (1e6, 150.29)):
            with torch.no_grad():
                bank.bandwidths.fill_(value)
            np.testing.assert_allclose(bank.parameters_in_bounds()[1].detach().numpy(), bound, atol=6e-3)

    def test_bandwidth_is_what_makes_the_stated_width_of_the_response(self) -> None:
        """σ at its bounds has a response whose full width at half maximum is 1/4, and 1/W, cycles per sample."""
        z = math.sqrt(2.0 * math.log(2.0)) / math.pi
        for sigma, width in ((4.0 * z, 1.0 / 4.0), (401 * z, 1.0 / 401)):
            half = width / 2.0
            assert math.exp(-0.5 * (2.0 * math.pi * half * sigma) ** 2) == pytest.approx(0.5)

    def test_initial_spcen(self) -> None:
        values = {name: p.unique().tolist() for name, p in create_frontend("leaf").compression.named_parameters()}
        assert {name: round(value, 6) for name, (value,) in values.items()} == {
            "alpha": 0.96,
            "delta": 2.0,
            "root": 2.0,
            "smooth": 0.04,
        }

    @pytest.mark.parametrize("variant", ["paper", "published"])
    def test_silence(self, variant: str) -> None:
        silence = create_frontend("leaf", variant=variant)(torch.zeros(1, 4000))
        np.testing.assert_allclose(silence.detach().numpy(), 0.207809, atol=1e-6)

    def test_silence_of_the_other_compressions(self) -> None:
        silence = torch.zeros(1, 4000)
        np.testing.assert_allclose(create_frontend("mel")(silence).numpy(), math.log(1e-5), rtol=1e-6)
        td = create_frontend("td-filterbanks")(silence).detach().numpy()
        np.testing.assert_allclose(td, math.log(2e-5), rtol=1e-6)
        sinc = create_frontend("sincnet")(silence).detach().numpy()
        np.testing.assert_allclose(sinc, 0.0, atol=1e-9)

    def test_pcen_of_a_constant_is_the_equation_with_the_average_equal_to_the_energy(self) -> None:
        energies = torch.full((1, 3, 50), 0.37)
        expected = (0.37 ** (1.0 - 0.96) + 2.0) ** 0.5 - 2.0**0.5
        np.testing.assert_allclose(PCEN(3)(energies).detach().numpy(), expected, rtol=1e-5)

    def test_triangles_of_the_default_bank_add_up_to_one(self) -> None:
        matrix = mel_matrix(40, 512, 16000, 60.0, 7800.0)
        assert matrix.shape == (257, 40)
        assert not matrix[0].any()
        assert matrix.max() <= 1.0
        between_first_and_last_centre = matrix[4:235].sum(axis=1)
        np.testing.assert_allclose(between_first_and_last_centre, 1.0, atol=1e-9)


class TestParameterCounts:
    @pytest.mark.parametrize(("n_filters", "count"), [(40, 280), (64, 448)])
    @pytest.mark.parametrize("variant", ["paper", "published"])
    def test_leaf_has_seven_parameters_per_filter(self, variant: str, n_filters: int, count: int) -> None:
        assert n_parameters(create_frontend("leaf", variant=variant, n_filters=n_filters)) == count

    @pytest.mark.parametrize(
        ("name", "count"),
        [
            ("mel", 0),
            ("mel-db", 0),
            ("mel-efficientat", 0),
            ("mel-spcen", 256),
            ("td-filterbanks", 51_328),
            ("sincnet", 256),
            ("sincnet+", 448),
            ("leaf", 448),
            ("mel-pcen", 192),
            ("normalized-conv", 51_328 + 64 + 256),
            ("leaf-fixed", 0),
            ("leaf-pcen", 256),
            ("leaf-simppcen", 128),
            ("leaf-apcen", 4482),
            ("spectrogram", 0),
            ("sincgram", 128),
            ("degram", 128 + (64 * 4 + 4) + (4 * 64 + 64) + (7 + 1)),
        ],
    )
    def test_learnt_at_64_filters_as_in_table_4(self, name: str, count: int) -> None:
        assert n_parameters(create_frontend(name, n_filters=64)) == count

    def test_attention_on_the_spectrogram_has_a_sixteenth_of_its_bins_as_hidden_units(self) -> None:
        assert n_parameters(create_frontend("despectrogram")) == (257 * 16 + 16) + (16 * 257 + 257) + (7 + 1)

    def test_wavegram_is_of_the_size_that_table_4_states(self) -> None:
        assert n_parameters(create_frontend("wavegram", n_filters=64)) == pytest.approx(300_000, rel=0.15)

    def test_every_front_end_is_counted_here(self) -> None:
        counted = {"mel", "mel-pcen", "mel-spcen", "td-filterbanks", "sincnet", "sincnet+", "leaf", "normalized-conv"}
        adaptive = {"leaf-fixed", "leaf-pcen", "leaf-simppcen", "leaf-apcen"}
        spectral = {"mel-db", "mel-efficientat", "spectrogram", "sincgram", "despectrogram", "degram"}
        assert counted | adaptive | spectral | {"wavegram"} == set(list_frontends())


def n_parameters(frontend: Frontend) -> int:
    return sum(p.numel() for p in frontend.parameters() if p.requires_grad)


def synthetic() -> np.ndarray:
    """Half a second: a quadratic chirp from 100 Hz to 7 kHz that swells, in noise. `RandomState` never changes."""
    time = np.arange(8000) / 16000
    phase = 2.0 * np.pi * (100.0 * time + (7000.0 - 100.0) * time**3 / (3.0 * 0.5**2))
    return 0.4 * (0.2 + time) * np.sin(phase) + 0.02 * np.random.RandomState(3).standard_normal(8000)


def deterministic(module: Wavegram | AdaptivePCEN | TFDELayer) -> None:
    """Deterministic weights of the usual scale, and zero biases."""
    with torch.no_grad():
        for weight in module.parameters():
            if weight.ndim > 1:
                fan_in = weight[0].numel()
                wave = torch.cos(1.7 * torch.arange(weight.numel(), dtype=torch.float64) ** 1.3)
                weight.copy_((wave * math.sqrt(4.0 / fan_in)).view_as(weight))
            elif not isinstance(module, Wavegram) or weight is module.sum.bias:
                weight.zero_()


PLACES = ((0, 0), (4, 10), (17, 25), (30, 38), (39, 47))
FIGURES: dict[tuple[str, str], list[float]] = {
    ("degram", "paper"): [4.53169, 6.25855, 1.44009, 1.7178, 2.68904],
    ("degram", "published"): [1.15191, -0.187677, -0.226407, -0.324255, -0.152797],
    ("despectrogram", "paper"): [1.26363, 0.0778875, 0.254669, 0.125507, 0.121976],
    ("despectrogram", "published"): [-0.377456, 0.18303, -0.808576, -0.108061, -1.08505],
    ("leaf", "paper"): [0.290928, 1.12785, 0.00583279, 2.39255, 0.243495],
    ("leaf", "published"): [0.298337, 0.31936, 0.00264406, 1.74862, 0.304309],
    ("leaf-apcen", "paper"): [0.851511, 1.62185, 0.125643, 2.911, 0.618362],
    ("leaf-apcen", "published"): [0.883743, 0.641124, 0.342445, 0.749911, 0.335662],
    ("leaf-fixed", "paper"): [0.290928, 1.12785, 0.00583148, 2.39255, 0.243502],
    ("leaf-fixed", "published"): [0.290928, 1.12785, 0.00583279, 2.39255, 0.243495],
    ("leaf-pcen", "paper"): [0.290928, 1.12785, 0.00583148, 2.39255, 0.243502],
    ("leaf-pcen", "published"): [0.290928, 1.12785, 0.00583279, 2.39255, 0.243495],
    ("leaf-simppcen", "paper"): [0.952633, 2.11236, 0.128561, 3.53432, 0.864882],
    ("leaf-simppcen", "published"): [0.952633, 2.11236, 0.128576, 3.53432, 0.864868],
    ("mel", "paper"): [2.97429, 4.08334, -1.39548, 6.56604, -0.203035],
    ("mel", "published"): [4.36509, 0.379719, -1.36478, 3.91801, 0.212524],
    ("mel-db", "paper"): [-5.12489, 1.97421, -28.4603, -9.78053, -27.4328],
    ("mel-db", "published"): [-1.11645, -14.953, -20.9644, -26.8406, -26.1108],
    ("mel-efficientat", "paper"): [0.333838, 0.939042, 0.403941, 2.3515, 1.12679],
    ("mel-efficientat", "published"): [-1.40259, -1.02309, -0.543023, -0.365465, -0.184928],
    ("mel-pcen", "paper"): [0.353932, 1.28899, 0.0048182, 2.93662, 0.292364],
    ("mel-spcen", "paper"): [0.353932, 1.28899, 0.0048182, 2.93662, 0.292364],
    ("normalized-conv", "paper"): [0.35776, 1.33386, 0.00703573, 2.66244, 0.276065],
    ("sincgram", "paper"): [6.1191, 6.69566, 1.4699, 1.72647, 2.70549],
    ("sincgram", "published"): [1.77971, -0.582908, -0.547405, -0.626808, -0.304943],
    ("sincnet", "paper"): [5.96709, 3.23317, 0.38507, 3.80398, -0.324384],
    ("sincnet", "published"): [6.07441, 3.26005, 0.0311689, 3.54813, -0.318469],
    ("sincnet+", "paper"): [0.380527, 1.75403, 0.141003, 2.76037, 0.350519],
    ("sincnet+", "published"): [0.381183, 1.59151, 0.093492, 2.62742, 0.28353],
    ("spectrogram", "paper"): [1.88731, 0.136445, 0.425334, 0.198667, 0.194324],
    ("spectrogram", "published"): [-0.761557, 0.341028, -1.65017, -0.248354, -2.17199],
    ("td-filterbanks", "paper"): [-1.13849, -0.374727, -5.86269, 2.13804, -4.58794],
    ("td-filterbanks", "published"): [0.430309, -5.29936, -5.56666, 0.109399, -2.62492],
    ("wavegram", "paper"): [-0.0865373, -0.10384, 0.104657, -0.302421, -0.247659],
}


class TestFigures:
    @pytest.mark.parametrize(("name", "variant"), FIGURES)
    def test_outputs_at_five_places(self, name: str, variant: str) -> None:
        exact = {("leaf", "paper"): "direct", ("leaf", "published"): "direct", ("leaf-apcen", "paper"): "loop"}
        method = {"method": exact[name, variant]} if (name, variant) in exact else {}
        frontend = create_frontend(name, variant=variant, **method)
        for part in (frontend.filterbank, frontend.compression, frontend.attention):
            if isinstance(part, Wavegram | AdaptivePCEN | TFDELayer):
                deterministic(part)
        spectrogram = run(frontend, synthetic())
        actual = [float(spectrogram[place]) for place in PLACES]
        np.testing.assert_allclose(actual, FIGURES[name, variant], rtol=1e-4, atol=1e-4)

    def test_log_mel_of_panns(self, shared: Path) -> None:
        with np.load(shared / "golden/panns_cnn14.npz") as golden:
            spectrogram = run(create_frontend("mel-db", variant="published", sample_rate=32000), golden["waveform"])
            np.testing.assert_allclose(spectrogram.T, golden["logmel"], rtol=0, atol=2e-4)

    def test_every_variant_has_figures(self) -> None:
        published = {"mel", "mel-db", "mel-efficientat", "td-filterbanks", "sincnet", "sincnet+"}
        published |= {"spectrogram", "sincgram", "despectrogram", "degram"}
        published |= {name for name in list_frontends() if name.startswith("leaf")}
        expected = {(name, "paper") for name in list_frontends()} | {(name, "published") for name in published}
        assert set(FIGURES) == expected
