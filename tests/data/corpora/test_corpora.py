"""Every corpus adapter on a miniature of the published layout, written here line by line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from auricle.data.corpora import CORPORA, CorpusRow, build_manifest, corpus_of, published_counts, write_manifest
from auricle.data.corpora.audioset import video_of
from auricle.data.corpora.layout import fixed_split
from auricle.data.manifest import read_manifest
from auricle.data.material import read_material
from auricle.errors import AuricleError
from miniatures import MINIATURES

ADAPTERS = [
    "audioset",
    "crema-d",
    "dcase2018-birds",
    "emodb",
    "esc-50",
    "fma-small",
    "fsd50k",
    "fsdd",
    "fuss",
    "iemocap",
    "librispeech",
    "musan",
    "nsynth",
    "ravdess",
    "speech-commands",
    "tut-urban-2018",
    "urbansound8k",
    "vggsound",
    "voicebank-demand",
    "voxceleb1",
    "voxforge",
]


def lay_out(root: Path, sounds: list[str], tables: dict[str, str] | None = None) -> Path:
    """Empty files where the sounds would be, and the metadata tables as text."""
    for name in sounds:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for name, text in (tables or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def make(corpus: str, root: Path, **options: object) -> list[CorpusRow]:
    return CORPORA.create(corpus, root=root, **options)


def speech_commands(root: Path) -> Path:
    """Layout: README of speech_commands_v0.02."""
    sounds = [
        "bed/00176480_nohash_0.wav",
        "bed/004ae714_nohash_1.wav",
        "zero/00176480_nohash_0.wav",
        "_background_noise_/running_tap.wav",
    ]
    tables = {"validation_list.txt": "bed/004ae714_nohash_1.wav\n", "testing_list.txt": "zero/00176480_nohash_0.wav\n"}
    return lay_out(root, sounds, tables)


def test_all_are_registered():
    assert list(CORPORA) == ADAPTERS


@pytest.mark.parametrize("corpus", ADAPTERS)
def test_a_wrong_root_is_refused(corpus, tmp_path):
    lay_out(tmp_path, ["holiday/photo.jpg"], {"notes.csv": "a,b\n1,2\n"})
    with pytest.raises(AuricleError, match=str(tmp_path)):
        make(corpus, tmp_path)
    with pytest.raises(AuricleError, match="no folder"):
        build_manifest(corpus, tmp_path / "absent", output=tmp_path / "manifest.csv")


@pytest.mark.parametrize("corpus", ADAPTERS)
def test_published_counts_name_their_source(corpus):
    published = published_counts(corpus)
    assert published is not None
    assert published.source
    assert "layout" in (CORPORA[corpus].__doc__ or "").lower()


def test_speech_commands(tmp_path):
    assert make("speech-commands", speech_commands(tmp_path)) == [
        CorpusRow("bed/00176480_nohash_0.wav", "bed", split="train", group="00176480"),
        CorpusRow("bed/004ae714_nohash_1.wav", "bed", split="valid", group="004ae714"),
        CorpusRow("zero/00176480_nohash_0.wav", "zero", split="test", group="00176480"),
    ]


def test_crema_d(tmp_path):
    """Layout: github.com/CheyneyComputerScience/CREMA-D, where one name ends in a single X."""
    names = ["1001_IWW_SAD_XX", "1002_IEO_HAP_HI", "1003_TIE_NEU_XX", "1040_ITH_SAD_X", "1089_WSI_ANG_XX"]
    rows = make("crema-d", lay_out(tmp_path, [f"AudioWAV/{name}.wav" for name in names]))
    assert rows == [
        CorpusRow("AudioWAV/1001_IWW_SAD_XX.wav", "sadness", split="test", group="1001"),
        CorpusRow("AudioWAV/1002_IEO_HAP_HI.wav", "happiness", split="valid", group="1002"),
        CorpusRow("AudioWAV/1003_TIE_NEU_XX.wav", "neutral", split="train", group="1003"),
        CorpusRow("AudioWAV/1040_ITH_SAD_X.wav", "sadness", split="test", group="1040"),
        CorpusRow("AudioWAV/1089_WSI_ANG_XX.wav", "anger", split="train", group="1089"),
    ]


def test_crema_d_splits_its_91_actors_as_documented(tmp_path):
    names = [f"AudioWAV/{actor}_DFA_{emotion}_XX.wav" for actor in range(1001, 1092) for emotion in ("DIS", "FEA")]
    rows = make("crema-d", lay_out(tmp_path, names))
    actors = {split: {row.group for row in rows if row.split == split} for split in ("train", "valid", "test")}
    assert {split: len(found) for split, found in actors.items()} == {"train": 63, "valid": 9, "test": 19}
    assert {row.label for row in rows} == {"disgust", "fear"}


def test_crema_d_refuses_a_foreign_name(tmp_path):
    with pytest.raises(AuricleError, match="03-01-05-01"):
        make("crema-d", lay_out(tmp_path, ["AudioWAV/03-01-05-01.wav"]))


def test_fsdd(tmp_path):
    """Layout: github.com/Jakobovski/free-spoken-digit-dataset, whose README gives the official test recordings."""
    names = ["recordings/0_george_10.wav", "recordings/7_jackson_4.wav", "recordings/9_yweweler_5.wav"]
    assert make("fsdd", lay_out(tmp_path, names, {"metadata.py": "", "README.md": ""})) == [
        CorpusRow("recordings/0_george_10.wav", "0", split="train", speaker="george"),
        CorpusRow("recordings/7_jackson_4.wav", "7", split="test", speaker="jackson"),
        CorpusRow("recordings/9_yweweler_5.wav", "9", split="train", speaker="yweweler"),
    ]
    with pytest.raises(AuricleError, match=r"ten_george_1\.wav"):
        make("fsdd", lay_out(tmp_path, ["recordings/ten_george_1.wav"]))


def test_emodb(tmp_path):
    """Layout: download.zip of emodb.bilderbar.info, with folders of annotations beside wav."""
    root = lay_out(tmp_path, ["wav/03a01Fa.wav", "wav/10b10Wa.wav"], {"lablaut/03a01Fa.lablaut": ""})
    assert make("emodb", root) == [
        CorpusRow("wav/03a01Fa.wav", "happiness", speaker="03"),
        CorpusRow("wav/10b10Wa.wav", "anger", speaker="10"),
    ]
    with pytest.raises(AuricleError, match=r"03a01Xa\.wav"):
        make("emodb", lay_out(tmp_path, ["wav/03a01Xa.wav"]))


def test_ravdess(tmp_path):
    """Layout: the archives of zenodo.org/record/1188976, unpacked into one folder."""
    speech, other, song = (f"Actor_{name}.wav" for name in ("01/03-01-06-02-01-02-01", "12/03-01-01-01-02-01-12",
                                                          "12/03-02-03-01-02-01-12"))  # fmt: skip
    root = lay_out(tmp_path, [speech, other, song])
    assert make("ravdess", root) == [
        CorpusRow(speech, "fearful", speaker="01", session="01"),
        CorpusRow(other, "neutral", speaker="12", session="06"),
    ]
    assert make("ravdess", root, channel="song") == [CorpusRow(song, "happy", speaker="12", session="06")]
    assert "1 of 1,012" in str(build_manifest("ravdess", root, output=tmp_path / "m.csv", options={"channel": "song"}))
    with pytest.raises(AuricleError, match=r"Actor_02/03-01-01-01-02-01-12\.wav"):
        make("ravdess", lay_out(tmp_path, ["Actor_02/03-01-01-01-02-01-12.wav"]))


@pytest.mark.parametrize("corpus", ["fsdd", "emodb", "ravdess"])
def test_names_of_real_recordings_give_what_is_known_of_them(corpus, shared, tmp_path):
    folder = {"emodb": "emodb-2s"}.get(corpus, corpus)
    with (shared / "data" / folder / "manifest.csv").open(newline="") as file:
        known = {Path(row["path"]).stem: row for row in csv.DictReader(file)}
    place = {"fsdd": "recordings/{0}.wav", "emodb": "wav/{0}.wav", "ravdess": "Actor_{1}/{0}.wav"}[corpus]
    rows = make(corpus, lay_out(tmp_path, [place.format(stem, row["speaker"]) for stem, row in known.items()]))
    assert len(rows) == len(known)
    for row in rows:
        expected = known[Path(row.path).stem]
        assert (row.label, row.speaker) == (expected["label"], expected["speaker"])
        assert row.session == expected.get("session")


def test_voicebank_demand(tmp_path):
    """Layout: datashare.ed.ac.uk/handle/10283/2791, the four archives unpacked side by side."""
    names = {"trainset_28spk_wav": "p226_001.wav", "testset_wav": "p232_001.wav"}
    sounds = [f"{kind}_{part}/{name}" for part, name in names.items() for kind in ("clean", "noisy")]
    root = lay_out(tmp_path / "corpus", sounds)
    train, test = names
    assert make("voicebank-demand", root) == [
        CorpusRow(
            f"clean_{train}/p226_001.wav", "p226", split="train", group="p226", noisy=f"noisy_{train}/p226_001.wav"
        ),
        CorpusRow(f"clean_{test}/p232_001.wav", "p232", split="test", group="p232", noisy=f"noisy_{test}/p232_001.wav"),
    ]
    written = list(csv.DictReader(build_manifest("voicebank-demand", root, output=tmp_path / "m.csv").manifest.open()))
    assert [row["noisy"] for row in written] == [
        f"corpus/noisy_{train}/p226_001.wav",
        f"corpus/noisy_{test}/p232_001.wav",
    ]
    lay_out(root, [f"clean_{test}/other.wav"])
    with pytest.raises(AuricleError, match=r"other\.wav"):
        make("voicebank-demand", root)


def iemocap(root: Path) -> Path:
    """Layout: IEMOCAP_full_release, whose EmoEvaluation files hold each turn's line and then its raters'."""
    head = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
    raters = "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"

    def turns(*lines: tuple[str, str]) -> str:
        return head + "".join(
            f"[6.2901 - 8.2357]\t{turn}\t{emotion}\t[2.5000, 2.5000, 2.5000]\n{raters}" for turn, emotion in lines
        )

    first = turns(("Ses01F_impro01_F000", "neu"), ("Ses01F_impro01_M000", "exc"), ("Ses01F_impro01_M001", "xxx"))
    fifth = turns(
        ("Ses05M_script03_2_F004", "hap"), ("Ses05M_script03_2_MXX0", "ang"), ("Ses05M_script03_2_M002", "fru")
    )
    sounds = [
        "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
        "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav",
        "Session5/sentences/wav/Ses05M_script03_2/Ses05M_script03_2_F004.wav",
        "Session5/sentences/wav/Ses05M_script03_2/Ses05M_script03_2_MXX0.wav",
    ]
    tables = {
        "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt": first,
        "Session5/dialog/EmoEvaluation/Ses05M_script03_2.txt": fifth,
        "Session5/dialog/EmoEvaluation/Categorical/Ses05M_script03_2_e2_cat.txt": "Ses05M_script03_2_F004 :Anger; ()",
    }
    return lay_out(root, sounds, tables)


def test_iemocap(tmp_path):
    root = iemocap(tmp_path / "corpus")
    wavs = "Session{0}/sentences/wav/{1}/{1}_{2}.wav"
    assert make("iemocap", root) == [
        CorpusRow(wavs.format(1, "Ses01F_impro01", "F000"), "neutral", speaker="Ses01F", session="Ses01"),
        CorpusRow(wavs.format(1, "Ses01F_impro01", "M000"), "happy", speaker="Ses01M", session="Ses01"),
        CorpusRow(wavs.format(5, "Ses05M_script03_2", "F004"), "happy", speaker="Ses05F", session="Ses05"),
        CorpusRow(wavs.format(5, "Ses05M_script03_2", "MXX0"), "angry", speaker="Ses05M", session="Ses05"),
    ]
    summary = build_manifest("iemocap", root, output=tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_text().splitlines()[0] == "path,label,speaker,session"
    assert "4 of 5,531 clips" in str(summary)
    lay_out(root, [], {"Session2/dialog/EmoEvaluation/Ses02F_impro01.txt": "[1.0 - 2.0] Ses02F_impro01_F000 neu"})
    with pytest.raises(AuricleError, match=r"Ses02F_impro01\.txt.*\[1\.0 - 2\.0\]"):
        make("iemocap", root)


def test_musan(tmp_path):
    """Layout: openslr.org/17."""
    root = tmp_path / "musan"
    for name, seconds in (("free-sound/noise-free-sound-0000", 11.9), ("sound-bible/noise-sound-bible-0001", 0.7)):
        path = root / "noise" / f"{name}.wav"
        path.parent.mkdir(parents=True)
        sf.write(path, np.full(round(seconds * 800), 0.1), 800)
    first, second = "noise/free-sound/noise-free-sound-0000.wav", "noise/sound-bible/noise-sound-bible-0001.wav"
    pieces = [CorpusRow(first, "noise", group="noise-free-sound-0000", start=s, end=s + 5.0) for s in (0.0, 5.0)]
    assert make("musan", root) == [*pieces, CorpusRow(second, "noise", group="noise-sound-bible-0001")]
    assert len(make("musan", root, piece_s=0)) == 2
    for piece_s, count in ((0.1, 119 + 7), (0.35, 34 + 2), (11.9, 1 + 1)):
        assert len(make("musan", root, piece_s=piece_s)) == count
    whole = [published_counts("musan", part=part, piece_s=0) for part in ("noise", "music", "speech")]
    assert sum(published.counts["all"] for published in whole if published) == 2016
    summary = build_manifest("musan", root, output=tmp_path / "whole.csv", options={"piece_s": 0})
    assert "2 of 930 clips" in str(summary)
    with pytest.raises(AuricleError, match="'music' is missing"):
        make("musan", root, part="music")
    with pytest.raises(AuricleError, match="babble"):
        make("musan", root, part="babble")
    manifest = build_manifest("musan", root, output=tmp_path / "m.csv").manifest
    recordings = [r for r in read_material([str(manifest)]).recordings if r.path]
    assert [(r.kind, r.source, r.start_s, round(r.duration_s, 3)) for r in recordings] == [
        ("noise", "noise-free-sound-0000", 0.0, 5.0),
        ("noise", "noise-free-sound-0000", 5.0, 5.0),
        ("noise", "noise-sound-bible-0001", 0.0, 0.7),
    ]


def test_voxceleb1(tmp_path):
    """Layout: iden_split.txt and wav/ of robots.ox.ac.uk/~vgg/data/voxceleb/vox1.html."""
    lines = "1 id10001/1zcIwhmdeo4/00001.wav\n2 id10001/7w0IBEWc9Qw/00004.wav\n3 id11251/s4R4hvqrhFw/00009.wav\n"
    root = lay_out(tmp_path, ["wav/id10001/1zcIwhmdeo4/00001.wav"], {"iden_split.txt": lines})
    assert make("voxceleb1", root) == [
        CorpusRow("wav/id10001/1zcIwhmdeo4/00001.wav", "id10001", split="train", group="id10001/1zcIwhmdeo4"),
        CorpusRow("wav/id10001/7w0IBEWc9Qw/00004.wav", "id10001", split="valid", group="id10001/7w0IBEWc9Qw"),
        CorpusRow("wav/id11251/s4R4hvqrhFw/00009.wav", "id11251", split="test", group="id11251/s4R4hvqrhFw"),
    ]
    summary = build_manifest("voxceleb1", root, output=tmp_path / "manifest.csv")
    assert summary.missing == ("wav/id10001/7w0IBEWc9Qw/00004.wav", "wav/id11251/s4R4hvqrhFw/00009.wav")
    (root / "iden_split.txt").write_text("4 id10001/1zcIwhmdeo4/00001.wav\n")
    with pytest.raises(AuricleError, match="'4 id10001"):
        make("voxceleb1", root)


def test_librispeech(tmp_path):
    """Layout: LibriSpeech/<subset>/<speaker>/<chapter>/ of openslr.org/12."""
    folder = "train-clean-100/103/1240"
    sounds = [f"{folder}/103-1240-{number}.flac" for number in ("0000", "0008", "0019")]
    rows = make("librispeech", lay_out(tmp_path, sounds, {f"{folder}/103-1240.trans.txt": "103-1240-0000 CHAPTER\n"}))
    assert rows == [
        CorpusRow(f"{folder}/103-1240-0000.flac", "103", split="train", group="103-1240"),
        CorpusRow(f"{folder}/103-1240-0008.flac", "103", split="valid", group="103-1240"),
        CorpusRow(f"{folder}/103-1240-0019.flac", "103", split="test", group="103-1240"),
    ]
    assert published_counts("librispeech", subset="train-clean-360") is None


def test_voxforge(tmp_path):
    """Layout: the archives <speaker>-<date>-<id>.tgz of voxforge.org, one folder of them per language."""
    sounds = [
        "de/guenter-20140127-afw/wav/de5-001.wav",
        "de/anonymous-20080425-fdd/wav/de1-01.wav",
        "en/guenter-20130102-xyz/wav/a0001.wav",
        "en/Main/16kHz_16bit/1028-20100710-hne/wav/ar-01.wav",
        "en/1028-20100710-hne/extra.wav",
        "ru/jean-luc-20090701-abc/wav/ru_0001.wav",
    ]
    rows = {row.path: row for row in make("voxforge", lay_out(tmp_path, sounds))}
    assert sorted(rows) == sorted(set(sounds) - {"en/1028-20100710-hne/extra.wav"})
    assert [rows[sounds[i]].label for i in (0, 2, 5)] == ["german", "english", "russian"]
    assert [rows[sounds[i]].group for i in (0, 1, 3, 5)] == ["guenter", "anonymous", "1028", "jean-luc"]
    assert rows[sounds[1]].split == "train"
    assert rows[sounds[0]].split == rows[sounds[2]].split == fixed_split("guenter", valid_percent=10, test_percent=20)


NSYNTH_NOTE = {
    "note": 201034,
    "note_str": "bass_synthetic_033-022-050",
    "instrument_str": "bass_synthetic_033",
    "pitch": 22,
    "velocity": 50,
    "sample_rate": 16000,
    "qualities_str": ["dark"],
    "instrument_family": 0,
    "instrument_family_str": "bass",
    "instrument_source_str": "synthetic",
}


def nsynth(root: Path) -> Path:
    """Layout: the json/wav archives of magenta.tensorflow.org/datasets/nsynth."""
    name = "bass_synthetic_033-022-050"
    sounds = [f"nsynth-{split}/audio/{name}.wav" for split in ("train", "test")]
    return lay_out(
        root, sounds, {f"nsynth-{s}/examples.json": json.dumps({name: NSYNTH_NOTE}) for s in ("train", "test")}
    )


@pytest.mark.parametrize(("labels", "label"), [("instrument", "bass"), ("pitch", "22")])
def test_nsynth(labels, label, tmp_path):
    name = "bass_synthetic_033-022-050"
    assert make("nsynth", nsynth(tmp_path), labels=labels) == [
        CorpusRow(f"nsynth-{split}/audio/{name}.wav", label, split=split, group="bass_synthetic_033")
        for split in ("train", "test")
    ]


def test_nsynth_tests_on_the_split_of_leaf_s_size(tmp_path):
    root = nsynth(tmp_path)
    name = "bass_synthetic_033-022-050"
    lay_out(root, [f"nsynth-valid/audio/{name}.wav"], {"nsynth-valid/examples.json": json.dumps({name: NSYNTH_NOTE})})
    rows = make("nsynth", root, test="valid")
    assert [(row.path, row.split) for row in rows] == [
        (f"nsynth-train/audio/{name}.wav", "train"),
        (f"nsynth-valid/audio/{name}.wav", "test"),
    ]
    published = published_counts("nsynth", test="valid")
    assert published is not None
    assert published.counts["test"] == 12_678


def test_unknown_options_are_refused(tmp_path):
    with pytest.raises(AuricleError, match="'pich'; did you mean 'pitch'"):
        make("nsynth", nsynth(tmp_path), labels="pich")
    with pytest.raises(AuricleError, match="colour"):
        build_manifest("nsynth", tmp_path, output=tmp_path / "m.csv", options={"colour": "blue"})


def test_fma_small(tmp_path):
    """Layout: fma_metadata.zip and fma_small.zip of github.com/mdeff/fma (some of the 52 columns)."""
    table = (
        ",album,artist,artist,set,set,track,track\n"
        ",title,id,name,split,subset,bit_rate,genre_top\n"
        "track_id,,,,,,,\n"
        '2,"AWOL, A Way Of Life",1,AWOL,training,small,256000,Hip-Hop\n'
        "3,AWOL - A Way Of Life,1,AWOL,training,medium,256000,Hip-Hop\n"
        "140,On Opaque Things,54,Alec K. Redfearn,validation,small,256000,Folk\n"
        "20,Niris,4,Nicky Cook,training,large,256000,\n"
        "155066,Live,25,Psy-Poc,test,small,320000,Electronic\n"
    )
    root = lay_out(tmp_path, ["fma_small/000/000002.mp3"], {"fma_metadata/tracks.csv": table})
    assert make("fma-small", root) == [
        CorpusRow("fma_small/000/000002.mp3", "Hip-Hop", split="train", group="1"),
        CorpusRow("fma_small/000/000140.mp3", "Folk", split="valid", group="54"),
        CorpusRow("fma_small/155/155066.mp3", "Electronic", split="test", group="25"),
    ]


def test_fma_small_names_a_missing_column(tmp_path):
    table = ",track\n,title\ntrack_id,\n2,Food\n"
    with pytest.raises(AuricleError, match="set over subset"):
        make("fma-small", lay_out(tmp_path, ["fma_small/000/000002.mp3"], {"fma_metadata/tracks.csv": table}))


def test_tut_urban_2018(tmp_path):
    """Layout: TUT-urban-acoustic-scenes-2018-development.meta.zip of zenodo.org/record/1228142."""
    tables = {
        "meta.csv": (
            "filename\tscene_label\tidentifier\tsource_label\n"
            "audio/airport-barcelona-0-0-a.wav\tairport\tbarcelona-0\ta\n"
            "audio/tram-vienna-285-8639-a.wav\ttram\tvienna-285\ta\n"
        ),
        "evaluation_setup/fold1_train.txt": "audio/airport-barcelona-0-0-a.wav\tairport\n",
        "evaluation_setup/fold1_evaluate.txt": "audio/tram-vienna-285-8639-a.wav\ttram\n",
    }
    assert make("tut-urban-2018", lay_out(tmp_path, [], tables)) == [
        CorpusRow("audio/airport-barcelona-0-0-a.wav", "airport", split="train", group="barcelona-0"),
        CorpusRow("audio/tram-vienna-285-8639-a.wav", "tram", split="test", group="vienna-285"),
    ]


def birds(root: Path) -> Path:
    """Layout: the label tables and wav archives of dcase.community/challenge2018/task-bird-audio-detection."""
    header = "itemid,datasetid,hasbird\n"
    tables = {
        "ff1010bird_metadata_2018.csv": header + "64486,ff1010bird,0\n2525,ff1010bird,1\n",
        "BirdVox/BirdVoxDCASE20k_csvpublic.csv": header + "00053d90-e4b9-4045,BirdVox-DCASE-20k,1\n",
    }
    return lay_out(root, ["ff1010bird_wav/wav/64486.wav", "BirdVox/wav/00053d90-e4b9-4045.wav"], tables)


def test_dcase2018_birds(tmp_path):
    rows = make("dcase2018-birds", birds(tmp_path))
    assert [(row.path, row.label, row.group) for row in rows] == [
        ("BirdVox/wav/00053d90-e4b9-4045.wav", "yes", None),
        ("ff1010bird_wav/wav/64486.wav", "no", None),
        ("ff1010bird/wav/2525.wav", "yes", None),
    ]
    assert rows[1].split == fixed_split("64486", valid_percent=10, test_percent=10)
    assert build_manifest("dcase2018-birds", tmp_path, output=tmp_path / "m.csv").missing == (
        "ff1010bird/wav/2525.wav",
    )


def test_dcase2018_birds_by_dataset(tmp_path):
    rows = make("dcase2018-birds", birds(tmp_path), split="by-dataset")
    assert [(row.split, row.fold, row.group) for row in rows] == [
        (None, 3, "BirdVox-DCASE-20k"),
        (None, 1, "ff1010bird"),
        (None, 1, "ff1010bird"),
    ]


def esc50(root: Path) -> Path:
    """Layout: meta/esc50.csv of github.com/karolpiczak/ESC-50."""
    table = (
        "filename,fold,target,category,esc10,src_file,take\n"
        "1-100032-A-0.wav,1,0,dog,True,100032,A\n"
        "5-9032-A-14.wav,5,14,chirping_birds,False,9032,A\n"
    )
    return lay_out(root, ["audio/1-100032-A-0.wav", "audio/5-9032-A-14.wav"], {"meta/esc50.csv": table})


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("1-100032-A-0.wav,1\n", "row 1 has no target|row 1 has no category"),
        ('x,"' + "a" * 200_000, "not a table that can be read"),
    ],
)
def test_a_table_that_is_cut_off_or_senseless_is_one_line(end, words, tmp_path):
    (tmp_path / "esc" / "meta").mkdir(parents=True)
    (tmp_path / "esc" / "audio").mkdir()
    header = "filename,fold,target,category,esc10,src_file,take\n"
    (tmp_path / "esc" / "meta" / "esc50.csv").write_text(header + end)
    with pytest.raises(AuricleError, match=words):
        build_manifest("esc-50", tmp_path / "esc", output=tmp_path / "m.csv")


def test_options_do_not_take_the_place_of_the_folder(tmp_path):
    with pytest.raises(AuricleError, match="the folder of the corpus is given by its place"):
        build_manifest("esc-50", tmp_path, output=tmp_path / "m.csv", options={"root": "x"})


def test_esc_50(tmp_path):
    dog = CorpusRow("audio/1-100032-A-0.wav", "dog", fold=1, group="100032")
    bird = CorpusRow("audio/5-9032-A-14.wav", "chirping_birds", fold=5, group="9032")
    assert make("esc-50", esc50(tmp_path)) == [dog, bird]
    assert make("esc-50", tmp_path, subset="esc-10") == [dog]


def test_urbansound8k(tmp_path):
    """Layout: urbansounddataset.weebly.com/urbansound8k.html, where each fold has a folder."""
    table = (
        "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
        "100032-3-0-0.wav,100032,0.0,0.317551,1,5,3,dog_bark\n"
        "100263-2-0-117.wav,100263,58.5,62.5,2,10,2,children_playing\n"
    )
    sounds = ["audio/fold5/100032-3-0-0.wav", "audio/fold10/100263-2-0-117.wav"]
    root = lay_out(tmp_path, sounds, {"metadata/UrbanSound8K.csv": table})
    assert make("urbansound8k", root) == [
        CorpusRow("audio/fold5/100032-3-0-0.wav", "dog_bark", fold=5, group="100032"),
        CorpusRow("audio/fold10/100263-2-0-117.wav", "children_playing", fold=10, group="100263"),
    ]


@pytest.mark.parametrize("name", ["ESC-50", "esc50", "ESC50", "esc_50"])
def test_a_corpus_is_known_by_its_name_in_any_spelling(name, tmp_path):
    assert build_manifest(name, esc50(tmp_path), output=tmp_path / "m.csv").corpus == "esc-50"


def test_esc_50_is_compared_with_the_counts_of_its_option(tmp_path):
    assert "2 of 2,000 clips" in str(build_manifest("esc-50", esc50(tmp_path), output=tmp_path / "m.csv"))
    assert "1 of 400 clips" in str(
        build_manifest("esc-50", tmp_path, output=tmp_path / "m.csv", options={"subset": "esc-10"})
    )


VGGSOUND = """\
---g-f_I2yQ,1,people marching,test
--CC5pH97q4,40,"bird chirping, tweeting",train
--CC5pH97q4,120,"bird chirping, tweeting",train
_0123456789,30,lions roaring,train

"""


@pytest.mark.parametrize(
    ("marching", "chirping"),
    [
        ("---g-f_I2yQ_000001.wav", "--CC5pH97q4_000120.wav"),
        ("test/---g-f_I2yQ_000001.flac", "audio/train/--CC5pH97q4_000120.wav"),
    ],
)
def test_vggsound(marching, chirping, tmp_path):
    """Layout: data/vggsound.csv of github.com/hche11/VGGSound and the names of its example_audio."""
    root = lay_out(tmp_path, [marching, chirping, "--CC5pH97q4_000041.wav"], {"vggsound.csv": VGGSOUND})
    assert make("vggsound", root) == [
        CorpusRow(marching, "people marching", split="test", group="---g-f_I2yQ"),
        CorpusRow("--CC5pH97q4_000040.wav", "bird chirping, tweeting", split="train", group="--CC5pH97q4"),
        CorpusRow(chirping, "bird chirping, tweeting", split="train", group="--CC5pH97q4"),
        CorpusRow("_0123456789_000030.wav", "lions roaring", split="train", group="_0123456789"),
    ]
    summary = build_manifest("vggsound", root, output=tmp_path / "m.csv")
    assert summary.missing == ("--CC5pH97q4_000040.wav", "_0123456789_000030.wav")
    assert "2 of 309 classes" in str(summary)
    assert "train: 1 of 183,971" in str(summary)


@pytest.mark.parametrize("line", ["id,start,label,split", "---g-f_I2yQ,1,people marching", "---g-f_I2yQ,1,music,valid"])
def test_vggsound_quotes_a_line_that_is_not_its_own(line, tmp_path):
    with pytest.raises(AuricleError, match=f"the line '{line}'"):
        make("vggsound", lay_out(tmp_path, [], {"vggsound.csv": f"{line}\n"}))


def fsd50k(root: Path) -> Path:
    """Layout: the README of zenodo.org/record/4060432."""
    tables = {
        "FSD50K.ground_truth/dev.csv": (
            "fname,labels,mids,split\n"
            '64760,"Electric_guitar,Guitar,Music","/m/02sgy,/m/0342h,/m/04rlf",train\n'
            "16399,Bark,/m/05tny_,val\n"
        ),
        "FSD50K.ground_truth/eval.csv": 'fname,labels,mids\n37199,"Bark,Dog","/m/05tny_,/m/0bt9lr"\n',
        "FSD50K.metadata/dev_clips_info_FSD50K.json": json.dumps({"64760": {"uploader": "Ann", "tags": []}}),
    }
    sounds = ["FSD50K.dev_audio/64760.wav", "FSD50K.dev_audio/16399.wav", "FSD50K.eval_audio/37199.wav"]
    return lay_out(root, sounds, tables)


def test_fsd50k(tmp_path):
    assert make("fsd50k", fsd50k(tmp_path)) == [
        CorpusRow("FSD50K.dev_audio/64760.wav", "Electric_guitar;Guitar;Music", split="train", group="Ann"),
        CorpusRow("FSD50K.dev_audio/16399.wav", "Bark", split="valid"),
        CorpusRow("FSD50K.eval_audio/37199.wav", "Bark;Dog", split="test"),
    ]
    assert "valid: 1 of 4,170" in str(build_manifest("fsd50k", tmp_path, output=tmp_path / "m.csv"))


def test_fsd50k_refuses_an_unknown_split(tmp_path):
    root = fsd50k(tmp_path)
    (root / "FSD50K.ground_truth/dev.csv").write_text("fname,labels,mids,split\n7,Bark,/m/05tny_,dev\n")
    with pytest.raises(AuricleError, match=r"7 is in 'dev'"):
        make("fsd50k", root)


@pytest.mark.parametrize("above", ["", "fsd_data/"])
def test_fuss(above, tmp_path):
    """Layout: datasets/fuss of github.com/google-research/sound-separation."""
    names = ["train/sound/64760.wav", "train/sound/9.wav", "validation/sound/16399.wav", "eval/sound/37199.wav"]
    root = lay_out(tmp_path / "fuss", [above + name for name in names])
    splits = ["train", "train", "valid", "test"]
    rows = [CorpusRow(above + name, "sound", split=split) for name, split in zip(names, splits, strict=True)]
    assert make("fuss", root) == rows
    labels = ["Electric_guitar;Guitar;Music", "Bark", "Bark;Dog"]
    labelled = make("fuss", root, fsd50k=str(fsd50k(tmp_path / "fsd50k")))
    assert [row.label for row in labelled] == labels
    assert [row.path for row in labelled] == [above + name for name in names if "/9." not in name]
    with pytest.raises(AuricleError, match="FSD50K"):
        make("fuss", root, fsd50k=str(root))


def audioset(root: Path) -> Path:
    """Layout: the segment tables and class_labels_indices.csv of research.google.com/audioset/download.html."""
    head = (
        "# Segments csv created Sun Mar  5 10:54:25 2017\n"
        "# num_ytids=2, num_segs=2, num_unique_labels=2, num_positive_labels=3\n"
        "# YTID, start_seconds, end_seconds, positive_labels\n"
    )
    tables = {
        "class_labels_indices.csv": (
            "index,mid,display_name\n"
            '0,/m/09x0r,"Speech"\n'
            '111,/m/020bb7,"Bird vocalization, bird call, bird song"\n'
            '367,/m/03v3yw,"Keys jangling"\n'
        ),
        "balanced_train_segments.csv": head + '--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/m/020bb7"\n',
        "unbalanced_train_segments.csv": head + '---1_cCGK4M, 0.000, 10.000, "/m/09x0r"\n',
        "eval_segments.csv": head
        + '-0RWZT-miFs, 420.000, 430.000, "/m/03v3yw"\n-0SdAVK79lg, 30.000, 40.000, "/m/09x0r"\n',
    }
    sounds = ["bal_train/--PJHxphWEs.flac", "unbal/---1_cCGK4M_0.000_10.000.wav", "eval/Y-0RWZT-miFs.wav"]
    return lay_out(root, sounds, tables)


def test_audioset(tmp_path):
    assert make("audioset", audioset(tmp_path)) == [
        CorpusRow(
            "bal_train/--PJHxphWEs.flac",
            "Speech;Bird vocalization, bird call, bird song",
            split="train",
            group="--PJHxphWEs",
        ),
        CorpusRow("unbal/---1_cCGK4M_0.000_10.000.wav", "Speech", split="train", group="---1_cCGK4M"),
        CorpusRow("eval/Y-0RWZT-miFs.wav", "Keys jangling", split="test", group="-0RWZT-miFs"),
        CorpusRow("-0SdAVK79lg.wav", "Speech", split="test", group="-0SdAVK79lg"),
    ]


def test_audioset_counts_what_is_missing_and_keeps_names_with_commas_whole(tmp_path):
    summary = build_manifest("audioset", audioset(tmp_path), output=tmp_path / "m.csv", options={"train": "balanced"})
    assert summary.missing == ("-0SdAVK79lg.wav",)
    assert summary.counts == {"train": 1, "test": 1}
    assert set(summary.classes) == {"Speech", "Bird vocalization, bird call, bird song", "Keys jangling"}
    assert "train: 1 of 22,176" in str(summary)
    assert "missing: 1 of 3 listed files" in str(summary)
    with (tmp_path / "m.csv").open(newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    assert labels[0].split(";") == ["Speech", "Bird vocalization, bird call, bird song"]


def test_audioset_writes_times_for_whole_videos(tmp_path):
    rows = make("audioset", audioset(tmp_path), whole_videos=True)
    assert [(row.start, row.end) for row in rows] == [(30, 40), (0, 10), (420, 430), (30, 40)]


@pytest.mark.parametrize(
    ("stem", "video"),
    [
        ("--PJHxphWEs", "--PJHxphWEs"),
        ("Y--PJHxphWEs", "--PJHxphWEs"),
        ("Y-0RWZT-mi_s_30", "-0RWZT-mi_s"),
        ("--PJHxphWEs_30000_40000", "--PJHxphWEs"),
        ("YabcdefghijK", "abcdefghijK"),
        ("readme", None),
    ],
)
def test_video_of(stem, video):
    assert video_of(stem) == video


def test_manifest_holds_the_columns_in_use_and_paths_relative_to_itself(tmp_path):
    root = esc50(tmp_path / "esc")
    summary = build_manifest("esc-50", root, output=tmp_path / "lists" / "esc.csv")
    assert (tmp_path / "lists" / "esc.csv").read_text().splitlines() == [
        "path,label,fold,group",
        "../esc/audio/1-100032-A-0.wav,dog,1,100032",
        "../esc/audio/5-9032-A-14.wav,chirping_birds,5,9032",
    ]
    assert summary.counts == {"fold 1": 1, "fold 5": 1}
    assert summary.n_clips == 2


def test_manifest_beside_the_sounds(tmp_path):
    write_manifest([CorpusRow("a/b.wav", "x;y", start=1.5)], tmp_path / "m.csv", tmp_path)
    assert (tmp_path / "m.csv").read_text() == "path,label,start\na/b.wav,x;y,1.5\n"
    with pytest.raises(AuricleError, match="is a folder"):
        write_manifest([], tmp_path, tmp_path)


def test_summary_compares_each_split_with_the_published_counts(tmp_path):
    report = str(build_manifest("speech-commands", speech_commands(tmp_path), output=tmp_path / "m.csv"))
    for line in ("2 of 35 classes", "train: 1 of 84,843", "valid: 1 of 9,981", "test: 1 of 11,005", "Warden 2018"):
        assert line in report
    assert "missing" not in report


def test_a_corpus_without_a_single_file_is_refused(tmp_path):
    root = esc50(tmp_path)
    for sound in (root / "audio").iterdir():
        sound.unlink()
    with pytest.raises(AuricleError, match=r"none of the 2 files.*audio/1-100032-A-0\.wav"):
        build_manifest("esc-50", root, output=tmp_path / "m.csv")


def test_fixed_split_never_changes_and_keeps_its_shares():
    splits = [fixed_split(f"speaker {i}", valid_percent=10, test_percent=20) for i in range(2000)]
    assert splits[:5] == ["valid", "train", "test", "valid", "train"]
    assert splits.count("test") == pytest.approx(400, abs=60)
    assert splits.count("valid") == pytest.approx(200, abs=45)
    assert fixed_split("guenter", valid_percent=10, test_percent=20) == "train"


TABLES = {
    "audioset": "balanced_train_segments.csv",
    "esc-50": "meta/esc50.csv",
    "fma-small": "fma_metadata/tracks.csv",
    "fsd50k": "FSD50K.ground_truth/dev.csv",
    "nsynth": "nsynth-train/examples.json",
    "urbansound8k": "metadata/UrbanSound8K.csv",
    "vggsound": "vggsound.csv",
}


@pytest.mark.parametrize("content", [b"\xff\xfe\x00a", b"\0\0\0\0", b'"', b"{" * 2000, b"a,b\nc,d,e\n"])
@pytest.mark.parametrize("corpus", TABLES)
def test_a_damaged_table_is_named(corpus, content, tmp_path):
    MINIATURES[corpus](tmp_path)
    (tmp_path / TABLES[corpus]).write_bytes(content)
    with pytest.raises(AuricleError, match=Path(TABLES[corpus]).name) as caught:
        make(corpus, tmp_path)
    assert "options" not in str(caught.value)


def test_a_damaged_list_is_named(tmp_path):
    (speech_commands(tmp_path) / "validation_list.txt").write_bytes(b"bed/\xff.wav")
    with pytest.raises(AuricleError, match=r"validation_list\.txt: not UTF-8"):
        make("speech-commands", tmp_path)


@pytest.mark.parametrize("corpus", ["esc-50", "urbansound8k"])
def test_a_fold_that_is_no_number_is_refused(corpus, tmp_path):
    MINIATURES[corpus](tmp_path)
    table = tmp_path / TABLES[corpus]
    table.write_text(table.read_text(encoding="utf-8").replace(",5,", ",five,"), encoding="utf-8")
    with pytest.raises(AuricleError, match=r"wav is 'five': it should be a whole number"):
        make(corpus, tmp_path)


CLASS_FOLDERS = {"fuss", "musan", "voxforge"}
"""Corpora whose folders are classes, or that nothing tells apart from other folders."""


@pytest.mark.parametrize("corpus", sorted(set(ADAPTERS) - CLASS_FOLDERS))
def test_a_copy_of_a_corpus_is_not_read_as_class_folders(corpus, tmp_path):
    root = tmp_path / "a copy"
    MINIATURES[corpus](root)
    assert corpus_of(root) == corpus
    with pytest.raises(AuricleError, match=f"auricle manifest {corpus} '.*a copy' --output {corpus}.csv"):
        read_manifest(root)
    build_manifest(corpus, root, output=tmp_path / f"{corpus}.csv")
    assert len(read_manifest(tmp_path / f"{corpus}.csv", skip_bad=True)) > 0


@pytest.mark.parametrize("corpus", sorted(CLASS_FOLDERS))
def test_corpora_of_class_folders_are_no_copies(corpus, tmp_path):
    MINIATURES[corpus](tmp_path)
    assert corpus_of(tmp_path) is None
