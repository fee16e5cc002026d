"""The kinds of cases: each changes files in its folder, and gives the command line to run there."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import material

from mutations import (
    NASTY_TEXTS,
    NASTY_VALUES,
    mutated,
    mutated_table,
    mutated_text,
    mutated_value,
)

Case = Callable[[Path, Path, random.Random], list[str]]
OUT = ["--output", "out", "--quiet"]


def _take(source: Path, folder: Path, *names: str) -> None:
    """Copy files and folders of the material to the case's folder."""
    for name in names:
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name, symlinks=True)
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, folder / name)


def _change(path: Path, rng: random.Random) -> None:
    """Change a file in a way that suits its kind; now and then it becomes a folder, a link to itself, or nothing."""
    if rng.random() < 0.05:
        path.unlink()
        rng.choice((path.mkdir, lambda: path.symlink_to(path.name), lambda: None, lambda: path.write_bytes(b"")))()
        return
    data = path.read_bytes()
    text = data.decode("utf-8", "replace")
    if path.suffix == ".json":
        changed = mutated_text(text, rng)
        if rng.random() < 0.7:
            with suppress(ValueError):  # a file that has been changed before
                changed = json.dumps(mutated_value(json.loads(text), rng)).encode()
    elif path.suffix == ".csv":
        changed = mutated_table(text, rng)
    elif path.suffix in (".yaml", ".jsonl", ".md"):
        changed = mutated_text(text, rng)
    else:
        changed = mutated(data, rng)
    path.write_bytes(changed)


def sounds(source: Path, folder: Path, rng: random.Random) -> list[str]:
    _take(source, folder, "run")
    (folder / "in").mkdir()
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(list(material.FORMATS))
        (folder / "in" / name).write_bytes(mutated((source / "sounds" / name).read_bytes(), rng))
    verbs = (
        ["predict", "run", "in", *OUT], ["enhance", "spectral-gating", "in", *OUT], ["check", "in", "--quiet"],
        ["corrupt", "in", "--suite", "snr-ladder", *OUT], ["predict", "run", "in", "--format", "raven", *OUT],
    )  # fmt: skip
    return rng.choice(verbs)


def manifests(source: Path, folder: Path, rng: random.Random) -> list[str]:
    _take(source, folder, "data", "run")
    path = folder / "manifest.csv"
    path.write_bytes(mutated_table((source / "manifest.csv").read_text(), rng))
    verbs = (
        ["check", "manifest.csv", "--quiet"], ["check", "manifest.csv", "--group-column", "speaker", "--quiet"],
        ["evaluate", "run", "--data", "manifest.csv", *OUT],
        ["corrupt", "manifest.csv", "--suite", "snr-ladder", *OUT],
        ["train", "classifier", "--data", "manifest.csv", *material.TRAIN[6:], "--output", "out"],
    )  # fmt: skip
    return rng.choices(verbs, (5, 3, 2, 1, 1))[0]


_RUN_FILES = {
    "config.json": 5, "labels.json": 1, "clips.csv": 3, "settings.yaml": 3, "history.csv": 2, "metrics.json": 1,
    "run.json": 1, "inputs.json": 1, "model.safetensors": 3, "evaluation/data/results.json": 4,
    "evaluation/data/scores.npz": 3, "evaluation/data/predictions.csv": 1,
}  # fmt: skip


def runs(source: Path, folder: Path, rng: random.Random) -> list[str]:
    _take(source, folder, "run", "sounds/a.wav", "data")
    for name in rng.choices(list(_RUN_FILES), list(_RUN_FILES.values()), k=rng.choice((1, 1, 1, 2))):
        if (folder / "run" / name).is_file():
            _change(folder / "run" / name, rng)
    if "evaluation" in name:
        return ["compare", "run", "--output", "out/page.md"]
    verbs = {
        ("predict", "run", "sounds", *OUT): 5,
        ("evaluate", "run", "--data", "data", *OUT): 3,
        ("compare", "run", "--output", "out/page.md"): 3,
        ("inspect", "run", "--output", "out"): 1,
        ("bench", "run", "--lengths-s", "0.3", "--repeats", "1", "--output", "out/p.md", "--quiet"): 1,
        ("listen", "run"): 2,
        ("stress", "run", "--data", "data", "--suite", "snr-ladder", *OUT): 1,
        ("export", "run", "--output", "out/m.bad"): 1,
        (*material.TRAIN[:4], *material.TRAIN[10:], "--init-from", "run", "--output", "out"): 1,
        ("train", "classifier", "--config", "run/settings.yaml", "--output", "out", "--quiet"): 1,
        tuple(material.TRAIN): 2,
    }
    return list(rng.choices(list(verbs), list(verbs.values()))[0])


def unfinished(source: Path, folder: Path, rng: random.Random) -> list[str]:
    _take(source, folder, "unfinished", "data")
    last = folder / "unfinished" / "checkpoints" / "last.ckpt"
    last.parent.mkdir(exist_ok=True)
    last.write_bytes(mutated((source / "run" / "model.safetensors").read_bytes(), rng))
    _change(folder / "unfinished" / rng.choice(("settings.yaml", "inputs.json", "clips.csv", "history.csv")), rng)
    return [*material.TRAIN, "--output", "unfinished"]


def onnx(source: Path, folder: Path, rng: random.Random) -> list[str]:
    import onnx

    _take(source, folder, "sounds/a.wav")
    data = (source / "model.onnx").read_bytes()
    if rng.random() < 0.5:
        model = onnx.load_model_from_string(data)
        for entry in model.metadata_props:
            if entry.key == "auricle":
                value = mutated_value(json.loads(entry.value), rng)
                entry.value = json.dumps(value) if rng.random() < 0.8 else rng.choice(("", "5", "[]", "{", "null"))
        if rng.random() < 0.3:
            node = rng.choice(model.graph.node)
            rng.choice((node.ClearField, lambda _: model.graph.node.remove(node)))("attribute")
        if rng.random() < 0.3:
            tensor = rng.choice(model.graph.initializer)
            if rng.random() < 0.5:
                tensor.data_location = onnx.TensorProto.EXTERNAL
                tensor.external_data.add(key="location", value=rng.choice(("../x", "/auricle-fuzz-nowhere/x", "a.wav")))
            elif tensor.dims:
                tensor.dims[0] = rng.choice((0, -1, 1, 2**31, 2**62))
        data = model.SerializeToString()
    else:
        data = mutated(data, rng)
    (folder / "model.onnx").write_bytes(data)
    return ["predict", "model.onnx", "sounds", *OUT]


def yaml(source: Path, folder: Path, rng: random.Random) -> list[str]:
    _take(source, folder, "data")
    data = mutated_text((source / "run" / "settings.yaml").read_text(), rng)
    if rng.random() < 0.3:
        options = {"frontend_options": mutated_value({"n_filters": 8, "x": [1, {"y": 2}]}, rng), "data": ["data"]}
        data = json.dumps(options).encode()
    (folder / "c.yaml").write_bytes(data)
    printed = ["--print-config"] if rng.random() < 0.8 else []
    return ["train", "classifier", "--config", "c.yaml", "--output", "out", "--quiet", *printed]


def suites(source: Path, folder: Path, rng: random.Random) -> list[str]:
    _take(source, folder, "data", "suite.json")
    for _ in range(rng.choice((1, 2))):
        _change(folder / "suite.json", rng)
        if not (folder / "suite.json").is_file() or rng.random() < 0.7:
            break
        try:
            json.loads((folder / "suite.json").read_bytes())
        except ValueError:
            break
    return ["corrupt", "data", "--suite", "suite.json", *OUT]


def journals(source: Path, folder: Path, rng: random.Random) -> list[str]:
    name, command = rng.choice((
        ("predicted", ["predict", "run", "sounds", "--output", "predicted", "--quiet"]),
        ("corrupted", ["corrupt", "data", "--suite", "suite.json", "--output", "corrupted", "--quiet"]),
        ("enhanced", ["enhance", "spectral-gating", "sounds", "--output", "enhanced", "--quiet"]),
    ))  # fmt: skip
    _take(source, folder, name, "run", "suite.json", "data", "sounds/a.wav")
    listed = [path for path in (folder / name).iterdir() if path.suffix in (".json", ".jsonl", ".csv")]
    path = rng.choice([path for path in listed if "a.csv" not in path.name] or listed)
    if path.suffix == ".jsonl" and rng.random() < 0.7:
        lines = path.read_text().splitlines()
        at = rng.randrange(len(lines))
        lines[at] = json.dumps(mutated_value(json.loads(lines[at]), rng))
        lines.insert(at, rng.choice(("5", "{}", "[]", "null", '"x"', "{", '{"output": "../../x", "file": "../x"}')))
        path.write_text("\n".join(lines) + "\n")
    else:
        _change(path, rng)
    return [*command, "--overwrite"] if rng.random() < 0.4 and name != "corrupted" else command


def arguments(source: Path, folder: Path, rng: random.Random) -> list[str]:
    from auricle.commands import every_verb

    _take(source, folder, "data", "sounds/a.wav", "run", "suite.json")
    verbs = {name: verb for name, verb in every_verb().items() if name != "studio"}  # a page does not end by itself
    name, verb = rng.choice(list(verbs.items()))
    fields = dataclasses.fields(verb.options)
    if name == "demo" or not fields:
        return [name, _nasty(rng).replace("\0", "")]
    usable = {"run": "run", "runs": "run", "data": "data", "files": "sounds", "output": "out", "suite": "suite.json"}
    made = []
    for field in fields:
        needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if not field.kw_only and (needed or rng.random() < 0.8):
            made.append(usable.get(field.name, "x") if rng.random() < 0.8 else _nasty(rng))
        elif needed:
            made.append(f"--{field.name}={usable.get(field.name, 'x')}")
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        field = rng.choice(fields)
        inner = [f.name for f in dataclasses.fields(field.default)] if dataclasses.is_dataclass(field.default) else []
        flag = f"--{field.name}" + (f".{rng.choice([*inner, 'class_path'])}" if inner and rng.random() < 0.9 else "")
        made += [f"{flag}={_nasty(rng)}"] if rng.random() < 0.7 else [flag, _nasty(rng)]
    if rng.random() < 0.1:
        made.insert(rng.randrange(len(made) + 1), _nasty(rng))
    made += ["--suite=suite.json"] if name == "stress" else []
    slow = name.startswith(("train", "bench")) or name == "compare"
    return [argument.replace("\0", "") for argument in [*name.split(), *made, *(["--print-config"] if slow else [])]]


def _nasty(rng: random.Random) -> str:
    """A value for an option: it names no place outside the folder, as an option may well ask to write there."""
    if rng.random() < 0.5:
        return rng.choice(NASTY_TEXTS).replace("\ud800", "x").replace("/", "_").replace("..", ".")
    return json.dumps(rng.choice(NASTY_VALUES))


KINDS: dict[str, tuple[Case, int]] = {
    "sounds": (sounds, 10),
    "manifests": (manifests, 9),
    "runs": (runs, 9),
    "unfinished": (unfinished, 3),
    "onnx": (onnx, 8),
    "yaml": (yaml, 12),
    "suites": (suites, 5),
    "journals": (journals, 8),
    "arguments": (arguments, 14),
}
"""Every kind with its share of the cases."""
