from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import soundfile as sf
import torch

from auricle import audio
from auricle.errors import AuricleError
from auricle.metrics.signals import si_sdr
from auricle.runs.provenance import run_digest
from auricle.systems import load
from auricle.systems.cmgan import CMGAN
from auricle.systems.enhancer import Identity, LevelMeter
from auricle.systems.overlap import OverlapAdd
from auricle.systems.spectral_gating import HOP, N_FFT, NoiseFloor, SpectralGating, _overlap_add, _spectra
from auricle.tasks.enhancement.open import open_enhancer
from auricle.tasks.enhancement.predict import enhance_file, enhance_files

RATE = 16000
TINY = {"channels": 4, "heads": 2, "blocks": 1, "kernel_size": 5, "span": 8, "max_distance": 8}


def bursts(n_samples, snr_db=10.0, seed=0):
    """Tones that come and go, and the same in white noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(n_samples) / RATE
    clean = 0.2 * np.sin(2 * np.pi * 700 * time) * (np.sin(2 * np.pi * 0.9 * time) > 0.3)
    noise = rng.standard_normal(n_samples) * np.sqrt(np.mean(clean**2)) * 10 ** (-snr_db / 20)
    return clean.astype(np.float32), (clean + noise).astype(np.float32)


@pytest.fixture(scope="module")
def small():
    """cmgan-small with weights drawn at random, and statistics as after training."""
    model = CMGAN.build("cmgan-small", seed=3)
    model.generator.train()
    with torch.no_grad():
        for seed in range(3):
            model(torch.from_numpy(bursts(RATE, seed=seed)[1])[None] * 8)
    return model.eval()


@pytest.fixture
def tiny():
    model = CMGAN.build("cmgan-small", size=TINY)
    model.overlap_add = OverlapAdd.with_hop(8000, model.overlap_add.context, 1000, grid=model.spectrum.hop_length)
    return model


ENHANCERS = {"identity": Identity, "gating": SpectralGating, "cmgan": lambda: CMGAN.build("cmgan-small", size=TINY)}


@pytest.fixture(params=list(ENHANCERS))
def enhancer(request):
    return ENHANCERS[request.param]()


class TestAny:
    @pytest.mark.parametrize("n_samples", [1, 2, 199, 401, 16001])
    def test_lengths_and_channels_come_back(self, enhancer, n_samples):
        for shape in ((n_samples,), (2, n_samples)):
            noisy = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
            done = enhancer.enhance(noisy, RATE)
            assert done.shape == shape
            assert np.isfinite(done).all()

    @pytest.mark.parametrize("rate", [8000, 22050, 44100])
    def test_other_rates_come_back(self, enhancer, rate):
        assert enhancer.enhance(np.random.default_rng(0).standard_normal(rate // 2 + 1), rate).shape == (rate // 2 + 1,)

    def test_silence_stays_silence(self, enhancer):
        assert not enhancer.enhance(np.zeros(5000, dtype=np.float32), RATE).any()

    def test_channels_are_enhanced_by_themselves(self, enhancer):
        one, other = bursts(6000, seed=1)[1], bursts(6000, seed=2)[1]
        both = enhancer.enhance(np.stack([one, other]), RATE)
        np.testing.assert_allclose(both[0], enhancer.enhance(one, RATE), atol=1e-6)
        np.testing.assert_allclose(both[1], enhancer.enhance(other, RATE), atol=1e-6)

    def test_level_is_kept(self, enhancer):
        _, noisy = bursts(8000)
        loud, quiet = enhancer.enhance(noisy, RATE), enhancer.enhance(noisy * 1e-3, RATE)
        np.testing.assert_allclose(quiet * 1e3, loud, atol=0.02 * np.abs(loud).max())

    def test_nonsense_is_refused(self):
        with pytest.raises(AuricleError, match=r"\(2, 2, 2\)"):
            SpectralGating().enhance(np.zeros((2, 2, 2)), RATE)
        with pytest.raises(AuricleError, match="NaN"):
            SpectralGating().enhance(np.full(10, np.nan), RATE)
        with pytest.raises(AuricleError, match="the sample rate is None"):
            SpectralGating().enhance(np.zeros(10), None)


class TestSeams:
    def test_the_small_model_in_pieces_equals_the_whole(self, small):
        _, noisy = bursts(4 * RATE)
        level = LevelMeter()
        level.add(noisy)
        overlap_add = OverlapAdd.with_hop(
            2 * RATE, small.overlap_add.context, small.overlap_add.overlap, grid=small.spectrum.hop_length
        )
        whole = small.process(noisy, level)
        joined = np.concatenate(
            list(overlap_add.join(overlap_add.cut(noisy), lambda piece: small.process(piece, level)))
        )
        assert whole.std() > 0.1 * noisy.std()
        assert np.abs(joined - whole).max() < 1e-3 * np.abs(whole).max()

    def test_spectral_gating_in_pieces_equals_the_whole(self):
        _, noisy = bursts(9 * RATE)
        gating = SpectralGating()
        meter = gating.meter()
        meter.add(noisy)
        overlap_add = OverlapAdd.with_hop(RATE, gating.overlap_add.context, gating.overlap_add.overlap, grid=HOP)
        joined = np.concatenate(
            list(overlap_add.join(overlap_add.cut(noisy), lambda piece: gating.process(piece, meter)))
        )
        np.testing.assert_allclose(joined, gating.process(noisy, meter), atol=1e-5)


class TestSpectralGating:
    def test_takes_noise_out(self):
        clean, noisy = bursts(4 * RATE, snr_db=5.0)
        done = SpectralGating().enhance(noisy, RATE)
        assert si_sdr(done, clean) > si_sdr(noisy, clean) + 5

    def test_the_floor_is_a_quantile_whatever_the_blocks(self):
        noise = np.random.default_rng(0).standard_normal(RATE)
        whole, parts = NoiseFloor(), NoiseFloor()
        whole.add(noise)
        for start in range(0, RATE, 777):
            parts.add(noise[start : start + 777])
        np.testing.assert_array_equal(parts.quantile_db(0.2), whole.quantile_db(0.2))
        levels = 20 * np.log10(np.abs(_spectra(noise)))
        np.testing.assert_allclose(whole.quantile_db(0.2), np.quantile(levels, 0.2, axis=0), atol=0.75)

    def test_digital_silence_is_no_floor(self):
        noise = np.random.default_rng(0).standard_normal(RATE)
        plain, padded = NoiseFloor(), NoiseFloor()
        plain.add(noise)
        padded.add(np.concatenate([np.zeros(10 * RATE), noise]))
        np.testing.assert_allclose(padded.quantile_db(0.5), plain.quantile_db(0.5), atol=1.0)

    def test_spectra_there_and_back(self):
        signal = np.random.default_rng(0).standard_normal(N_FFT * 4)
        back = _overlap_add(_spectra(signal), len(signal))
        np.testing.assert_allclose(back[N_FFT:-N_FFT], signal[N_FFT:-N_FFT], atol=1e-12)


class TestFiles:
    @pytest.mark.parametrize(
        ("suffix", "rate", "channels"), [(".wav", 44100, 2), (".flac", 8000, 1), (".wav", RATE, 1)]
    )
    def test_a_file_is_enhanced_as_its_samples_are(self, tiny, tmp_path, suffix, rate, channels):
        noisy = np.stack([bursts(rate * 3 + 7, seed=k)[1] for k in range(channels)])
        source, target = tmp_path / f"a{suffix}", tmp_path / "out" / f"a{suffix}"
        audio.write(source, noisy, rate, subtype="PCM_24")
        enhance_file(tiny, source, target)
        before, after = audio.info(source), audio.info(target)
        assert before == after
        read, _ = audio.read(source, mono=False)
        np.testing.assert_allclose(audio.read(target, mono=False)[0], tiny.enhance(read, rate), atol=2e-4)

    @pytest.mark.parametrize(
        ("name", "file_format", "subtype", "written"),
        [
            ("a.wav", "MP3", None, "PCM_16"),
            ("a.flac", "OGG", None, "PCM_16"),
            ("a.flac", "WAV", "FLOAT", "PCM_16"),
            ("a.wav", "FLAC", "PCM_24", "PCM_24"),
            ("a.ogg", "WAV", "PCM_16", "VORBIS"),
        ],
    )
    def test_a_wrong_suffix_gets_a_sample_format_that_it_can_have(self, tmp_path, name, file_format, subtype, written):
        sf.write(tmp_path / name, 0.5 * bursts(500)[1], RATE, subtype, format=file_format)
        (outcome,) = enhance_files(Identity(), "x", [str(tmp_path / name)], tmp_path / "out")
        assert not outcome.error
        assert audio.info(tmp_path / "out" / name).subtype == written

    def test_an_error_of_writing_names_the_file_once(self, tmp_path):
        sf.write(tmp_path / "a.opus", 0.5 * bursts(500)[1], 11025, format="WAV")
        (outcome,) = enhance_files(Identity(), "x", [str(tmp_path / "a.opus")], tmp_path / "out")
        assert outcome.error.startswith(f"{tmp_path / 'a.opus'}: cannot be written as OGG OPUS at 11025 Hz")

    def test_what_is_beyond_full_scale_is_kept_by_float_files(self, tmp_path):
        audio.write(tmp_path / "a.wav", np.full(100, 3.0, dtype=np.float32), RATE, subtype="FLOAT")
        enhance_file(Identity(), tmp_path / "a.wav", tmp_path / "b.wav")
        assert audio.read(tmp_path / "b.wav")[0].max() == pytest.approx(3.0)

    def test_a_long_file_takes_little_memory(self, tmp_path):
        noise = 0.1 * np.random.default_rng(0).standard_normal(10 * RATE)
        audio.write(tmp_path / "long.wav", np.tile(noise, 18), RATE)
        enhancer = Identity()
        enhancer.overlap_add = OverlapAdd.with_hop(RATE, RATE // 10, RATE // 10)
        tracemalloc.start()
        enhance_file(enhancer, tmp_path / "long.wav", tmp_path / "out.wav")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 0.4 * 4 * 180 * RATE
        np.testing.assert_allclose(audio.read(tmp_path / "out.wav")[0], np.tile(noise, 18), atol=1e-4)

    def test_a_bad_file_stops_nobody_else_and_files_that_are_there_are_left_out(self, tmp_path):
        folder, output = tmp_path / "in", tmp_path / "out"
        audio.write(folder / "deep" / "a.wav", bursts(500)[1], RATE)
        (folder / "b.wav").write_bytes(b"nothing")
        enhancer = SpectralGating()
        results = enhance_files(enhancer, "x", [str(folder), str(tmp_path / "nowhere.wav")], output)
        assert [bool(result.error) for result in results] == [True, False, True]
        assert "b.wav" in results[0].error
        assert "nowhere.wav" in results[2].error
        assert (output / "deep" / "a.wav").is_file()
        assert [r.done_before for r in enhance_files(enhancer, "x", [str(folder)], output)] == [False, True]
        with pytest.raises(AuricleError, match="another enhancer"):
            enhance_files(enhancer, "y", [str(folder)], output)
        enhance_files(enhancer, "y", [str(folder)], output, overwrite=True)

    def test_recordings_are_not_written_over(self, tmp_path):
        audio.write(tmp_path / "a.wav", bursts(500)[1], RATE)
        with pytest.raises(AuricleError, match="another --output"):
            enhance_files(Identity(), "x", [str(tmp_path / "a.wav")], tmp_path)


class TestOpening:
    def test_names_and_runs(self, tmp_path):
        assert isinstance(open_enhancer("identity"), Identity)
        assert isinstance(open_enhancer("spectral-gating"), SpectralGating)
        CMGAN.build("cmgan-small", size=TINY).save(tmp_path / "run")
        assert isinstance(open_enhancer(tmp_path / "run", "cpu"), CMGAN)
        assert run_digest("identity") != run_digest("spectral-gating")
        assert len(run_digest(tmp_path / "run")) == 64
        with pytest.raises(AuricleError, match="spectral-gating"):
            open_enhancer("spectral-gates")

    def test_a_saved_model_is_the_same_model_without_its_discriminator(self, tmp_path):
        model = CMGAN.build("cmgan-small", size=TINY, losses={"adversarial": 0.1})
        model.configure_model()
        model.save(tmp_path)
        _, noisy = bursts(4000)
        np.testing.assert_array_equal(load(tmp_path).enhance(noisy, RATE), model.enhance(noisy, RATE))

    def test_latency_is_stated(self):
        assert "0.9875 s ahead" in CMGAN.build("cmgan-small").latency
        assert "depends on all" in CMGAN.build("cmgan", size={"channels": 4}).latency
