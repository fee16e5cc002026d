"""The waveforms of clips at one sample rate, in memory or in a cache file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from auricle import audio
from auricle.data.damage import report_damage
from auricle.data.manifest import Clip
from auricle.data.threads import mapped
from auricle.data.windows import fit_length
from auricle.identity import Store, file_digests, key_of, read_array, seal


class ClipStore:
    """The clips' waveforms at one sample rate: `store.read(i, start, n_samples)`, in samples at that rate.

    If all clips together fit into `memory_bytes`, they are decoded once and kept in memory. With `cache_dir` they are
    cached in one file instead, of any size, with a key of their contents, segments and the rate, for later runs as
    well. Otherwise only the requested samples are decoded each time.

    Damaged clips are used and said in an `AuricleWarning`; with `refuse_bad_samples` those with samples that are not
    finite or beyond ±1e4 are an `AuricleError`.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        sample_rate: int,
        *,
        memory_bytes: int = 2**30,
        cache_dir: str | Path | None = None,
        refuse_bad_samples: bool = False,
        progress: bool = False,
    ) -> None:
        self.clips = tuple(clips)
        self.sample_rate = sample_rate
        self.refuse_bad_samples = refuse_bad_samples
        self._reported: set[int] = set()
        self.lengths = np.array([self._length(clip) for clip in self.clips], dtype=np.int64)
        self._ends = np.cumsum(self.lengths)
        self._samples: np.ndarray | None = None
        n_bytes = 4 * int(self.lengths.sum())
        if cache_dir is not None:
            self._samples = self._from_file(Path(cache_dir), progress)
        elif n_bytes <= memory_bytes:
            self._samples = np.empty(int(self.lengths.sum()), dtype=np.float32)
            self._fill(self._samples, progress)

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def cached(self) -> bool:
        """Whether the decoded clips are in memory or in a cache file."""
        return self._samples is not None

    def read(self, index: int, start: int = 0, n_samples: int | None = None) -> np.ndarray:
        """Samples `start` to `start + n_samples` of a clip, or to its end: float32 `(time,)`."""
        stop = self.lengths[index] if n_samples is None else min(start + n_samples, self.lengths[index])
        if self._samples is None:
            return self._decode_and_report(index, start, int(stop))
        base = self._ends[index] - self.lengths[index]
        return self._samples[base + start : base + stop]

    def _length(self, clip: Clip) -> int:
        return max(1, int(np.ceil(round(clip.duration_s * clip.sample_rate) * self.sample_rate / clip.sample_rate)))

    def _decode_and_report(self, index: int, start: int, stop: int) -> np.ndarray:
        with audio.noticing() as damage:
            waveform = self._decode(index, start, stop)
        if damage and index not in self._reported:
            self._reported.add(index)
            report_damage({self.clips[index].name: damage}, refuse_bad_samples=self.refuse_bad_samples)
        return waveform

    def _decode(self, index: int, start: int, stop: int) -> np.ndarray:
        clip = self.clips[index]
        end_s: float | None = min(clip.start_s + stop / self.sample_rate, clip.start_s + clip.duration_s)
        if stop == self.lengths[index] and clip.end_s is None:
            end_s = None  # so that what is missing after the end is noticed
        waveform, _ = audio.read(
            clip.path, sample_rate=self.sample_rate, start_s=clip.start_s + start / self.sample_rate, end_s=end_s
        )
        return fit_length(waveform[: stop - start], stop - start)

    def _fill(self, samples: np.ndarray, progress: bool) -> None:
        def decode(index: int) -> list[audio.Damage]:
            stop = int(self.lengths[index])
            with audio.noticing() as damage:
                samples[self._ends[index] - stop : self._ends[index]] = self._decode(index, 0, stop)
            return damage

        damage = mapped(decode, range(len(self.clips)), "Reading clips", progress=progress)
        names = (clip.name for clip in self.clips)
        report_damage(dict(zip(names, damage, strict=True)), refuse_bad_samples=self.refuse_bad_samples)

    def _from_file(self, folder: Path, progress: bool) -> np.ndarray:
        digests = file_digests((clip.path for clip in self.clips), progress)
        clips = [[digests[clip.path], clip.start_s, clip.end_s, clip.duration_s] for clip in self.clips]

        def write(path: Path, _: None) -> None:
            samples = np.lib.format.open_memmap(path, "w+", np.float32, (int(self.lengths.sum()),))
            self._fill(samples, progress)
            samples.flush()
            seal(path)

        def read(path: Path) -> np.ndarray:
            return read_array(path, mmap=True)

        return Store(folder, ".npy").get(key_of("clips", self.sample_rate, clips), lambda: None, write, read)
