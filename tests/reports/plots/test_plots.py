from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from auricle.errors import AuricleError
from auricle.frontends import Frontend, create_frontend, list_frontends
from auricle.frontends.scales import spaced_freqs
from auricle.metrics import Interval, bootstrap_over_datasets, reliability
from auricle.reports import plots
from auricle.reports.plots.learned import center_freqs_hz, responses
from auricle.reports.plots.style import BLUE, VERMILION, hertz, move_apart
from auricle.studies.inspect import stages

BIN_HZ = 16000 / 8192


@pytest.fixture
def learnt() -> Frontend:
    frontend = create_frontend("leaf", n_filters=12)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in frontend.parameters():
            parameter.mul_(1.0 + 0.2 * torch.rand(parameter.shape, generator=generator))
    return frontend


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


def line(figure: Figure, label: str, axes: int = 0) -> np.ndarray:
    (found,) = [line for line in figure.axes[axes].lines if line.get_label() == label]
    return np.asarray(found.get_ydata(), dtype=float)


def test_a_gabor_response_peaks_at_its_centre_and_follows_its_gaussian(learnt: Frontend) -> None:
    found = responses(learnt)
    centers, widths = (part.detach().numpy() for part in learnt.filterbank.parameters_in_bounds())
    np.testing.assert_allclose(found.peaks_hz(), centers * 16000 / (2 * np.pi), atol=BIN_HZ)
    omega = 2 * np.pi * found.freqs_hz / 16000
    expected = np.exp(-0.5 * ((omega - centers[:, None]) * widths[:, None]) ** 2)
    whole = slice(4, None)  # the longest filters are cut off by their kernel
    np.testing.assert_allclose(found.gain[whole], expected[whole], atol=0.02)


@pytest.mark.parametrize("name", ["leaf", "td-filterbanks", "normalized-conv", "mel"])
def test_initial_banks_peak_on_the_mel_scale(name: str) -> None:
    frontend = create_frontend(name)
    bin_hz = BIN_HZ if name != "mel" else 8000 / (len(frontend.filterbank.triangles) - 1)
    mel = spaced_freqs(42, 60.0, 7800.0)[1:-1]
    np.testing.assert_allclose(responses(frontend).peaks_hz(), mel, atol=max(bin_hz, 5.0))


def test_the_peak_of_a_sinc_lies_within_its_band() -> None:
    frontend = create_frontend("sincnet")
    low, high = (edge.detach().numpy() for edge in frontend.filterbank.edges_hz())
    peaks, centers = responses(frontend).peaks_hz(), center_freqs_hz(frontend)
    assert ((peaks > low) & (peaks < high))[:-1].all()
    np.testing.assert_allclose(centers, (low + high) / 2)


def test_learnt_bands_on_a_spectrogram_are_drawn_beside_their_initial_ones() -> None:
    frontend = create_frontend("degram", n_filters=12)
    with torch.no_grad():
        frontend.filterbank.center_weights.add_(0.05)
    expected = frontend.filterbank.bands_hz()[0].detach().numpy()
    np.testing.assert_allclose(center_freqs_hz(frontend), expected, rtol=1e-6)
    found = responses(frontend)
    middles = (found.gain * found.freqs_hz).sum(axis=1) / found.gain.sum(axis=1)
    np.testing.assert_allclose(middles[:-2], expected[:-2], rtol=0.06)
    figures = plots.frontend_figures(frontend, create_frontend("degram", n_filters=12))
    assert titles(figures["filter_responses"]) == ["Initial", "Learnt"]
    assert set(figures) == {"filter_responses", "centre_frequencies"}
    assert center_freqs_hz(create_frontend("spectrogram"))[[0, 1, -1]].tolist() == [0.0, 31.25, 8000.0]


def test_attention_is_drawn_with_its_weights() -> None:
    spectrogram = np.arange(12.0).reshape(3, 4)
    weights = {"frequency": np.array([[0.2], [0.4], [0.6]]), "time": np.array([[0.1, 0.2, 0.3, 0.4]])}
    figure = plots.attention_maps(spectrogram, spectrogram / 2, weights, 0.01)
    assert titles(figure) == ["Before attention", "After attention", "Over bands", "Over frames"]
    images = [axes.images[0] for axes in figure.axes[:2]]
    np.testing.assert_array_equal(images[1].get_array(), spectrogram / 2)
    assert images[0].get_clim() == images[1].get_clim(), "both spectrograms share their colours"
    np.testing.assert_array_equal(figure.axes[2].lines[0].get_xdata(), [0.2, 0.4, 0.6])
    np.testing.assert_array_equal(figure.axes[3].lines[0].get_ydata(), [0.1, 0.2, 0.3, 0.4])


def test_stages_of_a_front_end_are_what_it_computes() -> None:
    frontend = create_frontend("degram", n_filters=12).eval()
    spectrogram, sincgram, whole = stages(frontend, "run").values()
    assert list(stages(frontend, "run")) == ["run: spectrogram", "run: SincGram", "run, by its logarithm"]
    clip = torch.randn(1, 4000)
    with torch.no_grad():
        floor = 1e-5
        torch.testing.assert_close(spectrogram(clip), (create_frontend("spectrogram")(clip) + floor).log())
        torch.testing.assert_close(sincgram(clip), (frontend.energies(clip) + floor).log())
        torch.testing.assert_close(whole(clip), (frontend(clip) + floor).log())
    assert list(stages(create_frontend("mel"), "mel")) == ["mel"]


def test_frequencies_below_zero_are_shown_only_where_a_filter_peaks_there() -> None:
    frontend = create_frontend("normalized-conv", n_filters=8)
    assert responses(frontend).freqs_hz[0] == 0.0
    peaks = responses(frontend).peaks_hz()
    with torch.no_grad():
        frontend.filterbank.weight[8 + 3].neg_()
    assert responses(frontend).freqs_hz[0] == -8000.0
    np.testing.assert_allclose(responses(frontend).peaks_hz(), peaks, atol=BIN_HZ)
    at_nyquist = create_frontend("leaf", n_filters=8)
    with torch.no_grad():
        at_nyquist.filterbank.center_freqs[-1] = 4.0
    assert responses(at_nyquist).freqs_hz[0] == 0.0
    assert responses(at_nyquist).peaks_hz()[-1] == 8000.0


def test_filter_responses_draws_both_banks(learnt: Frontend) -> None:
    initial = create_frontend("leaf", n_filters=12)
    figure = plots.filter_responses(learnt, initial)
    assert titles(figure) == ["Initial", "Learnt"]
    for axes, bank in zip(figure.axes, (initial, learnt), strict=True):
        drawn = sorted(np.asarray(line.get_ydata()).tolist() for line in axes.lines)
        assert drawn == sorted(responses(bank).gain.tolist())
    decibels = plots.filter_responses(learnt, scale="db")
    assert max(np.max(line.get_ydata()) for line in decibels.axes[0].lines) == pytest.approx(0.0)
    with pytest.raises(AuricleError, match="'mel'"):
        plots.filter_responses(learnt, scale="mel")  # type: ignore[arg-type]


def test_center_frequencies(learnt: Frontend) -> None:
    mel = spaced_freqs(14, 60.0, 7800.0)[1:-1]
    figure = plots.center_frequencies(learnt, create_frontend("leaf", n_filters=12))
    np.testing.assert_allclose(line(figure, "mel scale, the initial centres"), mel)
    expected = learnt.filterbank.parameters_in_bounds()[0].detach().numpy() * 16000 / (2 * np.pi)
    np.testing.assert_allclose(line(figure, "learnt"), expected, rtol=1e-6)
    linear = create_frontend("leaf", n_filters=12, init="linear")
    other = plots.center_frequencies(learnt, linear)
    np.testing.assert_allclose(line(other, "initial"), spaced_freqs(14, 60.0, 7800.0, "linear")[1:-1], rtol=1e-5)


def test_pooling_windows(learnt: Frontend) -> None:
    figure = plots.pooling_windows(learnt)
    lines = figure.axes[0].lines
    np.testing.assert_allclose([line.get_ydata() for line in lines[:12]], learnt.pooling.windows().detach(), rtol=1e-6)
    time_ms = np.asarray(lines[0].get_xdata())
    assert (time_ms[0], time_ms[-1]) == pytest.approx((-12.5, 12.5))
    np.testing.assert_allclose(line(figure, "initial"), np.exp(-0.5 * (time_ms / (0.4 * 12.5)) ** 2), rtol=1e-5)
    with pytest.raises(AuricleError, match="HannPool"):
        plots.pooling_windows(create_frontend("td-filterbanks"))


def test_pcen_parameters_are_those_that_forward_uses(learnt: Frontend) -> None:
    with torch.no_grad():
        learnt.compression.alpha[0] = 1.5
        learnt.compression.root[1] = 0.2
        learnt.compression.smooth[2] = -0.1
        learnt.compression.delta[3] = -1.0
    figure = plots.pcen_parameters(learnt)
    drawn = [line(figure, "learnt", axes) for axes in range(4)]
    assert [drawn[0][0], drawn[2][1], drawn[3][2]] == [1.0, 1.0, 0.0]
    assert drawn[1][3] == pytest.approx(learnt.compression.bounds["delta"][0])
    for axes, initial in enumerate([0.96, 2.0, 2.0, 0.04]):
        np.testing.assert_allclose(line(figure, "initial", axes), initial, rtol=1e-6)
    with pytest.raises(AuricleError, match="Log"):
        plots.pcen_parameters(create_frontend("mel"))


@pytest.mark.parametrize("name", list_frontends())
def test_frontend_figures_are_those_that_apply(name: str) -> None:
    expected = {
        "mel": {"filter_responses"},
        "mel-pcen": {"filter_responses", "pcen_parameters"},
        "mel-spcen": {"filter_responses", "pcen_parameters"},
        "td-filterbanks": {"filter_responses", "centre_frequencies"},
        "sincnet": {"filter_responses", "centre_frequencies"},
        "sincnet+": {"filter_responses", "centre_frequencies", "pooling_windows", "pcen_parameters"},
        "leaf": {"filter_responses", "centre_frequencies", "pooling_windows", "pcen_parameters"},
        "normalized-conv": {"filter_responses", "centre_frequencies", "pooling_windows", "pcen_parameters"},
        "wavegram": set(),
    }
    figures = plots.frontend_figures(create_frontend(name, n_filters=8), create_frontend(name, n_filters=8))
    if name in expected:
        assert set(figures) == expected[name]
    assert all(isinstance(figure, Figure) for figure in figures.values())
    for title in set(plots.DOTTED_START) & set(figures):
        assert any(line.get_linestyle() == ":" for axes in figures[title].axes for line in axes.lines)


def test_names_of_figures_are_written_as_people_do() -> None:
    assert [plots.in_words(name) for name in ("pcen_parameters", "training")] == ["PCEN parameters", "training"]


def test_accuracy_against_snr_draws_what_it_is_given() -> None:
    scores = {20.0: 0.9, 0.0: 0.7, -5.0: 0.5, None: 0.95}
    curve = [(snr, Interval(value, value - 0.02, value + 0.01)) for snr, value in scores.items()]
    figure = plots.accuracy_against_snr({"leaf": curve, "mel": curve[:3]})
    axes = figure.axes[0]
    np.testing.assert_array_equal(line(figure, "leaf"), [0.95, 0.9, 0.7, 0.5])
    np.testing.assert_array_equal(axes.lines[1].get_xdata(), [20.0, 0.0, -5.0])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["20", "0", "−5", "clean"]
    assert axes.xaxis_inverted()
    assert axes.lines[0].get_xdata()[0] > 20.0
    band = axes.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == pytest.approx((0.48, 0.96))
    assert {text.get_text() for text in axes.texts} == {"leaf", "mel"}
    nan = float("nan")
    unknown = {
        "leaf": [(None, Interval(0.9, nan, nan)), (0.0, Interval(nan, nan, nan))],
        "mel": [(None, Interval(nan, nan, nan))],
    }
    assert [text.get_text() for text in plots.accuracy_against_snr(unknown).axes[0].texts] == ["leaf"]
    with pytest.raises(AuricleError, match="leaf"):
        plots.accuracy_against_snr({"leaf": []})


@pytest.mark.parametrize(
    ("frequency_hz", "text"),
    [(0, "0"), (62.5, "62"), (-500, "−500"), (999.6, "1k"), (2500, "2.5k"), (-16000, "−16k"), (99_700, "100k"),
     (125_000, "125k")],
)  # fmt: skip
def test_a_frequency_is_short_at_its_tick(frequency_hz: float, text: str) -> None:
    assert hertz(frequency_hz) == text


def test_names_at_line_ends_keep_their_order_and_distance() -> None:
    moved = move_apart([0.5, 0.51, 0.9, 0.505], 0.1)
    assert np.argsort(moved).tolist() == [0, 3, 1, 2]
    assert np.diff(sorted(moved)).min() >= 0.1 - 1e-12
    assert moved[2] == 0.9
    assert move_apart([0.1, 0.9], 0.2) == [0.1, 0.9]


def test_difference_distribution_shares_and_colours_tell_the_p_value() -> None:
    better = bootstrap_over_datasets([90.0, 80.0, 70.0], [80.0, 75.0, 69.0], resamples=2000)
    unsure = bootstrap_over_datasets([90.0, 80.0, 70.0], [80.0, 85.0, 72.0], resamples=2000)
    figure = plots.difference_distribution({"leaf − mel": better, "leaf − td-filterbanks": unsure})
    assert titles(figure)[0] == "leaf − mel: +5.33, p < 0.0005"
    assert titles(figure)[1] == f"leaf − td-filterbanks: +1, p = {unsure.p_value:.2g}"
    for axes, difference in zip(figure.axes, (better, unsure), strict=True):
        shares = dict.fromkeys((BLUE, VERMILION), 0.0)
        for patch in axes.patches:
            for color in shares:
                shares[color] += patch.get_height() * (patch.get_facecolor() == to_rgba(color))
        assert shares[VERMILION] == pytest.approx(100 * difference.p_value)
        assert sum(shares.values()) == pytest.approx(100.0)
    plots.difference_distribution({"the same": bootstrap_over_datasets([1.0], [1.0], resamples=10)})


@pytest.mark.parametrize("n", [3, 20, 21, 50])
def test_confusion_rows_are_shares_and_counts_stand_in_small_ones(n: int) -> None:
    counts = np.random.default_rng(0).integers(0, 9, (n, n))
    counts[1] = 0
    figure = plots.confusion(counts, [f"class {index}" for index in range(n)])
    axes = figure.axes[0]
    shares = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(np.delete(shares.sum(axis=1), 1), 1.0)
    assert (shares[1] == 0).all()
    assert len(axes.texts) == (np.count_nonzero(counts) if n <= 20 else 0)
    assert [tick.get_text() for tick in axes.get_yticklabels()][:2] == ["class 0", "class 1"]
    with pytest.raises(AuricleError, match="2 labels"):
        plots.confusion(counts, ["a", "b"])


def test_reliability_is_a_panel_for_each() -> None:
    points = reliability(np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]]), np.array([0, 1, 1]))
    figure = plots.reliability_diagram({"before": points, "after": points})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["before", "after"]
    for axes in figure.axes:
        np.testing.assert_allclose(axes.lines[1].get_xdata(), [0.6, 0.7, 0.9], atol=1e-6)
        np.testing.assert_allclose(axes.lines[1].get_ydata(), [0.0, 1.0, 1.0])
    with pytest.raises(AuricleError, match="no probabilities"):
        plots.reliability_diagram({})


def test_recall_against_false_alarms_has_a_line_for_each_label(tmp_path: Path) -> None:
    curves = {"all labels": [(0.0, 0.2), (3.0, 0.9)], "_A$$AP": [(0.0, 0.1), (2.0, 0.8)], "b": [(0.0, 0.3), (9.0, 1.0)]}
    figure = plots.recall_against_false_alarms(curves, (3.0, 0.9))
    (axes,) = figure.axes
    assert [line.get_xdata().tolist() for line in axes.lines] == [[0, 3], [0, 9], [0, 2]]
    assert [text.get_text().strip() for text in axes.get_legend().get_texts()] == [
        "all labels", "b", "_A$$AP", "thresholds in use",
    ]  # fmt: skip
    assert plots.save(figure, tmp_path / "alarms.png").stat().st_size > 1000
    with pytest.raises(AuricleError, match="no clips with a label"):
        plots.recall_against_false_alarms({})


def test_training_curves() -> None:
    history = [
        {"epoch": "0", "train_loss": "2.0", "val_loss": "2.5", "val_accuracy": "0.4"},
        {"epoch": "1", "train_loss": "1.0", "val_loss": "", "val_accuracy": "0.6"},
    ]
    figure = plots.training_curves(history)
    assert line(figure, "train loss").tolist() == [2.0, 1.0]
    assert line(figure, "val loss").tolist() == [2.5]
    assert line(figure, "accuracy", axes=1).tolist() == [0.4, 0.6]
    without = [{key: row[key] for key in ("epoch", "train_loss", "val_loss")} for row in history]
    assert len(plots.training_curves(without).axes) == 1
    with pytest.raises(AuricleError, match="epoch"):
        plots.training_curves([{"epoch": "0"}])


def test_spectrograms_share_the_time_axis_and_hold_the_output() -> None:
    waveform = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    frontends = {name: create_frontend(name, n_filters=16) for name in ("mel", "leaf", "wavegram")}
    before = {name: buffer.clone() for name, buffer in frontends["wavegram"].named_buffers()}
    figure = plots.frontend_outputs(waveform, 16000, frontends)
    assert titles(figure) == ["Waveform", "mel", "leaf", "wavegram"]
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), waveform)
    with torch.no_grad():
        expected = frontends["leaf"](torch.from_numpy(waveform)[None])[0].numpy()
    np.testing.assert_array_equal(figure.axes[2].images[0].get_array(), expected)
    assert figure.axes[2].images[0].get_extent()[:2] == pytest.approx((-0.005, 0.495))
    assert all(axes.get_xlim() == (0.0, 0.5) for axes in figure.axes)
    first = figure.axes[1].get_yticklabels()[0].get_text()
    assert float(first) == pytest.approx(center_freqs_hz(frontends["mel"])[0], abs=0.5)
    assert frontends["wavegram"].training
    assert all(torch.equal(buffer, before[name]) for name, buffer in frontends["wavegram"].named_buffers())
    with pytest.raises(AuricleError, match="8000 Hz"):
        plots.frontend_outputs(waveform, 8000, frontends)
    with pytest.raises(AuricleError, match=r"\(1, 8000\)"):
        plots.frontend_outputs(waveform[None], 16000, frontends)


def test_save_makes_folders_and_works_in_a_thread(tmp_path, learnt: Frontend) -> None:
    def draw() -> None:
        for name, figure in plots.frontend_figures(learnt).items():
            plots.save(figure, tmp_path / "deep" / name)

    thread = threading.Thread(target=draw)
    thread.start()
    thread.join()
    written = sorted(path.name for path in (tmp_path / "deep").iterdir())
    assert written == ["centre_frequencies.png", "filter_responses.png", "pcen_parameters.png", "pooling_windows.png"]
    content = (tmp_path / "deep" / written[0]).read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert 640 <= int.from_bytes(content[16:20], "big") <= 900
