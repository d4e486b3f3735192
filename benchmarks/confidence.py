"""How far the score can be trusted, and whether more of the response map would make it better.

    python -m benchmarks.confidence [--dataset FOLDER] [--pictures FOLDER] [--clips N]

The first table is the reliability of the score as shipped: of the frames in which it was so high,
in how many the box overlapped the target by more than half. The second compares logistic
regressions of that outcome on the score and on other measures of the response map, each predicting
clips that it was not fitted to (five folds); changes are against the score alone, with the interval
that holds 95 % of 2000 draws of the clips. Nothing is fitted to the annotated sequences. The third
table says how high the second peak is, in parts of the peak.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from autrack_ros.evaluation.datasets import read_all
from autrack_ros.evaluation.metrics import ious
from autrack_ros.evaluation.runner import track
from autrack_ros.tracking import AutrackError, Box, Tracker, TrackResult, load_tracker
from autrack_ros.tracking.calibration import logit
from autrack_ros.tracking.confidence import LOOK_ALIKE
from autrack_ros.training.validation.calibration import (
    RIGHT_OVERLAP,
    ProbabilityQuality,
    reliability,
)
from benchmarks.lost import SEED, Case, as_they_are, made
from benchmarks.machine import describe_machine

FOLDS = 5
DRAWS = 2000
SMALLEST_RATIO = 1e-4  # of the second peak to the peak
MEASURES = {
    "score": (0,),
    "score, peak": (0, 1),
    "score, second peak": (0, 2),
    "score, sharpness": (0, 3),
    "score, second peak, sharpness": (0, 2, 3),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured in the frames of one case.

    Attributes:
        inputs: N x 4 float64: log-odds of the score and of the peak, logarithms of second peak to
            peak and of sharpness.
        scores: N, 0..1.
        right: N bool, whether the overlap was over ``RIGHT_OVERLAP``.
    """

    inputs: np.ndarray
    scores: np.ndarray
    right: np.ndarray


def measure(tracker: Tracker, case: Case) -> Measured:
    """Track a case from its first box on."""
    frames = list(track(tracker, case.frames, Box(*case.truth[0].tolist())))
    overlaps = ious(np.array([frame.box for frame in frames]), case.truth)
    results = [frame.result for frame in frames if frame.result is not None]
    return Measured(
        np.array([_inputs(result) for result in results]),
        np.array([result.score for result in results]),
        (np.where(case.seen, overlaps, 0.0) > RIGHT_OVERLAP)[1:],
    )


def _inputs(result: TrackResult) -> tuple[float, ...]:
    ratio = max(result.second_peak, SMALLEST_RATIO) / max(result.peak, SMALLEST_RATIO)
    return logit(result.score), logit(result.peak), np.log(ratio), np.log(result.sharpness)


def fit(inputs: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Logistic regression by Newton's method: a weight for each of K columns, and the offset."""
    columns = np.column_stack([inputs, np.ones(len(inputs))])
    weights = np.zeros(columns.shape[1])
    for _ in range(50):
        probabilities = _sigmoid(columns @ weights)
        curvature = (columns * (probabilities * (1 - probabilities))[:, None]).T @ columns
        gradient = columns.T @ (probabilities - right) + 1e-3 * weights
        weights -= np.linalg.solve(curvature + 1e-3 * np.eye(len(weights)), gradient)
    return weights


def predict_unseen(cases: Sequence[Measured], columns: Sequence[int]) -> list[np.ndarray]:
    """Probabilities of each case's frames, from a fit to the other folds."""
    predicted = []
    for index, case in enumerate(cases):
        others = [c for i, c in enumerate(cases) if (i - index) % FOLDS]
        inputs = np.concatenate([other.inputs for other in others])[:, columns]
        weights = fit(inputs, np.concatenate([other.right for other in others]))
        predicted.append(_sigmoid(case.inputs[:, columns] @ weights[:-1] + weights[-1]))
    return predicted


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(values / 2)


def log_loss(probabilities: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Of each frame."""
    return -np.log(np.where(right, probabilities, 1 - probabilities).clip(1e-6))


def squared_error(probabilities: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Of each frame; its mean is Brier's score."""
    return (probabilities - right) ** 2


def change(differences: Sequence[np.ndarray]) -> str:
    """Mean over all frames, and its interval over draws of cases."""
    sums = np.array([case.sum() for case in differences])
    counts = np.array([len(case) for case in differences])
    draws = np.random.default_rng(0).integers(len(sums), size=(DRAWS, len(sums)))
    means = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{sums.sum() / counts.sum():+.4f} ({low:+.4f} to {high:+.4f})"


def comparison(cases: Sequence[Measured]) -> str:
    """The table of regressions."""
    lines = ["| regression on | log-loss | change | Brier | change | AUROC |"]
    lines.append("|---|---|---|---|---|---|")
    right = np.concatenate([case.right for case in cases])
    alone: list[np.ndarray] = []
    for name, columns in MEASURES.items():
        predicted = predict_unseen(cases, columns)
        alone = alone or predicted
        cells = [name]
        for loss in (log_loss, squared_error):
            losses = [loss(p, case.right) for p, case in zip(predicted, cases, strict=True)]
            before = [loss(p, case.right) for p, case in zip(alone, cases, strict=True)]
            differences = [a - b for a, b in zip(losses, before, strict=True)]
            cells += [f"{np.concatenate(losses).mean():.4f}", change(differences)]
        quality = ProbabilityQuality.measure(np.concatenate(predicted), right)
        lines.append("| " + " | ".join([*cells, f"{quality.auroc:.4f}"]) + " |")
    return "\n".join(lines)


def reliability_table(sets: dict[str, Sequence[Measured]]) -> str:
    """Share of right boxes by the score, a column for each set."""
    edges = np.linspace(0, 1, 11)
    rows = [f"| {low:.1f} to {high:.1f} |" for low, high in itertools.pairwise(edges)]
    lines = [
        "| score |",
        "|---|",
        *rows,
        "| expected calibration error |",
        "| AUROC |",
        "| Brier |",
    ]
    for name, cases in sets.items():
        scores = np.concatenate([case.scores for case in cases])
        right = np.concatenate([case.right for case in cases])
        _, observed, counts = reliability(scores, right)
        quality = ProbabilityQuality.measure(scores, right)
        cells = [name, "---"]
        cells += [f"{o:.2f} of {n}" if n else "-" for o, n in zip(observed, counts, strict=True)]
        values = (quality.expected_calibration_error, quality.auroc, quality.brier)
        cells += [f"{value:.3f}" for value in values]
        lines = [f"{line} {cell} |" for line, cell in zip(lines, cells, strict=True)]
    return "\n".join(lines)


def second_peak_table(sets: dict[str, Sequence[Measured]]) -> str:
    """How the second peak is spread, in parts of the peak, where the box is right and elsewhere."""
    lines = ["| second peak / peak | a tenth, half, nine tenths are below | above half |"]
    lines.append("|---|---|---|")
    for name, cases in sets.items():
        ratios = np.exp(np.concatenate([case.inputs[:, 2] for case in cases]))
        right = np.concatenate([case.right for case in cases])
        for what, chosen in (("box right", right), ("box not right", ~right)):
            if chosen.any():
                spread = ", ".join(f"{q:.2f}" for q in np.quantile(ratios[chosen], (0.1, 0.5, 0.9)))
                above = (ratios[chosen] > LOOK_ALIKE).mean()
                lines.append(f"| {name}, {what} | {spread} | {above:.3f} |")
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, default=Path("../shared/data/dev_sequences"))
    parser.add_argument("--pictures", type=Path, default=Path(".cache/training"))
    parser.add_argument("--clips", type=int, default=72)
    parser.add_argument("--seed", type=int, default=SEED, help="of the made clips")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    try:
        tracker = load_tracker(device=arguments.device)
        print(f"{describe_machine()}; {arguments.threads} threads, {tracker.engine.runtime.name}\n")
        clips = [
            measure(tracker, case)
            for case in made(arguments.pictures, arguments.clips, arguments.seed)
        ]
        sequences = read_all(arguments.dataset)
        annotated = [measure(tracker, case) for case in as_they_are(sequences)]
        sets = {"made clips": clips, "annotated sequences": annotated}
        print(reliability_table(sets))
        print(f"\n{comparison(clips)}")
        print(f"\n{second_peak_table(sets)}")
    except AutrackError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
