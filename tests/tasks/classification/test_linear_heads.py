"""Linear heads: against scikit-learn, against the conditions of an optimum, and by what prototypes are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from auricle.tasks.classification.fitting import smoothed
from auricle.tasks.classification.linear_heads import (
    DISCOUNT,
    ENOUGH,
    FEW,
    LEAST_DEVIATION,
    OF_PROTOTYPES,
    PENALTIES,
    SCALES,
    Coordinates,
    LinearHead,
    balance,
    cross_validated_logits,
    fit_head,
    fit_heads,
    fit_like,
    logistic_regressions,
    loss,
    prototypes,
    standardisation,
)


def examples(n_clips: int, dims: int, n_labels: int, seed: int = 0, spread: float = 1.0) -> tuple[Tensor, Tensor]:
    """Embeddings of unequal scales around one centre for each label, and one label per clip, of unequal frequencies."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(n_labels, dims, generator=torch.Generator().manual_seed(99), dtype=torch.float64)
    shares = torch.arange(1, n_labels + 1, dtype=torch.float64)
    labels = torch.cat(
        [torch.arange(n_labels), torch.multinomial(shares, n_clips - n_labels, True, generator=generator)]
    )
    noise = spread * torch.randn(n_clips, dims, generator=generator, dtype=torch.float64)
    scales = torch.logspace(-0.5, 1, dims, dtype=torch.float64)
    embeddings = 3.0 + scales * (centres[labels] + noise)
    return embeddings, torch.nn.functional.one_hot(labels, n_labels).double()


@pytest.mark.parametrize(("n_clips", "dims"), [(60, 5), (20, 50)])
@pytest.mark.parametrize("penalty", [1e-3, 0.1])
def test_it_is_scikit_learns(n_clips: int, dims: int, penalty: float) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    embeddings, targets = examples(n_clips, dims, 3)
    (head,) = logistic_regressions(embeddings, targets, False, [penalty])
    mean, deviation = standardisation(embeddings)
    twin = linear_model.LogisticRegression(
        C=1 / (penalty * n_clips), class_weight="balanced", tol=1e-10, max_iter=10000
    ).fit(((embeddings - mean) / deviation).numpy(), targets.argmax(1).numpy())
    others = examples(40, dims, 3, seed=1)[0]
    expected = twin.predict_proba(((others - mean) / deviation).numpy())
    np.testing.assert_allclose(head.logits(others).softmax(1).numpy(), expected, atol=2e-4)


@pytest.mark.parametrize("multi_label", [False, True])
def test_no_small_step_lowers_the_loss(multi_label: bool) -> None:
    embeddings, targets = examples(40, 6, 4)
    if multi_label:
        targets = torch.clamp(targets + examples(40, 6, 4, seed=5)[1], max=1.0)
        targets[:5] = 0.0
    penalty = 0.03
    (head,) = logistic_regressions(embeddings, targets, multi_label, [penalty])
    mean, deviation = standardisation(embeddings)
    weight = (head.weight.double() * deviation).requires_grad_()
    bias = (head.bias.double() + head.weight.double() @ mean).requires_grad_()
    logits = ((embeddings - mean) / deviation) @ weight.T + bias
    value = loss(logits, targets, multi_label, balance(targets, multi_label)) + 0.5 * penalty * weight.square().sum()
    for gradient in torch.autograd.grad(value, (weight, bias)):
        assert gradient.abs().max() < 1e-4


def test_balance_gives_every_label_the_same_weight() -> None:
    _, targets = examples(50, 2, 3)
    weights = balance(targets, False)
    torch.testing.assert_close(targets.T @ weights, torch.full((3,), 50 / 3, dtype=torch.float64))
    several = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    weights = balance(several, True)
    torch.testing.assert_close((several * weights).sum(0), torch.tensor([2.0, 2.0, 4.0]))
    torch.testing.assert_close(weights.mean(0), torch.ones(3))


def test_a_dimension_that_never_varies_does_no_harm() -> None:
    embeddings, targets = examples(30, 4, 2)
    with_constant = torch.cat([embeddings, torch.full((30, 1), 7.0, dtype=torch.float64)], dim=1)
    (plain,), (extended,) = (logistic_regressions(x, targets, False, [0.01]) for x in (embeddings, with_constant))
    assert extended.weight.isfinite().all()
    torch.testing.assert_close(extended.logits(with_constant), plain.logits(embeddings), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("n_clips", [2, 7, ENOUGH - 1, ENOUGH, 3 * ENOUGH])
def test_few_clips_count_for_little_in_the_deviation_of_an_entry(n_clips: int) -> None:
    embeddings, _ = examples(n_clips + 3, 6, 3)
    embeddings = torch.cat([embeddings[:n_clips], torch.full((n_clips, 1), 2.0, dtype=torch.float64)], dim=1)
    mean, deviation = standardisation(embeddings)
    np.testing.assert_allclose(mean, embeddings.mean(0))
    variances = np.var(embeddings.numpy(), axis=0)
    share = min(1.0, n_clips / ENOUGH)
    expected = np.sqrt(share * variances + (1 - share) * variances[:6].mean())
    if share == 1:
        expected[6] = 1.0
    np.testing.assert_allclose(deviation, expected, rtol=1e-9)


@pytest.mark.parametrize("parts", [(), (3, 4)])
def test_an_entry_that_hardly_varies_counts_for_little_where_it_does(parts: tuple[int, ...]) -> None:
    """Entries 1 and 4 hardly vary in training; a strange sound excites them like the others."""
    embeddings, targets = examples(2 * ENOUGH, 7, 3)
    generator = torch.Generator().manual_seed(3)
    for entry in (1, 4):
        embeddings[:, entry] = 1e-4 * torch.randn(len(embeddings), generator=generator, dtype=torch.float64)
    _, deviation = standardisation(embeddings, parts)
    own, strange = np.std(embeddings.numpy(), axis=0), embeddings.clone()
    for part in [[0, 1, 2], [3, 4, 5, 6]] if parts else [list(range(7))]:
        largest = own[part].max()
        for entry in part:
            assert float(deviation[entry]) == pytest.approx(max(own[entry], LEAST_DEVIATION * largest))
            if entry in (1, 4):
                strange[:, entry] = largest
    (head,) = logistic_regressions(embeddings, targets, False, [0.1], Coordinates.of(embeddings, parts=parts))
    assert (head.logits(strange).argmax(1) == head.logits(embeddings).argmax(1)).float().mean() > 0.9


def test_two_clips_that_happen_to_agree_in_some_entries_are_told_apart_by_the_others() -> None:
    """Labels differ in 20 of 200 entries. In the others two clips differ by chance, mostly by little."""
    generator = torch.Generator().manual_seed(0)
    apart = torch.zeros(200, dtype=torch.float64)
    apart[:20] = 1.0
    labels = torch.arange(2).repeat(200)

    def clips(labels: Tensor) -> Tensor:
        noise = 0.3 * torch.randn(len(labels), 200, generator=generator, dtype=torch.float64)
        return torch.where(labels[:, None] == 1, apart, -apart) + noise

    head = fit_head((clips(torch.arange(2)), torch.eye(2)), (torch.zeros(0, 200), torch.zeros(0, 2)), False)
    probabilities = head.logits(clips(labels)).softmax(1)
    assert (probabilities.argmax(1) == labels).float().mean() == 1.0
    assert probabilities.max(1).values.mean() > 0.9


def test_prototypes_choose_the_mean_in_whose_direction_a_clip_lies() -> None:
    embeddings, targets = examples(12, 8, 3)
    head = prototypes(embeddings, targets)
    mean, deviation = standardisation(embeddings)
    others = (examples(100, 8, 3, seed=2)[0] - mean) / deviation
    means = torch.stack([((embeddings - mean) / deviation)[targets[:, k] == 1].mean(0) for k in range(3)])
    centre = means.mean(0)
    cosines = torch.nn.functional.cosine_similarity((others - centre)[:, None], (means - centre)[None], dim=-1)
    logits = head.logits(others * deviation + mean)
    assert (logits.argmax(1) == cosines.argmax(1)).all()
    at_prototypes = head.logits(means * deviation + mean)
    ahead = at_prototypes.diagonal()[:, None] - at_prototypes
    assert ahead.sum() / 6 == pytest.approx(1.0, rel=1e-5)


def test_two_prototypes_of_unlike_numbers_of_clips_meet_half_way() -> None:
    embeddings = torch.tensor([[0.0, 1.0], [4.0, 1.0], [4.0, 1.0], [4.0, 1.0], [4.0, 1.0]], dtype=torch.float64)
    targets = torch.nn.functional.one_hot(torch.tensor([0, 1, 1, 1, 1])).double()
    between = torch.tensor([[1.9, 1.0], [2.1, 1.0]])
    assert prototypes(embeddings, targets).logits(between).argmax(1).tolist() == [0, 1]


def test_noise_that_draws_embeddings_together_changes_no_answer_of_prototypes() -> None:
    """Labels of one to four clips; under noise each clip keeps a third of its way from the centre."""
    rng = torch.Generator().manual_seed(0)
    of = torch.arange(4).repeat_interleave(torch.tensor([1, 2, 3, 4]))
    means = 2 * torch.randn(4, 32, generator=rng, dtype=torch.float64)
    embeddings = means[of] + torch.randn(10, 32, generator=rng, dtype=torch.float64)
    head = prototypes(embeddings, torch.nn.functional.one_hot(of).double())
    clips = means.repeat(20, 1) + torch.randn(80, 32, generator=rng, dtype=torch.float64)
    centre = torch.stack([embeddings[of == k].mean(0) for k in range(4)]).mean(0)
    drawn = centre + (clips - centre) / 3
    assert (head.logits(drawn).argmax(1) == head.logits(clips).argmax(1)).all()


def moves_along(direction: Tensor, n_windows: int = 300, others: float = 0.05) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    along = torch.randn(n_windows, 1, generator=generator, dtype=torch.float64) * direction
    return along + others * torch.randn(n_windows, len(direction), generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("n_windows", [300, 6, 2])
def test_in_the_coordinates_moves_and_entries_together_have_no_direction(n_windows: int) -> None:
    embeddings, _ = examples(40, 6, 3)
    _, deviation = standardisation(embeddings)
    moved = moves_along(torch.arange(1.0, 7.0, dtype=torch.float64), n_windows) * deviation
    axes = Coordinates.of(embeddings, moved).axes
    moves = moved / deviation
    spread = sum(torch.outer(move, move) for move in moves)
    share = spread / spread.trace() * 6
    identity = torch.eye(6, dtype=torch.float64)
    root = deviation[:, None] * axes
    torch.testing.assert_close(
        root.T @ (DISCOUNT * share + (1 - DISCOUNT) * identity) @ root, identity, rtol=0, atol=1e-9
    )
    torch.testing.assert_close(root, root.triu(), rtol=0, atol=1e-12)
    assert (root.diagonal() > 0).all()


@pytest.mark.parametrize("n_clips", [40, 4])
def test_a_head_is_the_same_in_coordinates_that_are_turned(n_clips: int) -> None:
    embeddings, targets = examples(n_clips, 6, 3)
    own = Coordinates.of(embeddings, moves_along(torch.arange(1.0, 7.0, dtype=torch.float64)))
    turn = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64))[0]
    turned = Coordinates(own.mean, own.axes @ turn)
    others = examples(30, 6, 3, seed=1)[0]
    penalties = [1e-3, 0.1]
    fitted = [logistic_regressions(embeddings, targets, False, penalties, each) for each in (own, turned)]
    for one, other in zip(*fitted, strict=True):
        torch.testing.assert_close(one.logits(others), other.logits(others), rtol=1e-3, atol=1e-4)
    one, other = (prototypes(embeddings, targets, each).logits(others) for each in (own, turned))
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("moved", [None, torch.zeros(5, 6)])
def test_without_moves_the_coordinates_are_standardised_entries(moved: Tensor | None) -> None:
    embeddings, _ = examples(40, 6, 3)
    mean, deviation = standardisation(embeddings)
    torch.testing.assert_close(Coordinates.of(embeddings, moved)(embeddings), (embeddings - mean) / deviation)


def test_parts_of_an_embedding_count_alike() -> None:
    embeddings, targets = examples(ENOUGH, 6, 3)
    within = Coordinates.of(embeddings, parts=(2, 4))(embeddings)
    mean, deviation = standardisation(embeddings)
    slow = torch.stack([(x - mean) / deviation for x in embeddings])
    for entry in range(6):
        slow[:, entry] /= (2 * (2 if entry < 2 else 4) / 6) ** 0.5
    torch.testing.assert_close(within, slow)
    variances = within.var(0, unbiased=False)
    torch.testing.assert_close(variances[:2].sum(), variances[2:].sum())
    by_prototypes = LinearHead(torch.zeros(3, 6), torch.zeros(3))
    repeated = torch.cat([embeddings, embeddings[:, 2:]], dim=1)
    for once, twice, same in (((2, 4), (2, 8), True), ((), (), False)):
        heads = (
            fit_like(by_prototypes, x, targets, False, parts=p) for x, p in ((embeddings, once), (repeated, twice))
        )
        one, other = (head.logits(x) for head, x in zip(heads, (embeddings, repeated), strict=True))
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4) == same


def test_how_entries_of_different_parts_move_together_counts_for_nothing() -> None:
    embeddings, _ = examples(40, 6, 3)
    _, deviation = standardisation(embeddings)
    deviation = deviation * torch.tensor([2 * 2 / 6] * 2 + [2 * 4 / 6] * 4, dtype=torch.float64).sqrt()
    moved = moves_along(torch.arange(1.0, 7.0, dtype=torch.float64)) * deviation
    root = deviation[:, None] * Coordinates.of(embeddings, moved, parts=(2, 4)).axes
    spread = sum(torch.outer(move, move) for move in moved / deviation)
    share = spread / spread.trace() * 6
    share[:2, 2:] = share[2:, :2] = 0.0
    identity = torch.eye(6, dtype=torch.float64)
    torch.testing.assert_close(
        root.T @ (DISCOUNT * share + (1 - DISCOUNT) * identity) @ root, identity, rtol=0, atol=1e-9
    )
    whole = Coordinates.of(embeddings, moved)
    torch.testing.assert_close(Coordinates.of(embeddings, moved, parts=(6,)).axes, whole.axes, rtol=0, atol=0)


def test_all_heads_are_fitted_to_parts_that_count_alike() -> None:
    embeddings, targets = examples(40, 6, 3)
    given = embeddings, targets
    alike, each = fit_heads(given, given, False, parts=(2, 4)), fit_heads(given, given, False)
    coordinates = Coordinates.of(torch.cat([embeddings, embeddings]).double(), parts=(2, 4))
    (want,) = logistic_regressions(
        torch.cat([embeddings, embeddings]).double(), torch.cat([targets, targets]).double(), False,
        [alike[0].penalty or 0.0], coordinates,
    )  # fmt: skip
    torch.testing.assert_close(alike[1].weight, alike[1].scale * want.weight)
    for one, other in zip(alike, each, strict=True):
        assert not torch.allclose(one.weight, other.weight)
    folds = torch.arange(len(targets)) % 4
    found, _ = cross_validated_logits(alike[1], embeddings, targets, folds, False, parts=(2, 4))
    held_out = fit_like(alike[1], embeddings[folds != 0], targets[folds != 0], False, parts=(2, 4))
    torch.testing.assert_close(found[folds == 0], held_out.logits(embeddings[folds == 0]))


@pytest.mark.parametrize("per_label", [FEW, 10])
def test_heads_discount_the_direction_in_which_noise_moves_clips(per_label: int) -> None:
    """Labels differ a little in every entry, and by chance in the direction of the noise."""
    generator = torch.Generator().manual_seed(1)
    of = torch.arange(3).repeat_interleave(per_label)
    means = 0.4 * torch.randn(3, 24, generator=generator, dtype=torch.float64)
    direction = torch.nn.functional.normalize(torch.randn(24, generator=generator, dtype=torch.float64), dim=0)
    apart = torch.tensor([[-1.5], [0.0], [1.5]], dtype=torch.float64) * direction

    def clips(labels: Tensor) -> Tensor:
        return means[labels] + apart[labels] + 0.1 * torch.randn(len(labels), 24, generator=generator).double()

    train, targets = clips(of), torch.nn.functional.one_hot(of).double()
    labels = torch.arange(3).repeat(100)
    clean = clips(labels)
    noisy = clean + 12.0 * torch.randn(300, 1, generator=generator, dtype=torch.float64) * direction
    right = {}
    for name, moved in (("plain", None), ("discounting", moves_along(12.0 * direction))):
        head = fit_head((train, targets), (train, targets), False, moved)
        right[name] = [float((head.logits(x).argmax(1) == labels).float().mean()) for x in (clean, noisy)]
    assert right["plain"][0] == right["discounting"][0] == 1.0
    assert right["plain"][1] < 0.7
    assert right["discounting"][1] > 0.95


def test_few_examples_give_prototypes_and_more_the_penalty_of_the_least_validation_loss() -> None:
    few = torch.cat([torch.eye(3, dtype=torch.float64)] * FEW)
    embeddings = few @ torch.randn(3, 6, dtype=torch.float64) + 0.1 * torch.randn(3 * FEW, 6, dtype=torch.float64)
    assert fit_head((embeddings, few), (embeddings, few), False).how == "prototypes"
    assert fit_head((embeddings, few), (embeddings, few), True).how.startswith("logistic regression")
    train, valid = (examples(60, 30, 3, seed, spread=4.0) for seed in (0, 3))
    chosen = fit_head(train, valid, False)
    heads = logistic_regressions(*train, False, PENALTIES)
    wanted = smoothed(valid[1].double(), False)
    losses = {
        head.how: min(float(loss(scale * head.logits(valid[0]).double(), wanted, False)) for scale in SCALES)
        for head in heads
    }
    assert losses[chosen.how] == min(losses.values())
    assert float(loss(chosen.logits(valid[0]).double(), wanted, False)) == pytest.approx(losses[chosen.how], rel=1e-5)
    assert len({round(value, 6) for value in losses.values()}) > 3


@pytest.mark.parametrize("multi_label", [False, True])
def test_validation_clips_that_are_all_right_make_no_head_infinitely_sure(multi_label: bool) -> None:
    train, valid = (examples(n_clips, 30, 3, seed, spread=0.1) for n_clips, seed in ((60, 0), (12, 3)))
    logits = fit_head(train, valid, multi_label).logits(valid[0])
    assert (logits.argmax(1) == valid[1].argmax(1)).all()
    values = logits.sigmoid() if multi_label else logits.softmax(1)
    assert 0.6 < float(values[valid[1] == 1].mean()) < 0.99


@pytest.mark.parametrize(("n_clips", "multi_label"), [(40, False), (40, True), (7, False)])
def test_cross_validated_logits_are_those_of_heads_that_never_saw_the_fold(n_clips: int, multi_label: bool) -> None:
    embeddings, _ = examples(n_clips, 6, 2)
    targets = torch.nn.functional.one_hot(torch.arange(n_clips) // 3 % 2, 2).double()
    folds = torch.arange(n_clips) % 4
    head = fit_head((embeddings, targets), (embeddings, targets), multi_label)
    assert (head.penalty is None) == (n_clips == 7)
    logits, judged = cross_validated_logits(head, embeddings, targets, folds, multi_label)
    assert judged.all()
    for fold in range(4):
        others, own = folds != fold, folds == fold
        if head.penalty is None:
            twin = prototypes(embeddings[others], targets[others]).scaled(OF_PROTOTYPES)
        else:
            (fitted,) = logistic_regressions(embeddings[others], targets[others], multi_label, [head.penalty])
            twin = fitted.scaled(head.scale)
        torch.testing.assert_close(logits[own], twin.logits(embeddings[own]), rtol=1e-6, atol=1e-6)


def test_in_cross_validation_nothing_of_a_fold_reaches_its_own_head() -> None:
    embeddings, targets = examples(40, 6, 3)
    folds = torch.arange(40) % 5
    head = fit_head((embeddings, targets), (embeddings, targets), False)
    before, _ = cross_validated_logits(head, embeddings, targets, folds, False)
    changed, wrong = embeddings.clone(), targets.clone()
    changed[0] += 100.0
    wrong[0] = wrong[0].roll(1)
    after, _ = cross_validated_logits(head, changed, wrong, folds, False)
    same = folds == folds[0]
    same[0] = False
    torch.testing.assert_close(after[same], before[same], rtol=0, atol=0)
    assert (after[folds == 1] - before[folds == 1]).abs().max() > 0.1


def test_a_clip_whose_label_no_other_fold_has_is_not_judged() -> None:
    embeddings, targets = examples(30, 6, 3)
    targets = torch.nn.functional.one_hot(torch.tensor([0, *[1, 2] * 14, 0]), 3).double()
    folds = torch.arange(30) % 5
    folds[-1] = folds[0]
    head = fit_head((embeddings, targets), (embeddings, targets), False)
    logits, judged = cross_validated_logits(head, embeddings, targets, folds, False)
    assert judged.tolist() == [False, *[True] * 28, False]
    assert torch.isfinite(logits).all()
    of_its_fold = logits[folds == 0]
    torch.testing.assert_close(of_its_fold[:, 0], of_its_fold[:, 1:].min(1).values, rtol=0, atol=0)
    alone = torch.eye(2, dtype=torch.float64)
    assert not cross_validated_logits(head, embeddings[:2], alone, torch.tensor([0, 1]), False)[1].any()
