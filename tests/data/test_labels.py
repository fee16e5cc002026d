from __future__ import annotations

import unicodedata

import pytest

from auricle.config import DataOptions, SplitOptions
from auricle.data.labels import is_invisible, label_errors, lookalikes, mistaken, told_apart
from auricle.data.reading import read_data
from auricle.data.splits import make_splits
from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.runs.clips import check_labels
from sounds import PITCHES_HZ, tone_folder

ALIKE = {
    "case": ("pié low", "PIÉ LOW"),
    "German case": ("straße", "STRASSE"),
    "composed": ("pié low", unicodedata.normalize("NFD", "pié low")),
    "full width": ("dog 1", "ｄｏｇ １"),
    "no-break space": ("pié low", "pié\u00a0low"),
    "narrow space": ("pié low", "pié\u202flow"),
    "ideographic space": ("pié low", "pié\u3000low"),
    "two spaces": ("pié low", "pié  low"),
    "zero-width space": ("pié low", "pié\u200b low"),
    "zero-width joiner": ("pié low", "pi\u200dé low"),
    "byte order mark": ("pié low", "\ufeffpié low"),
    "direction mark": ("pié low", "pié low\u200e"),
    "soft hyphen": ("pié low", "pi\u00adé low"),
    "blank letter": ("pié low", "pié low\u3164"),
    "en dash": ("door-bell", "door–bell"),
    "minus": ("door-bell", "door−bell"),
    "no-break hyphen": ("door-bell", "door\u2011bell"),
    "apostrophe": ("don't", "don’t"),
    "okina": ("don't", "donʻt"),
    "quotation marks": ('"cat"', "“cat”"),
    "Cyrillic": ("cat", "сat"),
    "Greek": ("Alarm", "Αlarm"),
    "Cyrillic case": ("Вода", "вода"),
    "emoji": ("❤", "❤\ufe0f"),
}


@pytest.mark.parametrize("pair", ALIKE.values(), ids=ALIKE.keys())
def test_what_looks_alike(pair):
    assert pair[0] != pair[1]
    assert lookalikes(["other", *pair]) == [tuple(sorted(pair))]
    assert mistaken(["other", pair[0]], ["other", pair[1]]) == {pair[0]: pair[1]}


def test_what_a_person_tells_apart():
    apart = [
        "dog",
        "dogs",
        "dog 1",
        "dog 2",
        "dog-bark",
        "dog_bark",
        "dogbark",
        "e",
        "é",
        "07",
        "7",
        "a b",
        "ab",
        "да",
        "не",
    ]
    assert lookalikes(apart) == []
    assert label_errors(apart) == []
    assert mistaken(apart, apart) == mistaken(["cat"], apart) == {}


def test_three_that_look_alike_are_one_group():
    assert lookalikes(["Dog", "dog", "dоg", "cat"]) == [("Dog", "dog", "dоg")]
    ((code, message, names),) = label_errors(["Dog", "dog", "DOG", "cat"])
    assert code == "lookalike-labels"
    assert "and 1 more" in message
    assert names == {"Dog", "dog", "DOG"}


def test_both_are_quoted_with_the_code_points_that_differ():
    assert told_apart("pié low", "pie\u0301 low") == (
        "'pié low' and 'pie\u0301 low' (U+00E9 in the first, U+0065 U+0301 in the second)"
    )
    assert told_apart("a b", "a\u00a0b") == r"'a b' and 'a\xa0b' (U+0020 in the first, U+00A0 in the second)"
    assert told_apart("ab", "ab\u200b") == r"'ab' and 'ab\u200b' (nothing in the first, U+200B in the second)"
    assert told_apart("Rétro", "re\u0301tro ") == (
        "'Rétro' and 're\u0301tro ' (U+0052 U+00E9 in the first, U+0072 U+0065 U+0301 … in the second)"
    )
    assert told_apart("ééb\u200b", "éb\u200b").endswith("(U+00E9 in the first, nothing in the second)")
    assert told_apart("Robin", "robin ") == "'Robin' and 'robin ' (U+0052 in the first, U+0072 U+0020 in the second)"


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("dog\u200b", r"'dog\u200b' ends with an invisible character (U+200B)"),
        ("\ufeffdog", r"'\ufeffdog' begins with an invisible character (U+FEFF)"),
        ("\u2800", r"begins with an invisible character (U+2800)"),
        ("dog\nbark", r"'dog\nbark' has a control character (U+000A)"),
        ("dog\x1b[2J", r"'dog\x1b[2J' has a control character (U+001B)"),
    ],
)
def test_labels_with_characters_that_cannot_be_seen(label, reason):
    ((code, message, names),) = label_errors(["cat", label])
    assert (code, names) == ("strange-label", {label})
    assert reason in message
    assert "\n" not in message


def test_joiners_within_a_label_and_emoji_are_no_errors():
    assert label_errors(["می\u200cخواهم", "👨\u200d👩\u200d👧", "❤\ufe0f"]) == []
    assert is_invisible("\u200c")
    assert not is_invisible(" ")
    assert not is_invisible("é")


@pytest.fixture
def renamed(tmp_path):
    """A folder of three classes, of which half the clips of the first are in a second folder of that name."""

    def make(name, other):
        tone_folder(tmp_path, 4)
        (tmp_path / "low").rename(tmp_path / name)
        (tmp_path / other).mkdir()
        for number in (2, 3):
            (tmp_path / name / f"low-{number}.wav").rename(tmp_path / other / f"low-{number}.wav")
        return tmp_path

    return make


@pytest.mark.parametrize("other", ["LOW", "low\u00a0", "lo\u200bw"])
def test_training_refuses_them_in_one_line(renamed, other):
    manifest = read_data(str(renamed("low", other)), DataOptions())
    with pytest.raises(AuricleError, match=r"labels that look alike: 'L?l?") as error:
        make_splits(manifest, "tones", SplitOptions())
    assert repr(other) in str(error.value)
    assert "'low'" in str(error.value)
    assert "U+" in str(error.value)
    assert "\n" not in str(error.value)


def test_evaluation_says_which_label_was_meant(tmp_path):
    manifest = read_data(str(tone_folder(tmp_path, 1)), DataOptions())
    check_labels(manifest, Task("tones", tuple(PITCHES_HZ)))
    with pytest.raises(AuricleError, match=r"unknown label 'low': the model has 'Low', which looks alike") as error:
        check_labels(manifest, Task("tones", ("high", "Low", "middle")))
    assert "U+006C in the first, U+004C in the second" in str(error.value)
    with pytest.raises(AuricleError, match="labels that the model does not know: low; it knows high, bass, middle"):
        check_labels(manifest, Task("tones", ("high", "bass", "middle")))
    with pytest.raises(AuricleError, match="if clips labelled 'low' have none of these sounds: --negative-label"):
        check_labels(manifest, Task("tones", ("high", "middle"), multi_label=True))
