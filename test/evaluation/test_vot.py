"""The tracker under the VOT toolkit's protocol, asked by the protocol package's own client."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from stand_in_tracker import STEP

trax = pytest.importorskip("trax")
from trax.client import Client  # noqa: E402

ROOT = Path(__file__).parents[2]


@pytest.fixture
def program():
    process = subprocess.Popen(
        [sys.executable, ROOT / "test" / "stand_in_tracker.py", "vot"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    yield process
    process.kill()
    process.communicate()


def connect(program: subprocess.Popen) -> Client:
    streams = program.stdin.fileno(), program.stdout.fileno()
    return Client(streams, 30, log=lambda text: None)  # 4.0.2 fails without a log


def image(folder: Path, name: str, grey: int = 0) -> dict:
    cv2.imwrite(str(folder / name), np.full((48, 64, 3), grey, np.uint8))
    return {"color": trax.FileImage.create(str(folder / name))}


def test_client_gets_the_boxes_and_ends_the_session(program, tmp_path):
    client = connect(program)
    assert client.region_formats == [trax.Region.RECTANGLE]
    assert client.image_formats == [trax.Image.PATH]
    first = trax.Rectangle.create(4, 5, 20, 16)
    answer, _ = client.initialize(image(tmp_path, "1.png"), [(first, {})], {})
    assert answer[0][0].bounds() == (4, 5, 20, 16)
    for number in (1, 2):
        answer, _ = client.frame(image(tmp_path, "2.png"), {}, [])
        region, properties = answer[0]
        assert region.bounds() == (4 + number * STEP, 5, 20, 16)
        assert float(properties["confidence"]) == 0.9
    answer, _ = client.frame(image(tmp_path, "3.png", grey=255), {}, [])
    region, properties = answer[0]
    assert region.bounds() == (4 + 2 * STEP, 5, 20, 16), "LOST: the last box"
    assert float(properties["confidence"]) == 0
    client.quit()
    assert program.wait(30) == 0


def test_client_is_told_what_is_wrong(program, tmp_path):
    client = connect(program)
    outside = trax.Rectangle.create(640, 5, 20, 16)
    with pytest.raises(trax.TraxException, match="x=640"):
        client.initialize(image(tmp_path, "1.png"), [(outside, {})], {})
    assert program.wait(30) == 1
