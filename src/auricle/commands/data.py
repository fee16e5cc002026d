"""Verbs that look at recordings and prepare them."""

from __future__ import annotations

from typing import Any


def check(data: str, *, label_column: str = "label", group_column: str = "", output: str = "") -> int:
    """Report what is wrong or odd in labelled recordings, before anybody trains on them.

    Duplicates, a source or speaker on both sides of a split, silence, clipping, odd rates, class counts. The exit code
    is 2 where files cannot be used.

    Args:
        data: manifest CSV or folder of class folders.
        label_column: column of the manifest that holds the labels.
        group_column: column that names the groups.
        output: file for the report as JSON.
    """
    from auricle.data.check import check_data

    named = group_column if group_column != "none" else ""
    report = check_data(data, label_column=label_column, group_column=named or None, progress=True)
    print("\n".join(report.lines()))
    if output:
        report.to_json(output)
    return 0 if report.ok else 2


def manifest(corpus: str, root: str, *, output: str, options: dict[str, Any] | None = None) -> int:
    """Turn the published layout of a corpus into a manifest with its official splits.

    Args:
        corpus: a corpus (auricle list corpora).
        root: folder that the corpus was unpacked to.
        output: the manifest to write, a CSV file.
        options: the adapter's options, as --options.labels=pitch.
    """
    from auricle.data.corpora import build_manifest

    print(build_manifest(corpus, root, output, **(options or {})))
    return 0


def corrupt(
    suite: str,
    data: str,
    output: str,
    *,
    seed: int = 0,
    material: list[str] | None = None,
    material_split: str = "test",
    rate: int = 0,
    label_column: str = "label",
    skip_bad: bool = False,
) -> int:
    """Write recordings under the conditions of a suite: noise, reverberation, codecs, … as files with a manifest.

    Given again after an interruption, files that are there are left out. The same suite, seed and material give the
    same samples.

    Args:
        suite: a suite (auricle list suites), or the suite.json that this command wrote, whose seed and material split
            hold.
        data: folder of sound files, with class folders or without, or manifest CSV.
        output: folder for the files, manifest.csv and suite.json.
        seed: of everything random.
        material: what is mixed in: a folder with the sub-folders noise, music, speech, room, or kind=PATH, as
            noise=esc-50/audio; kinds that are not given are synthetic.
        material_split: the split of the material that is used, test or train, which share no source; or all.
        rate: sample rate of the files in Hz; by default each recording's own.
        label_column: column of the manifest that holds the labels.
        skip_bad: leave out files that cannot be used instead of stopping.
    """
    from auricle.studies.corrupt import corrupt_data

    done = corrupt_data(
        suite,
        data,
        output,
        seed=seed,
        material=material or [],
        material_split=material_split,
        sample_rate=rate or None,
        label_column=label_column,
        skip_bad=skip_bad,
    )
    before = f" ({done.n_before} of them before)" if done.n_before else ""
    drawn = done.suite.material.synthetic_kinds
    print(f"{done.n_files} files{before} and their manifest are in {done.folder}")
    print(f"suite {done.suite.name}, seed {done.suite.seed}, SHA-256 {done.suite.digest}")
    if drawn:
        print(f"synthetic, where they are mixed in: {', '.join(drawn)}")
    return 0
