"""Use needs no training: what is not imported, and a system trained by hand."""

from __future__ import annotations

import subprocess
import sys

import lightning
import numpy as np
import pytest
import soundfile as sf
import torch
from torch import nn

from auricle.data.tasks import Task
from auricle.errors import AuricleError
from auricle.runs.training_module import TrainingModule, training
from auricle.systems.classifier.system import Classifier
from sounds import tone_manifest


def classifier(frontend: str = "leaf") -> Classifier:
    return Classifier.build(
        sample_rate=8000,
        window_s=0.2,
        frontend={"name": frontend, "n_filters": 8},
        backbone={"name": "cnn-small"},
        tasks=[Task("tones", ("high", "low"))],
    )


def test_predict_imports_nothing_of_training(tmp_path):
    classifier().save(tmp_path / "model")
    sf.write(tmp_path / "sound.wav", 0.1 * np.random.default_rng(0).standard_normal(8000), 8000)
    program = (
        "import sys, contextlib\n"
        "from auricle.__main__ import main\n"
        "with contextlib.suppress(SystemExit):\n"
        "    main(['predict', 'model', 'sound.wav', '--output', 'out'])\n"
        "heavy = {'lightning', 'torchmetrics', 'monai', 'pandas', 'matplotlib', 'scipy', 'onnx', 'onnxruntime',\n"
        "         'sympy', 'torch._dynamo'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, stdout=subprocess.DEVNULL)
    assert list((tmp_path / "out").glob("*.csv"))


def test_fitting_a_head_and_measuring_it_need_no_lightning(tmp_path):
    classifier().save(tmp_path / "model")
    tone_manifest(tmp_path / "data", per_class=4)
    program = (
        "import sys, auricle\n"
        "auricle.teach(model='model', data='data', output='run', device='cpu', quiet=True)\n"
        "auricle.evaluate('run', data='data', device='cpu', quiet=True)\n"
        "import auricle.studies.stress.stress, auricle.studies.inspect, auricle.studies.compare\n"
        "heavy = {'lightning', 'scipy', 'torch._dynamo', 'onnx', 'onnxruntime'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, stdout=subprocess.DEVNULL)
    assert list((tmp_path / "run" / "evaluation").glob("*/results.json"))


def test_a_system_learns_under_a_loop_by_hand():
    torch.manual_seed(0)
    system = classifier()
    assert isinstance(system, nn.Module)
    assert system.device == torch.device("cpu")
    batch = {
        "waveform": torch.randn(4, 1600, generator=torch.Generator().manual_seed(0)),
        "target": torch.eye(2)[[0, 1, 0, 1]],
        "task": torch.zeros(4, dtype=torch.long),
    }
    optimizer = torch.optim.Adam(system.train().parameters(), 1e-2)
    losses = []
    for index in range(15):
        optimizer.zero_grad()
        loss = system.training_step(batch, index)
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[-1] < 0.5 * losses[0]
    with pytest.raises(AuricleError, match="not in a training"):
        system.loop.optimizers()


@pytest.mark.parametrize("frontend", ["leaf", "leaf-apcen", "mel-pcen", "degram"])
def test_mixed_precision_trains_the_front_end_as_full_precision_does(frontend):
    """The front-end computes in float32: its first gradient differs only by what the network after it rounds off."""
    batch = {
        "waveform": 0.1 * torch.randn(8, 1600, generator=torch.Generator().manual_seed(0)),
        "target": torch.eye(2)[[0, 1] * 4],
        "task": torch.zeros(8, dtype=torch.long),
    }
    found = []
    for precision in ("32-true", "bf16-mixed"):
        torch.manual_seed(0)
        system = classifier(frontend)
        with training(system) as module:
            trainer = lightning.Trainer(
                accelerator="cpu", precision=precision, max_steps=1, logger=False, enable_checkpointing=False,
                enable_progress_bar=False, enable_model_summary=False,
            )  # fmt: skip
            before = [p.detach().clone() for p in system.frontend.parameters()]
            trainer.fit(module, torch.utils.data.DataLoader([batch], batch_size=None))
        found.append([p.grad for p in system.frontend.parameters() if p.requires_grad])
        assert any(not torch.equal(p, q) for p, q in zip(before, system.frontend.parameters(), strict=True))
    for full, mixed in zip(*found, strict=True):
        assert mixed.dtype == torch.float32
        assert torch.cosine_similarity(mixed.flatten(), full.flatten(), dim=0) > 0.9


def test_the_wrapper_adds_nothing_to_the_state():
    system = classifier()
    with training(system) as module:
        assert system.loop is module
        assert isinstance(module, TrainingModule)
        assert module.state_dict().keys() == system.state_dict().keys()
        assert not any(isinstance(part, TrainingModule) for part in system.modules())
        changed = {name: torch.zeros_like(value) for name, value in system.state_dict().items()}
        module.load_state_dict(changed)
    assert all(not value.any() for value in system.state_dict().values())
    assert not isinstance(system.loop, TrainingModule)
