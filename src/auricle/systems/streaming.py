"""Streams: a front-end or a classifier takes a recording in chunks of any length, with the results of the whole.

A stream stores the samples on which future frames depend, and computes a frame as soon as no later sample can change
it. Its state is a nested dict of tensors whose first axis is the recordings: it can be saved, moved to another device,
and joined with the states of other streams, so that one pass serves them all.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from auricle import audio
from auricle.errors import AuricleError, AuricleWarning, first_line
from auricle.frontends.frontend import Frontend
from auricle.layers import first_tensor
from auricle.systems.classifier.system import Classifier, evaluating

State = dict[str, Any]


class Stream:
    """`push(chunk)` returns the results that the chunk completes, `flush()` the rest; then a new recording may begin.

    For a `Frontend`: frames `(batch, n_filters, frames)`, as those of `frontend(whole)`. For a `Classifier`: logits
    `(batch, windows, labels)` of windows that start every `hop` samples, by default without overlap, as those of
    `window_logits(whole, continuous=True)`. A chunk is `(batch, time)`; for a chunk `(time,)` the results have no batch
    axis either. Raises an `AuricleError` if a part of the front-end needs the whole clip.
    """

    def __init__(self, module: Frontend | Classifier, hop: int | None = None) -> None:
        self._windows = None
        self.hop = hop
        if isinstance(module, Classifier):
            self.hop = module.window if hop is None else hop
            self._frames = _FrameStream(module.frontend)
            self._windows = _WindowStream(module, self.hop)
        elif isinstance(module, Frontend) and hop is None:
            self._frames = _FrameStream(module)
        else:
            raise AuricleError(
                "a stream is of a front-end, which has no hop between windows, or of a classifier, "
                f"not of a {type(module).__name__}{'' if hop is None else f' with hop={hop}'}"
            )
        self.module = module
        self.sample_rate = module.sample_rate
        self.state: State | None = None
        """None before a recording's first chunk."""
        self.n_bad_samples = 0
        """Samples of the recording so far that were replaced by 0."""
        self._unbatched = False

    @property
    def lookahead(self) -> int:
        """How many samples after sample k·hop_length frame k depends on; a window waits for its last frame."""
        return self._frames.after

    def push(self, chunk: Tensor | np.ndarray) -> Tensor:
        """The frames or windows that `chunk` completes, possibly none.

        Samples that are not finite or beyond ±1e4 are replaced by 0; the first time in a recording this is an
        `AuricleWarning`. Raises `AuricleError` for a chunk of another shape or type.
        """
        samples = _floats(chunk)
        self._unbatched = samples.ndim == 1
        if self._unbatched:
            samples = samples[None]
        if self.state is not None and len(samples) != len(self.state["frames"]["samples"]):
            raise AuricleError(
                f"this stream is of {len(self.state['frames']['samples'])} recordings, the chunk of {len(samples)}"
            )
        own = first_tensor(self.module)
        return self._advance(self._without_bad_samples(samples).to(own.device, own.dtype), last=False)

    def _without_bad_samples(self, samples: Tensor) -> Tensor:
        good = samples.abs() <= audio.LARGEST_SAMPLE
        if good.all():
            return samples
        if not self.n_bad_samples:
            limit = f"{audio.LARGEST_SAMPLE:g}"
            warnings.warn(f"a stream has samples that are not finite or beyond ±{limit}: read as 0", AuricleWarning, 3)
        self.n_bad_samples += int((~good).sum())
        return torch.where(good, samples, 0.0)

    def flush(self) -> Tensor:
        """The remaining frames or windows at the recording's end. Raises `AuricleError` before the first chunk."""
        if self.state is None:
            raise AuricleError("nothing has been pushed into this stream")
        result = self._advance(self.state["frames"]["samples"][:, :0], last=True)
        self.state = None
        self.n_bad_samples = 0
        return result

    @torch.no_grad()
    def _advance(self, samples: Tensor, last: bool) -> Tensor:
        before = self.state or {}
        with evaluating(self.module):
            if self._windows is None:
                result, frames = self._frames.advance(samples, before.get("frames"), last)
                self.state = {"frames": frames}
            else:
                samples, counted = self._windows.count(samples, before.get("windows"), last)
                spectrograms, frames = self._frames.advance(samples, before.get("frames"), last)
                result, windows = self._windows.advance(spectrograms, counted)
                self.state = {"frames": frames, "windows": windows}
        return result[0] if self._unbatched else result


def _floats(chunk: Tensor | np.ndarray) -> Tensor:
    """The samples of `chunk` as a tensor; raises `AuricleError` unless they are floats `(time,)` or `(batch, time)`."""
    form = "a chunk is floats of shape (time,) or (batch, time)"
    try:
        samples = chunk if isinstance(chunk, Tensor) else np.asarray(chunk)
    except ValueError as error:
        raise AuricleError(f"{form}: {first_line(error)}") from None
    floating = samples.is_floating_point() if isinstance(samples, Tensor) else samples.dtype.kind == "f"
    if samples.ndim not in (1, 2) or not floating or (samples.ndim == 2 and not len(samples)):
        found = f"{samples.dtype} of {tuple(samples.shape)}"
        raise AuricleError(f"{form}, not {found}{audio.how_to_scale(samples.dtype)}")
    if isinstance(samples, Tensor):
        return samples
    # torch takes neither another byte order nor negative strides, and warns of read-only memory
    return torch.from_numpy(np.require(samples, np.float64 if samples.itemsize > 4 else np.float32, ["C", "W"]))


class _FrameStream:
    """A front-end chunk by chunk.

    State: the last `samples` (batch, time), from a multiple of the hop on; how many frames at their beginning are
    already done (`skip`); and the state of compression and attention (`parts`).
    """

    def __init__(self, frontend: Frontend) -> None:
        self.frontend = frontend
        before, self.after = frontend.reach()
        self.context_frames = -(-before // frontend.hop_length)
        self._refuse_whole_clip_parts()

    @torch.no_grad()
    def _refuse_whole_clip_parts(self) -> None:
        """Raise an `AuricleError` if compression or attention cannot take the first frame alone."""
        with evaluating(self.frontend):
            self.frontend.finish_piece(first_tensor(self.frontend).new_zeros(1, self.frontend.n_filters, 1), None)

    def advance(self, samples: Tensor, state: State | None, last: bool) -> tuple[Tensor, State]:
        """Frames `(batch, n_filters, frames)` that the next samples complete, and the state after them."""
        frontend, hop = self.frontend, self.frontend.hop_length
        parts = state["parts"] if state else None
        skip = int(state["skip"][0]) if state else 0
        if state:
            samples = torch.cat([state["samples"], samples.to(state["samples"])], dim=-1)
        n_samples = samples.shape[-1]
        ready = -(-n_samples // hop) if last else max(0, (n_samples - 1 - self.after) // hop + 1)
        if ready > skip:
            energies = frontend.energies_of_frames(samples, skip, ready - skip)
            frames, parts = frontend.finish_piece(energies, parts)
        else:
            frames, ready = samples.new_zeros(len(samples), frontend.n_filters, 0), skip
        first = max(0, min(ready - self.context_frames, n_samples // hop))
        return frames, {
            "samples": samples[:, first * hop :].clone(),
            "skip": torch.full((len(samples),), ready - first),
            "parts": parts,
        }


class _WindowStream:
    """A classifier's windows over a stream of frames.

    State: `spectrograms` (batch, bands, frames) from the next window's start on; how many samples were `received`;
    `under_half`, whether these are less than half a window, which is a window only if the recording ends there; and
    `head`, the samples so far, if the classifier repeats clips that are shorter than a window.
    """

    def __init__(self, classifier: Classifier, hop: int) -> None:
        frame, rate = classifier.frontend.hop_length, classifier.sample_rate
        for name, length in (("window", classifier.window), ("hop between windows", hop)):
            if not isinstance(length, int | np.integer):
                raise AuricleError(f"{length!r} will not do as the {name}: a whole number of samples is needed")
            if length % frame or not 0 < length <= classifier.window:
                raise AuricleError(
                    f"windows take frames of {frame / rate:g} s, up to a window of {classifier.window / rate:g} s: "
                    f"{length / rate:g} s ({length} samples) will not do as the {name}"
                )
        self.classifier = classifier
        self.hop = hop

    def count(self, samples: Tensor, state: State | None, last: bool) -> tuple[Tensor, State]:
        """The samples, at the end extended to fill the last window, and the state after them.

        A remainder of at least half a window is a window; so is a recording that is shorter than that.
        """
        window = self.classifier.window
        n_rows = len(samples)
        state = dict(state) if state else {"received": torch.zeros(n_rows, dtype=torch.long)}
        received = int(state["received"][0]) + samples.shape[-1]
        if self.classifier.short == "repeat" and received - samples.shape[-1] < window:
            state["head"] = torch.cat([state["head"], samples.to(state["head"])], -1) if "head" in state else samples
            if received >= window:
                del state["head"]
        if last and received:
            n_hops = max(0, received - -(-window // 2)) // self.hop
            missing = window - (received - n_hops * self.hop)
            if "head" in state and received < window:
                filling = state["head"].repeat(1, -(-window // received))[:, received : received + missing]
                samples = torch.cat([samples, filling], -1)
            else:
                samples = F.pad(samples, (0, max(0, missing)))
        state["received"] = torch.full((n_rows,), received)
        state["under_half"] = torch.full((n_rows,), received < window / 2)
        return samples, state

    def advance(self, spectrograms: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits `(batch, windows, labels)` of the windows that the next frames complete, and the state after them."""
        frame = self.classifier.frontend.hop_length
        size, step = self.classifier.window // frame, self.hop // frame
        if "spectrograms" in state:
            spectrograms = torch.cat([state["spectrograms"], spectrograms], dim=-1)
        n_windows = max(0, (spectrograms.shape[-1] - size) // step + 1)
        if n_windows:
            windows = spectrograms.unfold(-1, size, step).transpose(1, 2)
            logits = self.classifier.classify(windows.flatten(0, 1)).unflatten(0, windows.shape[:2])
        else:
            logits = spectrograms.new_zeros(len(spectrograms), 0, self.classifier.heads.out_features)
        return logits, state | {"spectrograms": spectrograms[..., n_windows * step :].clone()}


def join(states: Sequence[State]) -> State:
    """One state for several streams, which become the rows of one batch.

    Raises `AuricleError` unless their chunks ended at the same position between two frames, and if only some of them
    have received half a window.
    """
    if not states:
        raise AuricleError("there are no states to join")
    return _join_trees(list(states))


def split(state: State) -> list[State]:
    """The states of the single recordings of a batch; the inverse of `join`."""
    return [_row(state, index) for index in range(len(state["frames"]["samples"]))]


def _join_trees(trees: list[Any], name: str = "") -> Any:
    if isinstance(trees[0], dict):
        if any(tree.keys() != trees[0].keys() for tree in trees):
            raise AuricleError("states of different streams cannot be joined")
        return {key: _join_trees([tree[key] for tree in trees], key) for key in trees[0]}
    if trees[0] is None:
        return None
    if any(tree.shape[1:] != trees[0].shape[1:] for tree in trees):
        raise AuricleError("streams can be joined where their chunks end at the same place between two frames")
    rows = torch.cat(trees)
    if name == "skip" and (rows != rows[0]).any():
        raise AuricleError("a stream that has just begun cannot be joined with one that is on its way")
    if name == "under_half" and (rows != rows[0]).any():
        raise AuricleError(
            "a stream of less than half a window cannot be joined with a longer one: push more into it first"
        )
    return rows


def _row(tree: Any, index: int) -> Any:
    if isinstance(tree, dict):
        return {key: _row(value, index) for key, value in tree.items()}
    return None if tree is None else tree[index : index + 1]
