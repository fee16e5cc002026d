"""ResUNet30 with FiLM: equal to the published outputs and to slow twins; limit cases; its checkpoints."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from auricle import audio
from auricle.__main__ import main
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.systems import load
from auricle.systems.classifier.system import Classifier
from auricle.systems.resampling import resample
from auricle.systems.separator import PRESETS, Separator
from auricle.systems.separator.published import from_published
from auricle.systems.separator.resunet import ResidualConvBlock, ResUNet30, ResUNetSize, UNetDecoder, apply_maps
from auricle.systems.separator.system import negative_sdr
from published import PublishedFigures, in_noise, voice
from reference import naive_batch_norm, naive_convolution, reference_state_dict, shapes_of

TINY: dict[str, Any] = {"n_fft": 64, "hop_length": 20, "channels": (2, 3, 4), "query_size": 5}


def auricle(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code)  # type: ignore[arg-type]


def tiny(**size: Any) -> ResUNet30:
    model = ResUNet30(ResUNetSize(**TINY | size)).eval()
    model.load_state_dict(reference_state_dict(shapes_of(model)))
    return model


def noise(*shape: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def published() -> ResUNet30:
    """The full-size network with reference weights."""
    with torch.device("meta"):
        model = ResUNet30()
    model.load_state_dict(reference_state_dict(shapes_of(model)), assign=True)
    return model.eval()


def test_published_output(published: ResUNet30, shared: Path) -> None:
    keys = json.loads((shared / "golden/uss_resunet30.keys.json").read_text())
    assert {name: list(shape) for name, shape in shapes_of(published).items()} == keys
    with np.load(shared / "golden/uss_resunet30.npz") as recorded:
        arrays = {name: torch.from_numpy(recorded[name]) for name in recorded.files}
    with torch.no_grad():
        separated = published(arrays["mixture"][None], arrays["condition"][None])[0]
    error = (separated - arrays["separated"]).abs().max() / arrays["separated"].abs().max()
    assert error < 1e-5


def test_figures_of_a_voice(published: ResUNet30, figures: PublishedFigures) -> None:
    mixture = torch.from_numpy(in_noise(voice(9600, 32000), 5.0))
    query = torch.from_numpy(np.random.default_rng(4).random(2048).astype(np.float32))
    with torch.no_grad():
        separated = published(mixture[None], query[None])[0]
    figures("uss_resunet30/separated of voice", separated, of_peak=1e-5)
    figures.names_and_shapes("uss_resunet30.keys", shapes_of(published))


@pytest.mark.parametrize(("query_size", "film"), [(527, 5_204_000), (2048, 20_190_000)])
def test_parameters_are_the_published(query_size: int, film: int) -> None:
    with torch.device("meta"):
        model = ResUNet30(ResUNetSize(query_size=query_size))
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert counts["base"] == pytest.approx(21_390_000, rel=1e-3)
    assert counts["film"] == pytest.approx(film, rel=1e-3)


class TestTwins:
    def test_block(self) -> None:
        block = ResidualConvBlock(2, 3).eval()
        block.load_state_dict(reference_state_dict(shapes_of(block)))
        x = np.random.default_rng(0).standard_normal((2, 4, 5))
        betas = {"x->beta1": noise(1, 2, 1, 1).double(), "x->beta2": noise(1, 3, 1, 1, seed=1).double()}
        with torch.no_grad():
            got = block.double()(torch.from_numpy(x)[None], betas, "x")[0].numpy()
        np.testing.assert_allclose(got, naive_block(block, x, betas, "x"), atol=1e-9)

    def test_decoder(self) -> None:
        decoder = UNetDecoder(3, 2, (2, 3)).eval()
        decoder.load_state_dict(reference_state_dict(shapes_of(decoder)))
        generator = np.random.default_rng(0)
        x, skip = generator.standard_normal((3, 2, 2)), generator.standard_normal((2, 4, 6))
        sizes = {"y->beta1": 3, "y->beta2": 3, "y->conv_block2->beta1": 4, "y->conv_block2->beta2": 2}
        betas = {name: noise(1, n, 1, 1, seed=i).double() for i, (name, n) in enumerate(sizes.items())}
        with torch.no_grad():
            inputs = torch.from_numpy(x)[None], torch.from_numpy(skip)[None]
            got = decoder.double()(*inputs, betas, "y")[0].numpy()
        shifted = naive_batch_norm(x, decoder.bn1) + betas["y->beta1"][0].numpy()
        active = np.where(shifted > 0, shifted, 0.01 * shifted)
        kernel = decoder.conv1.weight.detach().numpy()
        up = np.zeros((2, 4, 6))
        for i, o, row, column, dy, dx in np.ndindex(3, 2, 2, 2, 2, 3):
            up[o, 2 * row + dy, 3 * column + dx] += active[i, row, column] * kernel[i, o, dy, dx]
        want = naive_block(decoder.conv_block2, np.concatenate([up, skip]), betas, "y->conv_block2")
        np.testing.assert_allclose(got, want, atol=1e-9)

    def test_mask(self) -> None:
        generator = np.random.default_rng(0)
        spectra = generator.standard_normal((1, 2, 3)) + 1j * generator.standard_normal((1, 2, 3))
        maps = generator.standard_normal((1, 3, 2, 3))
        magnitudes = torch.from_numpy(np.abs(spectra))
        got = apply_maps(torch.from_numpy(spectra), magnitudes, torch.from_numpy(maps)).numpy()
        for frame, column in np.ndindex(2, 3):
            m, r, j = maps[0, :, frame, column]
            x = spectra[0, frame, column]
            turn = np.angle(np.tanh(r) + 1j * np.tanh(j))
            want = abs(x) / (1 + np.exp(-m)) * np.exp(1j * (np.angle(x) + turn))
            assert got[0, frame, column] == pytest.approx(want, abs=1e-12)


def naive_block(block: ResidualConvBlock, x: NDArray, betas: dict[str, Tensor], place: str) -> NDArray:
    y = x
    for index in (1, 2):
        shifted = naive_batch_norm(y, block.get_submodule(f"bn{index}")) + betas[f"{place}->beta{index}"][0].numpy()
        active = np.where(shifted > 0, shifted, 0.01 * shifted)
        y = naive_convolution(active, block.get_parameter(f"conv{index}.weight").detach().double().numpy())
    if block.shortcut is None:
        return x + y
    assert block.shortcut.bias is not None
    weight, bias = block.shortcut.weight.detach().double().numpy(), block.shortcut.bias.detach().double().numpy()
    return naive_convolution(x, weight) + bias[:, None, None] + y


class TestLimits:
    @pytest.mark.parametrize("n_samples", [33, 79, 80, 81, 1000])
    @pytest.mark.parametrize("level", [0.0, 1e-6, 1.0])
    def test_any_length_and_level(self, n_samples: int, level: float) -> None:
        model = tiny().train()
        mixture = (level * torch.sign(noise(2, n_samples))).requires_grad_()
        separated = model(mixture, noise(2, 5))
        assert separated.shape == (2, n_samples)
        assert separated.isfinite().all()
        separated.square().sum().backward()
        assert mixture.grad is not None
        assert mixture.grad.isfinite().all()
        for name, parameter in model.named_parameters():
            published_only = re.fullmatch(r"(base|film)\.decoder_block\d(\.bn2|->beta2)\.(weight|bias)", name)
            assert (parameter.grad is None) == bool(published_only), name
            assert parameter.grad is None or parameter.grad.isfinite().all(), name

    def test_silence_stays_silence(self) -> None:
        with torch.no_grad():
            assert tiny()(torch.zeros(1, 500), noise(1, 5)).abs().max() < 1e-6

    def test_rows_are_independent_and_the_query_matters(self) -> None:
        model, mixture, queries = tiny(), noise(3, 400), 20 * noise(3, 5)
        with torch.no_grad():
            together = model(mixture, queries)
            torch.testing.assert_close(together[1:2], model(mixture[1:2], queries[1:2]), rtol=1e-4, atol=1e-7)
            other = model(mixture[1:2], queries[2:])
        assert (other - together[1:2]).abs().max() > 1e-3 * together.abs().max()

    @pytest.mark.parametrize("n_fft", [1024, 2048])
    def test_the_transform_is_inverted(self, n_fft: int) -> None:
        model = ResUNet30(ResUNetSize(n_fft=n_fft, channels=(2, 2), query_size=1))
        waveform = noise(1, 7001)
        spectra = model.transform(waveform)
        assert spectra.shape == (1, 7001 // 320 + 1, n_fft // 2 + 1)
        torch.testing.assert_close(model.inverse(spectra, 7001), waveform, rtol=0, atol=1e-6)

    def test_it_learns_to_follow_its_query(self) -> None:
        """Of two tones the query selects one: an SDR above 6 dB after a few steps."""
        torch.manual_seed(0)
        model = ResUNet30(ResUNetSize(n_fft=64, hop_length=32, channels=(8, 8, 8), query_size=2)).train()
        time = torch.arange(1024) / 8000
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

        def batch(n: int) -> tuple[Tensor, Tensor, Tensor]:
            phases = 6.28 * torch.rand(n, 2, 1)
            tones = torch.sin(6.2832 * torch.tensor([[500.0], [2500.0]]) * time + phases)
            wanted = torch.randint(2, (n,))
            return tones.sum(1), torch.eye(2)[wanted], tones[torch.arange(n), wanted]

        for _ in range(60):
            mixture, query, target = batch(8)
            optimizer.zero_grad()
            (model(mixture, query) - target).abs().mean().backward()
            optimizer.step()
        mixture, query, target = batch(32)
        with torch.no_grad():
            separated = model(mixture, query)
        sdr = 10 * torch.log10(target.square().sum() / (separated - target).square().sum())
        assert sdr > 6.0

    @pytest.mark.parametrize(
        ("size", "words"),
        [
            ({"n_fft": 1000}, "n_fft=1000.*128"),
            ({"channels": (3,)}, r"channels=\(3,\)"),
            ({"hop_length": 0}, "hop_length=0"),
            ({"query_size": 0}, "query_size=0"),
            ({"momentum": 0.0}, "momentum=0"),
        ],
    )
    def test_wrong_sizes_are_named(self, size: dict[str, Any], words: str) -> None:
        with pytest.raises(AuricleError, match=words):
            ResUNetSize(**size)

    def test_wrong_inputs_are_named(self) -> None:
        with pytest.raises(AuricleError, match=r"\(1, 32\).*33 samples"):
            tiny()(torch.zeros(1, 32), torch.zeros(1, 5))
        with pytest.raises(AuricleError, match=r"\(1, 4\).*\(1, 5\)"):
            tiny()(torch.zeros(1, 100), torch.zeros(1, 4))
        with pytest.raises(AuricleError, match=r"'resunet'.*resunet30"):
            Separator.build("resunet")
        with pytest.raises(AuricleError, match=r"'depth'.*channels"):
            Separator.build(size={"depth": 1})


def small_tagger(labels: int = 3, sample_rate: int = 8000, multi_label: bool = False) -> Classifier:
    return Classifier.build(
        sample_rate=sample_rate,
        window_s=0.5,
        frontend={"name": "mel", "n_filters": 16},
        backbone={"name": "cnn14", "channels": [2, 2, 2, 2, 2, 7]},
        tasks=[Task("sounds", tuple("abcdefgh"[:labels]), multi_label)],
    ).eval()


class TestResampling:
    @pytest.mark.parametrize(("old", "new"), [(32000, 16000), (16000, 32000), (44100, 32000), (8000, 44100)])
    def test_tones_stay_and_frequencies_above_the_limit_vanish(self, old: int, new: int) -> None:
        def tones(rate: int) -> NDArray:
            return sum(np.sin(2 * np.pi * f * np.arange(rate) / rate + f) for f in (50, 700, 0.42 * min(old, new)))

        inner = slice(new // 50, -new // 50)
        got = resample(torch.from_numpy(tones(old))[None], old, new)[0].numpy()
        assert len(got) == new
        np.testing.assert_allclose(got[inner], tones(new)[inner], atol=2e-3)
        if new < old:
            high = torch.sin(2 * np.pi * 0.52 * new * torch.arange(old, dtype=torch.float64) / old)
            assert resample(high[None], old, new)[0, inner].abs().max() < 1e-3

    @pytest.mark.parametrize("n_samples", [1, 7, 1001])
    def test_length_is_that_of_files(self, n_samples: int) -> None:
        waveform = noise(1, n_samples)
        for old, new in ((32000, 16000), (44100, 32000), (16000, 16000)):
            assert resample(waveform, old, new).shape[1] == len(audio.resample(waveform[0].numpy(), old, new))


class TestLoss:
    @pytest.mark.parametrize("level", [1e-5, 1e-3, 1.0, 1e4])
    def test_the_sdr_is_limited_to_20_db(self, level: float) -> None:
        targets, errors = noise(3, 400) * level, noise(3, 400, seed=1) * level
        for scale in (0.0, 1e-3, 0.1, 1.0, 10.0):
            estimates = targets + scale * errors
            twin = np.mean(
                [
                    10 * np.log10(sum((e - s) ** 2) / max(sum(s**2), 400 * 1e-10) + 0.01)
                    for e, s in zip(estimates.double().numpy(), targets.double().numpy(), strict=True)
                ]
            )
            assert float(negative_sdr(estimates, targets)) == pytest.approx(twin, abs=1e-3)
        assert float(negative_sdr(targets, targets)) == pytest.approx(-20.0, abs=1e-4)

    def test_the_loss_of_silence_is_finite(self) -> None:
        estimates = noise(2, 400).requires_grad_()
        loss = negative_sdr(estimates, torch.zeros(2, 400))
        loss.backward()
        assert loss.isfinite()
        assert estimates.grad is not None
        assert estimates.grad.isfinite().all()
        still = torch.zeros(2, 400, requires_grad=True)
        negative_sdr(still, torch.zeros(2, 400)).backward()
        assert still.grad is not None
        assert not still.grad.any()

    @pytest.mark.parametrize("name", ["l1", "sdr"])
    def test_the_loss_is_the_one_that_is_named(self, name: Any) -> None:
        size = {key: value for key, value in TINY.items() if key != "query_size"}
        model = Separator.build(size=size, tagger=small_tagger(), sample_rate=8000, loss=name).eval()
        batch = {"mixture": noise(2, 1200), "target": noise(2, 1200, seed=1)}
        separated = model(batch["mixture"], model.embed_query(batch["target"]))
        difference = separated - batch["target"]
        ratios = difference.square().sum(1) / batch["target"].square().sum(1)
        expected = difference.abs().mean() if name == "l1" else (10 * torch.log10(ratios + 0.01)).mean()
        torch.testing.assert_close(model.loss(batch), expected)
        with pytest.raises(AuricleError, match="'l2'"):
            model.with_config(loss="l2")


class TestQueries:
    @pytest.mark.parametrize("query", ["embedding", "probabilities"])
    def test_a_query_is_an_output_of_the_tagger(self, query: Any, tmp_path: Path) -> None:
        tagger = small_tagger()
        size = {name: value for name, value in TINY.items() if name != "query_size"}
        model = Separator.build(size=size, tagger=tagger, query=query, sample_rate=16000).train()
        recordings = noise(2, 8000)
        at_its_rate = resample(recordings, 16000, 8000)
        with torch.no_grad():
            want = tagger.embed(at_its_rate) if query == "embedding" else tagger(at_its_rate).softmax(-1)
        got = model.embed_query(recordings)
        assert got.shape == (2, model.size.query_size)
        assert not got.requires_grad
        torch.testing.assert_close(got, want)
        assert all(not p.requires_grad for p in model.tagger.parameters())  # type: ignore[union-attr]
        model.save(tmp_path / "model")
        again = load(tmp_path / "model")
        assert isinstance(again, Separator)
        torch.testing.assert_close(again.embed_query(recordings), want)

    def test_average_queries_are_saved(self, tmp_path: Path) -> None:
        model = Separator.build(size=TINY)
        assert model.queries == {}
        kept = {"dog": noise(5), "a cat; or not": noise(5, seed=1)}
        model.set_queries(kept)
        model.save(tmp_path / "model")
        assert json.loads((tmp_path / "model/labels.json").read_text()) == {"queries": list(kept)}
        again = load(tmp_path / "model")
        assert isinstance(again, Separator)
        assert list(again.queries) == list(kept)
        for name, value in kept.items():
            assert torch.equal(again.queries[name], value)
        again.set_queries({})
        assert again.queries == {}

    def test_the_input_of_the_network_has_mean_0_and_deviation_1(self, tmp_path: Path) -> None:
        model, seen = Separator.build(size=TINY).eval(), []
        queries = 7 + torch.tensor([3.0, 1.0, 0.1, 0.0, 2.0]) * noise(40, 5)
        model.fit_query_scaling(queries)
        model.save(tmp_path / "model")
        again = load(tmp_path / "model")
        assert isinstance(again, Separator)
        again.network.film.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        with torch.no_grad():
            again(noise(40, 100), queries)
        centred = queries - queries.mean(0)
        torch.testing.assert_close(seen[0], centred / centred.square().mean().sqrt())
        model.fit_query_scaling(queries[:1])
        assert model.query_deviation == 1.0

    def test_what_does_not_fit_is_named(self) -> None:
        model = Separator.build(size=TINY)
        with pytest.raises(AuricleError, match=r"\(1, 4\).*\(1, 5\)"):
            model(noise(1, 100), noise(1, 4))
        with pytest.raises(AuricleError, match="no tagger"):
            model.embed_query(noise(1, 100))
        with pytest.raises(AuricleError, match=r"5 entries.* 7 .*3"):
            model.set_tagger(small_tagger())
        with pytest.raises(AuricleError, match=r"'dog'.*5 finite"):
            model.set_queries({"dog": torch.full((5,), torch.nan)})
        with pytest.raises(AuricleError, match=r"'embeding'.*embedding"):
            Separator.build(size=TINY, query="embeding")  # type: ignore[arg-type]

    def test_the_query_type_that_fits_is_used(self) -> None:
        model = Separator.build(size=TINY)
        model.set_tagger(small_tagger(labels=5, multi_label=True))
        assert model.config["query"] == "probabilities"
        assert model.embed_query(noise(1, 32000)).shape == (1, 5)


class TestCheckpoints:
    def test_the_separator_is_taken_from_a_training_checkpoint(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        model = Separator.build("resunet30-small", size={"query_size": 7, "hop_length": 320}, seed=3).eval()
        state = {f"ss_model.{name}": value for name, value in model.network.state_dict().items()}
        state |= {"ss_model.base.stft.conv_real.weight": torch.ones(4), "query_net.fc1.weight": torch.ones(500, 500)}
        torch.save({"state_dict": state, "optimizer_states": [{"exp_avg": torch.ones(9)}]}, tmp_path / "x.ckpt")
        assert auricle("convert", "uss", tmp_path / "x.ckpt", "--output", tmp_path / "model") == 0
        assert "7 entries" in capsys.readouterr().out
        converted = load(tmp_path / "model")
        assert isinstance(converted, Separator)
        assert replace(converted.size, momentum=model.size.momentum) == model.size
        kept = sum(value.nbytes for value in model.network.state_dict().values())
        assert (tmp_path / "model/model.safetensors").stat().st_size < 1.1 * kept + 30_000
        mixture, query = noise(1, 3000), noise(1, 7)
        with torch.no_grad():
            assert torch.equal(converted(mixture, query), model(mixture, query))

    def test_with_its_tagger(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        weights = tiny(query_size=7).state_dict()
        torch.save(weights, tmp_path / "x.pth")
        tagger = small_tagger()
        tagger.save(tmp_path / "tagger")
        options = ("--hop-length", 20, "--tagger", tmp_path / "tagger")
        assert auricle("convert", "uss", tmp_path / "x.pth", "--output", tmp_path / "model", *options) == 0
        converted = load(tmp_path / "model")
        assert isinstance(converted, Separator)
        assert converted.query == "embedding"
        assert converted.embed_query(noise(1, 8000)).shape == (1, 7)
        assert (
            auricle("convert", "uss", tmp_path / "x.pth", "--output", tmp_path / "n", *options[:3], tmp_path / "model")
            == 2
        )
        assert "'classifier' is needed" in capsys.readouterr().err
        rows = ["path,label"]
        for index, label in enumerate(("one", "two", "two")):
            audio.write(tmp_path / f"{index}.wav", noise(4000, seed=index).numpy(), 32000, subtype="FLOAT")
            rows.append(f"{index}.wav,{label}")
        (tmp_path / "clean.csv").write_text("\n".join(rows))
        queries = ("--queries", tmp_path / "clean.csv", "--segment-s", 1)
        assert auricle("convert", "uss", tmp_path / "x.pth", "--output", tmp_path / "q", *options, *queries) == 0
        converted = load(tmp_path / "q")
        assert isinstance(converted, Separator)
        assert list(converted.queries) == ["one", "two"]
        clips = [noise(4000, seed=index) for index in (1, 2)]
        recordings = torch.stack([torch.nn.functional.pad(clip / clip.abs().max(), (0, 28000)) for clip in clips])
        torch.testing.assert_close(converted.queries["two"], converted.embed_query(recordings).mean(0))
        assert auricle("convert", "uss", tmp_path / "x.pth", "--output", tmp_path / "n", *options[:2], *queries) == 2
        assert "--tagger" in capsys.readouterr().err

    def test_errors_say_what_is_wrong(self, tmp_path: Path) -> None:
        weights = tiny().state_dict()
        bad = {
            "other": ({"a": torch.zeros(1)}, r"lacks 'base\.bn0\.weight'"),
            "less": ({k: v for k, v in weights.items() if k != "base.after_conv.bias"}, "lacks 'base.after_conv.bias'"),
            "more": (weights | {"extra": torch.zeros(1)}, "extra"),
            "nan": (weights | {"base.pre_conv.bias": torch.full((2,), torch.nan)}, "NaN"),
        }
        for name, (content, words) in bad.items():
            torch.save(content, tmp_path / name)
            with pytest.raises(AuricleError, match=words):
                from_published(tmp_path / name, hop_length=20)

    def test_a_training_starts_with_the_mixtures_phases(self) -> None:
        model = Separator.build("resunet30-small", size={"query_size": 4}).network
        maps = torch.zeros(1, 3, 2, 513) + model.base.after_conv.bias.detach()[:, None, None]
        spectra = torch.complex(noise(1, 2, 513), noise(1, 2, 513, seed=1))
        torch.testing.assert_close(apply_maps(spectra, spectra.abs(), maps), spectra / 2)

    def test_presets_fit(self) -> None:
        for preset in PRESETS:
            with torch.device("meta"):
                network = Separator.build(preset, size={"query_size": 128}).network
            n_parameters = sum(p.numel() for p in network.parameters())
            assert n_parameters < 2_000_000 or preset == "resunet30"
