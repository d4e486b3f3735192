"""The slot between the image callback and the worker thread."""

from __future__ import annotations

import threading

from autrack_ros.node.newest_slot import NewestSlot


def test_only_the_newest_item_is_taken_and_the_others_are_counted() -> None:
    slot: NewestSlot[int] = NewestSlot()
    for item in (1, 2, 3):
        slot.put(item)
    assert slot.take() == 3
    assert slot.dropped == 2
    slot.put(4)
    assert slot.take() == 4
    assert slot.dropped == 2


def test_take_waits_for_an_item() -> None:
    slot: NewestSlot[str] = NewestSlot()
    taken: list[str | None] = []
    taker = threading.Thread(target=lambda: taken.append(slot.take()))
    taker.start()
    slot.put("image")
    taker.join(10)
    assert taken == ["image"]


def test_close_wakes_a_waiting_taker() -> None:
    slot: NewestSlot[str] = NewestSlot()
    taken: list[str | None] = ["not yet"]
    taker = threading.Thread(target=lambda: taken.append(slot.take()))
    taker.start()
    slot.close()
    taker.join(10)
    assert not taker.is_alive()
    assert taken == ["not yet", None]


def test_a_closed_slot_gives_nothing_and_takes_nothing() -> None:
    slot: NewestSlot[int] = NewestSlot()
    slot.put(1)
    slot.close()
    slot.put(2)
    assert slot.take() is None
    assert slot.dropped == 0


def test_every_item_is_either_taken_or_counted_as_dropped() -> None:
    slot: NewestSlot[int] = NewestSlot()
    total, taken = 2000, []

    def take_until_last() -> None:
        while not taken or taken[-1] != total - 1:
            item = slot.take()
            assert item is not None
            taken.append(item)

    taker = threading.Thread(target=take_until_last)
    taker.start()
    for item in range(total):
        slot.put(item)
    taker.join(10)
    assert taken == sorted(taken)
    assert len(taken) + slot.dropped == total


def test_put_returns_what_it_replaces() -> None:
    slot: NewestSlot[str] = NewestSlot()
    assert slot.put("old") is None
    assert slot.put("new") == "old"


def test_poll_does_not_wait() -> None:
    slot: NewestSlot[str] = NewestSlot()
    assert slot.poll() is None
    slot.put("box")
    assert slot.waiting
    assert slot.poll() == "box"
    assert not slot.waiting
