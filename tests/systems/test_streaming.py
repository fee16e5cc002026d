"""Streams: chunks of any length give the results of the whole recording."""

from __future__ import annotations

import tracemalloc
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from auricle.data.tasks import Task
from auricle.data.windows import whole_windows
from auricle.errors import AuricleError, AuricleWarning
from auricle.frontends import Frontend, create_frontend, list_frontends
from auricle.systems.classifier.system import Classifier
from auricle.systems.streaming import Stream, join, split

RATE = 8000


@lru_cache
def frontend(name: str) -> Frontend:
    torch.manual_seed(0)
    whole = {"context_s": 0.2} if name in ("degram", "despectrogram") else {}
    made = create_frontend(name, sample_rate=RATE, n_filters=12, **whole).eval()
    for key, buffer in made.named_buffers():
        if key.endswith("running_var"):  # else an untrained network's output is close to zero
            buffer.mul_(0.01)
    return made


@lru_cache
def classifier(short: str = "pad", name: str = "leaf") -> Classifier:
    task = Task("", ("a", "b", "c"), False)
    return Classifier.build(
        sample_rate=RATE,
        window_s=0.5,
        short=short,
        tasks=[task],
        frontend={"name": name, "n_filters": 32},
        backbone={"name": "cnn-small"},
    ).eval()


@lru_cache
def recording(n_samples: int) -> Tensor:
    """Noise whose level changes by 40 dB, with silences."""
    generator = torch.Generator().manual_seed(n_samples)
    noise = torch.randn(n_samples, generator=generator)
    level = 10.0 ** (2.0 * torch.sin(torch.arange(n_samples) / 700.0) - 2.5)
    return noise * level * (torch.arange(n_samples) % 5000 > 900)


def pieces(clip: Tensor, sizes: list[int]) -> list[Tensor]:
    """Cut `clip` (…, time) into pieces of `sizes`, repeating the sizes as needed."""
    parts, first = [], 0
    while first < clip.shape[-1]:
        size = sizes[len(parts) % len(sizes)]
        parts.append(clip[..., first : first + size])
        first += size
    return parts


def streamed(stream: Stream, clip: Tensor, sizes: list[int], dim: int) -> Tensor:
    return torch.cat([*(stream.push(piece) for piece in pieces(clip, sizes)), stream.flush()], dim=dim)


sizes_of_chunks = st.lists(st.one_of(st.integers(1, 400), st.integers(400, 10 * RATE)), min_size=1, max_size=6)


class TestFrontends:
    @pytest.mark.parametrize("name", list_frontends())
    @settings(max_examples=15, deadline=None)
    @given(n_samples=st.integers(1, 3 * RATE), sizes=sizes_of_chunks)
    def test_any_pieces_give_the_whole(self, name: str, n_samples: int, sizes: list[int]) -> None:
        clip = recording(n_samples)
        if n_samples > 200 * min(sizes):
            sizes = [max(size, n_samples // 200) for size in sizes]
        with torch.no_grad():
            whole = frontend(name)(clip[None])[0]
        result = streamed(Stream(frontend(name)), clip, sizes, dim=-1)
        assert result.shape == whole.shape
        torch.testing.assert_close(result, whole, rtol=1e-5, atol=1e-5 * max(1.0, float(whole.abs().max())))

    @pytest.mark.parametrize("name", list_frontends())
    def test_bad_samples_are_zeros_and_the_state_recovers(self, name: str) -> None:
        clip, bad = recording(12_000).clone(), recording(12_000).clone()
        for place, value in [(3000, float("nan")), (3001, 1e20), (3500, float("-inf")), (9000, -10_001.0)]:
            clip[place], bad[place] = 0.0, value
        stream = Stream(frontend(name))
        with pytest.warns(AuricleWarning, match="not finite or beyond ±10000") as caught:
            results = [stream.push(piece) for piece in pieces(bad, [700])]
        assert len(caught) == 1
        assert stream.n_bad_samples == 4
        result = torch.cat([*results, stream.flush()], dim=-1)
        assert torch.equal(result, streamed(Stream(frontend(name)), clip, [700], -1))
        assert result.isfinite().all()
        assert stream.n_bad_samples == 0

    def test_single_samples(self) -> None:
        clip = recording(1500)
        with torch.no_grad():
            whole = frontend("leaf")(clip[None])[0]
        torch.testing.assert_close(streamed(Stream(frontend("leaf")), clip, [1], -1), whole, rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("name", ["leaf-pcen", "mel-pcen", "leaf-simppcen", "despectrogram"])
    def test_autocast_changes_nothing(self, name: str) -> None:
        clip = recording(4000)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            result = streamed(Stream(frontend(name)), clip, [700], -1)
        assert torch.equal(result, streamed(Stream(frontend(name)), clip, [700], -1))

    @pytest.mark.parametrize("name", ["leaf", "mel", "wavegram", "sincnet+"])
    def test_frames_are_returned_as_soon_as_possible(self, name: str) -> None:
        """After n samples the stream has returned every frame that no later sample can change."""
        stream, clip = Stream(frontend(name)), recording(4000)
        heard, given = 0, 0
        for piece in pieces(clip, [97]):
            heard += len(piece)
            given += stream.push(piece).shape[-1]
            assert given == max(0, (heard - 1 - stream.lookahead) // 80 + 1)

    @pytest.mark.parametrize("name", ["leaf", "td-filterbanks", "sincnet", "mel", "wavegram"])
    def test_frames_change_only_within_their_reach(self, name: str) -> None:
        """A changed sample changes only frames whose reach includes it.

        The waveform needs a gradient, so that it is convolved as in a stream: a transform's rounding reaches farther.
        """
        made = frontend(name)
        before, after = made.reach()
        clip = recording(8000)[None].clone()
        place = 4000
        usual = made.energies(clip.clone().requires_grad_())[0].detach()
        clip[0, place] += 30.0
        changed = made.energies(clip.clone().requires_grad_())[0].detach()
        moved = ((usual - changed).abs() > 1e-6 * (usual.abs() + 1e-3)).any(0).nonzero()[:, 0] * 80
        assert len(moved)
        assert moved.min() >= place - after
        assert moved.max() <= place + before

    def test_a_batch_of_recordings(self) -> None:
        clips = torch.stack([recording(5000), recording(5001)[:5000], torch.zeros(5000)])
        with torch.no_grad():
            whole = frontend("leaf")(clips)
        torch.testing.assert_close(streamed(Stream(frontend("leaf")), clips, [333], -1), whole, rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("name", ["leaf", "mel"])
    def test_chunks_in_double_precision(self, name: str) -> None:
        clip = recording(3000)
        stream, other = Stream(frontend(name)), Stream(frontend(name))
        chunks = [stream.push(part) for part in clip.double().numpy().reshape(3, 1000)]
        expected = [other.push(part) for part in clip.reshape(3, 1000)]
        torch.testing.assert_close(torch.cat(chunks, -1), torch.cat(expected, -1))

    def test_a_stream_begins_anew_after_flush(self) -> None:
        stream = Stream(frontend("leaf"))
        first = streamed(stream, recording(3000), [500], -1)
        assert torch.equal(first, streamed(stream, recording(3000), [500], -1))

    def test_memory_is_bounded(self) -> None:
        stream = Stream(frontend("leaf"))
        kept = []
        for piece in pieces(recording(3 * RATE), [800]):
            stream.push(piece)
            assert stream.state is not None
            kept.append(stream.state["frames"]["samples"].shape[-1])
        assert max(kept[4:]) < 3 * stream.lookahead + 80


class TestState:
    def test_a_saved_state_continues_the_stream(self, tmp_path) -> None:  # type: ignore[no-untyped-def]
        clip = recording(6000)
        stream = Stream(frontend("leaf"))
        head = stream.push(clip[:2500])
        torch.save(stream.state, tmp_path / "state.pt")
        other = Stream(frontend("leaf"))
        other.state = torch.load(tmp_path / "state.pt", weights_only=True)
        tail = torch.cat([other.push(clip[None, 2500:]), other.flush()], -1)[0]
        with torch.no_grad():
            whole = frontend("leaf")(clip[None])[0]
        torch.testing.assert_close(torch.cat([head, tail], -1), whole, rtol=1e-5, atol=1e-5)

    def test_join_and_split(self) -> None:
        """Streams that began at different times continue as one batch, and separately again."""
        clips = [recording(8000), recording(9600)]
        alone = [Stream(frontend("leaf")), Stream(frontend("leaf"))]
        for stream, clip, first in zip(alone, clips, (2400, 4000), strict=True):
            stream.push(clip[None, :first])
        both = Stream(frontend("leaf"))
        both.state = join([stream.state for stream in alone if stream.state is not None])
        middle = both.push(torch.stack([clips[0][2400:4800], clips[1][4000:6400]]))
        assert both.state is not None
        for row, (stream, state) in enumerate(zip(alone, split(both.state), strict=True)):
            first = (2400, 4000)[row]
            expected = stream.push(clips[row][None, first : first + 2400])
            torch.testing.assert_close(middle[row], expected[0], rtol=1e-5, atol=1e-5)
            again = Stream(frontend("leaf"))
            again.state = state
            rest = clips[row][None, first + 2400 :]
            torch.testing.assert_close(again.push(rest), stream.push(rest), rtol=1e-5, atol=1e-5)

    def test_streams_at_different_positions_cannot_be_joined(self) -> None:
        streams = [Stream(frontend("leaf")) for _ in range(2)]
        streams[0].push(recording(3000))
        streams[1].push(recording(3001))
        with pytest.raises(AuricleError, match="same place"):
            join([stream.state for stream in streams if stream.state is not None])


def offline(model: Classifier, clip: Tensor) -> Tensor:
    windows = torch.from_numpy(whole_windows(clip.numpy(), model.window, model.short))
    with torch.no_grad():
        return model.window_logits(windows, continuous=True)


class TestClassifiers:
    @pytest.mark.parametrize("short", ["pad", "repeat"])
    @settings(max_examples=25, deadline=None)
    @given(n_samples=st.integers(1, 3 * RATE), sizes=sizes_of_chunks)
    def test_any_pieces_give_the_whole(self, short: str, n_samples: int, sizes: list[int]) -> None:
        model, clip = classifier(short), recording(n_samples)
        sizes = [max(size, n_samples // 100) for size in sizes]
        expected = offline(model, clip)
        result = streamed(Stream(model), clip, sizes, dim=0)
        assert result.shape == expected.shape
        torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)

    def test_overlapping_windows(self) -> None:
        model, clip = classifier(), recording(2 * RATE)
        with torch.no_grad():
            frames = model.frontend(torch.nn.functional.pad(clip, (0, model.window))[None])[0]
            whole = [model.classify(frames[None, :, first : first + 50]) for first in range(0, 200 - 25 + 1, 20)]
        result = streamed(Stream(model, hop=1600), clip, [700], dim=0)
        torch.testing.assert_close(result, torch.cat(whole), rtol=1e-4, atol=1e-4)

    def test_the_end_of_a_stream_of_days_takes_no_memory(self) -> None:
        streams = [Stream(classifier(), hop=800) for _ in range(2)]
        for stream in streams:
            stream.push(recording(9000))
        assert streams[1].state is not None
        streams[1].state["windows"]["received"] += 800 * 1_000_000
        expected = streams[0].flush()
        tracemalloc.start()
        result = streams[1].flush()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(result) > 0
        assert torch.equal(result, expected)
        assert peak < 1e6

    def test_a_batch(self) -> None:
        model = classifier()
        clips = torch.stack([recording(9000), recording(9100)[:9000]])
        result = streamed(Stream(model), clips, [1234], dim=1)
        for row, clip in zip(result, clips, strict=True):
            torch.testing.assert_close(row, offline(model, clip), rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("first", [0, 1])
    def test_a_row_of_less_than_half_a_window_would_end_otherwise(self, first: int) -> None:
        """At the end it is a window by itself, while the same remainder of a longer stream is none."""
        model = classifier()
        streams = [Stream(model) for _ in range(2)]
        for stream, n_samples in zip(streams, (1600, 1600 + model.window), strict=True):
            stream.push(recording(n_samples)[None])
        states = [stream.state for stream in streams if stream.state is not None]
        assert [stream.flush().shape[1] for stream in streams] == [1, 0]
        with pytest.raises(AuricleError, match="less than half a window"):
            join([states[first], states[1 - first]])

    def test_rows_of_different_lengths_end_as_they_do_alone(self) -> None:
        model = classifier()
        clips = [recording(2400)[None], recording(2400 + 2 * model.window)[None]]
        streams = [Stream(model) for _ in clips]
        for stream, clip in zip(streams, clips, strict=True):
            stream.push(clip)
        both = Stream(model)
        both.state = join([stream.state for stream in streams if stream.state is not None])
        torch.testing.assert_close(both.flush(), torch.cat([stream.flush() for stream in streams]))


class TestBadInput:
    def test_published_frames_move_with_the_length(self) -> None:
        with pytest.raises(AuricleError, match="variant='paper'"):
            Stream(create_frontend("leaf", variant="published"))

    @pytest.mark.parametrize("name", ["leaf", "mel-pcen", "leaf-apcen", "leaf-simppcen", "mel-efficientat"])
    def test_no_frames_change_nothing(self, name: str) -> None:
        made = frontend(name)
        some, none = torch.rand(1, made.n_filters, 3), torch.rand(1, made.n_filters, 0)
        first, state = made.finish_piece(some, None)
        empty, state = made.finish_piece(none, state)
        after, _ = made.finish_piece(some, state)
        whole, _ = made.finish_piece(torch.cat([some, some], dim=-1), None)
        assert empty.shape[-1] == 0
        torch.testing.assert_close(torch.cat([first, after], dim=-1), whole)

    def test_flush_without_samples(self) -> None:
        with pytest.raises(AuricleError, match="nothing has been pushed"):
            Stream(frontend("leaf")).flush()

    def test_another_number_of_recordings(self) -> None:
        stream = Stream(frontend("leaf"))
        stream.push(torch.zeros(2, 100))
        with pytest.raises(AuricleError, match="of 2 recordings"):
            stream.push(torch.zeros(3, 100))

    @pytest.mark.filterwarnings("error")
    def test_the_bytes_of_a_microphone_may_be_read_only(self) -> None:
        samples = torch.randn(4000)
        read_only = np.frombuffer(samples.numpy().tobytes(), dtype=np.float32)
        assert torch.equal(Stream(frontend("mel")).push(read_only), Stream(frontend("mel")).push(samples))

    def test_integers(self) -> None:
        stream = Stream(frontend("leaf"))
        with pytest.raises(AuricleError, match=r"floats .*torch.int16 of .*; divide by 32768 for a full scale of 1"):
            stream.push(torch.zeros(100, dtype=torch.int16))
        with pytest.raises(AuricleError, match=r"int32 of .*; divide by 2147483648"):
            stream.push(np.zeros(100, np.int32))
        with pytest.raises(AuricleError, match=r"not bool of \(100,\)$"):
            stream.push(np.zeros(100, bool))

    @pytest.mark.parametrize(
        "chunk", [b"abc", "abc", None, [[0.0], [0.0, 1.0]], np.array([None, 1.0]), np.zeros((0, 80))]
    )
    def test_what_is_no_sound(self, chunk: Any) -> None:
        with pytest.raises(AuricleError, match=r"a chunk is floats of shape \(time,\) or \(batch, time\)"):
            Stream(frontend("leaf")).push(chunk)

    @pytest.mark.parametrize("dtype", [">f4", "<f4", ">f8", np.longdouble])
    def test_floats_in_any_layout(self, dtype: Any) -> None:
        samples = torch.randn(4000)
        expected = Stream(frontend("mel")).push(samples)
        assert torch.equal(Stream(frontend("mel")).push(samples.numpy().astype(dtype)), expected)
        backwards = samples.numpy().astype(dtype)[::-1].copy()[::-1]
        assert torch.equal(Stream(frontend("mel")).push(backwards), expected)

    @pytest.mark.parametrize("hop", [1001, 0.5, "1000"])
    def test_a_hop_that_is_no_whole_number_of_frames(self, hop: Any) -> None:
        with pytest.raises(AuricleError, match="as the hop between windows"):
            Stream(classifier(), hop=hop)
