"""What the command line says of arguments it cannot use, and the ways in which values may be written."""

from __future__ import annotations

import pytest

from auricle.commands import VERBS, every_verb
from auricle.commands.flags import Flag, flags_of
from auricle.commands.parser import parse
from auricle.commands.wording import OTHER_FLAGS, OTHER_VERBS
from auricle.config import Compare, Evaluate, TrainClassifier, TrainTRNet
from auricle.errors import AuricleError
from auricle.published import MODELS
from auricle.registry import did_you_mean, unknown_name

TRAIN = ["train", "classifier", "--data", "x", "--output", "y"]


def said(*arguments: str) -> str:
    """The line about arguments that cannot be used."""
    with pytest.raises(AuricleError) as refused:
        parse(list(arguments))
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("evalute", "unknown command 'evalute'; did you mean 'evaluate'?"),
        ("test runs/a", "unknown command 'test'; it is auricle evaluate"),
        ("classifier --data x", "unknown command 'classifier'; it is auricle train classifier"),
        ("train", "auricle train what? Known: audiomae, classifier, enhancer, separator, trnet; for labels: "),
        ("train --data 'a b'", "; for labels: auricle train classifier --data 'a b'"),
        ("train clasifier", "unknown kind of train 'clasifier'; did you mean 'classifier'?"),
        ("convert", "auricle convert what? Known: audiomae, cmgan, efficientat, leaf-apcen, leaf-pytorch, panns, uss"),
        ("--data x", "--data: an option comes after its verb"),
        ("evaluate", "missing: RUN, --data. Usage: auricle evaluate RUN --data DATA [options]"),
        ("predict recordings", "missing: FILES. Usage: auricle predict RUN FILES ... [options]"),
        ("listen run a.wav", "unexpected: a.wav. Usage: auricle listen RUN [options]; for files: auricle predict"),
        ("list", "missing: KIND. Usage: auricle list {frontends,backbones,"),
        ("train classifier --data x", "missing: --output"),
        ("evaluate runs/a --data x b c", "unexpected: b c. Usage: auricle evaluate RUN --data DATA [options]"),
        ("evaluate --run runs/a --data x", "--run: it is given without a name: auricle evaluate RUN --data"),
        ("evaluate runs/a --data", "--data: expected one argument"),
        ("check data --json=--", "--json: ignored explicit argument"),
        ("check data --quiet=--", "--quiet=--: expected true or false"),
        ("check data --outputs=--", "unknown option --outputs; did you mean --output?"),
        ("train classifier --data x --output y --frontend-options.a=--", "--frontend-options.a: expected one argument"),
        ("check data --config=--", "--config: expected one argument"),
        ("corrupt a b --output c", "unexpected: b. Usage: auricle corrupt DATA --output OUTPUT [options]"),
    ],
)
def test_what_is_wrong_with_a_command(arguments, line):
    import shlex

    assert line in said(*shlex.split(arguments))


@pytest.mark.parametrize("name", sorted(every_verb()))
def test_two_hyphens_alone_are_no_value(name):
    """Although argparse of some versions of Python drops them."""
    for flag in flags_of(every_verb()[name].options):
        if not (flag.positional or flag.switch):
            assert said(*name.split(), f"{flag.name}=--") == f"{flag.name}: expected one argument"


def test_two_hyphens_at_the_end_of_a_value_are_part_of_it():
    _, options, _ = parse(["check", "data", "--output=a=--"])
    assert options.output == "a=--"


def test_an_option_of_one_value_is_not_made_from_none():
    with pytest.raises(AuricleError, match="--output: expected one argument"):
        Flag("output", str, "", "").value([])


@pytest.mark.parametrize(
    ("earlier", "today"),
    [
        (["corrupt", "full", "my sounds", "out"], "auricle corrupt 'my sounds' --suite full --output out"),
        (["convert", "panns", "a.pth", "runs/a"], "auricle convert panns a.pth --output runs/a"),
    ],
)
def test_earlier_forms_are_understood_and_told_apart(earlier, today, capsys):
    import shlex

    from auricle.commands.parser import parse

    found = parse(earlier)
    assert capsys.readouterr().err == f"note: it is written {today}\n"
    assert found == parse(shlex.split(today)[1:])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--epochs", "--training.epochs"),
        ("--epoch=3", "--training.epochs"),
        ("--training.epoch", "--training.epochs"),
        ("--lr", "--optimization.learning-rate"),
        ("--learning_rate", "--optimization.learning-rate"),
        ("--batch-size", "--training.batch-size"),
        ("--front_end", "--frontend"),
        ("-o", "--output"),
        ("--gpu", "--training.accelerator"),
        ("--select.split", "--splits.train-split"),
        ("--select.test-fold", "--splits.test-fold"),
        ("--data-options.label-column", "--label-column"),
        ("--checkpoint", "--init-from"),
    ],
)
def test_an_unknown_option_names_the_one_that_was_meant(typed, meant):
    for arguments in ([typed, "3"], [f"{typed}=3"], [f"{typed}=a text with spaces"]):
        line = said(*TRAIN, *arguments)
        assert line.startswith(f"unknown option {typed.partition('=')[0].replace('_', '-')}; did you mean ")
        assert meant in line


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("efficientat-mn4", "efficientat-mn04"),
        ("efficientat", "efficientat-mn04"),
        ("eficientat-mn40", "efficientat-mn40"),
        ("panns", "panns-cnn14"),
    ],
)
def test_of_models_with_equally_near_names_the_usual_one_is_meant(typed, meant):
    assert did_you_mean(typed, MODELS) == f"; did you mean {meant!r}?"
    assert f"; did you mean {meant!r}? Known: audiomae-vitb, cmgan, " in unknown_name("published model", typed, MODELS)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["enhance", "--model", "runs/a"], "--model: it is given without a name: auricle enhance RUN FILES"),
        (["predict", "runs/a", "--recordings", "day"], "--recordings: it is given without a name: auricle predict RUN"),
        (["train", "enhancer", "--data", "speech"], "unknown option --data; did you mean --speech?"),
    ],
)
def test_options_that_this_verb_calls_otherwise_or_has_by_their_place(words, line):
    assert said(*words).startswith(line)


@pytest.mark.parametrize("words", ["corrupt full sounds out --output other", "convert panns a.pth runs/a --output b"])
def test_what_is_given_by_its_place_and_by_its_name_is_refused(words):
    assert said(*words.split()) == "--output: given both by its place and by its name"


def test_a_far_fetched_option_names_none_and_says_where_all_are():
    assert said(*TRAIN, "--zzz") == "unknown option --zzz (auricle train classifier --help-all lists all)"


def test_what_people_type_stands_for_something_that_is_there():
    for words in OTHER_VERBS.values():
        verb, *rest = words.split()
        assert verb in VERBS, words
        assert not rest or rest[0].startswith("--") or isinstance(VERBS[verb], dict) or verb == "list"
    known = {name for verb in every_verb().values() for flag in flags_of(verb.options) for name in (flag.key,)}
    known |= {key.rpartition(".")[2] for key in known}
    for meant in OTHER_FLAGS.values():
        assert {name.replace("-", "_") for name in meant.split(", ")} <= known
    assert not set(OTHER_VERBS) & set(VERBS)


@pytest.mark.parametrize(
    "written",
    [
        ["--snr", "20", "-5", "0.5"],
        ["--snr", "20,-5,0.5"],
        ["--snr", "20,-5", "0.5"],
        ["--snr=20,-5,0.5"],
        ["--snr", "[20, -5, 0.5]"],
        ["--snr", "20", "--snr", "-5", "0.5"],
        ["--snr", "20", "--snr=-5,0.5"],
    ],
)
def test_numbers_of_a_list(written):
    for arguments in (
        ["r", "--data", "d", *written],
        [*written, "--data", "d", "r"],
        ["--data=d", *written, "--", "r"],
    ):
        parsed = parse(["evaluate", *arguments])
        assert parsed is not None
        options = parsed[1]
        assert isinstance(options, Evaluate)
        assert (options.run, options.data, options.snr) == ("r", "d", [20.0, -5.0, 0.5])


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["-5", "20"], [-5.0, 20.0]),
        (["-5,20"], [-5.0, 20.0]),
        (["[-5, 20]"], [-5.0, 20.0]),
        (["-1e1", "2.5e1"], [-10.0, 25.0]),
    ],
)
def test_the_ends_of_a_range(written, read):
    parsed = parse([*TRAIN, "--augmentation.noise-snr-db", *written])
    assert parsed is not None
    assert isinstance(parsed[1], TrainClassifier)
    assert parsed[1].augmentation.noise_snr_db == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["--size.channels", "8", "16"], [8, 16]),
        (["--size.channels", "[8, 16]"], [8, 16]),
        (["--size.channels=[8, 16]"], [8, 16]),
        (["--size", "{channels: [8, 16]}"], [8, 16]),
        (["--size.channels", "8,16"], [8, 16]),
        (["--size.channels=8"], 8),
        (["--size.channels=a,b"], "a,b"),
    ],
)
def test_the_entries_of_a_dictionary(written, read):
    parsed = parse(["train", "trnet", "--data", "x", "--noise", "n", "--output", "y", *written])
    assert parsed is not None
    assert isinstance(parsed[1], TrainTRNet)
    assert parsed[1].size == {"channels": read}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["--distill"], True),
        (["--distill", "--seed", "3"], True),
        (["--distill=true"], True),
        (["--distill", "false"], False),
        (["--no-distill"], False),
        (["--distill", "--no-distill"], False),
    ],
)
def test_switches(written, read):
    parsed = parse([*TRAIN, *written])
    assert parsed is not None
    assert isinstance(parsed[1], TrainClassifier)
    assert parsed[1].distill is read


@pytest.mark.parametrize(
    ("written", "read"),
    [([], None), (["--answers"], True), (["--no-answers"], False), (["--answers", "false", "--seed", "3"], False)],
)
def test_a_switch_without_a_default(written, read):
    parsed = parse([*TRAIN, *written])
    assert parsed is not None
    assert isinstance(parsed[1], TrainClassifier)
    assert parsed[1].answers is read


def test_a_switch_takes_no_file():
    parsed = parse(["compare", "--quiet", "a", "b", "--output", "o"])
    assert parsed is not None
    assert isinstance(parsed[1], Compare)
    assert parsed[1].runs == ["a", "b"]


def test_after_two_hyphens_come_files_alone():
    parsed = parse(["compare", "a", "--output", "o", "--", "--b_c", "--help", "-5"])
    assert parsed is not None
    assert isinstance(parsed[1], Compare)
    assert parsed[1].runs == ["a", "--b_c", "--help", "-5"]


def test_null_takes_a_value_back(tmp_path):
    (tmp_path / "c.yaml").write_text("window_s: 3\nfrontend: mel\nfrontend_options: {n_filters: 3}\n")
    taken = ["--window-s", "null", "--frontend=null", "--frontend-options", "null"]
    parsed = parse([*TRAIN, "--config", str(tmp_path / "c.yaml"), *taken])
    assert parsed is not None
    assert isinstance(parsed[1], TrainClassifier)
    assert (parsed[1].window_s, parsed[1].frontend, parsed[1].frontend_options) == (None, None, None)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--window-s", "1 s"], "--window-s 1 s: expected a number or None"),
        (["--seed", "1.5"], "--seed 1.5: expected a whole number"),
        (["--seed", "nan"], "--seed nan: expected a whole number"),
        (["--window-s", "nan"], "window_s=nan: a number from 0 to 3600 is needed"),
        (["--optimization.schedule", "cosin"], "unknown --optimization.schedule 'cosin'; did you mean 'cosine'?"),
        (["--head", "linea"], "unknown --head 'linea'; did you mean 'linear'?"),
        (["--frontend-options", "3"], "--frontend-options 3: expected a dictionary of options or None"),
        (["--training", "3"], "--training: give its options one by one, as in --training.epochs=…"),
    ],
)
def test_a_value_of_another_type(arguments, line):
    assert said(*TRAIN, *arguments).startswith(line)


def test_an_unknown_key_of_a_file_names_the_one_that_was_meant(tmp_path):
    for text, line in (
        ("epochs: 3", "unknown option 'epochs'; did you mean training.epochs?"),
        ("training: {epoch: 3}", "unknown option 'training.epoch'; did you mean training.epochs?"),
        ("select: {split: a}", "unknown option 'select'"),
    ):
        (tmp_path / "c.yaml").write_text(text)
        assert said(*TRAIN, "--config", str(tmp_path / "c.yaml")).endswith(line)
