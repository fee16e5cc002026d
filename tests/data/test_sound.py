"""Sounds as notebooks show them."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import soundfile as sf
import torch

import auricle
from auricle import audio
from auricle.data.manifest import read_manifest
from auricle.data.sound import LONGEST_S, Sound

RATE = 16_000


def tone(hz, seconds, rate=RATE):
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def played(html):
    """The samples and the rate of the player in `html`."""
    (content,) = re.findall(r'<audio [^>]*src="data:audio/wav;base64,([^"]+)"', html)
    return sf.read(io.BytesIO(base64.b64decode(content)), always_2d=True)


@pytest.mark.parametrize("hz", [300, 1000, 5000])
def test_a_tone_is_drawn_where_its_frequency_is(hz):
    values = auricle.Sound(tone(hz, 0.5), RATE).spectrogram()
    assert values.shape == (64, 50)
    assert values.max() == 0
    mel = [1127 * np.log1p(f / 700) for f in (hz, RATE / 2)]
    drawn = (values[:, 25].argmax() + 1) / 65  # centres of 64 triangles, equally far apart on the mel scale
    assert drawn == pytest.approx(mel[0] / mel[1], abs=1 / 65)


def test_the_player_plays_the_waveform_and_the_html_is_well_formed():
    stereo = np.stack([tone(440, 0.3), 0.5 * tone(660, 0.3)])
    html = Sound(torch.tensor(stereo), RATE, 'a <b> & "c"')._repr_html_()
    samples, rate = played(html)
    assert rate == RATE
    np.testing.assert_allclose(samples.T, stereo, atol=1 / 2**15)
    ElementTree.fromstring(html.replace("<audio controls ", '<audio controls="" ').replace("href", "ref"))
    assert "a &lt;b&gt; &amp; " in html
    assert "<b>" not in html
    assert "\n\n" not in html  # it would end a block of HTML within Markdown


def test_a_long_sound_is_shown_up_to_a_minute_and_says_so():
    sound = Sound(np.zeros(62 * 4000), 4000, "rain")
    html = sound._repr_html_()
    assert len(played(html)[0]) == LONGEST_S * 4000
    assert "rain (the first 60 s)" in html
    assert ">60 s<" in html


@pytest.mark.parametrize("rate", [100, 2000, 8000, 192_000])
@pytest.mark.parametrize("n_samples", [1, 50, 5000])
def test_sounds_of_any_rate_and_length_are_shown(rate, n_samples):
    html = Sound(np.full(n_samples, 0.1), rate)._repr_html_()
    assert len(played(html)[0]) == n_samples
    assert ("<svg" in html) == (rate >= 2000)


@pytest.mark.parametrize("bad", [[], [[[0.0]]], [np.nan], [0.0, np.inf]])
def test_what_is_no_sound_is_refused(bad):
    with pytest.raises(auricle.AuricleError, match="no sound"):
        Sound(bad, RATE)


@pytest.mark.parametrize(
    "bad", ["a.wav", None, {}, [1j] * 8, torch.zeros(8, device="meta"), torch.zeros(8).to_sparse()]
)
def test_what_has_no_samples_is_refused(bad):
    with pytest.raises(auricle.AuricleError, match=r"no sound|an array cannot be made"):
        Sound(bad, RATE)


@pytest.mark.parametrize("rate", [None, 0, "16000", 16000.0])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(auricle.AuricleError, match="the sample rate is"):
        Sound(tone(440, 0.1), rate)


@pytest.mark.parametrize("kind", [">f4", "f2", np.longdouble])
def test_any_numbers_of_numpy_are_shown(kind):
    samples = tone(440, 0.1).astype(kind)
    np.testing.assert_array_equal(Sound(samples[::-1], RATE).waveform, samples[::-1].astype(np.float32))


def test_a_clip_is_shown_as_its_segment(tmp_path):
    audio.write(tmp_path / "a.wav", np.concatenate([tone(300, 1), tone(3000, 1)]), RATE)
    (tmp_path / "m.csv").write_text("path,label,start,end\na.wav,high;loud,1,2\n", encoding="utf-8")
    (clip,) = read_manifest(tmp_path / "m.csv")
    html = clip._repr_html_()
    np.testing.assert_allclose(played(html)[0][:, 0], tone(3000, 1), atol=1e-3)
    assert "a.wav@1-2: high, loud" in html
    assert repr(clip.sound()) == "Sound('a.wav@1-2: high, loud', 1 s at 16000 Hz)"
