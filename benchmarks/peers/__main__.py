"""Our tracker beside NanoTrack v2, LightTrack, FEAR-XS and VitTrack, in one run.

    python -m benchmarks.peers [--weights FILE] [--preset NAME] [--part accuracy speed]
                             [--failures PICTURE]

Accuracy: success AUC on development sequences and on the films that are never trained on, with
paired 95 % intervals; how often something else is followed. What was tracked is kept below --cache,
by tracker and sequence, so that an interrupted run goes on, and with other weights ours alone are
tracked. Speed: time a frame and memory, all in turns. The networks of the peers are not shipped.
"""

from __future__ import annotations

# A spawned process imports this file, so what loads torch is imported inside functions.
import argparse
import functools
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers.speed import Start, positive, start_ours, start_peer

PARTS = ("accuracy", "speed")
FORMER = "autrack_lite0"  # the default model before autrack_fear, whose cost is the measure


def main() -> None:
    """Print the tables, and write them to a file."""
    arguments = parse_arguments()
    from autrack_ros.tracking import AutrackError
    from benchmarks.machine import describe_machine

    try:
        tables = [f"{describe_machine()}, {arguments.threads} threads"]
        if "accuracy" in arguments.part:
            tables += accuracy(arguments)
        if "speed" in arguments.part:
            tables.append(speed(arguments))
    except AutrackError as error:
        sys.exit(f"error: {error}")
    text = "\n\n".join(tables)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text + "\n", encoding="utf-8")
    print(text)


def parse_arguments() -> argparse.Namespace:
    """The command line; errors end the program."""
    from autrack_ros.tracking import DEFAULT_PRESET

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, metavar="FILE", help="of ours, not those shipped")
    parser.add_argument("--preset", default=DEFAULT_PRESET, help="of ours")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    data = Path("../shared/data")
    parser.add_argument("--peers", type=Path, default=data / "peers", help="their files")
    parser.add_argument("--dev", type=Path, default=data / "dev_sequences")
    parser.add_argument(
        "--films", type=Path, default=Path("config/training/held_out_films.yaml"), help="a list"
    )
    parser.add_argument(
        "--boxes", type=Path, default=data / "train_boxes", help="sets of the films"
    )
    parser.add_argument("--cache", type=Path, default=Path(".cache/peers"))
    parser.add_argument("--output", type=Path, default=Path(".cache/peers/tables.md"))
    parser.add_argument(
        "--failures", type=Path, metavar="PICTURE", help="gets the films on which ours does worst"
    )
    parser.add_argument("--jobs", type=positive, default=1)
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--frames", type=positive, default=300, help="timed, of each")
    return parser.parse_args()


def accuracy(arguments: argparse.Namespace) -> Iterator[str]:
    """The tables of both sets."""
    import cv2

    from benchmarks.peers import tables
    from benchmarks.peers.accuracy import (
        dev_sequences,
        held_out_films,
        our_entries,
        peer_entries,
        run,
    )
    from benchmarks.peers.failures import failure_sheet

    entries = [
        *our_entries(arguments.preset, arguments.weights, arguments.threads),
        *peer_entries(arguments.peers, arguments.threads),
    ]
    sets = (dev_sequences(arguments.dev), held_out_films(arguments.films, arguments.boxes))
    for sequences in sets:
        outcomes = {}
        for entry in entries:
            report = functools.partial(say, f"{sequences.name}: {entry.name}", time.monotonic())
            outcomes[entry.name] = run(entry, sequences, arguments.cache, arguments.jobs, report)
        yield f"## {sequences.name}"
        yield tables.accuracy_table(outcomes, sequences.groups)
        yield tables.difference_table(outcomes, sequences.groups)
        yield tables.sequence_table(outcomes)
    if arguments.failures:
        # The films, the last of the sets.
        cv2.imwrite(str(arguments.failures), failure_sheet(outcomes, sequences))


def speed(arguments: argparse.Namespace) -> str:
    """Time and memory of each tracker, and of its networks alone."""
    from autrack_ros.evaluation.peers.networks import count_parameters
    from autrack_ros.tracking import Box, load_engine
    from benchmarks.peers import PEERS
    from benchmarks.peers.ours import export_frame
    from benchmarks.peers.speed import Clip, time_networks, time_trackers
    from benchmarks.peers.tables import markdown
    from benchmarks.template_update.arms import network_of

    clip = Clip()
    preset, weights, folder = arguments.preset, arguments.weights, arguments.peers
    starts: dict[str, Start] = {
        preset: functools.partial(start_ours, preset, weights, "openvino"),
        f"{preset}, torch": functools.partial(start_ours, preset, weights, "torch"),
        FORMER: functools.partial(start_ours, FORMER, None, "openvino"),
        **{name: functools.partial(start_peer, name, folder) for name in PEERS},
    }
    engine = load_engine(preset, weights, "cpu", "torch")
    target = engine.start(clip.frame(0), Box(*clip.box(0)))
    network = network_of(engine)
    models = {preset: [export_frame(network, target, engine.settings.search_size)[0]]}
    for name, kind in PEERS.items():
        models[name] = [network.model for network in kind(folder).frame_networks]
    alone = time_networks(models, arguments.threads, arguments.frames)
    uses = time_trackers(starts, arguments.threads, arguments.frames)
    base = alone["NanoTrack v2"]
    rows = [
        [
            "OpenVINO, float32",
            "`update`, median ms",
            "MB",
            "overlap",
            "networks alone, ms",
            "times NanoTrack v2",
            "parameters, M",
        ]
    ]
    for name, use in uses.items():
        cells = [name, f"{use.milliseconds:.1f}", f"{use.megabytes:.0f}", f"{use.overlap:.2f}"]
        if name in alone:
            parameters = count_parameters(models[name]) / 1e6
            cells += [f"{alone[name]:.2f}", f"{alone[name] / base:.2f}", f"{parameters:.3f}"]
        rows.append(cells + [""] * (len(rows[0]) - len(cells)))
    return "## Time and memory\n\n" + markdown(rows)


def say(what: str, begun: float, done: int, total: int, note: str) -> None:
    """Tell now and then how far it is."""
    if done % 100 == 0 or done == total:
        seconds = time.monotonic() - begun
        print(f"{what}: {done} of {total} frames, {note}, {seconds:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
