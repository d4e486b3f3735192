"""Weights files: every accepted layout loads, every damaged or foreign one is refused clearly."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch: pip install torch")

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from autrack_ros.networks import NETWORKS
from autrack_ros.networks.checkpoint import load_weights
from autrack_ros.tracking.errors import CheckpointError

REFERENCE = Path(__file__).parents[3] / "shared" / "data" / "siamfcpp_reference"


def _network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


@pytest.fixture
def weights() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return _network().state_dict()


def _assert_loaded(path: Path, weights: dict[str, Tensor], tolerance: float = 0) -> None:
    network = _network()
    load_weights(network, path, "tiny")
    for key, value in network.state_dict().items():
        torch.testing.assert_close(
            value, weights[key], rtol=tolerance, atol=tolerance, check_dtype=True
        )


def _assert_refused(path: Path, *said: str) -> None:
    network = _network()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        load_weights(network, path, "tiny")
    for words in (str(path), *said):
        assert words in str(caught.value)
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)


LAYOUTS: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "state_dict": lambda weights: weights,
    "snapshot": lambda weights: {"epoch": 19, "model_state_dict": weights},
    "snapshot with optimizer": lambda weights: {
        "epoch": 3,
        "model_state_dict": weights,
        "optimizer_state_dict": {"state": {0: {"momentum_buffer": torch.ones(2)}}},
    },
    "DataParallel": lambda weights: {f"module.{key}": value for key, value in weights.items()},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_official_layouts_load(tmp_path, weights, layout, zipped):
    path = tmp_path / "final_model.pkl"
    torch.save(LAYOUTS[layout](weights), path, _use_new_zipfile_serialization=zipped)
    _assert_loaded(path, weights)


def test_safetensors_load(tmp_path, weights):
    path = tmp_path / "model.safetensors"
    save_file(weights, path)
    _assert_loaded(path, weights)


def test_half_precision_becomes_float32(tmp_path, weights):
    path = tmp_path / "model.safetensors"
    half = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
    save_file(half, path)
    _assert_loaded(path, weights, tolerance=1e-3)


@pytest.mark.parametrize("form", ["md5_", "md5sum_"])
def test_md5_in_the_name_is_checked(tmp_path, weights, form):
    plain = tmp_path / "plain.pkl"
    torch.save(weights, plain)
    data = plain.read_bytes()
    good = tmp_path / f"siamfcpp-alexnet-vot-{form}{hashlib.md5(data).hexdigest()}.pkl"
    good.write_bytes(data)
    _assert_loaded(good, weights)
    bad = tmp_path / f"siamfcpp-alexnet-vot-{form}{'0' * 32}.pkl"
    bad.write_bytes(data)
    _assert_refused(bad, "damaged", "0" * 32, hashlib.md5(data).hexdigest())


def test_missing_file_is_named_with_what_is_accepted(tmp_path):
    _assert_refused(tmp_path / "absent.pkl", "tiny", "No such file", "state_dict", ".safetensors")


def test_folder_is_refused(tmp_path):
    _assert_refused(tmp_path, "directory")


@pytest.mark.parametrize("suffix", [".pkl", ".safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_file_is_refused(tmp_path, weights, suffix, share):
    path = tmp_path / f"model{suffix}"
    save_file(weights, path) if suffix == ".safetensors" else torch.save(weights, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    _assert_refused(path, "damaged", "accepted")


@pytest.mark.parametrize("suffix", [".pkl", ".safetensors"])
def test_file_of_another_kind_is_refused(tmp_path, suffix):
    path = tmp_path / f"notes{suffix}"
    path.write_text("these are not weights\n" * 50)
    _assert_refused(path, "not a weights file", "accepted")


@pytest.mark.parametrize(
    "content",
    [[1, 2, 3], {"epoch": 3}, {"model_state_dict": "gone"}, {0: torch.ones(1)}],
    ids=["list", "no weights", "text for weights", "numbered keys"],
)
def test_content_that_is_no_state_dict_is_refused(tmp_path, content):
    path = tmp_path / "other.pkl"
    torch.save(content, path)
    _assert_refused(path, "no state_dict", "accepted")


def test_missing_extra_and_misshaped_keys_are_named(tmp_path, weights):
    del weights["0.bias"]
    weights["head.weight"] = torch.ones(1)
    weights["1.weight"] = torch.ones(7)
    path = tmp_path / "model.pkl"
    torch.save(weights, path)
    _assert_refused(
        path,
        "tiny",
        "1 missing keys: 0.bias",
        "1 unknown keys: head.weight",
        "1.weight (has float 7, needs float 4)",
    )


def test_long_lists_of_keys_are_cut(tmp_path, weights):
    weights.update({f"extra{index}": torch.ones(1) for index in range(50)})
    path = tmp_path / "model.pkl"
    torch.save(weights, path)
    _assert_refused(path, "50 unknown keys: extra0, extra1, extra2, ...")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_weights_are_refused(tmp_path, weights, value):
    weights["0.weight"][1, 2, 0, 0] = value
    path = tmp_path / "model.pkl"
    torch.save(weights, path)
    _assert_refused(path, "0.weight", "finite")


def test_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path):
    trace = tmp_path / "trace"

    class Malicious:
        def __reduce__(self):
            return os.mkdir, (str(trace),)

    path = tmp_path / "model.pkl"
    torch.save({"model_state_dict": Malicious()}, path)
    _assert_refused(path, "other things than tensors")
    path.write_bytes(pickle.dumps(Malicious(), protocol=2))
    _assert_refused(path, "other things than tensors")
    assert not trace.exists()
    pickle.loads(path.read_bytes())
    assert trace.exists(), "the file must be one that does run code when it is trusted"


def test_weights_of_another_backbone_are_refused(tmp_path):
    path = tmp_path / "alexnet.pkl"
    torch.save(NETWORKS["siamfcpp_tinyconv"]().state_dict(), path)
    network = NETWORKS["siamfcpp_shufflenet_x0_5"]()
    with pytest.raises(
        CheckpointError, match=re.escape("does not fit the network shufflenet") + ".*basemodel"
    ):
        load_weights(network, path, "shufflenet")


def test_official_reference_checkpoint_loads():
    path = REFERENCE / "tinyconv" / "checkpoint.pkl"
    if not path.is_file():
        pytest.skip(f"no reference at {path}")
    network = NETWORKS["siamfcpp_tinyconv"]()
    load_weights(network, path, "siamfcpp_tinyconv")
    official = torch.load(path, weights_only=True)["model_state_dict"]
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, official[key], rtol=0, atol=0)
