"""Where our tracker does worst, as a picture: its box and the best peer's beside the true one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from autrack_ros.drawing.style import LIGHT
from autrack_ros.drawing.text import draw_outlined
from autrack_ros.evaluation.metrics import present
from autrack_ros.evaluation.sequences import Sequence
from benchmarks.peers.accuracy import Outcome, SequenceSet
from benchmarks.tiles import OTHERS, OURS, TILE, tile

MOMENTS = 6  # of a sequence, the first frame and the last among them


def failure_sheet(
    outcomes: Mapping[str, Mapping[str, Outcome]], sequences: SequenceSet, rows: int = 6
) -> np.ndarray:
    """The sequences with our lowest AUC, a row each.

    Args:
        outcomes: by tracker and sequence; ours first, our other ways named after it.
        sequences: which they are of.
        rows: how many.

    Returns:
        HxWx3 uint8 BGR: the true box white and thin, ours blue, that of the tracker of others that
        did best orange.
    """
    ours = next(iter(outcomes))
    peers = [name for name in outcomes if not name.startswith(ours)]
    worst = sorted(outcomes[ours], key=lambda name: outcomes[ours][name].auc)[:rows]
    strips = []
    for name in worst:
        best = max(peers, key=lambda peer: outcomes[peer][name].auc)
        shown = {ours: outcomes[ours][name], best: outcomes[best][name]}
        strips.append(_strip(sequences.readers[name](), shown))
    return np.vstack(strips)


def _strip(sequence: Sequence, shown: Mapping[str, Outcome]) -> np.ndarray:
    moments = np.linspace(0, len(sequence.truth) - 1, MOMENTS).round().astype(int)
    seen = present(sequence.truth)
    tiles = []
    for index, image in enumerate(sequence.frames):
        if index not in moments:
            continue
        boxes = [(LIGHT, 1, sequence.truth[index])] if seen[index] else []
        colors = (OURS, OTHERS) if index else ()  # all start from the true box
        found = [
            (color, 2, one.boxes[index]) for color, one in zip(colors, shown.values(), strict=False)
        ]
        tiles.append(tile(image, [*boxes, *found]))
        draw_outlined(tiles[-1], f"frame {index + 1}", (TILE[0] - 44, TILE[1] - 12), 0.4)
    heads = [f"{name} {one.auc:.2f}" for name, one in shown.items()]
    for row, text in enumerate((sequence.name, *heads)):
        draw_outlined(tiles[0], text, (TILE[0] / 2, 14 + 18 * row), 0.4)
    return np.hstack(tiles)
