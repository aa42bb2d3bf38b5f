"""Many short documents to a row: the fewest rows that best fit finds, each document's tokens apart from the others'."""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np


def best_fit(lengths: list[int], room: int) -> list[list[int]]:
    """Which items share a row of `room`: the longest first, each into the fullest row that still takes it.

    At most 11/9 of the fewest rows possible, and 6/9 of a row more (Dosa 2007); for texts about a hundredth is empty.
    """
    rows: list[list[int]] = []
    free: list[tuple[int, int]] = []  # (room left, row), sorted
    for item in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        at = bisect_left(free, (lengths[item], -1))
        left, row = free.pop(at) if at < len(free) else (room, len(rows))
        if row == len(rows):
            rows.append([])
        rows[row].append(item)
        if left > lengths[item]:
            insort(free, (left - lengths[item], row))
    return rows


def cut_at_turns(counts: np.ndarray, room: int) -> list[slice]:
    """Slices of at most `room` of a conversation's tokens, after the end of an answer where there is one.

    counts (T,): which tokens the assistant wrote.
    """
    slices, start = [], 0
    while len(counts) - start > room:
        inside = counts[start : start + room + 1]
        ends = np.flatnonzero(inside[:-1] & ~inside[1:]) + 1  # first tokens after an answer
        stop = start + (int(ends[-1]) if len(ends) else room)
        slices.append(slice(start, stop))
        start = stop
    return [*slices, slice(start, len(counts))]


def lay_out(
    items: list[tuple[np.ndarray, np.ndarray]], room: int, filler: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of tokens, of which count, and of the documents' numbers, (B, room) each; the rest of a row is filler."""
    rows = best_fit([len(ids) for ids, _ in items], room)
    x = np.full((len(rows), room), filler, np.int32)
    counts, parts = np.zeros(x.shape, bool), np.full(x.shape, -1, np.int32)
    for row, inside in enumerate(rows):
        start = 0
        for number, item in enumerate(inside):
            ids, counted = items[item]
            place = slice(start, start + len(ids))
            x[row, place], counts[row, place], parts[row, place] = ids, counted, number
            start += len(ids)
    return x, counts, parts
