"""Pieces of bytes from one process to another."""

import multiprocessing
import threading
from contextlib import closing
from multiprocessing.connection import Connection

import pytest

from triptych.export.pieces import PLACE_BYTES, PLACES, Sender, received, shared_memory

CONTEXT = multiprocessing.get_context("spawn")


def send(pipe: Connection, memory: object, pieces: list[bytes]) -> None:
    sender = Sender(pipe, memory)
    for piece in pieces:
        sender.send_rows(piece)
    sender.send("the end")


@pytest.mark.parametrize(
    "pieces",
    [[], [b""], [b"a", b"", b"bc"], [str(number).encode() for number in range(3 * PLACES)]],
    ids=["none", "an empty one", "some", "more than there are places"],
)
def test_pieces_come_in_the_order_in_which_they_were_sent(pieces: list[bytes]) -> None:
    """Also where the sender has to wait for places."""
    assert pieces == through(pieces)


def test_a_piece_that_is_too_large_for_a_place_comes_through() -> None:
    """As where a caption is a megabyte long."""
    pieces = [b"a", b"b" * (PLACE_BYTES + 1), b"c" * PLACE_BYTES, b"d"]

    assert pieces == through(pieces)


def test_what_a_sender_left_is_received_when_it_is_gone() -> None:
    """As the error that ended it, behind the rows that it had made."""
    ours, theirs = CONTEXT.Pipe()
    memory = shared_memory(CONTEXT)
    send(theirs, memory, [b"a", b"b"])
    theirs.close()

    with closing(ours):
        messages = received(ours, memory)
        came = [bytes(next(messages)), bytes(next(messages)), next(messages)]  # type: ignore[call-overload]

    assert [b"a", b"b", "the end"] == came


def test_a_sender_that_is_gone_is_the_end_of_the_file() -> None:
    """Not an endless wait."""
    ours, theirs = CONTEXT.Pipe()
    theirs.close()

    with closing(ours), pytest.raises(EOFError):
        list(received(ours, shared_memory(CONTEXT)))


def through(pieces: list[bytes]) -> list[bytes]:
    ours, theirs = CONTEXT.Pipe()
    memory = shared_memory(CONTEXT)
    sender = threading.Thread(target=send, args=(theirs, memory, pieces))
    sender.start()
    came = []
    with closing(ours), closing(theirs):
        for message in received(ours, memory):
            if message == "the end":
                break
            assert isinstance(message, bytes | memoryview)
            came.append(bytes(message))
        sender.join()
    return came
