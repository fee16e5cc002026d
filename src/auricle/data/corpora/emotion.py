"""Corpora of emotional speech."""

from __future__ import annotations

import re
from pathlib import Path

from auricle.data.corpora.layout import CorpusRow, Published, audio_files, corpus, one_of, read_lines, require
from auricle.errors import AuricleError

CREMA_D_EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
IEMOCAP_EMOTIONS = {"ang": "angry", "exc": "happy", "hap": "happy", "neu": "neutral", "sad": "sad"}
EMODB_EMOTIONS = {
    "A": "fear",
    "E": "disgust",
    "F": "happiness",
    "L": "boredom",
    "N": "neutral",
    "T": "sadness",
    "W": "anger",
}
RAVDESS_EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}
RAVDESS_CHANNELS = {"speech": "01", "song": "02"}


@corpus(
    "crema-d",
    Published(
        {"all": 7_442},
        6,
        "Cao et al. 2014, IEEE Trans. Affective Computing 5(4): 7,442 clips of 91 actors; no split is published",
        note="LEAF, Table A.1: 5,146 train and 820 test clips of a split that is not published",
    ),
    known_by="AudioWAV/[0-9][0-9][0-9][0-9]_*.wav",
)
def crema_d(root: Path) -> list[CorpusRow]:
    """CREMA-D: six acted emotions, a fixed split by actor (the corpus has no official one).

    Layout: `AudioWAV/<actor>_<sentence>_<emotion>_<level>.wav`, actors 1001 to 1091.
    The split follows from the last digit of the actor's number: 0 and 1 are test (19 actors), 2 is valid
    (9 actors), the others are train (63 actors), so no actor is in two splits.
    """
    require(root, "CREMA-D", "AudioWAV")
    rows = []
    for path in audio_files(root, "AudioWAV", suffixes=(".wav",)):
        match = re.fullmatch(r"AudioWAV/(\d{4})_[A-Z]{3}_([A-Z]{3})_[A-Z]+\.wav", path)
        if match is None or match[2] not in CREMA_D_EMOTIONS:
            raise AuricleError(f"{path!r} is not named as in CREMA-D; expected a name like '1001_IWW_SAD_XX.wav'")
        split = {"0": "test", "1": "test", "2": "valid"}.get(match[1][-1], "train")
        rows.append(CorpusRow(path, CREMA_D_EMOTIONS[match[2]], split=split, group=match[1]))
    return rows


@corpus(
    "emodb",
    Published(
        {"all": 535},
        7,
        "Burkhardt et al. 2005, Interspeech, and emodb.bilderbar.info (the published selection)",
        note="no split is published; speakers are usually left out in turn",
    ),
    known_by="wav/03[ab]0[1-9][A-Z]*.wav",
)
def emodb(root: Path) -> list[CorpusRow]:
    """Berlin Database of Emotional Speech: seven acted emotions of ten speakers, in German, without a split.

    Layout: `wav/<speaker><sentence><emotion><version>.wav`, such as 03a01Fa.wav: speaker 03, sentence a01, emotion F
    (Freude, happiness), version a.
    """
    require(root, "EmoDB", "wav")
    rows = []
    for path in audio_files(root, "wav", suffixes=(".wav",)):
        match = re.fullmatch(r"(\d\d)[ab]\d\d([A-Z])[a-z]?", Path(path).stem)
        if match is None or match[2] not in EMODB_EMOTIONS:
            raise AuricleError(f"{path!r} is not named as in EmoDB; expected a name like '03a01Fa.wav'")
        rows.append(CorpusRow(path, EMODB_EMOTIONS[match[2]], speaker=match[1]))
    return rows


@corpus(
    "iemocap",
    Published(
        {"all": 5_531},
        4,
        "TRNet (Chen and Zhang, 2024), section 4.1, as is usual: excited merged into happy",
        note="no split is published; each fold tests on one speaker and validates on the other of that session",
    ),
    known_by="Session1/dialog/EmoEvaluation",
)
def iemocap(root: Path) -> list[CorpusRow]:
    """IEMOCAP: four emotions of ten speakers in five sessions, excited merged into happy.

    Layout: `Session<1 to 5>/sentences/wav/<dialogue>/<turn>.wav` and, with a line for each turn,
    `Session<1 to 5>/dialog/EmoEvaluation/<dialogue>.txt`. Such a line has, separated by tabs, `[6.2901 - 8.2357]`,
    `Ses01F_impro01_F000`, `neu` and three ratings. `root` is the folder `IEMOCAP_full_release`. The gender in the
    dialogue's name is that of the actor with motion-capture markers, the last one in the turn's name that of the
    speaker: Ses01F_impro01_M013 is spoken by the man of session 1. Turns of other emotions, and those on which the
    raters did not agree (xxx), are left out.
    """
    require(root, "IEMOCAP", "Session1/dialog/EmoEvaluation", "Session1/sentences/wav")
    rows = []
    for table in sorted(root.glob("Session[1-5]/dialog/EmoEvaluation/Ses*.txt")):
        session = table.parts[-4]
        for line in read_lines(table):
            if not line.startswith("["):
                continue
            match = re.match(r"\[[\d.]+ - [\d.]+\]\t(Ses(\d\d)[FM]_\w+_([FM])\w*\d+)\t(\w+)\t", line)
            if match is None:
                raise AuricleError(
                    f"{table.name} has the line {line!r}; expected one like '[6.2901 - 8.2357]', "
                    "'Ses01F_impro01_F000', 'neu' and three ratings with tabs between them"
                )
            turn, number, gender, emotion = match.groups()
            if emotion in IEMOCAP_EMOTIONS:
                path = f"{session}/sentences/wav/{table.stem}/{turn}.wav"
                speaker = f"Ses{number}{gender}"
                rows.append(CorpusRow(path, IEMOCAP_EMOTIONS[emotion], speaker=speaker, session=f"Ses{number}"))
    return rows


_RAVDESS_SOURCE = "Livingstone and Russo 2018, doi.org/10.1371/journal.pone.0196391, and zenodo.org/record/1188976"
_RAVDESS_NOTE = "no split is published; a session here is a pair of one man and one woman"


@corpus(
    "ravdess",
    Published({"all": 1_440}, 8, _RAVDESS_SOURCE, _RAVDESS_NOTE, when={"channel": "speech"}),
    Published({"all": 1_012}, 6, _RAVDESS_SOURCE, _RAVDESS_NOTE + "; actor 18 does not sing", when={"channel": "song"}),
    known_by="Actor_[0-9][0-9]/0[1-3]-0[12]-*.wav",
)
def ravdess(root: Path, channel: str = "speech") -> list[CorpusRow]:
    """RAVDESS: eight emotions (six of them sung) of 24 actors, with a session for each pair of actors.

    Layout: `Actor_<01 to 24>/<modality>-<channel>-<emotion>-<intensity>-<statement>-<repetition>-<actor>.wav`, each in
    two digits, of the archives `Audio_Speech_Actors_01-24.zip` and `Audio_Song_Actors_01-24.zip`. Actors of odd numbers
    are men; each is in one session with the woman of the next number.

    Args:
        root: the folder with the actors' folders.
        channel: "speech" or "song".
    """
    chosen = RAVDESS_CHANNELS[one_of("ravdess channel", channel, RAVDESS_CHANNELS)]
    if not any(root.glob("Actor_[0-9][0-9]")):
        raise AuricleError(f"{str(root)!r} does not hold RAVDESS: there is no folder Actor_01 to Actor_24")
    rows = []
    for path in audio_files(root, suffixes=(".wav",)):
        match = re.fullmatch(r"Actor_(\d\d)/\d\d-(\d\d)-(\d\d)-\d\d-\d\d-\d\d-(\d\d)\.wav", path)
        if match is None or match[3] not in RAVDESS_EMOTIONS or match[1] != match[4]:
            raise AuricleError(
                f"{path!r} is not named as in RAVDESS; expected a name like 'Actor_12/03-01-06-01-02-01-12.wav'"
            )
        actor = match[1]
        if match[2] == chosen:
            session = f"{(int(actor) + 1) // 2:02d}"
            rows.append(CorpusRow(path, RAVDESS_EMOTIONS[match[3]], speaker=actor, session=session))
    return rows
