"""All bags of a run on one page: the worst moments first, then every bag."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from autrack_ros.evaluation import long_term, page, viewer
from autrack_ros.evaluation.bags import results
from autrack_ros.evaluation.bags.answer_picture import answer_picture
from autrack_ros.evaluation.bags.many import BAGS, BagSequence
from autrack_ros.evaluation.bags.moments import (
    KINDS,
    Moment,
    SlowImage,
    find_moments,
    find_slow_images,
    worst_first,
)
from autrack_ros.evaluation.bags.reading import Bag, seconds
from autrack_ros.evaluation.bags.tracks import Track, read_tracks
from autrack_ros.evaluation.metrics import COLUMNS, LEGEND
from autrack_ros.evaluation.results import SequenceResult, as_json, summarize, write_whole

_Shown = TypeVar("_Shown", Moment, SlowImage)
REPORT, MOMENTS = "report.html", "moments.json"
_SHOWN = 9  # moments of a kind
_SLOW_SHOWN = 6
_OF_A_BAG = 3
_PICTURE_PX = 480
_MEANT = {
    KINDS[0]: "A box that does not overlap the target, on something that looks alike or on the "
    "background, or one where the target is annotated as absent.",
    KINDS[1]: "The target is there, or nothing is annotated, and the tracker says that it is not.",
    KINDS[2]: "Nothing is annotated, and it is UNCERTAIN.",
}


@dataclass(frozen=True, slots=True)
class _Bag:
    """One bag as the page needs it."""

    sequence: BagSequence
    result: SequenceResult
    tracks: Sequence[Track]  # of all its images

    @property
    def first(self) -> int:
        """Index of the image of the start."""
        return len(self.tracks) - len(self.result.boxes)

    @property
    def truth(self) -> np.ndarray | None:
        """A box for each of its images."""
        if self.sequence.topics.truth is None:
            return None
        return np.concatenate((np.full((self.first, 4), np.nan), self.sequence.truth))

    def states(self) -> list[str]:
        return [track.state for track in self.tracks[self.first :]]


def write_overview(
    folder: Path,
    title: str,
    settings: Mapping[str, Any],
    sequences: Mapping[str, Any],
    found: Mapping[str, SequenceResult],
    failures: Mapping[str, str],
) -> None:
    """Write report.html, and moments.json with all moments, the worst first.

    Args:
        folder: of the run, with the results of the bags.
        title: of the page.
        settings: what ran.
        sequences: of bags, those that are complete, by name.
        found: their results, by name.
        failures: what went wrong with the others, by name.

    Raises:
        SourceError: a bag cannot be read any more.
    """
    bags = {
        name: _Bag(
            sequence,
            found[name],
            read_tracks(folder / BAGS / name / results.OFFLINE / "tracks.csv"),
        )
        for name, sequence in sequences.items()
    }
    moments = worst_first(
        chain.from_iterable(find_moments(name, bag.result.reports) for name, bag in bags.items())
    )
    slow = sorted(
        chain.from_iterable(
            find_slow_images(name, bag.result.seconds) for name, bag in bags.items()
        ),
        key=lambda image: -image.seconds,
    )
    told = [_told(bags[moment.sequence], moment) for moment in moments]
    write_whole(folder / MOMENTS, as_json({"moments": told}))
    summary = summarize(found)
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(_subtitle(settings, bags))}</p>',
        _alert(failures),
        page.numbers(_large_numbers(summary, bags)),
        "<h2>Worst moments</h2>",
        *_moments(moments, slow, bags),
        "<h2>Bags</h2>",
        page.table("Numbers of every bag", *_bag_table(bags), links=_links(bags)),
        *([f'<p class="soft below">{escape(LEGEND)}</p>'] if summary["mean"] else []),
        *_long_term(summary),
        *_by_attribute(summary),
        "<details><summary>Settings, hashes and versions</summary>",
        page.facts((name, str(value)) for name, value in settings.items()),
        "</details>",
    ]
    write_whole(folder / REPORT, page.page(title, body, viewer.STYLE, viewer.SCRIPT))


def _told(bag: _Bag, moment: Moment) -> dict[str, Any]:
    first, last = (bag.first + index for index in (moment.start, moment.end))
    return {
        **asdict(moment),
        "start": first,  # of all images of the bag
        "end": last,
        "from": seconds(bag.tracks[first].stamp_ns),
        "to": seconds(bag.tracks[last].stamp_ns),
    }


def _subtitle(settings: Mapping[str, Any], bags: Mapping[str, _Bag]) -> str:
    images = sum(len(bag.result.boxes) for bag in bags.values())
    return f"{len(bags)} bags, {images} images from the start on. Tracker {settings['tracker']}."


def _alert(failures: Mapping[str, str]) -> str:
    if not failures:
        return ""
    words = f"{len(failures)} more bags failed and are left out:\n" + "\n".join(failures.values())
    return f'<p class="alert" role="alert">{escape(words)}</p>'


def _large_numbers(
    summary: Mapping[str, Any], bags: Mapping[str, _Bag]
) -> Iterable[tuple[str, str]]:
    if summary["mean"]:
        yield "success AUC, mean", f"{summary['mean']['auc']:.3f}"
        yield "average overlap, mean", f"{summary['mean']['ao']:.3f}"
    if summary["long_term"]:
        counts = summary["long_term"]
        yield KINDS[0], f"{counts['wrong_frames']} of {counts['frames']}"
    lost = sum(int(bag.result.reports.lost.sum()) for bag in bags.values())
    yield "images lost", str(lost)


def _moments(
    moments: Sequence[Moment], slow: Sequence[SlowImage], bags: Mapping[str, _Bag]
) -> list[str]:
    of_kind = {kind: [m for m in moments if m.kind == kind] for kind in KINDS}
    shown = {kind: _worst(found, _SHOWN) for kind, found in of_kind.items()}
    slowest = _worst(slow, _SLOW_SHOWN)
    pictures = _pictures(chain.from_iterable(shown.values()), slowest, bags)
    parts = []
    for kind, found in shown.items():
        if found:
            cards = [_moment_card(m, bags[m.sequence], pictures) for m in found]
            parts += _section(kind.capitalize(), len(of_kind[kind]), _MEANT[kind], cards)
    if slowest:
        cards = [_slow_card(image, bags[image.sequence], pictures) for image in slowest]
        meant = "Images that took more than twice the median of their bag."
        parts += _section("Slow", len(slow), meant, cards)
    if parts and any(bag.truth is not None for bag in bags.values()):
        parts.insert(0, "<p>The white dotted box is the annotated one.</p>")
    return parts or ["<p>None: nothing was lost, in doubt, on a wrong thing or slow.</p>"]


def _worst(found: Sequence[_Shown], most: int) -> list[_Shown]:
    """The first of them, few of a bag, so that one does not hide the others."""
    of_bag: Counter[str] = Counter()
    chosen: list[_Shown] = []
    for each in found:
        of_bag[each.sequence] += 1
        if of_bag[each.sequence] <= _OF_A_BAG and len(chosen) < most:
            chosen.append(each)
    return chosen


def _section(name: str, count: int, meant: str, cards: Sequence[str]) -> list[str]:
    shown = f"{len(cards)} of {count}, at most {_OF_A_BAG} of a bag"
    listed = shown if count > len(cards) else str(count)
    return [
        f"<h3>{escape(name)}: {listed}</h3>",
        f"<p>{escape(meant)}</p>",
        '<div class="cells">',
        *cards,
        "</div>",
    ]


def _shown_of(moment: Moment) -> list[int]:
    """Indices of its pictures: before it, where it begins, its middle and its end."""
    return sorted({max(moment.start - 1, 0), moment.start, _middle(moment), moment.end})


def _middle(moment: Moment) -> int:
    return (moment.start + moment.end) // 2


def _pictures(
    moments: Iterable[Moment], slow: Iterable[SlowImage], bags: Mapping[str, _Bag]
) -> dict[tuple[str, int], str]:
    """Source of every picture that is shown, by bag and image."""
    wanted: dict[str, set[int]] = {}
    for moment in moments:
        wanted.setdefault(moment.sequence, set()).update(_shown_of(moment))
    for each in slow:
        wanted.setdefault(each.sequence, set()).add(each.index)
    made = {}
    for name, indices in wanted.items():
        bag = bags[name]
        sequence = bag.sequence
        with Bag(sequence.path) as opened:
            only = sorted(bag.first + index for index in indices)
            for image in opened.images(sequence.topics.images, only):
                data = answer_picture(image.bgr, bag.tracks, image.index, bag.truth, _PICTURE_PX)
                made[name, image.index - bag.first] = page.jpeg_source(data)
    return made


def _moment_card(moment: Moment, bag: _Bag, pictures: Mapping[tuple[str, int], str]) -> str:
    indices = _shown_of(moment)
    frames = [
        viewer.ShownFrame(
            index, pictures[moment.sequence, index], _words(bag, index, index < moment.start)
        )
        for index in indices
    ]
    first, last = (bag.first + index + 1 for index in (moment.start, moment.end))
    span = f"Image {first}" if first == last else f"Images {first} to {last}"
    slider = viewer.viewer(moment.sequence, frames, indices.index(_middle(moment)))
    return _card(bag, f"{span}, from {_time(bag, moment.start)} on", slider)


def _slow_card(image: SlowImage, bag: _Bag, pictures: Mapping[tuple[str, int], str]) -> str:
    told = (
        f"Image {bag.first + image.index + 1}, at {_time(bag, image.index)}: "
        f"{1e3 * image.seconds:.0f} ms, usually {1e3 * image.median:.0f} ms"
    )
    words = _words(bag, image.index, False)
    return _card(bag, told, page.figure(pictures[image.sequence, image.index], words, words))


def _card(bag: _Bag, told: str, content: str) -> str:
    name = bag.sequence.name
    link = f'<a href="{escape(_link(name), quote=True)}">{escape(name)}</a>'
    return f"<section><h4>{link}</h4><p>{escape(told)}</p>{content}</section>"


def _link(name: str) -> str:
    return f"{BAGS}/{name}/{results.REPORT}"


def _time(bag: _Bag, index: int) -> str:
    """Time since the bag's first image."""
    since_ns = bag.tracks[bag.first + index].stamp_ns - bag.tracks[0].stamp_ns
    return f"{since_ns / 1e9:.1f} s"


def _words(bag: _Bag, index: int, is_before: bool) -> str:
    track, overlap = bag.tracks[bag.first + index], bag.result.reports.overlaps[index]
    words = [f"Image {bag.first + index + 1}", track.state, f"score {track.score:.2f}"]
    if not np.isnan(overlap):
        words.append(f"overlap {overlap:.2f}")
    return ", ".join(words) + (" (before it)" if is_before else "")


def _links(bags: Mapping[str, _Bag]) -> dict[str, str]:
    return {name: _link(name) for name in bags}


def _bag_table(bags: Mapping[str, _Bag]) -> tuple[list[str], list[list[str]]]:
    """The worst first."""

    def badness(name: str) -> tuple[float, int, str]:
        result = bags[name].result
        auc = result.scores["auc"] if result.scores else 0.0
        return auc, -int(result.reports.lost.sum()), name

    rows = []
    for name in sorted(bags, key=badness):
        result = bags[name].result
        scores = [f"{result.scores[metric]:.3f}" if result.scores else "-" for metric in COLUMNS]
        states = bags[name].states()
        counts = [str(states.count(state)) for state in ("uncertain", "lost")]
        rows.append([name, str(len(result.boxes)), *scores, *counts])
    return ["bag", "images", *COLUMNS.values(), "uncertain", "lost"], rows


def _long_term(summary: Mapping[str, Any]) -> list[str]:
    told = summary["long_term"]
    if told is None:
        return []
    rows: list[tuple[str, Mapping[str, Any]]] = [("all", told), *told["sequences"].items()]
    return [
        "<h3>Gone and found</h3>",
        page.table(
            "Long-term numbers of every bag",
            ["bag", *long_term.COLUMNS],
            [[name, *long_term.cells(row)] for name, row in rows],
        ),
    ]


def _by_attribute(summary: Mapping[str, Any]) -> list[str]:
    attributes = summary["attributes"]
    if not attributes:
        return []
    rows = [
        [name, str(row["sequences"]), *(f"{row[metric]:.3f}" for metric in COLUMNS)]
        for name, row in attributes.items()
    ]
    return [
        "<h3>By attribute</h3>",
        page.table("Means by attribute", ["images with", "bags", *COLUMNS.values()], rows),
    ]
