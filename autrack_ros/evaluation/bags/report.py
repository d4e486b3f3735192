"""The result of an evaluation as one HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from autrack_ros.evaluation import long_term, page
from autrack_ros.evaluation.bags.answer_picture import answer_picture
from autrack_ros.evaluation.bags.figures import Drawing
from autrack_ros.evaluation.bags.reading import StampedImage
from autrack_ros.evaluation.bags.realtime import COST, LOCK_STEP_DIFFERENCE
from autrack_ros.evaluation.bags.results import REAL_TIME
from autrack_ros.evaluation.bags.tracks import IDLE, Run, overlaps_of
from autrack_ros.evaluation.viewer import SCRIPT, STYLE, ShownFrame, viewer

_EVEN_FRAMES = 24  # shown, evenly spaced
_TROUBLES = 8  # stretches listed
_POOR_OVERLAP = 0.5
_PICTURE_PX = 760  # of the longer side
_STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Trouble:
    """A stretch of images that went wrong; ``start`` and ``end`` are indices, both in it."""

    start: int
    end: int
    why: str


def find_troubles(run: Run, truth: np.ndarray | None) -> list[Trouble]:
    """The longest stretches of low overlap or loss, without truth of doubt or loss, in order."""
    if truth is None:
        labels = [
            track.state if track.state in ("uncertain", "lost") else "" for track in run.tracks
        ]
    else:
        overlaps = overlaps_of(run.tracks, truth)
        labels = [
            f"lost or overlap below {_POOR_OVERLAP}"
            if value <= _POOR_OVERLAP or (track.state == "lost" and not np.isnan(value))
            else ""
            for track, value in zip(run.tracks, overlaps, strict=True)
        ]
    found, start = [], 0
    for why, group in groupby(labels):
        end = start + len(list(group))
        if why:
            found.append(Trouble(start, end - 1, why))
        start = end
    found.sort(key=lambda trouble: trouble.start - trouble.end)
    return sorted(found[:_TROUBLES], key=lambda trouble: trouble.start)


def frames_to_show(count: int, troubles: Iterable[Trouble]) -> list[int]:
    """Indices of the images that the page shows: evenly spaced ones, and those of the troubles."""
    even = np.linspace(0, count - 1, min(count, _EVEN_FRAMES)).round().astype(int).tolist()
    ends = [i for t in troubles for i in (t.start, (t.start + t.end) // 2, t.end)]
    return sorted({*even, *ends})


def write_report(
    path: Path,
    facts: dict[str, Any],
    runs: Sequence[Run],
    truth: np.ndarray | None,
    drawings: Sequence[Drawing],
    images: Iterable[StampedImage],
    troubles: Sequence[Trouble],
) -> None:
    """Write the page.

    Args:
        path: of the page.
        facts: what metrics.json holds.
        runs: the first is that of the pictures.
        truth: a box an image (see ``boxes``); None where it is not known.
        drawings: of ``draw_figures``.
        images: of ``frames_to_show``.
        troubles: of the first run.
    """
    overlaps = None if truth is None else overlaps_of(runs[0].tracks, truth)
    frames: list[ShownFrame] = []
    positions: dict[int, int] = {}
    size = ""
    for image in images:
        size = f"{image.bgr.shape[1]}x{image.bgr.shape[0]}"
        positions[image.index] = len(frames)
        frames.append(
            ShownFrame(
                image.index,
                page.jpeg_source(
                    answer_picture(image.bgr, runs[0].tracks, image.index, truth, _PICTURE_PX)
                ),
                _told(runs[0], image.index, overlaps),
            )
        )
    bag = facts["bag"]
    body = [
        f"<h1>{escape(bag['name'])}</h1>",
        f'<p class="soft">{escape(_subtitle(facts, size))}</p>',
        _alert(facts),
        page.numbers(_large_numbers(runs[0], facts.get("comparison", {}))),
        "<h2>Runs</h2>",
        page.table("Numbers of every run", *_run_table(runs)),
        *_long_term(runs),
        *_by_attribute(runs),
        *_live(runs, facts.get("comparison", {})),
        *_figures(drawings),
        *_viewer(frames, positions, troubles, truth is not None),
        "<h2>Files</h2>",
        _files(path.parent, runs),
        "<details><summary>Settings, hashes and versions</summary>",
        page.facts(_flat(facts)),
        "</details>",
    ]
    style = STYLE + _STYLE
    path.write_text(
        page.page(f"{bag['name']}: evaluation", body, style, SCRIPT if frames else ""),
        encoding="utf-8",
    )


def _subtitle(facts: dict[str, Any], size: str) -> str:
    bag, truth = facts["bag"], facts["truth"]
    return (
        f"{bag['image_topic']}, {bag['images']} images of {size} px. "
        f"Tracker {facts['settings']['tracker']}, started from {facts['init']['source']}. "
        + (f"Compared with {truth['source']}." if truth else "No truth to compare with.")
    )


def _alert(facts: dict[str, Any]) -> str:
    if facts["complete"]:
        return ""
    words = f"Not complete: {facts['error']}. What was tracked before it is below."
    return f'<p class="alert" role="alert">{escape(words)}</p>'


def _large_numbers(run: Run, comparison: dict[str, Any]) -> list[tuple[str, str]]:
    scores, states = run.numbers.get("scores"), run.numbers["states"]
    entries = []
    if scores:
        entries += [
            ("success AUC", f"{scores['auc']:.3f}"),
            ("precision, 20 px", f"{scores['precision']:.3f}"),
            ("average overlap", f"{scores['ao']:.3f}"),
        ]
    if COST in comparison:
        entries.append(("real time, AUC points", f"{comparison[COST]:+.1f}"))
    if run.numbers["mean_score"] is not None:
        entries.append(("mean score", f"{run.numbers['mean_score']:.3f}"))
    started = run.numbers["images"] - states.get(IDLE, 0)
    return [
        *entries,
        ("images tracked", str(started)),
        ("of them lost", str(states.get("lost", 0))),
    ]


def _run_table(runs: Sequence[Run]) -> tuple[list[str], list[list[str]]]:
    scored = any(run.numbers.get("scores") for run in runs)
    names = {
        "auc": "success AUC",
        "precision": "precision 20 px",
        "normalized_precision": "norm. precision 0.2",
        "ao": "AO",
        "sr50": "SR 0.50",
        "sr75": "SR 0.75",
    }
    head = ["run", "images"]
    if scored:
        head += [*names.values(), "lost, but there", "box, but absent"]
    head += ["uncertain", "lost"]
    rows = []
    for run in runs:
        row = [run.name, str(run.numbers["images"])]
        if scored:
            scores = run.numbers.get("scores") or {}
            row += [f"{scores[name]:.4f}" if name in scores else "-" for name in names]
            row += [str(run.numbers[name]) for name in ("lost_but_present", "boxed_but_absent")]
        row += [str(run.numbers["states"].get(state, 0)) for state in ("uncertain", "lost")]
        rows.append(row)
    return head, rows


def _long_term(runs: Sequence[Run]) -> list[str]:
    """How well each run said that the target was gone, and took it back."""
    rows = {run.name: run.numbers.get("long_term") for run in runs}
    if not any(rows.values()):
        return []
    table = [[name, *long_term.cells(row)] for name, row in rows.items()]
    return [
        "<h3>Gone and found</h3>",
        page.table("Long-term numbers of every run", ["run", *long_term.COLUMNS], table),
    ]


def _by_attribute(runs: Sequence[Run]) -> list[str]:
    """The success of each run on the images that have an attribute."""
    rows = {run.name: run.numbers.get("attributes") or {} for run in runs}
    names = sorted({name for row in rows.values() for name in row})
    if not names:
        return []
    table = [
        [name, *(f"{row[name]['auc']:.4f}" if name in row else "-" for row in rows.values())]
        for name in names
    ]
    return [
        "<h3>Success AUC by attribute</h3>",
        page.table("AUC by attribute", ["images with", *rows], table),
    ]


def _live(runs: Sequence[Run], comparison: dict[str, Any]) -> list[str]:
    """What the live runs dropped, and what that costs."""
    live = [run for run in runs if "dropped" in run.numbers]
    if not live:
        return []
    names = {
        "sent": "images sent",
        "dropped": "dropped",
        "late": "late",
        "latency_p50_ms": "latency p50, ms",
        "latency_p95_ms": "latency p95, ms",
    }
    rows = []
    for run in live:
        values = [run.numbers[name] for name in names]
        rows.append([run.name, *("-" if value is None else f"{value:.4g}" for value in values)])
    return [
        "<h2>Live</h2>",
        page.table("Images and answers of every live run", ["run", *names.values()], rows),
        *(f"<p>{escape(text)}</p>" for text in _live_words(live, comparison)),
    ]


def _live_words(live: Sequence[Run], comparison: dict[str, Any]) -> list[str]:
    words = []
    found = comparison.get(LOCK_STEP_DIFFERENCE)
    if found is not None:
        words.append(
            "In lock-step the node gets the next image when it has answered the last one. Its "
            f"boxes differ from the offline ones by at most {found['largest_px']:.3f} px; "
            f"{found['box_in_one_only']} images have a box in one of the two only."
        )
    real_time = next((run.numbers for run in live if run.name == REAL_TIME), None)
    if real_time is not None:
        cost = comparison.get(COST)
        words.append(
            f"In real time, at rate {real_time['rate']:g}, {real_time['dropped']} images were "
            f"dropped, and the answers to {real_time['late']} came after the next image. For these "
            "the last known box counts, as a robot acts on it."
            + ("" if cost is None else f" That changes the success AUC by {cost:+.1f} points.")
        )
    return words


def _figures(drawings: Sequence[Drawing]) -> list[str]:
    def shown(drawing: Drawing) -> str:
        return page.figure(page.svg_source(drawing.path), drawing.shows, drawing.caption)

    pair = "".join(shown(drawing) for drawing in drawings if not drawing.wide)
    return [
        "<h2>Curves</h2>",
        f'<div class="pair">{pair}</div>' if pair else "",
        *(
            page.scrolling(drawing.shows, shown(drawing), "wide long")
            for drawing in drawings
            if drawing.wide
        ),
    ]


def _viewer(
    frames: Sequence[ShownFrame],
    positions: dict[int, int],
    troubles: Sequence[Trouble],
    has_truth: bool,
) -> list[str]:
    if not frames:
        return []
    jumps = [
        (positions[trouble.start], f"{_span(trouble)}: {trouble.why}")
        for trouble in troubles
        if trouble.start in positions
    ]
    wrong = " and where it went wrong" if jumps else ""
    dotted = " The white dotted box is the truth." if has_truth else ""
    return [
        "<h2>Images</h2>",
        f"<p>{len(frames)} of them, evenly spaced{wrong}. "
        f"The arrow keys move the slider.{dotted}</p>",
        viewer("the bag", frames, 0, jumps=jumps),
    ]


def _span(trouble: Trouble) -> str:
    first, last = trouble.start + 1, trouble.end + 1
    return f"image {first}" if first == last else f"images {first} to {last}"


def _told(run: Run, index: int, overlaps: np.ndarray | None) -> str:
    track = run.tracks[index]
    words = [f"Image {index + 1} of {len(run.tracks)}", track.state]
    if track.state != IDLE:
        words.append(f"score {track.score:.2f}")
    if overlaps is not None and not np.isnan(overlaps[index]):
        words.append(f"overlap {overlaps[index]:.2f}")
    return ", ".join(words)


def _files(folder: Path, runs: Sequence[Run]) -> str:
    entries = ["metrics.json", "timing.json"]
    for run in runs:
        entries += [
            f"{run.name}/{name}" for name in ("tracks.csv", "boxes.txt", "bag/metadata.yaml")
        ]
    links = "".join(
        f'<li><a href="{name}">{name}</a></li>' for name in entries if (folder / name).exists()
    )
    return (
        f"<ul>{links}</ul><p>Times are in timing.json alone, but for those of live runs: they "
        "differ from run to run, and so does what real time drops; all else does not. "
        "The bags play beside the original: "
        f"<code>ros2 bag play {escape(runs[0].name)}/bag</code>.</p>"
    )


def _flat(facts: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Name and value of everything in nested settings."""
    rows = []
    for name, value in facts.items():
        if name in ("runs", "comparison"):
            continue
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        elif value is not None:
            rows.append((f"{prefix}{name}", str(value)))
    return rows
