"""Fit anew what goes with weights that there are, and replace their file.

    python -m autrack_ros.training.recalibrate CONFIG WEIGHTS [--output-dir FOLDER]

After a change of the validation clips that CONFIG names, or of what is fitted (``calibrate``).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from autrack_ros.tracking.checkpoint import read_checkpoint
from autrack_ros.tracking.presets import find_preset
from autrack_ros.training.calibrate import calibrate, save_weights
from autrack_ros.training.config import load_config
from autrack_ros.training.loop import make_network, read_sources, validation_set


def main() -> None:
    """Fit anew to the clips that a configuration names, and replace the file of weights."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--output-dir", type=Path, default=Path("train_output"))
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    preset = find_preset(config.preset)
    network = make_network(preset)
    kept = read_checkpoint(arguments.weights, preset.name)
    network.load_state_dict({key: torch.from_numpy(value) for key, value in kept.weights.items()})
    clips = validation_set(config, read_sources(config))
    arguments.output_dir.mkdir(parents=True, exist_ok=True)
    fitted = calibrate(network.eval(), preset, clips, arguments.output_dir)
    print(fitted or "nothing could be fitted: see validation.json")
    save_weights(network, {**kept.metadata, **fitted}, arguments.weights)


if __name__ == "__main__":
    main()
