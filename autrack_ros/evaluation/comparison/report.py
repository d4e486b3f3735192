"""A comparison as one HTML page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from autrack_ros.evaluation import long_term, page, viewer
from autrack_ros.evaluation.comparison import figures
from autrack_ros.evaluation.comparison.compare import Comparison
from autrack_ros.evaluation.comparison.partings import Parting, find_partings, pictures
from autrack_ros.evaluation.comparison.runs import StoredRun
from autrack_ros.evaluation.metrics import COLUMNS, LEGEND
from autrack_ros.evaluation.results import write_whole
from autrack_ros.evaluation.sequences import Sequence as AnnotatedSequence
from autrack_ros.evaluation.statistics import CLEAR_CHANGE, Difference

REPORT, PLOTS = "report.html", "plots"
_STYLE = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
_FIRST_COLOR, _OTHER_COLOR = figures.COLORS[:2]
_OTHER_DASHES = "6 4"
_LONGEST = 20  # characters of a setting in the table

ReadSequence = Callable[[str], AnnotatedSequence]


def write_report(
    comparison: Comparison, folder: Path, read_sequence: ReadSequence | None = None
) -> Path:
    """Write the page and its figures.

    Args:
        comparison: what to show.
        folder: gets report.html and plots/.
        read_sequence: gives a sequence by name, with the truth that the runs were scored with; None
            where the dataset is not at hand, and then there are no pictures.

    Returns:
        The page.

    Raises:
        SourceError: an image cannot be read.
    """
    first, *others = comparison.runs
    names = [run.name for run in comparison.runs]
    title = f"{first.name} against {', '.join(names[1:])}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(_subtitle(comparison))}</p>',
        _alert(comparison),
        page.numbers(
            (name, f"{comparison.means[name]['auc']:.3f}") for name in _ranked(comparison)
        ),
        '<p class="soft below">Success AUC, mean over the sequences.</p>',
        "<h2>Means</h2>",
        page.table("Means of every run", *_means(comparison)),
        f'<p class="soft below">{escape(LEGEND)}</p>',
        "<h3>Gone and found</h3>",
        page.table("Long-term numbers of every run", *_long_term(comparison)),
        '<p class="soft below">F, precision and recall as in VOT-LT, averaged over the sequences; '
        "frames and events are summed.</p>",
        "<h2>Curves</h2>",
        f'<div class="pair">{_curves(comparison, folder)}</div>',
    ]
    for number, other in enumerate(others, start=1):
        body += _against(comparison, other, number, folder, read_sequence)
    body += [
        "<h2>Sequences</h2>",
        f"<details{' open' if len(comparison.names) <= 20 else ''}><summary>Success AUC of every "
        "sequence</summary>",
        page.table("AUC of every sequence", *_sequences(comparison)),
        "</details>",
        "<h2>What ran</h2>",
        *_settings(comparison.runs),
    ]
    path = folder / REPORT
    write_whole(path, page.page(title, body, viewer.STYLE + _STYLE, viewer.SCRIPT))
    return path


def _subtitle(comparison: Comparison) -> str:
    first = comparison.runs[0]
    frames = sum(len(first.sequences[name].boxes) for name in comparison.names)
    return (
        f"{len(comparison.names)} sequences of format {first.settings['format']}, {frames} frames. "
        f"Differences are from {first.name}, sequence by sequence; a sequence is won or lost by "
        f"more than {CLEAR_CHANGE}. Intervals: 95 %, sequences resampled."
    )


def _alert(comparison: Comparison) -> str:
    if not comparison.left_out:
        return ""
    words = f"Not in all runs with the same truth, and left out: {', '.join(comparison.left_out)}."
    return f'<p class="alert">{escape(words)}</p>'


def _ranked(comparison: Comparison) -> list[str]:
    return sorted(comparison.means, key=lambda name: -comparison.means[name]["auc"])


def _means(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    rows = []
    for run in comparison.runs:
        scores = comparison.means[run.name]
        fps = "-" if run.fps is None else f"{run.fps:.1f}"
        rows.append([run.name, *(f"{scores[metric]:.3f}" for metric in COLUMNS), fps])
    return ["run", *COLUMNS.values(), "fps, as run"], rows


def _long_term(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    rows = comparison.long_term
    return ["run", *long_term.COLUMNS], [
        [name, *long_term.cells(rows[name])] for name in comparison.means
    ]


def _curves(comparison: Comparison, folder: Path) -> str:
    drawn = (
        (figures.draw_success, "success", "Success: part of the frames with a larger overlap."),
        (
            figures.draw_precision,
            "precision",
            "Precision: part of the frames with a centre error of at most so many pixels.",
        ),
    )
    shown = []
    for draw, name, caption in drawn:
        path = _plot(folder, name)
        draw(comparison, path)
        shown.append(page.figure(page.svg_source(path), f"{caption} A curve a run.", caption))
    return "".join(shown)


def _against(
    comparison: Comparison,
    other: StoredRun,
    number: int,
    folder: Path,
    read_sequence: ReadSequence | None,
) -> list[str]:
    """Everything on one run and the first."""
    first = comparison.runs[0]
    differences = comparison.differences[other.name]
    scatter, metrics, attributes = (
        _plot(folder, f"{name}_{number}") for name in ("scatter", "differences", "attributes")
    )
    figures.draw_scatter(comparison, other, scatter)
    rows = [(COLUMNS[metric], difference) for metric, difference in differences.items()]
    figures.draw_intervals(rows, metrics)
    shown = page.figure(
        page.svg_source(scatter),
        f"Success AUC of every sequence: {first.name} to the right, {other.name} upwards.",
        "Success AUC of every sequence; above the line the other is better.",
    ) + page.figure(
        page.svg_source(metrics),
        f"Differences of {other.name} from {first.name}, with intervals; numbers in the table.",
        "Differences of the means; one that reaches across 0 is not shown to be there.",
    )
    body = [
        f"<h2>{escape(other.name)} against {escape(first.name)}</h2>",
        f"<p>{escape(_told(first.name, other.name, differences['auc']))}</p>",
        page.table("Differences", *_differences("metric", rows)),
        f'<div class="cells">{shown}</div>',
    ]
    of_attributes = [
        (f"{name} ({row.sequences})", row.differences[other.name])
        for name, row in comparison.attributes.items()
    ]
    if of_attributes:
        figures.draw_intervals(of_attributes, attributes)
        shown = page.figure(
            page.svg_source(attributes),
            f"Differences of the AUC of {other.name} from {first.name} by attribute, as below.",
            "Differences of the AUC on the frames that have an attribute, of so many sequences.",
        )
        body += [
            "<h3>By attribute</h3>",
            f'<div class="cells">{shown}</div>',
            "<details><summary>Numbers by attribute</summary>",
            page.table("Differences by attribute", *_differences("attribute", of_attributes)),
            "</details>",
        ]
    return body + _where_they_part(comparison, other, read_sequence)


def _told(first: str, other: str, difference: Difference) -> str:
    """The AUC in a sentence."""
    verdict = {
        "better": f"{other} is better than {first}",
        "worse": f"{other} is worse than {first}",
    }.get(difference.verdict, f"No difference between {other} and {first} is shown")
    return (
        f"{verdict}: success AUC {_interval(difference)} on average; {difference.wins} sequences "
        f"won, {difference.ties} equal, {difference.losses} lost."
    )


def _differences(
    head: str, rows: Iterable[tuple[str, Difference]]
) -> tuple[list[str], list[list[str]]]:
    return [head, "difference (95 %)", "won", "equal", "lost", "reading"], [
        [
            name,
            _interval(difference),
            str(difference.wins),
            str(difference.ties),
            str(difference.losses),
            difference.verdict,
        ]
        for name, difference in rows
    ]


def _interval(difference: Difference) -> str:
    mean = _signed(difference.mean)
    if difference.low is None or difference.high is None:
        return f"{mean} (too few for an interval)"
    return f"{mean} ({_signed(difference.low)} to {_signed(difference.high)})"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "\u2212")


def _where_they_part(
    comparison: Comparison, other: StoredRun, read_sequence: ReadSequence | None
) -> list[str]:
    partings = find_partings(comparison, other)
    first = comparison.runs[0].name
    if not partings:
        return ["<h3>Where they part</h3>", "<p>No sequence is clearly won or lost.</p>"]
    keys = (
        _key(_FIRST_COLOR, "", first)
        + _key(_OTHER_COLOR, _OTHER_DASHES, other.name)
        + (_key("#777", "1 5", "annotated") if read_sequence else "")
    )
    how = (
        "The slider (arrow keys) goes through its frames."
        if read_sequence
        else "There are no pictures: the comparison was made without --dataset."
    )
    return [
        "<h3>Where they part</h3>",
        f"<p>The sequences most clearly lost and won. The curves are the overlaps over all frames; "
        f"the grey part is the stretch where they differ most. {how}</p>",
        f'<p class="keys">{keys}</p>',
        '<div class="cells">',
        *(_parting(parting, read_sequence) for parting in partings),
        "</div>",
    ]


def _parting(parting: Parting, read_sequence: ReadSequence | None) -> str:
    first, other = parting.overlaps
    span = f"frames {parting.start + 1} to {parting.end + 1}"
    means = [float(np.nanmean(row[parting.start : parting.end + 1])) for row in (first, other)]
    course = viewer.course(
        f"Overlaps of {parting.first.name} and {parting.other.name} over the frames of "
        f"{parting.sequence}; on {span} they are {means[0]:.2f} and {means[1]:.2f} on average.",
        [(first, _FIRST_COLOR, ""), (other, _OTHER_COLOR, _OTHER_DASHES)],
        parting.start,
        parting.end,
    )
    content = course if read_sequence is None else _frames(parting, course, read_sequence)
    scores = ", ".join(
        f"{run.name} {run.sequences[parting.sequence].scores['auc']:.3f}"
        for run in (parting.first, parting.other)
    )
    change = f"AUC {scores} ({_signed(parting.change)})"
    return (
        f"<section><h4>{escape(parting.sequence)}</h4>"
        f'<p class="soft">{escape(change)}</p>{content}</section>'
    )


def _frames(parting: Parting, course: str, read_sequence: ReadSequence) -> str:
    sequence = read_sequence(parting.sequence)
    cut = pictures(parting, sequence.truth, sequence.frames)
    shown = [
        viewer.ShownFrame(index, page.jpeg_source(data), _frame_told(parting, index))
        for index, data in zip(parting.frames, cut, strict=True)
    ]
    first, other = (row[parting.frames] for row in parting.overlaps)
    apart = int(np.argmax(np.nan_to_num(np.sign(parting.change) * (other - first))))
    return viewer.viewer(parting.sequence, shown, apart, course)


def _frame_told(parting: Parting, index: int) -> str:
    overlaps = [float(row[index]) for row in parting.overlaps]
    words = (
        ["target absent or not annotated"]
        if np.isnan(overlaps[0])
        else [
            f"{run.name} {value:.2f}"
            for run, value in zip((parting.first, parting.other), overlaps, strict=True)
        ]
    )
    count = len(parting.overlaps[0])
    return f"Frame {index + 1} of {count}. Overlap: {', '.join(words)}."


def _key(color: str, dashes: str, name: str) -> str:
    """A piece of line and what it stands for."""
    return (
        '<span><svg width="36" height="8" aria-hidden="true"><line x1="0" x2="36" y1="4" y2="4" '
        f'stroke="{color}" stroke-width="3" stroke-dasharray="{dashes}"/></svg> '
        f"{escape(name)}</span>"
    )


def _sequences(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    columns = [comparison.values(run, "auc") for run in comparison.runs]
    order = np.argsort(columns[1] - columns[0], kind="stable")
    names = [run.name for run in comparison.runs]
    head = ["sequence", "frames", *names, *(f"{name} \u2212 {names[0]}" for name in names[1:])]
    first = comparison.runs[0].sequences
    return head, [
        [
            comparison.names[index],
            str(len(first[comparison.names[index]].boxes)),
            *(f"{column[index]:.3f}" for column in columns),
            *(_signed(column[index] - columns[0][index]) for column in columns[1:]),
        ]
        for index in order
    ]


def _settings(runs: Sequence[StoredRun]) -> list[str]:
    """Settings that differ in a table, those in common below."""
    flat = [_flat(run.settings) for run in runs]
    names = list(dict.fromkeys(name for own in flat for name in own))
    alike = [name for name in names if len({own.get(name, "-") for own in flat}) == 1]
    rows = [
        [name, *(_short(own.get(name, "-")) for own in flat)] for name in names if name not in alike
    ]
    head = ["setting", *(run.name for run in runs)]
    return [
        page.table("Settings that differ", head, rows) if rows else "<p>The same settings.</p>",
        "<details><summary>In common</summary>",
        page.facts((name, flat[0][name]) for name in alike),
        "</details>",
    ]


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = str(value)
    return found


def _short(value: str) -> str:
    """A hash or another long value by its beginning."""
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 8]}..."


def _plot(folder: Path, name: str) -> Path:
    path = folder / PLOTS / f"{name}.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
