"""Miniatures of published corpora: their folders, tables and file names, with few short sounds made here.

`MINIATURES[name](root)` writes that of the corpus `name` into `root`, a folder as its archives unpack to.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable
from itertools import count, product
from pathlib import Path

from auricle.data.corpora.layout import fixed_split
from sounds import write_tone

RATE = 16000
SEGMENTS_HEAD = [
    "# Segments csv created Sun Mar  5 10:54:25 2017",
    "# num_ytids=3, num_segs=3, num_unique_labels=3, num_positive_labels=3",
    "# YTID, start_seconds, end_seconds, positive_labels",
]


def write_sounds(root: Path, kinds: dict[str, int], seconds: float = 1.0, rate: int = RATE) -> None:
    """A tone with a little noise for each path; sounds of one kind have one pitch, and no two are the same."""
    for name, kind in kinds.items():
        write_tone(root / name, 220.0 * (kind + 1), seconds, zlib.crc32(f"{root.name}/{name}".encode()), rate)


def write_table(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def of_split(split: str, valid: int, test: int, names: Iterable[str]) -> Iterable[str]:
    """The names that the rule of a corpus without a published split puts into `split`."""
    return (name for name in names if fixed_split(name, valid_percent=valid, test_percent=test) == split)


def tut_urban_2018(root: Path) -> None:
    lines = {"train": [], "evaluate": []}
    kinds = {}
    for kind, scene in enumerate(("airport", "tram")):
        for place in range(4):
            name = f"audio/{scene}-barcelona-{place}-{10 * kind + place}-a.wav"
            kinds[name] = kind
            lines["evaluate" if place == 3 else "train"].append((name, scene, f"barcelona-{10 * kind + place}"))
    write_sounds(root, kinds)
    every = [row for own in lines.values() for row in own]
    write_table(
        root / "meta.csv", ["filename\tscene_label\tidentifier\tsource_label", *("\t".join((*r, "a")) for r in every)]
    )
    for part, rows in lines.items():
        write_table(root / f"evaluation_setup/fold1_{part}.txt", ("\t".join(row[:2]) for row in rows))


def dcase2018_birds(root: Path) -> None:
    tables = {
        "ff1010bird": "ff1010bird_metadata_2018.csv",
        "warblrb10k": "warblrb10k_public_metadata_2018.csv",
        "BirdVox-DCASE-20k": "BirdVoxDCASE20k_csvpublic.csv",
    }
    numbers = map(str, count(64486))
    for dataset, table in tables.items():
        rows = [
            (next(iter(of_split(split, 10, 10, numbers))), bird)
            for split, bird in product(("train", "valid", "test"), (0, 1))
        ]
        write_sounds(root, {f"{dataset}_wav/wav/{number}.wav": bird for number, bird in rows})
        write_table(
            root / table, ["itemid,datasetid,hasbird", *(f"{number},{dataset},{bird}" for number, bird in rows)]
        )


def crema_d(root: Path) -> None:
    actors, emotions = (1001, 1002, 1003, 1004, 1005), ("ANG", "NEU")
    write_sounds(root, {f"AudioWAV/{a}_IEO_{e}_XX.wav": k for a in actors for k, e in enumerate(emotions)})


def voxceleb1(root: Path) -> None:
    videos = {"1": ("1zcIwhmdeo4", "7gWzIy6yIIk"), "2": ("7w0IBEWc9Qw",), "3": ("8mfTJEFhR7M",)}
    lines, kinds = [], {}
    for kind, speaker in enumerate(("id10001", "id10002", "id10003")):
        for split, own in videos.items():
            for video in own:
                lines.append(f"{split} {speaker}/{video}/00001.wav")
                kinds[f"wav/{speaker}/{video}/00001.wav"] = kind
    write_sounds(root, kinds)
    write_table(root / "iden_split.txt", lines)


def nsynth(root: Path) -> None:
    for split, instruments in (("train", (0, 1, 2)), ("valid", (3,)), ("test", (4,))):
        notes, kinds = {}, {}
        for kind, family in enumerate(("bass", "organ")):
            for instrument, pitch in product(instruments, (60, 64)):
                own = f"{family}_synthetic_{instrument:03d}"
                notes[f"{own}-{pitch:03d}-100"] = {
                    "pitch": pitch,
                    "instrument_str": own,
                    "instrument_family_str": family,
                }
                kinds[f"audio/{own}-{pitch:03d}-100.wav"] = kind
        write_sounds(root / f"nsynth-{split}", kinds)
        write_table(root / f"nsynth-{split}/examples.json", [json.dumps(notes)])


def speech_commands(root: Path) -> None:
    speakers = ("00176480", "004ae714", "00f0204f", "012c8314")
    names = {f"{w}/{s}_nohash_0.wav": k for k, w in enumerate(("bed", "yes", "zero")) for s in speakers}
    write_sounds(root, names | {"_background_noise_/running_tap.wav": 9})
    write_table(root / "validation_list.txt", (name for name in names if speakers[2] in name))
    write_table(root / "testing_list.txt", (name for name in names if speakers[3] in name))


def voxforge(root: Path) -> None:
    for kind, language in enumerate(("de", "en")):
        speakers = (f"speaker{number}" for number in count(10 * kind))
        for split in ("train", "train", "valid", "test"):
            speaker = next(iter(of_split(split, 10, 20, speakers)))
            write_sounds(root, {f"{language}/{speaker}-20140127-afw/wav/{language}5-001.wav": kind})


def librispeech(root: Path) -> None:
    for kind, (speaker, chapter) in enumerate({"103": "1240", "1034": "121119"}.items()):
        folder = root / "train-clean-100" / speaker / chapter
        write_sounds(folder, {f"{speaker}-{chapter}-{number:04d}.flac": kind for number in (0, 1, 2, 8, 9)})


def audioset(root: Path) -> None:
    classes = {
        "/m/09x0r": "Speech",
        "/m/020bb7": "Bird vocalization, bird call, bird song",
        "/m/03v3yw": "Keys jangling",
    }
    write_table(root / "class_labels_indices.csv", ["index,mid,display_name", *(
        f'{index},{mid},"{name}"' for index, (mid, name) in enumerate(classes.items()))])  # fmt: skip
    tables = {"balanced_train_segments.csv": 3, "unbalanced_train_segments.csv": 2, "eval_segments.csv": 2}
    for table, takes in tables.items():
        lines = []
        for (kind, mid), take in product(enumerate(classes), range(takes)):
            video = f"-{table[:6]}{kind}{take:03d}"
            lines.append(f'{video}, 30.000, 40.000, "{mid}"')
            write_sounds(root, {f"{table.partition('_')[0]}/Y{video}.wav": kind}, 2.1, 32000)
        lines.append('--removed-by, 0.000, 10.000, "/m/09x0r"')
        write_table(root / table, [*SEGMENTS_HEAD, *lines])


def esc_50(root: Path) -> None:
    lines, kinds = ["filename,fold,target,category,esc10,src_file,take"], {}
    for (kind, (target, category)), fold, take in product(enumerate(((0, "dog"), (10, "rain"))), range(1, 6), (0, 1)):
        source = 100000 + 100 * kind + 10 * fold + take
        name = f"{fold}-{source}-A-{target}.wav"
        lines.append(f"{name},{fold},{target},{category},True,{source},A")
        kinds[f"audio/{name}"] = kind
    write_sounds(root, kinds)
    write_table(root / "meta/esc50.csv", lines)


def urbansound8k(root: Path) -> None:
    lines, kinds = ["slice_file_name,fsID,start,end,salience,fold,classID,class"], {}
    for (kind, (number, category)), fold in product(enumerate(((1, "car_horn"), (8, "siren"))), range(1, 11)):
        source = 100000 + 100 * kind + fold
        for piece in (0, 1):
            name = f"{source}-{number}-0-{piece}.wav"
            lines.append(f"{name},{source},{float(piece)},{piece + 1.0},1,{fold},{number},{category}")
            kinds[f"audio/fold{fold}/{name}"] = kind
    write_sounds(root, kinds)
    write_table(root / "metadata/UrbanSound8K.csv", lines)


def musan(root: Path) -> None:
    places = {"noise": "free-sound/noise-free-sound", "music": "fma/music-fma", "speech": "librivox/speech-librivox"}
    for kind, (part, place) in enumerate(places.items()):
        write_sounds(root, {f"{part}/{place}-{n:04d}.wav": kind for n in range(8)}, 5.2 if part == "noise" else 1.2)
        write_table(root / part / place.partition("/")[0] / "LICENSE", ["…"])
    write_sounds(root, {"noise/sound-bible/noise-sound-bible-0000.wav": 5})


def fma_small(root: Path) -> None:
    lines = [",artist,set,set,track", ",id,split,subset,genre_top", "track_id,,,,"]
    numbers = count(2)
    for (kind, genre), split in product(enumerate(("Folk", "Hip-Hop")), ("training",) * 3 + ("validation", "test")):
        track = next(numbers)
        lines.append(f"{track},{track},{split},small,{genre}")
        write_sounds(root, {f"fma_small/000/{track:06d}.mp3": kind}, rate=44100)
    write_table(root / "fma_metadata/tracks.csv", lines)


def vggsound(root: Path) -> None:
    lines = []
    for kind, label in enumerate(("people marching", "lions roaring")):
        for take, split in enumerate(("train",) * 4 + ("test",) * 2):
            video = f"--video{kind}{take:03d}"
            lines.append(f"{video},{30 * take},{label},{split}")
            write_sounds(root, {f"{video}_{30 * take:06d}.wav": kind})
    write_table(root / "vggsound.csv", lines)


def iemocap(root: Path) -> None:
    for session, talker in product((1, 2), "FM"):
        dialogue = f"Ses{session:02d}{talker}_impro01"
        lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"]
        for kind, emotion in enumerate(("neu", "ang", "sad", "exc", "xxx")):
            turn = f"{dialogue}_{talker}{kind:03d}"
            lines.append(f"[6.2901 - 8.2357]\t{turn}\t{emotion}\t[2.5000, 2.5000, 2.5000]")
            write_sounds(root / f"Session{session}/sentences/wav", {f"{dialogue}/{turn}.wav": kind}, 0.5)
        write_table(root / f"Session{session}/dialog/EmoEvaluation/{dialogue}.txt", lines)


def voicebank_demand(root: Path) -> None:
    for part, speakers in (("trainset_28spk", ("p226", "p227", "p228")), ("testset", ("p232",))):
        names = [f"{speaker}_{sentence:03d}.wav" for speaker in speakers for sentence in (1, 2)]
        for kind, quality in enumerate(("clean", "noisy")):
            write_sounds(root / f"{quality}_{part}_wav", dict.fromkeys(names, kind), rate=48000)


def fsdd(root: Path) -> None:
    speakers = ("george", "jackson", "theo")
    write_sounds(
        root, {f"recordings/{d}_{s}_{n}.wav": d for d, s, n in product((0, 1), speakers, (0, 5, 6, 7))}, 0.4, 8000
    )


def emodb(root: Path) -> None:
    speakers = ("03", "08", "09", "10")
    write_sounds(
        root, {f"wav/{s}a0{n}{e}a.wav": k for s, n, (k, e) in product(speakers, (1, 2), enumerate("FNW"))}, 0.5
    )


def ravdess(root: Path) -> None:
    names = product(("01", "02", "03", "04"), enumerate(("01", "03", "05")), ("01", "02"))
    write_sounds(root, {f"Actor_{a}/03-01-{e}-01-01-{n}-{a}.wav": kind for a, (kind, e), n in names}, 0.5)


def fsd50k(root: Path) -> None:
    for subset, names in (("dev", ("64760", "16399", "102")), ("eval", ("37199",))):
        write_sounds(root, {f"FSD50K.{subset}_audio/{name}.wav": kind for kind, name in enumerate(names)})
        heads, splits = "fname,labels,mids", (",train", ",val", ",train") if subset == "dev" else ("",)
        rows = (f'{name},"Bark,Dog","/m/05tny_,/m/0bt9lr"{split}' for name, split in zip(names, splits, strict=True))
        write_table(root / f"FSD50K.ground_truth/{subset}.csv", [heads + ",split" * (subset == "dev"), *rows])


def fuss(root: Path) -> None:
    for split, name in (("train", "64760"), ("validation", "16399"), ("eval", "37199")):
        write_sounds(root, {f"fsd_data/{split}/sound/{name}.wav": 0})


MINIATURES: dict[str, Callable[[Path], None]] = {
    "audioset": audioset,
    "crema-d": crema_d,
    "dcase2018-birds": dcase2018_birds,
    "emodb": emodb,
    "esc-50": esc_50,
    "fma-small": fma_small,
    "fsd50k": fsd50k,
    "fsdd": fsdd,
    "fuss": fuss,
    "iemocap": iemocap,
    "librispeech": librispeech,
    "musan": musan,
    "nsynth": nsynth,
    "ravdess": ravdess,
    "speech-commands": speech_commands,
    "tut-urban-2018": tut_urban_2018,
    "urbansound8k": urbansound8k,
    "vggsound": vggsound,
    "voicebank-demand": voicebank_demand,
    "voxceleb1": voxceleb1,
    "voxforge": voxforge,
}
"""By the name of the corpus; a folder is named as the published archives unpack to (`FOLDERS`)."""

FOLDERS = {
    "audioset": "audioset",
    "crema-d": "CREMA-D",
    "dcase2018-birds": "dcase2018-birds",
    "emodb": "EmoDB",
    "esc-50": "ESC-50",
    "fma-small": "fma",
    "fsd50k": "FSD50K",
    "fsdd": "free-spoken-digit-dataset",
    "fuss": "FUSS",
    "iemocap": "IEMOCAP_full_release",
    "librispeech": "LibriSpeech",
    "musan": "musan",
    "nsynth": "nsynth",
    "ravdess": "RAVDESS",
    "speech-commands": "speech_commands_v0.02",
    "tut-urban-2018": "TUT-urban-acoustic-scenes-2018-development",
    "urbansound8k": "UrbanSound8K",
    "vggsound": "VGGSound",
    "voicebank-demand": "voicebank-demand",
    "voxceleb1": "VoxCeleb1",
    "voxforge": "voxforge",
}
