"""Single files of moving pictures: GIF by Pillow, MP4 by PyAV (the extra `video`)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from conjure.core.errors import DataError
from conjure.domains.video.clips import RATE

SUFFIXES = (".gif", ".mp4")
LONGEST = 64  # times that one frame of a GIF file may count for


def load(path: Path) -> tuple[np.ndarray, float]:
    """Frames uint8 (T, H, W, 1 or 3) of a GIF or MP4 file, and how many are shown a second.

    A clip all of whose frames are grey has one channel. ValueError or OSError when the file cannot be read.
    """
    frames, rate = _load_gif(path) if path.suffix.lower() == ".gif" else _load_mp4(path)
    array = np.stack(frames)
    grey = (array[..., :1] == array).all()
    return (array[..., :1] if grey else array), rate


def save(clip: np.ndarray, path: Path, rate: float) -> None:
    """A clip as a GIF (256 colours a frame) or MP4 (H.264, nearly lossless) file."""
    wide = np.ascontiguousarray(np.broadcast_to(clip, (*clip.shape[:3], 3)))
    (_save_gif if path.suffix.lower() == ".gif" else _save_mp4)(clip, wide, path, rate)


def needs_av() -> Any:
    """The PyAV package; DataError says how to get it."""
    try:
        import av
    except ImportError:
        raise DataError("MP4 files need the package av: pip install 'conjure[video]', or use GIF files") from None
    return av


def _load_gif(path: Path) -> tuple[list[np.ndarray], float]:
    from PIL import Image, ImageSequence

    with Image.open(path) as opened:
        frames, waits = [], []
        for frame in ImageSequence.Iterator(opened):
            waits.append(frame.info.get("duration", 0))
            frames.append(np.asarray(frame.convert("RGB")))
    wait = min((w for w in waits if w > 0), default=0)
    if not wait:
        return frames, RATE
    # Writers merge equal neighbours into one that is shown longer.
    times = [min(LONGEST, max(1, round(w / wait))) for w in waits]
    return [frame for frame, count in zip(frames, times) for _ in range(count)], 1000 / wait


def _load_mp4(path: Path) -> tuple[list[np.ndarray], float]:
    av = needs_av()
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ValueError(f"{path} holds no video")
            stream = container.streams.video[0]
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
            rate = float(stream.average_rate or RATE)
    except av.error.FFmpegError as error:
        raise ValueError(str(error)) from None
    if not frames:
        raise ValueError(f"{path} holds no frames")
    return frames, rate


def _save_gif(clip: np.ndarray, wide: np.ndarray, path: Path, rate: float) -> None:
    from PIL import Image

    grey = clip.shape[3] == 1
    pictures = [Image.fromarray(f[..., 0] if grey else w) for f, w in zip(clip, wide)]
    wait = max(20, round(1000 / rate / 10) * 10)  # GIF counts in hundredths; below 2 players go slow
    kept = {"duration": wait, "loop": 0, "optimize": False, "disposal": 2}
    pictures[0].save(path, format="GIF", save_all=True, append_images=pictures[1:], **kept)


def _save_mp4(clip: np.ndarray, wide: np.ndarray, path: Path, rate: float) -> None:
    av = needs_av()
    even = [(0, 0), (0, wide.shape[1] % 2), (0, wide.shape[2] % 2), (0, 0)]  # what the format asks for
    wide = np.ascontiguousarray(np.pad(wide, even, mode="edge"))
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1000))
        stream.height, stream.width, stream.pix_fmt = wide.shape[1], wide.shape[2], "yuv420p"
        stream.options = {"crf": "12"}
        for frame in wide:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
