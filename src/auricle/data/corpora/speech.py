"""Corpora of speech, for recognition of words, speakers and languages, and for enhancement."""

from __future__ import annotations

import re
from pathlib import Path

from auricle.data.corpora.layout import CorpusRow, Published, audio_files, corpus, fixed_split, read_lines, require
from auricle.errors import AuricleError

VOXFORGE_LANGUAGES = {
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fr": "french",
    "it": "italian",
    "ru": "russian",
}
VOXCELEB_SPLITS = {"1": "train", "2": "valid", "3": "test"}


@corpus(
    "speech-commands",
    Published(
        {"train": 84_843, "valid": 9_981, "test": 11_005},
        35,
        "Warden 2018, arXiv:1804.03209 (105,829 utterances of 35 words); per split Chen et al. 2022, arXiv:2202.00874",
        note="LEAF, Table A.1: 84,771 train and 10,700 test",
    ),
    known_by="testing_list.txt",
)
def speech_commands(root: Path) -> list[CorpusRow]:
    """Speech Commands v0.02: one-second clips of 35 words, official split, grouped by speaker.

    Layout: `<word>/<speaker>_nohash_<take>.wav`, with `validation_list.txt` and `testing_list.txt`, which
    list the clips of two splits; the others are for training. `_background_noise_` holds no words and is left out.
    """
    require(root, "Speech Commands", "validation_list.txt", "testing_list.txt")
    splits = dict.fromkeys(read_lines(root / "validation_list.txt"), "valid")
    splits |= dict.fromkeys(read_lines(root / "testing_list.txt"), "test")
    words = [path for path in audio_files(root, suffixes=(".wav",)) if path.count("/") == 1 and path[0] != "_"]
    rows = []
    for path in sorted({*words, *splits}):
        word, _, name = path.partition("/")
        rows.append(CorpusRow(path, word, split=splits.get(path, "train"), group=name.partition("_nohash_")[0]))
    return rows


@corpus(
    "fsdd",
    Published(
        {"train": 2_700, "test": 300},
        10,
        "github.com/Jakobovski/free-spoken-digit-dataset, version 1.0.10: 50 recordings of each digit by six speakers",
        note="no validation split is published; all speakers are in both splits (--group-column none)",
    ),
    known_by="recordings/[0-9]_jackson_*.wav",
)
def fsdd(root: Path) -> list[CorpusRow]:
    """Free Spoken Digit Dataset: ten digits by six speakers at 8 kHz, official split.

    Layout: `recordings/<digit>_<speaker>_<number>.wav`; `root` is the unpacked repository. The numbers 0 to 4 are test,
    the others train. The label is the digit; the column speaker is the label of speaker identification.
    """
    require(root, "the Free Spoken Digit Dataset", "recordings")
    rows = []
    for path in audio_files(root, "recordings", suffixes=(".wav",)):
        match = re.fullmatch(r"(\d)_([a-z]+)_(\d+)", Path(path).stem)
        if match is None:
            raise AuricleError(
                f"{path!r} is not named as in the Free Spoken Digit Dataset; expected a name like '7_jackson_32.wav'"
            )
        digit, speaker, number = match.groups()
        rows.append(CorpusRow(path, digit, split="test" if int(number) < 5 else "train", speaker=speaker))
    return rows


@corpus(
    "voicebank-demand",
    Published(
        {"train": 11_572, "test": 824},
        30,
        "Valentini-Botinhao et al. 2016, doi.org/10.7488/ds/2117, the set of 28 training speakers",
        note="no validation split is published; training takes one from the training speakers",
    ),
    known_by="clean_trainset_28spk_wav/*.wav",
)
def voicebank_demand(root: Path) -> list[CorpusRow]:
    """VoiceBank-DEMAND: clean speech and the same with noise, official split, grouped and labelled by speaker.

    Layout: `clean_trainset_28spk_wav`, `noisy_trainset_28spk_wav`, `clean_testset_wav` and `noisy_testset_wav`, each
    with `<speaker>_<sentence>.wav`, such as p226_001.wav. A row is a clean file; its `noisy` is the noisy one.
    """
    folders = {"train": "trainset_28spk_wav", "test": "testset_wav"}
    require(root, "VoiceBank-DEMAND", *(f"{kind}_{name}" for name in folders.values() for kind in ("clean", "noisy")))
    rows = []
    for split, folder in folders.items():
        for path in audio_files(root, f"clean_{folder}", suffixes=(".wav",)):
            name = Path(path).name
            match = re.fullmatch(r"(p\d+)_\d+\.wav", name)
            if match is None:
                raise AuricleError(f"{path!r} is not named as in VoiceBank-DEMAND; expected a name like 'p226_001.wav'")
            rows.append(CorpusRow(path, match[1], split=split, group=match[1], noisy=f"noisy_{folder}/{name}"))
    return rows


@corpus(
    "voxceleb1",
    Published(
        {"train": 138_361, "valid": 6_904, "test": 8_251},
        1_251,
        "Nagrani et al. 2017 and the VoxCeleb1 page (robots.ox.ac.uk/~vgg/data/voxceleb/vox1.html), identification",
        note="LEAF, Table A.1: 138,361 train and 8,249 test; LEAF-APCEN, Table 1: 138,316, 6,904 and 8,251; DEGramNet, "
        "Table 2: 1,215 speakers",
    ),
    known_by="iden_split.txt",
)
def voxceleb1(root: Path) -> list[CorpusRow]:
    """VoxCeleb1 identification: 1,251 speakers, official split, grouped by video.

    Layout: `wav/<speaker>/<video>/<segment>.wav` and `iden_split.txt`, whose lines are
    `<1, 2 or 3> <speaker>/<video>/<segment>.wav` for train, valid and test.
    """
    require(root, "VoxCeleb1", "iden_split.txt", "wav")
    rows = []
    for line in read_lines(root / "iden_split.txt"):
        match = re.fullmatch(r"([123])\s+([^/\s]+)/([^/\s]+)/(\S+)", line)
        if match is None:
            raise AuricleError(f"iden_split.txt has the line {line!r}; expected '1 id10001/1zcIwhmdeo4/00001.wav'")
        code, speaker, video, name = match.groups()
        rows.append(
            CorpusRow(f"wav/{speaker}/{video}/{name}", speaker, split=VOXCELEB_SPLITS[code], group=f"{speaker}/{video}")
        )
    return rows


@corpus(
    "librispeech",
    Published(
        {"all": 28_539},
        251,
        "Panayotov et al. 2015, Table 1 (251 speakers); LEAF, Table A.1 (25,740 + 2,799 utterances)",
        note="LEAF's split into 25,740 and 2,799 utterances is not published: this one is by utterance number",
        when={"subset": "train-clean-100"},
    ),
    known_by="train-clean-100/*/*/*.flac",
)
def librispeech(root: Path, subset: str = "train-clean-100") -> list[CorpusRow]:
    """LibriSpeech as speaker identification (251 speakers of train-clean-100), a fixed split by utterance number.

    Layout: `<subset>/<speaker>/<chapter>/<speaker>-<chapter>-<utterance>.flac`; `root` is the folder
    `LibriSpeech`. No split for speaker identification is published. Here an utterance whose number ends in 9 is
    test, in 8 valid, in another digit train. So each speaker is in every split, and so is each chapter (the group),
    which is one recording session; this makes the task easy.
    """
    require(root, "LibriSpeech", subset)
    rows = []
    for path in audio_files(root, subset, suffixes=(".flac", ".wav")):
        match = re.fullmatch(r"(\d+)-(\d+)-(\d+)", Path(path).stem)
        if match is None:
            raise AuricleError(f"{path!r} is not named as in LibriSpeech; expected a name like '103-1240-0000.flac'")
        speaker, chapter, utterance = match.groups()
        split = {"9": "test", "8": "valid"}.get(utterance[-1], "train")
        rows.append(CorpusRow(path, speaker, split=split, group=f"{speaker}-{chapter}"))
    return rows


@corpus(
    "voxforge",
    Published(
        {},
        6,
        "Revay and Teschke 2019 (six languages); VoxForge grows with its users, so no count is published",
        note="LEAF, Table A.1: 126,610 train and 18,378 test clips of a split that is not published",
    ),
)
def voxforge(root: Path) -> list[CorpusRow]:
    """VoxForge: spoken language identification among six, a fixed split by speaker (none is published).

    Layout: `<language>/<speaker>-<date>-<id>/wav/*.wav`, the unpacked archives below one folder for each
    of de, en, es, fr, it and ru; there may be further folders between the language and the archives.
    The split is `fixed_split` of the speaker's name, 20 % test and 10 % valid, so that a speaker of several
    languages or archives stays in one split. Anonymous uploads may be of any speaker, so all are train.
    """
    languages = [code for code in VOXFORGE_LANGUAGES if (root / code).is_dir()]
    if not languages:
        raise AuricleError(
            f"{str(root)!r} does not hold VoxForge: none of the language folders "
            f"{', '.join(VOXFORGE_LANGUAGES)} exists; unpack each language's archives into its folder"
        )
    rows = []
    for code in languages:
        for path in audio_files(root, code, suffixes=(".wav",)):
            folders = path.split("/")[1:-1]
            if len(folders) < 2 or folders[-1] != "wav":
                continue
            match = re.fullmatch(r"(.+)-\d{8}-[^-]+", folders[-2])
            speaker = match[1] if match else folders[-2]
            anonymous = speaker.lower() == "anonymous"
            split = "train" if anonymous else fixed_split(speaker, valid_percent=10, test_percent=20)
            rows.append(CorpusRow(path, VOXFORGE_LANGUAGES[code], split=split, group=speaker))
    return rows
