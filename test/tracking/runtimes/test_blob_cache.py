"""Compiled networks are kept in the user's cache folder, and made anew where that is of no use."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from autrack_ros.tracking import AdaptationSettings, Box, load_tracker
from autrack_ros.tracking.presets import DEFAULT_PRESET, find_preset
from autrack_ros.tracking.runtimes import openvino_runtime
from autrack_ros.tracking.runtimes.blob_cache import BlobCache
from autrack_ros.tracking.runtimes.openvino_runtime import import_openvino

IMAGE = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)


@pytest.fixture
def compiled(monkeypatch) -> list[str]:
    """The graphs that were compiled, one by one."""
    read, parts = openvino_runtime.OpenVINORuntime._read, []

    def noted(runtime, part):
        parts.append(part)
        return read(runtime, part)

    monkeypatch.setattr(openvino_runtime.OpenVINORuntime, "_read", noted)
    return parts


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("AUTRACK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def follow(steps: int = 0, **settings) -> tuple[float, ...]:
    """A box of a tracker that is loaded now; without steps it needs no objective."""
    tracker = load_tracker(device="cpu", adaptation=AdaptationSettings(steps=steps), **settings)
    tracker.initialize(IMAGE, Box(100, 80, 60, 50))
    return tracker.update(IMAGE).box


def test_the_second_start_compiles_nothing_and_tracks_the_same(folder, compiled):
    first = follow(steps=2)
    assert sorted(compiled) == ["objective", "prediction", "search", "template"]
    assert len(list(folder.iterdir())) == 4
    assert follow(steps=2) == first
    assert len(compiled) == 4


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> tuple[Path, tuple[float, ...]]:
    """A folder as a first start leaves it, and the box that was found."""
    folder = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTRACK_CACHE", str(folder))
        return folder, follow()


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "foreign"])
def test_a_damaged_entry_is_made_anew(filled, folder, compiled, damage):
    whole, first = filled
    shutil.copytree(whole, folder)
    for path in folder.iterdir():
        data = path.read_bytes()
        if damage == "changed":
            data = data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]
        instead = {"cut": data[:-50], "empty": b"", "foreign": b"GIF89a" * 99}
        path.write_bytes(instead.get(damage, data))
    assert follow() == first
    assert len(compiled) == 3
    assert follow() == first
    assert len(compiled) == 3


def test_an_entry_that_openvino_does_not_understand_is_made_anew(tmp_path):
    cache, made = BlobCache(tmp_path), []

    class Model:
        def export_model(self, stream):
            stream.write(b"of another version")

    def make():
        made.append(Model())
        return made[-1]

    core = import_openvino().Core()
    for _ in range(2):
        cache.get("part", ["key"], lambda blob: core.import_model(blob, "CPU", {}), make)
    assert len(made) == 2


def test_other_weights_and_threads_are_other_entries(filled, folder, monkeypatch):
    shutil.copytree(filled[0], folder)
    monkeypatch.setattr(openvino_runtime, "thread_count", lambda: 3)
    follow()
    assert len(list(folder.iterdir())) == 6
    data = find_preset(DEFAULT_PRESET).require_shipped_weights().read_bytes()
    other = folder.parent / "other.safetensors"
    other.write_bytes(data[:-4] + np.float32(0.5).tobytes())
    follow(checkpoint=other)
    assert len(list(folder.iterdir())) == 9


def test_off_keeps_nothing(tmp_path, monkeypatch, compiled):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("AUTRACK_CACHE", "off")
    follow()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.delenv("AUTRACK_CACHE")
    follow()
    assert len(list((tmp_path / "autrack_ros").iterdir())) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_done_without(folder):
    folder.mkdir()
    folder.chmod(0o500)
    follow()


def test_a_folder_that_is_a_file_is_done_without(folder):
    folder.write_text("not a folder")
    follow()
    assert folder.read_text() == "not a folder"


def test_what_nobody_reads_any_more_is_removed(folder):
    folder.mkdir()
    old, new = folder / "old.blob", folder / "new.blob"
    for path in (old, new):
        path.write_bytes(b"")
    os.utime(old, (0, 0))
    follow()
    assert not old.exists()
    assert new.exists()
