"""The default model beside OpenCV's NanoTrack: time per frame, memory, and the networks alone.

    python -m benchmarks.nanotrack --backbone FILE --neckhead FILE [--threads 1 2] [--frames 300]

The files are nanotrack_backbone_sim.onnx and nanotrack_head_sim.onnx of NanoTrack v2. They are not
shipped: OpenCV's opencv_extra, testdata/dnn/download_models.py, has their addresses and checksums.

The trackers follow the same made clip in turns, block by block, so that whatever else the machine
does slows both; so do the networks alone, which both run in OpenVINO.
"""

from __future__ import annotations

# Each tracker has a process of its own, which begins by importing this file. NanoTrack's must not
# load torch, or its memory would be that of both: what does is imported inside functions.
import argparse
import functools
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from autrack_ros.evaluation.metrics import ious
from autrack_ros.memory import reuse_large_blocks
from benchmarks.machine import describe_machine, resident_megabytes

if TYPE_CHECKING:
    import openvino

    from autrack_ros.tracking import Tracker

Rectangle = tuple[float, ...]  # x, y, w, h: edge coordinates, pixels
Follow = Callable[[np.ndarray], Rectangle]  # the next frame -> where the target is
Start = Callable[[np.ndarray, Rectangle, int], Follow]  # first frame, target, threads

WIDTH, HEIGHT, SIDE = 640, 480, 96
BLOCK = 20  # frames that one side runs before the other's turn
PRECISIONS = {"f32": ("FP32", "float32"), "bf16": ("BF16", "bfloat16")}


class Clip:
    """A square of coloured clouds that goes round over other clouds, 144 frames a turn.

    Frames are made when asked for, so that they take no memory.
    """

    def __init__(self) -> None:
        random = np.random.default_rng(0)

        def clouds(cells: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
            colors = random.integers(0, 256, (*cells, 3), dtype=np.uint8)
            return cv2.resize(colors, size, interpolation=cv2.INTER_CUBIC)

        self._background = clouds((12, 16), (WIDTH, HEIGHT))
        self._target = clouds((6, 6), (SIDE, SIDE))

    def box(self, index: int) -> tuple[int, int, int, int]:
        """The target in a frame."""
        angle = 2 * math.pi * index / 144
        x = (WIDTH - SIDE) / 2 + 150 * math.cos(angle)
        y = (HEIGHT - SIDE) / 2 + 100 * math.sin(angle)
        return round(x), round(y), SIDE, SIDE

    def frame(self, index: int) -> np.ndarray:
        """480x640x3 uint8 BGR."""
        x, y, w, h = self.box(index)
        image = self._background.copy()
        image[y : y + h, x : x + w] = self._target
        return image


def start_autrack(
    preset: str, runtime: str, image: np.ndarray, box: Rectangle, threads: int
) -> Follow:
    """Our tracker as it comes, on the target of the first frame."""
    import torch

    from autrack_ros.tracking import Box, load_tracker

    torch.set_num_threads(threads)
    tracker = load_tracker(preset, device="cpu", runtime=runtime)
    tracker.initialize(image, Box(*box))

    def follow(image: np.ndarray) -> Rectangle:
        found = tracker.update(image).box
        return found.x, found.y, found.w, found.h

    return follow


def start_nanotrack(
    backbone: Path, neckhead: Path, image: np.ndarray, box: Rectangle, threads: int
) -> Follow:
    """OpenCV's tracker as it comes, in OpenCV's DNN module, on the target of the first frame."""
    parameters = cv2.TrackerNano_Params()
    parameters.backbone, parameters.neckhead = str(backbone), str(neckhead)
    tracker = cv2.TrackerNano_create(parameters)
    tracker.init(image, box)
    return lambda image: tracker.update(image)[1]


def serve(pipe: Connection, start: Start, threads: int) -> None:
    """Follow the clip, as many frames as each message says, until one says 0."""
    reuse_large_blocks()  # as our node and command line do; NanoTrack gains a little too
    cv2.setNumThreads(threads)
    clip = Clip()
    follow = start(clip.frame(0), clip.box(0), threads)
    index = 0
    for count in iter(pipe.recv, 0):
        times, boxes = [], []
        for _ in range(count):
            index += 1
            image = clip.frame(index)
            started = time.perf_counter()
            boxes.append(follow(image))
            times.append((time.perf_counter() - started) * 1e3)
        pipe.send((times, boxes, resident_megabytes()))


class TrackerProcess:
    """A tracker in a process of its own, and what was measured of it after the first block."""

    def __init__(self, start: Start, threads: int) -> None:
        self.times: list[float] = []  # milliseconds a frame
        self.boxes: list[Rectangle] = []
        self.megabytes = 0.0
        self._pipe, far_end = multiprocessing.Pipe()
        # Spawned, not forked: a fork would own the memory of this process too.
        self._process = multiprocessing.get_context("spawn").Process(
            target=serve, args=(far_end, start, threads), daemon=True
        )
        self._process.start()
        far_end.close()
        self._run(BLOCK)

    def run_block(self) -> None:
        """Follow ``BLOCK`` more frames."""
        times, boxes, self.megabytes = self._run(BLOCK)
        self.times += times
        self.boxes += boxes

    def overlap(self) -> float:
        """Mean overlap with the target: whether it was tracked at all."""
        clip = Clip()
        indices = range(BLOCK + 1, BLOCK + 1 + len(self.boxes))
        return float(ious(np.array(self.boxes), np.array([clip.box(i) for i in indices])).mean())

    def close(self) -> None:
        """End the process."""
        self._pipe.send(0)
        self._process.join()

    def _run(self, count: int) -> tuple[list[float], list[Rectangle], float]:
        try:
            self._pipe.send(count)
            return self._pipe.recv()
        except (EOFError, ConnectionError):
            raise SystemExit("a tracker's process has ended early; its error is above") from None


def compare_trackers(starts: Sequence[Start], threads: int, frames: int) -> str:
    """A row of the table of whole updates; the others are divided by the last."""
    sides = [TrackerProcess(start, threads) for start in starts]
    for _ in range(math.ceil(frames / BLOCK)):
        for side in sides:
            side.run_block()
    for side in sides:
        side.close()
    medians = [statistics.median(side.times) for side in sides]
    cells = [
        f"{median:.1f} | {side.megabytes:.0f} | {side.overlap():.2f}"
        for median, side in zip(medians, sides, strict=True)
    ]
    ratios = [f"{median / medians[-1]:.2f}" for median in medians[:-1]]
    return f"| {threads} | {' | '.join(cells + ratios)} |"


def read_model(core: openvino.Core, path: Path, inputs: int) -> openvino.Model:
    """One of NanoTrack's files.

    Raises:
        ValueError: not an ONNX model with so many inputs.
    """
    try:
        model = core.read_model(path)
    except RuntimeError as error:
        raise ValueError(f"{path} is not an ONNX model") from error
    if len(model.inputs) != inputs:
        raise ValueError(f"{path} has {len(model.inputs)} inputs, NanoTrack's has {inputs}")
    return model


def export_frame(tracker: Tracker) -> tuple[openvino.Model, list[np.ndarray]]:
    """What our network computes a frame, search region to scores and boxes, and inputs for it."""
    import torch

    from autrack_ros.tracking import Box
    from autrack_ros.tracking.runtime import FrameNetwork, to_openvino

    clip = Clip()
    tracker.initialize(clip.frame(0), Box(*clip.box(0)))
    engine = tracker.engine
    size = engine.settings.search_size
    search = torch.randint(0, 256, (1, size, size, 3), dtype=torch.uint8)
    inputs = (search, *tracker.target.features)
    model = to_openvino(FrameNetwork(engine.network), inputs)
    return model, [value.contiguous().numpy() for value in inputs]


def count_parameters(models: Sequence[openvino.Model]) -> int:
    """Floating-point constants of exported networks, batch normalisation folded."""
    return sum(
        math.prod(operation.output(0).shape)
        for model in models
        for operation in model.get_ops()
        if operation.get_type_name() == "Constant" and operation.get_element_type().is_real()
    )


def infer_request(
    core: openvino.Core, model: openvino.Model, precision: str
) -> openvino.InferRequest:
    """A network made ready for one thread."""
    settings = {
        "INFERENCE_NUM_THREADS": 1,
        "ENABLE_CPU_PINNING": False,  # the core that it chooses may have other work
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
    }
    return core.compile_model(model, "CPU", settings).create_infer_request()


def time_networks(
    core: openvino.Core,
    precision: str,
    ours: tuple[openvino.Model, list[np.ndarray]],
    nanotrack: Sequence[openvino.Model],
    frames: int,
) -> list[float]:
    """Median milliseconds a frame of our network and of NanoTrack's two, on one thread."""
    network, backbone, neckhead = (
        infer_request(core, model, precision) for model in (ours[0], *nanotrack)
    )
    random = np.random.default_rng(0)
    search, template = (
        random.uniform(0, 255, model.input(0).shape).astype(np.float32) for model in nanotrack
    )

    def infer_ours() -> None:
        network.infer(ours[1], share_inputs=True, share_outputs=True)

    def infer_nanotrack() -> None:
        features = backbone.infer([search], share_inputs=True, share_outputs=True)[0]
        neckhead.infer([template, features], share_inputs=True, share_outputs=True)

    return time_in_turns((infer_ours, infer_nanotrack), frames)


def time_in_turns(runs: Sequence[Callable[[], None]], count: int) -> list[float]:
    """Median milliseconds of each, after a first block of each."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(1 + math.ceil(count / BLOCK)):
        for run, own in zip(runs, times, strict=True):
            for _ in range(BLOCK):
                started = time.perf_counter()
                run()
                own.append((time.perf_counter() - started) * 1e3)
    return [statistics.median(own[BLOCK:]) for own in times]


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: accepted is a whole number above 0")
    return int(text)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", type=Path, required=True, metavar="FILE")
    parser.add_argument("--neckhead", type=Path, required=True, metavar="FILE")
    parser.add_argument("--preset", help="of ours; the default model where not given")
    parser.add_argument("--threads", type=positive, nargs="+", default=[1, 2])
    parser.add_argument("--frames", type=positive, default=300)
    arguments = parser.parse_args()
    paths = (arguments.backbone, arguments.neckhead)
    for path in paths:
        if not path.is_file():
            parser.error(f"there is no file {path}")
    if not hasattr(cv2, "TrackerNano_create"):
        parser.error(f"OpenCV {cv2.__version__} has no TrackerNano; 4.7 and later have")
    try:
        import openvino
    except ModuleNotFoundError:
        parser.error("OpenVINO is not installed: pip install openvino")
    core = openvino.Core()
    try:
        models = [
            read_model(core, path, inputs) for path, inputs in zip(paths, (1, 2), strict=True)
        ]
    except ValueError as error:
        parser.error(str(error))

    from autrack_ros.tracking import DEFAULT_PRESET, AdaptationSettings, AutrackError, load_tracker

    preset = arguments.preset or DEFAULT_PRESET
    try:
        tracker = load_tracker(preset, device="cpu", adaptation=AdaptationSettings(method="none"))
    except AutrackError as error:
        parser.error(str(error))
    version = openvino.__version__.partition("-")[0]
    print(f"{describe_machine()}, OpenCV {cv2.__version__}, OpenVINO {version}\n")

    rivals = {
        f"{preset} in {runtime}": functools.partial(start_autrack, preset, runtime)
        for runtime in ("torch", "openvino")
    }
    rivals["TrackerNano"] = functools.partial(start_nanotrack, *paths)
    *ours, nanotrack = rivals
    header = [f"{WIDTH}x{HEIGHT}, whole `update`: threads"]
    header += [f"{name}: ms | MB | overlap" for name in rivals]
    header += [f"{name}: times {nanotrack}" for name in ours]
    print(f"| {' | '.join(header)} |\n|{'---|' * (1 + 3 * len(rivals) + len(ours))}")
    for threads in arguments.threads:
        print(compare_trackers(list(rivals.values()), threads, arguments.frames))

    print(
        f"\n| networks alone, OpenVINO, 1 thread | {preset}: ms | NanoTrack: ms | ratio |\n"
        "|---|---|---|---|"
    )
    exported = export_frame(tracker)
    for precision, (capability, name) in PRECISIONS.items():
        if capability in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            own, other = time_networks(core, precision, exported, models, arguments.frames)
            print(f"| {name} | {own:.2f} | {other:.2f} | {own / other:.2f} |")

    print("\n| network | parameters, millions | weights, MB |\n|---|---|---|")
    weights = tracker.engine.preset.require_shipped_weights()
    for name, networks, files in (
        (preset, [exported[0]], [weights]),
        ("NanoTrack", models, paths),
    ):
        size = sum(file.stat().st_size for file in files)
        print(f"| {name} | {count_parameters(networks) / 1e6:.3f} | {size / 1e6:.2f} |")


if __name__ == "__main__":
    main()
