"""Images and boxes out of bags, good and bad ones."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="bags need rosbags")


from bag_clips import FRAMES, STEP_NS, copy_bag, make_sequence, truth_boxes
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from autrack_ros.evaluation.bags.boxes import FileTruth, TopicTruth, topic_start
from autrack_ros.evaluation.bags.making import make_bag, open_clip
from autrack_ros.evaluation.bags.pictures import header, image_message, jpeg_message
from autrack_ros.evaluation.bags.reading import IMAGE_TYPES, Bag
from autrack_ros.evaluation.bags.types import new_message
from autrack_ros.evaluation.bags.writing import BagWriter
from autrack_ros.evaluation.boxfiles import write_boxes
from autrack_ros.evaluation.frames import SourceError

ROOT = Path(__file__).parents[3]
SECOND = 10**9


def stamp_of(index: int) -> int:
    return SECOND + index * STEP_NS


@pytest.fixture(scope="module")
def clip_bag(tmp_path_factory) -> Path:
    """Not to be changed: see ``own_bag``."""
    folder = tmp_path_factory.mktemp("clip")
    frames, truth = open_clip(str(make_sequence(folder / "square")))
    list(make_bag(frames, truth, folder / "bag", fps=10))
    return folder / "bag"


@pytest.fixture
def own_bag(clip_bag, tmp_path) -> Path:
    return shutil.copytree(clip_bag, tmp_path / "bag")


def init_box(index: int, box, target: str = "target", stamp_ns: int | None = None):
    x, y, w, h = map(float, box)
    stamp = stamp_of(index) if stamp_ns is None else stamp_ns
    return new_message(
        "autrack_ros/msg/InitBox", header=header(stamp, ""), id=target, x=x, y=y, width=w, height=h
    )


def detections(index: int, *entries: tuple[str, tuple[float, float, float, float], float]):
    """A Detection2DArray of (id, box, score)."""
    found = []
    for name, (x, y, w, h), score in entries:
        detection = new_message("vision_msgs/msg/Detection2D", id=name)
        detection.bbox.center.position.x, detection.bbox.center.position.y = x + w / 2, y + h / 2
        detection.bbox.size_x, detection.bbox.size_y = float(w), float(h)
        result = new_message("vision_msgs/msg/ObjectHypothesisWithPose")
        result.hypothesis.score = score
        detection.results.append(result)
        found.append(detection)
    head = header(stamp_of(index), "")
    return new_message("vision_msgs/msg/Detection2DArray", header=head, detections=found)


def box_bag(path: Path, *messages) -> Path:
    """A bag of boxes on /boxes, received in the order given."""
    with BagWriter(path) as writer:
        writer.add_topic("/boxes", messages[0].__msgtype__)
        for index, message in enumerate(messages):
            writer.write_message("/boxes", stamp_of(index), message)
    return path


def image_bag(path: Path, *messages) -> Path:
    with BagWriter(path) as writer:
        writer.add_topic("/image", messages[0].__msgtype__)
        for index, message in enumerate(messages):
            writer.write_message("/image", stamp_of(index), message)
    return path


@pytest.mark.parametrize(
    ("mode", "plugin"),
    [
        (CompressionMode.FILE, StoragePlugin.SQLITE3),
        (CompressionMode.MESSAGE, StoragePlugin.SQLITE3),
        (CompressionMode.NONE, StoragePlugin.MCAP),
        (CompressionMode.FILE, StoragePlugin.MCAP),
        (CompressionMode.MESSAGE, StoragePlugin.MCAP),
        (CompressionMode.STORAGE, StoragePlugin.MCAP),
    ],
)
def test_compression_and_storage_do_not_matter(clip_bag, tmp_path, mode, plugin):
    with Bag(clip_bag) as bag, Bag(copy_bag(clip_bag, tmp_path / "b", mode, plugin)) as copied:
        pairs = zip(bag.images("/image"), copied.images("/image"), strict=True)
        for original, read in pairs:
            assert read.stamp_ns == original.stamp_ns
            np.testing.assert_array_equal(read.bgr, original.bgr)
        stamps = [stamp_of(index) for index in range(FRAMES)]
        np.testing.assert_array_equal(TopicTruth(copied, "/truth").of(stamps), truth_boxes())


def test_a_storage_file_alone_is_read(clip_bag):
    with Bag(clip_bag / "bag.db3") as bag:
        assert bag.count("/image") == FRAMES
        assert len(list(bag.images("/image"))) == FRAMES


def test_only_the_wanted_images_are_decoded(tmp_path):
    good, broken = np.zeros((8, 8, 3), np.uint8), jpeg_message(header(1, ""), np.zeros((8, 8, 3)))
    broken.data = broken.data[:20]
    messages = [jpeg_message(header(1, ""), good), broken, jpeg_message(header(3, ""), good)]
    with Bag(image_bag(tmp_path / "bag", *messages, broken)) as bag:
        assert [image.index for image in bag.images("/image", [0, 2])] == [0, 2]
        assert list(bag.images("/image", [])) == []


def test_images_keep_their_header(tmp_path):
    message = image_message(header(7 * SECOND + 5, "lens"), np.zeros((4, 6, 3), np.uint8))
    with Bag(image_bag(tmp_path / "bag", message)) as bag:
        (image,) = bag.images("/image")
    assert (image.stamp_ns, image.frame_id, image.received_ns) == (7 * SECOND + 5, "lens", SECOND)


# Boxes


def test_truth_of_a_topic_is_matched_by_stamp(tmp_path):
    path = box_bag(
        tmp_path / "bag",
        init_box(2, (3, 4, 5, 6)),
        init_box(0, (1, 2, 3, 4)),
        init_box(3, (np.nan,) * 4),
    )
    with Bag(path) as bag:
        truth = TopicTruth(bag, "/boxes")
    known = truth.of([stamp_of(index) for index in range(4)])
    expected = [(1, 2, 3, 4), (np.nan,) * 4, (3, 4, 5, 6), (0, 0, 0, 0)]
    np.testing.assert_array_equal(known, expected)
    assert (truth.start.box, truth.start.stamp_ns) == ((3, 4, 5, 6), stamp_of(2))


def test_truth_of_detections_names_one_target_or_is_the_only_one(tmp_path):
    path = box_bag(
        tmp_path / "bag",
        detections(0, ("cup", (1, 2, 3, 4), 0.5), ("cat", (5, 6, 7, 8), 0.9)),
        detections(1),
        detections(2, ("cup", (2, 2, 3, 4), 0.5)),
    )
    stamps = [stamp_of(index) for index in range(4)]
    with Bag(path) as bag:
        truth = TopicTruth(bag, "/boxes", "cup")
        with pytest.raises(SourceError, match=r"/boxes, stamp 1.0.*several.*\(cat, cup\)"):
            TopicTruth(bag, "/boxes")
        with pytest.raises(SourceError, match=r"no target 'dog'; it has: cat, cup"):
            TopicTruth(bag, "/boxes", "dog")
    expected = [(1, 2, 3, 4), (0, 0, 0, 0), (2, 2, 3, 4), (np.nan,) * 4]
    np.testing.assert_array_equal(truth.of(stamps), expected)


def test_a_box_without_a_stamp_starts_in_the_next_image(tmp_path):
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/boxes", "autrack_ros/msg/InitBox")
        writer.write_message("/boxes", stamp_of(3) - 1, init_box(0, (1, 2, 3, 4), stamp_ns=0))
        writer.add_topic("/image", "sensor_msgs/msg/Image")
        for index in range(5):
            head = header(stamp_of(index), "")
            picture = image_message(head, np.zeros((4, 4, 3), np.uint8))
            writer.write_message("/image", stamp_of(index), picture)
    with Bag(tmp_path / "bag") as bag:
        start = topic_start(bag, "/boxes")
        assert [start.is_in(image) for image in bag.images("/image")][:4] == [False] * 3 + [True]


def test_a_box_file_gives_one_box_an_image(tmp_path):
    boxes = np.array([(np.nan,) * 4, (1, 2, 3, 4), (0, 0, 0, 0)])
    write_boxes(tmp_path / "boxes.txt", boxes)
    truth = FileTruth(tmp_path / "boxes.txt", 3)
    np.testing.assert_array_equal(truth.of([7, 7, 7]), [(0,) * 4, (1, 2, 3, 4), (0,) * 4])
    assert (truth.start.index, truth.start.box) == (1, (1, 2, 3, 4))
    with pytest.raises(SourceError, match=r"boxes.txt holds 3 boxes for 4 images"):
        FileTruth(tmp_path / "boxes.txt", 4)


@pytest.mark.parametrize(
    ("box", "told"),
    [
        ((1, np.nan, 3, 4), r"/boxes, stamp 1.000000000: 1,nan,3,4; accepted: four finite"),
        ((1, np.inf, 3, 4), "1,inf,3,4"),
        ((1, 2, -3, 4), "size -3 x 4"),
    ],
)
def test_an_unusable_box_is_told_with_topic_and_stamp(tmp_path, box, told):
    with (
        Bag(box_bag(tmp_path / "bag", init_box(0, box))) as bag,
        pytest.raises(SourceError, match=told),
    ):
        TopicTruth(bag, "/boxes")


def test_an_unusable_detection_is_told_with_topic_and_stamp(tmp_path):
    path = box_bag(tmp_path / "bag", detections(0, ("cup", (1, np.nan, 3, 4), 0.5)))
    with Bag(path) as bag, pytest.raises(SourceError, match=r"/boxes, stamp 1.0.*finite numbers"):
        TopicTruth(bag, "/boxes")


def test_boxes_that_cannot_be_matched_are_refused(tmp_path):
    twice = box_bag(tmp_path / "twice", init_box(0, (1, 2, 3, 4)), init_box(0, (1, 2, 3, 4)))
    with Bag(twice) as bag, pytest.raises(SourceError, match=r"two boxes have the stamp 1\.0"):
        TopicTruth(bag, "/boxes")
    with Bag(box_bag(tmp_path / "once", init_box(0, (1, 2, 3, 4)))) as bag:
        truth = TopicTruth(bag, "/boxes")
    with pytest.raises(SourceError, match=r"none of its 1 boxes .* 1.000000000, .* 0.000000005"):
        truth.of([5, 6])
    with pytest.raises(SourceError, match="images share stamps"):
        truth.of([stamp_of(0), stamp_of(0)])


def test_a_target_that_is_always_absent_cannot_be_started(tmp_path):
    path = box_bag(tmp_path / "bag", init_box(0, (np.nan,) * 4))
    with Bag(path) as bag, pytest.raises(SourceError, match="always absent"):
        topic_start(bag, "/boxes")
    write_boxes(tmp_path / "boxes.txt", [(np.nan,) * 4])
    with pytest.raises(SourceError, match=r"boxes\.txt.*always absent"):
        _ = FileTruth(tmp_path / "boxes.txt", 1).start


# Bad bags


def assert_refused(path: Path, *words: str) -> None:
    with pytest.raises(SourceError) as told, Bag(path) as bag:
        list(bag.images("/image"))
    for word in (str(path), *words):
        assert word in str(told.value)


def test_a_bag_that_is_not_there(tmp_path):
    assert_refused(tmp_path / "absent", "no such bag")


def test_a_file_that_is_no_bag(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"1")
    assert_refused(tmp_path / "clip.mp4", "accepted: a rosbag2 folder")


def test_a_bag_without_metadata_names_the_mend(own_bag, tmp_path):
    (own_bag / "metadata.yaml").unlink()
    assert_refused(own_bag, "no metadata.yaml", "ros2 bag reindex", "bag.db3 itself")
    (tmp_path / "folder").mkdir()
    assert_refused(tmp_path / "folder", "no metadata.yaml")


@pytest.mark.parametrize("content", ["", "rosbag2_bagfile_information: [", "[]", "a: 1"])
def test_damaged_metadata(own_bag, content):
    (own_bag / "metadata.yaml").write_text(content)
    assert_refused(own_bag, "cannot be read")


def test_a_missing_storage_file(own_bag):
    (own_bag / "bag.db3").unlink()
    assert_refused(own_bag, "bag.db3")


@pytest.mark.parametrize("plugin", list(StoragePlugin))
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_storage_file(clip_bag, tmp_path, plugin, kept):
    path = copy_bag(clip_bag, tmp_path / "bag", CompressionMode.NONE, plugin)
    (file,) = (file for file in path.iterdir() if file.suffix != ".yaml")
    file.write_bytes(file.read_bytes()[: int(kept * file.stat().st_size)])
    assert_refused(path, "cannot be read")


def test_a_truncated_compressed_file(clip_bag, tmp_path):
    path = copy_bag(clip_bag, tmp_path / "bag", CompressionMode.FILE, StoragePlugin.SQLITE3)
    file = path / "bag.db3.zstd"
    file.write_bytes(file.read_bytes()[:5000])
    assert_refused(path, "cannot be read")


def test_an_empty_bag(tmp_path):
    with BagWriter(tmp_path / "bag"):
        pass
    assert_refused(tmp_path / "bag", "no topic /image", "it has: none")


def test_a_topic_without_messages(tmp_path):
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/image", "sensor_msgs/msg/Image")
    assert_refused(tmp_path / "bag", "/image holds no message")


def test_a_topic_that_is_not_there_lists_those_that_are(clip_bag):
    with Bag(clip_bag) as bag, pytest.raises(SourceError) as told:
        bag.require("/camera", IMAGE_TYPES)
    assert str(told.value) == (
        f"{clip_bag} has no topic /camera; it has: /camera_info (sensor_msgs/msg/CameraInfo), "
        "/image (sensor_msgs/msg/Image), /init_box (autrack_ros/msg/InitBox), "
        "/truth (autrack_ros/msg/InitBox)"
    )


def test_a_topic_of_another_type(clip_bag):
    with Bag(clip_bag) as bag, pytest.raises(SourceError, match=r"CameraInfo; accepted.*Compr"):
        list(bag.images("/camera_info"))


def test_types_that_nobody_knows_do_not_matter_on_other_topics(own_bag):
    """As of a bag of Humble, which has no definitions."""

    with sqlite3.connect(own_bag / "bag.db3") as storage:
        storage.execute("DELETE FROM message_definitions")
        storage.execute("UPDATE topics SET type = 'my/msg/Own' WHERE name = '/camera_info'")
        storage.execute("UPDATE topics SET type_description_hash = ''")
    text = (own_bag / "metadata.yaml").read_text()
    lines = [line for line in text.splitlines() if "RIHS01" not in line]
    changed = "\n".join(lines).replace("sensor_msgs/msg/CameraInfo", "my/msg/Own")
    (own_bag / "metadata.yaml").write_text(changed)
    with Bag(own_bag) as bag:
        assert len(list(bag.images("/image"))) == FRAMES
        with pytest.raises(SourceError, match=r"/camera_info is of type my/msg/Own; accepted"):
            bag.require("/camera_info", IMAGE_TYPES)
        with pytest.raises(SourceError, match=r"does not define my/msg/Own, the type of /camera"):
            bag.require("/camera_info", ["my/msg/Own"])


def test_images_of_another_size_are_told_after_those_before(tmp_path):
    small, large = np.zeros((4, 6, 3), np.uint8), np.zeros((8, 6, 3), np.uint8)
    messages = [image_message(header(i, ""), p) for i, p in enumerate([small, small, large])]
    with Bag(image_bag(tmp_path / "bag", *messages)) as bag:
        images = bag.images("/image")
        assert [next(images).index, next(images).index] == [0, 1]
        told = r"/image, image 3 \(stamp 0.000000002\) is 6x8, those before are 6x4"
        with pytest.raises(SourceError, match=told):
            next(images)


def test_an_image_that_cannot_be_decoded_is_told_after_those_before(tmp_path):
    messages = [jpeg_message(header(i, ""), np.zeros((8, 8, 3), np.uint8)) for i in range(3)]
    messages[1].data = messages[1].data[:-30]
    with Bag(image_bag(tmp_path / "bag", *messages)) as bag:
        images = bag.images("/image")
        assert next(images).index == 0
        with pytest.raises(SourceError, match=r"/image, image 2 .*: format 'bgr8; jpeg"):
            next(images)


def test_an_encoding_that_is_not_read_is_told(tmp_path):
    message = image_message(header(0, ""), np.zeros((4, 6), np.float32))
    with (
        Bag(image_bag(tmp_path / "bag", message)) as bag,
        pytest.raises(SourceError, match=r"image 1 .*encoding '32FC1': accepted are"),
    ):
        next(bag.images("/image"))


def test_a_message_that_is_cut_off_is_told_with_its_topic(tmp_path):
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/image", "sensor_msgs/msg/Image")
        writer.write("/image", 1, b"\0\1\0\0\0\0\0\0")
    assert_refused(tmp_path / "bag", "/image: cannot be read")


def test_pages_damaged_in_the_middle_end_the_reading_there(own_bag):
    file = own_bag / "bag.db3"
    data = bytearray(file.read_bytes())
    picture = FRAMES * 128 * 96 * 3
    assert len(data) > picture
    data[len(data) * 2 // 3 :] = b"\xff" * (len(data) - len(data) * 2 // 3)
    file.write_bytes(data)
    assert_refused(own_bag, "cannot be read")


def test_colours_are_those_of_the_message(tmp_path):
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 2] = 255
    message = image_message(header(0, ""), cv2.cvtColor(red, cv2.COLOR_BGR2RGB))
    message.encoding = "rgb8"
    with Bag(image_bag(tmp_path / "bag", message)) as bag:
        np.testing.assert_array_equal(next(bag.images("/image")).bgr, red)


def test_bags_are_read_and_evaluated_without_ros():
    code = (
        "import sys, autrack_ros.evaluation.bags.evaluation; "
        "print(*(m for m in sys.modules if m.split('.')[0] == 'rclpy' or m.endswith('_msgs')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr
