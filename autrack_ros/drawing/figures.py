"""What all figures (curves, diagrams) have in common. matplotlib is imported when one is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Told apart by colour-blind eyes too: Okabe and Ito, "Color Universal Design", 2002.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
DOTS_PER_INCH = 100


def new_figure(width: int, height: int) -> Figure:
    """An empty figure, in pixels of its PNG; no window and no pyplot, so no global state."""
    from matplotlib.figure import Figure

    size = (width / DOTS_PER_INCH, height / DOTS_PER_INCH)
    return Figure(size, DOTS_PER_INCH, constrained_layout={"w_pad": 0.1, "h_pad": 0.1})  # inches


def dress(axes: Axes) -> None:
    """A faint grid behind the data, and no frame but the two axes."""
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
