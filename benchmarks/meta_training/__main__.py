"""Train the default network through the template update and without, and track with the results.

    python -m benchmarks.meta_training [--orders none first second learned blind]
                                       [--seeds 0 1] [--part learn track]

*learn* makes episodes of the films that ``config/training/autrack_fear.yaml`` trains on, and
trains all but the backbone on them, or (*learned*, *blind*) an update for the network as it is;
learning curves are taken on episodes of the held-out films. *track* follows development sequences
and held-out films with each result, with the update and without. All is kept below --output, and
what is there is not done again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from autrack_ros.networks.checkpoint import load_weights
from autrack_ros.tracking import (
    DEFAULT_PRESET,
    AdaptationSettings,
    AutrackError,
    load_engine,
)
from autrack_ros.tracking.presets import find_preset
from autrack_ros.tracking.threads import set_threads
from autrack_ros.training.config import load_config
from autrack_ros.training.loop import make_network, read_sources
from autrack_ros.training.validation.held_out import find_films
from benchmarks.machine import describe_machine
from benchmarks.meta_training.curves import curve_table, draw_curves, read_curve, write_curve
from benchmarks.meta_training.episodes import Episodes, make_episodes, training_films
from benchmarks.meta_training.learned_update import LearnedUpdate
from benchmarks.meta_training.learning import (
    BATCH,
    BLIND,
    LEARNED,
    ORDERS,
    Learner,
    Point,
    Settings,
    learn,
)
from benchmarks.meta_training.tracking import PLAIN, Making, aucs, learnt_update, tracking_table
from benchmarks.peers.accuracy import dev_sequences, held_out_films
from benchmarks.peers.speed import positive

PARTS = ("learn", "track")
VALIDATION = 512  # episodes


def main() -> None:
    """Print the tables; weights, curves and tracks lie in --output."""
    arguments = parse_arguments()
    set_threads(arguments.threads)
    torch.set_num_threads(arguments.threads)
    print(f"{describe_machine()}, {arguments.threads} threads\n", flush=True)
    runs = [
        Settings(
            order,
            arguments.iterations,
            arguments.steps,
            arguments.step_size,
            arguments.learning_rate,
            seed,
        )
        for order in arguments.orders
        for seed in arguments.seeds
    ]
    try:
        if "learn" in arguments.part:
            learn_all(runs, arguments)
            curves = {run: read_curve(path_of(run, arguments.output, ".csv")) for run in runs}
            draw_curves(curves, arguments.output / "learning_curves.png")
            print(curve_table(curves), end="\n\n", flush=True)
        if "track" in arguments.part:
            print(track_with_all(runs, arguments))
    except AutrackError as error:
        sys.exit(f"error: {error}")


def parse_arguments() -> argparse.Namespace:
    """The command line; errors end the program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--orders", nargs="+", choices=ORDERS, default=ORDERS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--episodes", type=positive, default=3072, help="different ones")
    parser.add_argument("--iterations", type=positive, default=384, help=f"of {BATCH} episodes")
    parser.add_argument("--every", type=positive, default=64, help="iterations, for the curve")
    parser.add_argument("--steps", type=positive, default=2, help="of the update")
    parser.add_argument("--step-size", type=float, default=1.0, help="at the start, grey levels")
    parser.add_argument("--learning-rate", type=float, default=2e-5)
    parser.add_argument("--config", type=Path, default=Path("config/training/autrack_fear.yaml"))
    data = Path("../shared/data")
    parser.add_argument("--dev", type=Path, default=data / "dev_sequences")
    parser.add_argument("--boxes", type=Path, default=data / "train_boxes", help="of the films")
    parser.add_argument("--films", type=Path, default=Path("config/training/held_out_films.yaml"))
    parser.add_argument("--output", type=Path, default=Path(".cache/meta_training"))
    parser.add_argument("--jobs", type=positive, default=1)
    parser.add_argument("--threads", type=positive, default=1)
    return parser.parse_args()


def path_of(run: Settings, folder: Path, suffix: str) -> Path:
    """Where a file of a training lies."""
    settings = f"{run.iterations}x{BATCH}-{run.steps}x{run.step_size:g}-{run.learning_rate:g}"
    return folder / f"{run.order}-{run.seed}-{settings}{suffix}"


def learn_all(runs: Sequence[Settings], arguments: argparse.Namespace) -> None:
    """Train what is not in the output folder yet."""
    missing = [run for run in runs if not path_of(run, arguments.output, ".csv").is_file()]
    if not missing:
        return
    preset, config = find_preset(DEFAULT_PRESET), load_config(arguments.config)
    engine, network = load_engine(device="cpu"), make_network(preset)
    initial = preset.require_shipped_weights()
    metadata = load_weights(network, initial, preset.name)
    annotated = tuple(entry for entry in config.sources if entry.kind == "boxes")  # the films
    sources, held = read_sources(replace(config, sources=annotated)), config.validation.films

    def episodes_of(*what: object) -> Episodes:
        make = make_episodes(engine, network, *what, arguments.output, report)  # type: ignore[arg-type]
        return Episodes.join(list(make))

    validation = episodes_of([thing for _, thing in find_films(sources, held)], VALIDATION, 1)
    episodes = episodes_of(training_films(sources, held), arguments.episodes, 0)
    for run in missing:
        load_weights(network, initial, preset.name)
        learner = (
            LearnedUpdate(network, preset.loss, run.order == BLIND)
            if run.order in LEARNED
            else Learner(network, preset.loss, run.steps, run.step_size)
        )
        points: list[Point] = []
        begun = time.monotonic()
        learnt = learn(learner, episodes, validation, run, arguments.every, points.append)
        rate = run.iterations * BATCH / (time.monotonic() - begun)
        print(f"{run}: {rate:.1f} episodes a second, with validation", file=sys.stderr)
        learnt.save(path_of(run, arguments.output, ".safetensors"), metadata)
        write_curve(points, path_of(run, arguments.output, ".csv"))


def report(done: int, total: int) -> None:
    """Tell how many blocks of episodes there are."""
    print(f"episodes: {done} of {total} blocks", file=sys.stderr)


def track_with_all(runs: Sequence[Settings], arguments: argparse.Namespace) -> str:
    """The table of what each training's weights are worth.

    Raises:
        AutrackError: a training is missing, or a sequence fails.
    """
    sets = (dev_sequences(arguments.dev), held_out_films(arguments.films, arguments.boxes))
    shipped = find_preset(DEFAULT_PRESET).require_shipped_weights()

    def row(
        weights: Path, update: AdaptationSettings, learnt: Path | None = None, blind: bool = False
    ) -> np.ndarray:
        made = Making(weights, update, arguments.threads, learnt, blind)
        return aucs(made, sets, arguments.output / "tracks", arguments.jobs)

    rows = {
        "shipped, no update": row(shipped, PLAIN),
        "shipped, the package's update": row(shipped, AdaptationSettings()),
    }
    for run in runs:
        weights = path_of(run, arguments.output, ".safetensors")
        step = read_curve(path_of(run, arguments.output, ".csv"))[-1].step_size
        name = f"inner loop: {run.order}, seed {run.seed}"
        if run.order in LEARNED:
            alone = AdaptationSettings(hypotheses=False)
            blind = run.order == BLIND
            rows[f"{name}, updated"] = row(shipped, AdaptationSettings(), weights, blind)
            rows[f"{name}, updated, alone"] = row(shipped, alone, weights, blind)
            continue
        rows[f"{name}, no update"] = row(weights, PLAIN)
        rows[f"{name}, updated"] = row(weights, learnt_update(run.steps, step))
    return tracking_table(rows, sets)


if __name__ == "__main__":
    main()
