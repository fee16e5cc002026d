"""A situation is the conditions one after the other, and every condition can be chosen."""

from __future__ import annotations

import numpy as np
import pytest

from auricle import audio
from auricle.conditions import create_condition
from auricle.conditions.codecs import CODECS
from auricle.conditions.condition import CONDITIONS
from auricle.conditions.noises import NOISES
from auricle.errors import AuricleError
from auricle.studies.studio.situation import FAULTS, NONE, WITH_QUALITY, Situation, under
from auricle.studies.studio.sounds import Sound

OWN = {name for name in CONDITIONS if CONDITIONS[name].__module__.startswith("auricle.")}


def test_the_page_offers_every_condition() -> None:
    assert {*NOISES, *FAULTS, "clean", "reverberation", "codec"} == OWN


def test_it_is_a_room_then_noise_then_a_fault_then_a_codec(scene, shelf) -> None:
    situation = Situation("babble", 5.0, 0.4, "clipping", 0.1, "opus", 16.0, seed=7)
    made = under(Sound(scene, "scene", 2.0), situation, shelf)
    clip, rate = audio.read(scene)
    for number, (name, parameters) in enumerate(
        [
            ("reverberation", {"rt60_s": 0.4}),
            ("babble", {"snr_db": 5.0}),
            ("clipping", {"share": 0.1}),
            ("codec", {"codec": "opus", "kbps": 16.0}),
        ]
    ):
        clip = create_condition(name, **parameters)(clip, rate, 7 + number)
    np.testing.assert_array_equal(audio.read(made.path)[0], clip)
    assert made.start_s == 2.0
    assert str(situation) == (
        "reverberation of 0.4 s, babble at 5 dB, clipping (share of clipped samples: 0.1), opus at 16 kbit/s"
    )


def test_none_of_them_is_the_clean_sound(scene, shelf) -> None:
    made = under(Sound(scene, "scene"), Situation(), shelf)
    np.testing.assert_array_equal(audio.read(made.path)[0], audio.read(scene)[0])
    assert made.title == "scene: clean"


@pytest.mark.parametrize("fault", FAULTS)
def test_every_position_of_a_slider_is_a_condition(fault: str, scene, shelf) -> None:
    kind = FAULTS[fault]
    assert kind.lowest <= kind.usual <= kind.highest
    for amount in (kind.lowest, kind.usual, kind.highest):
        under(Sound(scene, "scene"), Situation(fault=fault, amount=amount), shelf)


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_takes_what_its_slider_gives(codec: str, scene, shelf) -> None:
    made = under(Sound(scene, "scene"), Situation(codec=codec, kbps=32.0, quality=0.0), shelf)
    assert codec in made.title
    assert ("quality 0" in made.title) == (codec in WITH_QUALITY)


def test_another_seed_is_another_noise_and_the_same_is_the_same(scene, shelf) -> None:
    made = [
        audio.read(under(Sound(scene, "scene"), Situation("noise", seed=seed), shelf).path)[0] for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(made[0], made[1])
    assert not np.allclose(made[0], made[2])


@pytest.mark.parametrize("field", ["noise", "fault", "codec"])
def test_unknown_names_are_said(field: str) -> None:
    with pytest.raises(AuricleError, match=f"unknown {field} 'x'"):
        Situation(**{field: "x"})
    assert str(Situation(**{field: NONE})) == "clean"


def test_a_rate_that_a_codec_does_not_have_is_said() -> None:
    with pytest.raises(AuricleError, match="mp3 supports 8 to 320"):
        Situation(codec="mp3", kbps=6.0).conditions()


def test_negative_numbers_have_a_minus_sign() -> None:
    assert str(Situation("white", -5.0)) == "white noise at −5 dB"
