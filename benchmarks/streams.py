"""How many live streams of LEAF frames one core keeps up with."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch

from auricle.frontends import create_frontend
from auricle.systems.streaming import Stream
from cases import N_FILTERS, SAMPLE_RATE

N_STREAMS = 20
CHUNKS_MS = (20, 100, 500)
HEARD_S = 5.0


@dataclass(frozen=True)
class Streams:
    """Seconds of computing for one chunk of every stream, by chunk, one after the other and joined."""

    lookahead_ms: float
    apart: dict[int, list[float]]
    joined: dict[int, list[float]]


def measure_streams() -> Streams:
    """On one thread; each chunk of all streams is one measurement."""
    torch.set_num_threads(1)
    frontend = create_frontend("leaf", sample_rate=SAMPLE_RATE, n_filters=N_FILTERS).eval()
    apart: dict[int, list[float]] = {}
    joined: dict[int, list[float]] = {}
    for chunk_ms in CHUNKS_MS:
        size = SAMPLE_RATE * chunk_ms // 1000
        chunk = 0.1 * torch.randn(N_STREAMS, size, generator=torch.Generator().manual_seed(0))
        streams, together = [Stream(frontend) for _ in range(N_STREAMS)], Stream(frontend)
        for row, stream in zip(chunk, streams, strict=True):
            for _ in range(-(-2000 // size)):
                stream.push(row)
        for _ in range(-(-2000 // size)):
            together.push(chunk)
        apart[chunk_ms], joined[chunk_ms] = [], []
        for _ in range(max(10, int(HEARD_S * 1000 / chunk_ms / 5))):
            start = time.perf_counter()
            for row, stream in zip(chunk, streams, strict=True):
                stream.push(row)
            between = time.perf_counter()
            together.push(chunk)
            apart[chunk_ms].append(between - start)
            joined[chunk_ms].append(time.perf_counter() - between)
    return Streams(1e3 * streams[0].lookahead / SAMPLE_RATE, apart, joined)


def kept_up(times_s: list[float], chunk_ms: int) -> float:
    """How many streams one core serves in real time where `N_STREAMS` take `times_s` a chunk, by the slowest tenth."""
    slow = statistics.quantiles(times_s, n=10)[-1]
    return N_STREAMS * chunk_ms / 1e3 / slow
