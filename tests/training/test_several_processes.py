"""A training in two processes equals that in one: the same global batches, statistics, masks and weights.

In double precision the two differ by rounding alone, which is far below any difference in what is computed.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import auricle.tasks.classification.train
import auricle.tasks.emotion.train
import auricle.tasks.enhancement.train
import auricle.tasks.pretraining.train
import auricle.tasks.separation.train  # noqa: F401  (all are imported before forking)
from auricle.__main__ import main
from auricle.backbones.inverted import CentredConv2d, InvertedResidual, Row, relu
from auricle.data.loading import part_of, training_loader
from auricle.errors import AuricleError
from auricle.runs.history import read_history
from auricle.systems.one_batch import OneBatch, drawn, share
from sounds import tone_folder, tone_manifest

pytestmark = pytest.mark.figures("undrawn")

QUICK = ["--training.epochs=2", "--training.batch-size=8", "--training.accelerator=cpu", "--quiet"]


def in_processes(n_processes, run, folder):
    """`run()` in child processes that torchrun's environment numbers; their exit codes and what they printed."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    folder.mkdir(exist_ok=True)
    children = []
    for rank in range(n_processes):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.environ |= {
                    "RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0", "WORLD_SIZE": str(n_processes),
                    "LOCAL_WORLD_SIZE": str(n_processes), "MASTER_ADDR": "localhost", "MASTER_PORT": port,
                    "TORCHELASTIC_RUN_ID": "test",
                }  # fmt: skip
                file = os.open(folder / f"printed-{rank}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(file, 1)
                os.dup2(file, 2)
                sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
                run()
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
            except BaseException as error:
                print(repr(error), file=sys.stderr)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return codes, [(folder / f"printed-{rank}").read_text() for rank in range(n_processes)]


def in_one(command):
    with pytest.raises(SystemExit) as end:
        main(command)
    assert end.value.code == 0


def assert_same_training(one: Path, two: Path, tolerance: float, without: tuple[str, ...] = ()) -> None:
    """Weights differ by at most `tolerance` of each tensor's largest; names ending in `without` are not compared."""
    first, second = load_file(one / "model.safetensors"), load_file(two / "model.safetensors")
    assert first.keys() == second.keys()
    for name, value in first.items():
        if name.endswith(without):
            continue
        scale = float(value.abs().max()) or 1.0
        torch.testing.assert_close(second[name] / scale, value / scale, rtol=0, atol=tolerance, msg=name)
    rows, others = read_history(one / "history.csv"), read_history(two / "history.csv")
    assert [row["epoch"] for row in rows] == [row["epoch"] for row in others]
    for row, other in zip(rows, others, strict=True):
        assert {k: float(v) for k, v in row.items()} == pytest.approx({k: float(v) for k, v in other.items()}, rel=2e-5)
    names = [sorted(str(path.relative_to(run)) for path in run.rglob("*")) for run in (one, two)]
    assert names[0] == names[1]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """36 tones; 18 of them are used for training, so the last batch of 8 is incomplete."""
    return tone_manifest(tmp_path_factory.mktemp("tones"), 12)


CLASSIFIER = [
    "--frontend=leaf", "--frontend-options.n_filters=8", "--window-s=0.25", "--training.precision=64-true",
    "--augmentation.mixup=0.3", "--augmentation.spec-masks=1", "--augmentation.noise-snr-db=[5,20]",
    "--optimization.learning-rate=1e-4", "--optimization.schedule=constant",
]  # fmt: skip


@pytest.mark.slow
def test_torchrun_equals_one_process(data, tmp_path):
    """The default network with batch normalisation and dropout, a learnt front-end, and every augmentation."""
    command = ["train", "classifier", f"--data={data}", *CLASSIFIER, *QUICK]
    in_one([*command, f"--output={tmp_path / 'one'}"])
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "auricle"]
    ended = subprocess.run(
        [*launch, *command, f"--output={tmp_path / 'two'}"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0
    assert ended.stdout == f"the model is in {tmp_path / 'two'}, described in {tmp_path / 'two'}/README.md\n"
    assert_same_training(tmp_path / "one", tmp_path / "two", 1e-9)


@pytest.mark.slow
def test_an_interrupted_training_goes_on_in_another_number_of_processes(data, tmp_path):
    command = ["train", "classifier", f"--data={data}", "--frontend=mel", *CLASSIFIER[2:], *QUICK]
    in_one([*command, f"--output={tmp_path / 'one'}"])
    two = tmp_path / "two"

    def begin():
        from auricle.runs.callbacks import History

        written = History.on_train_epoch_end
        History.on_train_epoch_end = lambda self, trainer, system: (
            os._exit(1) if trainer.current_epoch == 1 else written(self, trainer, system)
        )
        main([*command, f"--output={two}"])

    codes, _ = in_processes(2, begin, tmp_path / "begun")
    assert codes == [1, 1]
    assert (two / "checkpoints" / "last.ckpt").exists()
    codes, printed = in_processes(2, lambda: main([*command, f"--output={two}"]), tmp_path / "printed")
    assert codes == [0, 0]
    assert printed[1] == ""
    assert_same_training(tmp_path / "one", two, 1e-9)


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return tone_folder(tmp_path_factory.mktemp("more"), 4, duration_s=0.6)


@pytest.fixture(scope="module")
def tagger(tones, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tagger") / "run"
    in_one(
        ["train", "classifier", f"--data={tones}", f"--output={folder}", "--frontend=mel", "--window-s=0.25", *QUICK]
    )
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["audiomae", "enhancer", "separator"])
def test_other_systems(tones, tagger, tmp_path, name):
    """AudioMAE, an enhancer without discriminator, and a separator."""
    options = {
        "audiomae": [
            f"--data={tones}", "--preset=audiomae-small", "--size.depth=1", "--size.decoder_depth=1",
            "--size.n_frames=32",
        ],
        "enhancer": [
            f"--speech={tones}", f"--noise={tones}", "--preset=cmgan-small", "--crop-s=0.2", "--splits.test-share=0",
            "--size.channels=4",
        ],
        "separator": [
            f"--data={tones}", f"--tagger={tagger}", "--preset=resunet30-small", "--sample-rate=8000",
            "--segment-s=0.4", "--splits.test-share=0", "--splits.validation-share=0.5",
            "--size.channels=[4,4,4,4,4,4]",
        ],
    }[name]  # fmt: skip
    command = ["train", name, *QUICK, "--training.precision=64-true", *options]
    in_one([*command, f"--output={tmp_path / 'one'}"])
    codes, printed = in_processes(2, lambda: main([*command, f"--output={tmp_path / 'two'}"]), tmp_path / "printed")
    assert codes == [0, 0], printed
    assert printed[1] == ""
    # a bias before a normalisation has no effect: its gradient is rounding, which Adam makes a step of
    without = {
        "separator": ("shortcut.bias",),
        "enhancer": ("mask_decoder.conv_1.bias", "mask_decoder.norm.running_mean"),
    }.get(name, ())
    assert_same_training(tmp_path / "one", tmp_path / "two", 1e-8, without)


def test_what_needs_one_process_says_so_once(data, tmp_path):
    """A discriminator; batches that cannot be shared; a finished run."""
    noise = ["train", "enhancer", f"--speech={data.parent}", f"--noise={data.parent}", "--preset=cmgan", "--crop-s=0.3"]
    sizes = ["--size.channels=4", "--splits.test-share=0", *QUICK]
    codes, printed = in_processes(2, lambda: main([*noise, *sizes, f"--output={tmp_path / 'a'}"]), tmp_path / "printed")
    assert codes == [2, 2]
    assert [len(text.splitlines()) for text in printed] == [1, 0]
    assert "--losses.adversarial 0" in printed[0]
    odd = ["train", "classifier", f"--data={data}", "--frontend=mel", *QUICK, "--training.batch-size=7"]
    codes, printed = in_processes(2, lambda: main([*odd, f"--output={tmp_path / 'b'}"]), tmp_path / "printed")
    assert codes == [2, 2]
    assert "a multiple of 2" in printed[0]
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "mine.txt").touch()
    codes, printed = in_processes(2, lambda: main([*odd, f"--output={tmp_path / 'c'}"]), tmp_path / "printed")
    assert codes == [2, 2]
    assert [len(text.splitlines()) for text in printed] == [1, 0]


class TestOneBatch:
    """Batch norm, dropout, skipped residuals and draws of two processes, beside those of one with the whole batch."""

    @staticmethod
    def values(whole):
        """Output, gradient of the input, and running statistics, for this process's part of the batch."""
        rank, n_processes = share()
        n = len(whole) // n_processes
        x = whole[rank * n : (rank + 1) * n].clone().requires_grad_()
        mean, variance = torch.zeros(3).double(), torch.ones(3).double()
        weight, bias = torch.tensor([1.0, 2.0, -1.0]).double(), torch.tensor([0.5, 0.0, 1.0]).double()
        torch.manual_seed(0)
        row = Row(kernel_size=3, expanded=3, out=3, squeezed=0, activation=relu, stride=1)
        residual = InvertedResidual(3, row, CentredConv2d, relu, skipped=0.5).double()
        with OneBatch() if n_processes > 1 else nullcontext():
            y = F.batch_norm(x, mean, variance, weight, bias, training=True, momentum=0.3)
            y = residual(F.dropout2d(F.dropout(y, 0.4), 0.3))
            unchanged = F.batch_norm(x, mean, variance, weight, bias) + F.dropout(x, 0.5, training=False)
        (gradient,) = torch.autograd.grad((y**3).mean() / 1.0, x)
        noise = drawn(torch.rand, n, 2, generator=torch.Generator().manual_seed(1))
        return y.detach(), gradient / n_processes, unchanged.detach(), noise, mean, variance

    def test_two_parts_are_the_whole(self, tmp_path):
        whole = torch.randn(6, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) + 3
        expected = self.values(whole)

        def run():
            from auricle.runs import processes

            processes.join()
            torch.save(self.values(whole), tmp_path / f"part-{share()[0]}")

        codes, printed = in_processes(2, run, tmp_path / "printed")
        assert codes == [0, 0], printed
        parts = [torch.load(tmp_path / f"part-{rank}") for rank in range(2)]
        for place in range(4):
            together = torch.cat([part[place] for part in parts])
            torch.testing.assert_close(together, expected[place], rtol=1e-12, atol=1e-12)
        for part in parts:
            for place in (4, 5):
                torch.testing.assert_close(part[place], expected[place], rtol=1e-12, atol=1e-12)


class TestSampler:
    @pytest.mark.parametrize(("n_items", "batch_size", "n_processes"), [(18, 8, 2), (32, 8, 4), (6, 8, 2), (9, 9, 3)])
    def test_the_parts_of_a_batch_are_the_batch(self, n_items, batch_size, n_processes):
        def batches(part):
            loader = training_loader(_Items(n_items), window=(10, 99), batch_size=batch_size, seed=3)
            loader.sampler.set_epoch(2)
            if part is not None:
                loader = part_of(loader, part, n_processes)
            loader.collate_fn = list
            return list(loader)

        whole, parts = batches(None), [batches(part) for part in range(n_processes)]
        assert len(whole) == max(1, n_items // batch_size)
        assert [[item for part in parts for item in part[k]] for k in range(len(whole))] == whole

    def test_what_cannot_be_shared_is_refused(self):
        with pytest.raises(AuricleError, match="multiple of 3"):
            part_of(training_loader(_Items(20), window=(1, 1), batch_size=8, seed=0), 0, 3)
        with pytest.raises(AuricleError, match="1 training clips"):
            part_of(training_loader(_Items(1), window=(1, 1), batch_size=8, seed=0), 0, 2)


class _Items(torch.utils.data.Dataset):
    def __init__(self, n_items):
        self.sizes = [n_items]

    def __len__(self):
        return self.sizes[0]

    def __getitem__(self, item):
        return item
