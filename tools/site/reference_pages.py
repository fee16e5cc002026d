"""The pages of the reference, made from the code: every command with its options, and every room with what is public.

    reference = pages()  # {"reference/training.md": Markdown, …}

mkdocstrings then fills in signatures and docstrings (`::: module`).
"""

from __future__ import annotations

import ast
import inspect
import re
import typing
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any

import auricle
from auricle import config
from auricle.commands import Verb, every_verb
from auricle.config.options import Options, described

PACKAGE = Path(auricle.__file__).parent
KINDS = {
    "preparing": ("Commands that prepare", "Look at data, make manifests and noisy copies, fetch and convert models."),
    "training": ("Commands that train", "Each writes a run folder, which every other command takes."),
    "measuring": ("Commands that measure", "How well a model does, clean and in noise, and what it costs."),
    "using": ("Commands that use a model", "Labels, events, sources, embeddings, files for other runtimes."),
}
ROOMS = {
    "frontends": ("Front-ends", "From a waveform to a spectrogram."),
    "backbones": ("Backbones", "From a spectrogram to an embedding."),
    "systems": ("Systems", "Networks with their losses, loading and streams."),
    "conditions": ("Conditions and suites", "From a clean clip to one of the real world."),
    "data": ("Data", "Manifests, clips, splits, corpora, synthetic sounds."),
    "audio": ("Sound files", "Reading, writing, resampling, damage."),
    "metrics": ("Metrics", "Measures with intervals, for labels and for signals."),
    "tasks": ("Tasks", "What each kind of training, evaluation and use is made of."),
    "runs": ("Runs and results", "The run folder, results and batches of files."),
    "studies": ("Studies", "Over many runs: stress tests, grids, comparisons, costs."),
    "reports": ("Reports", "Pages, tables and plots."),
    "exporting": ("Export", "ONNX, torch.export and int8."),
    "published": ("Published models", "Models by name, and where they are kept."),
    "hear": ("HEAR", "The interface of the HEAR benchmark."),
    "registry": ("Registries", "Components by name, and how to add one's own."),
    "errors": ("Errors", "What is raised, and what is warned of."),
}


def pages() -> dict[str, str]:
    """The reference's pages by their names."""
    made = {"reference/index.md": index(), "reference/groups.md": groups()}
    for kind in KINDS:
        made[f"reference/{kind}.md"] = commands(kind)
    for room in ROOMS:
        made[f"reference/{room}.md"] = members(room)
    return made


def verbs_of(kind: str) -> dict[str, Verb]:
    """The verbs whose options stand in one module of `auricle.config`, by command."""
    return {name: verb for name, verb in every_verb().items() if verb.options.__module__ == f"auricle.config.{kind}"}


def index() -> str:
    """All that `import auricle` offers, each with the first line of its description."""
    lines = ["| function | what it does |", "| --- | --- |"]
    for kind in KINDS:
        for _, verb in sorted(verbs_of(kind).items()):
            first = first_sentence(verb.options.__doc__ or "")
            lines.append(f"| [`auricle.{verb.name}`]({kind}.md#auricle.{verb.name}) | {first} |")
    verbs = {verb.name for verb in every_verb().values()}
    parts = ["| name | what it is |", "| --- | --- |"]
    for name in sorted(auricle._HOMES):
        if name not in verbs:
            found = getattr(auricle, name)
            what = f"[`auricle.{name}`][{found.__module__}.{found.__qualname__}]"
            parts.append(f"| {what} | {first_sentence(inspect.getdoc(found) or '')} |")
    rooms = [f"- [{title}]({room}.md): {text}" for room, (title, text) in ROOMS.items()]
    return "\n".join([
        "# Reference", "",
        "Made from the code. Everything on this page is imported on first use by `import auricle`.", "",
        "## Commands as functions", "",
        "Options are keywords, named as on the command line. [How they are given](../guide.md#6-from-python).", "",
        *lines, "",
        "## Front-ends, models and errors", "", *parts, "",
        "## Room by room", "", *rooms, "",
    ])  # fmt: skip


def commands(kind: str) -> str:
    """The page of the verbs of one module of options."""
    title, text = KINDS[kind]
    sections = [section(name, verb) for name, verb in sorted(verbs_of(kind).items())]
    return "\n".join([f"# {title}", "", text, "", *sections])


def section(name: str, verb: Verb) -> str:
    """One verb: what it does, how it is called from the shell and from Python, and a table of its options."""
    kind = verb.options
    text, meanings = described(kind.__doc__ or "")
    given = [field for field in fields(kind) if not field.kw_only]
    needed = [field for field in fields(kind) if field.kw_only and required(field)]
    shell = [
        *(field.name.upper() if required(field) else f"[{field.name.upper()}]" for field in given),
        *(f"{flag(field.name)} {field.name.upper()}" for field in needed),
    ]
    python = ", ".join([*(field.name for field in given), *(f"{field.name}=…" for field in needed), "…"])
    return "\n".join([
        f"## auricle {name} {{ #auricle.{verb.name} }}", "",
        text, "",
        "```sh", f"auricle {name} {' '.join(shell)} …", "```", "",
        "```python", f"auricle.{verb.name}({python}) -> {returned(verb)}", "```", "",
        *table(kind, meanings), "",
    ])  # fmt: skip


def groups() -> str:
    """The page of the groups of options, such as `training`."""
    sections = []
    for kind in sorted(grouped(), key=lambda kind: kind.__name__):
        text, meanings = described(kind.__doc__ or "")
        sections += [f"## {kind.__name__} {{ #{kind.__module__}.{kind.__name__} }}", "", text, ""]
        sections += [*table(kind, meanings), ""]
    head = (
        "A group is written `--training.epochs 50` on the command line, and in Python as a dictionary, "
        '`training={"epochs": 50}`, or as the class of that name in `auricle.config`.'
    )
    return "\n".join(["# Groups of options", "", head, "", *sections])


def grouped() -> set[type[Any]]:
    """The classes of all groups."""
    return {type(field.default) for verb in every_verb().values() for field in fields(verb.options)
            if is_dataclass(field.default)}  # fmt: skip


def table(kind: type[Any], meanings: dict[str, str]) -> list[str]:
    """Own options first, then those shared with other verbs."""
    own = list(inspect.get_annotations(kind))
    order = sorted(fields(kind), key=lambda field: (field.kw_only, not required(field), field.name not in own))
    lines = ["| option | type | default | meaning |", "| --- | --- | --- | --- |"]
    for field in order:
        meaning = meanings.get(field.name, "")
        lines.append(f"| {named(field)} | {type_words(kind, field)} | {default(field)} | {escaped(meaning)} |")
    return lines


def named(field: Field[Any]) -> str:
    return f"`{flag(field.name) if field.kw_only else field.name.upper()}`"


def flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def required(field: Field[Any]) -> bool:
    return field.default is field.default_factory is MISSING


def default(field: Field[Any]) -> str:
    if required(field):
        return "required"
    value = field.default if field.default is not MISSING else field.default_factory()  # type: ignore[misc]
    if is_dataclass(value) or value is None or value == [] or value == {}:
        return ""
    return f"`{value}`" if not isinstance(value, bool) else f"`{str(value).lower()}`"


def type_words(kind: type[Any], field: Field[Any]) -> str:
    """A type as a reader of the command line says it."""
    hint = typing.get_type_hints(kind)[field.name]
    if is_dataclass(hint):
        return f"[group](groups.md#{hint.__module__}.{hint.__name__})"
    return _words(hint)


def _words(hint: Any) -> str:
    plain = {int: "whole number", float: "number", str: "text", bool: "true or false"}
    if hint in plain:
        return plain[hint]
    origin, arguments = typing.get_origin(hint), [a for a in typing.get_args(hint) if a is not type(None)]
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments if value is not None)
    if origin is list:
        return f"list of {_words(arguments[0])}"
    if origin is dict or hint is dict:
        return "options"
    if origin is tuple:
        return "pair of numbers"
    return " or ".join(_words(argument) for argument in arguments) or str(hint)


def returned(verb: Verb) -> str:
    """The name of the type that a verb's function returns."""
    return inspect.formatannotation(inspect.signature(verb.function()).return_annotation).rpartition(".")[2]


def source(module: str) -> Path:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def members(room: str) -> str:
    """The page of one room: each module that defines something public."""
    title, text = ROOMS[room]
    blocks = []
    for module in modules(room):
        names = public(module)
        if names:
            blocks += [f"::: {module}", "    options:", f"      members: [{', '.join(names)}]", ""]
    return "\n".join([f"# {title}", "", text, "", *blocks])


def modules(room: str) -> Iterator[str]:
    """The modules of a room that are public."""
    root = PACKAGE / room
    found = root.rglob("*.py") if root.is_dir() else [root.with_suffix(".py")]
    files = sorted(found, key=lambda file: (len(file.parts), file))
    for file in files:
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        if not any(part.startswith("_") and part != "__init__" for part in parts):
            yield ".".join(["auricle", *(part for part in parts if part != "__init__")])


def public(module: str) -> list[str]:
    """The documented classes and functions that a module itself defines, without a leading underscore.

    Verbs are on the pages of commands, with their options.
    """
    return [
        node.name
        for node in ast.parse(source(module).read_text(encoding="utf-8")).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        and not node.name.startswith("_")
        and ast.get_docstring(node)
        and not any(isinstance(decorator, ast.Name) and decorator.id == "verb" for decorator in node.decorator_list)
        and not issubclass_of_options(module, node.name)
    ]


def issubclass_of_options(module: str, name: str) -> bool:
    """Whether a class is one of options, which the pages of commands describe."""
    found = getattr(config, name, None)
    return isinstance(found, type) and issubclass(found, Options) and found.__module__ == module


def first_sentence(docstring: str) -> str:
    return escaped(re.split(r"(?<=\.)\s|\n\n", docstring.strip() + " ", maxsplit=1)[0].replace("\n", " "))


def escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
