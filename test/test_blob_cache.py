"""Compiled networks are kept in the user's cache folder, and made anew where that is of no use."""

from __future__ import annotations

import os
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


def follow(**settings) -> tuple[float, ...]:
    """A box of a tracker that is loaded now, its template updated."""
    tracker = load_tracker(device="cpu", adaptation=AdaptationSettings(steps=2), **settings)
    tracker.initialize(IMAGE, Box(100, 80, 60, 50))
    return tracker.update(IMAGE).box


def test_the_second_start_compiles_nothing_and_tracks_the_same(folder, compiled):
    first = follow()
    assert sorted(compiled) == ["objective", "prediction", "search", "template"]
    assert len(list(folder.iterdir())) == 4
    assert follow() == first
    assert len(compiled) == 4


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "foreign"])
def test_a_damaged_entry_is_made_anew(folder, compiled, damage):
    first = follow()
    for path in folder.iterdir():
        data = path.read_bytes()
        if damage == "changed":
            data = data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]
        instead = {"cut": data[:-50], "empty": b"", "foreign": b"GIF89a" * 99}
        path.write_bytes(instead.get(damage, data))
    compiled.clear()
    assert follow() == first
    assert len(compiled) == 4
    assert follow() == first
    assert len(compiled) == 4


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


def test_other_weights_and_threads_are_other_entries(folder, compiled, monkeypatch):
    follow()
    monkeypatch.setattr(openvino_runtime, "thread_count", lambda: 3)
    follow()
    assert len(list(folder.iterdir())) == 8
    data = find_preset(DEFAULT_PRESET).require_shipped_weights().read_bytes()
    other = folder.parent / "other.safetensors"
    other.write_bytes(data[:-4] + np.float32(0.5).tobytes())
    follow(checkpoint=other)
    assert len(list(folder.iterdir())) == 12


def test_off_keeps_nothing(tmp_path, monkeypatch, compiled):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("AUTRACK_CACHE", "off")
    follow()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.delenv("AUTRACK_CACHE")
    follow()
    assert len(list((tmp_path / "autrack_ros").iterdir())) == 4


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
