"""Sound files: WAV by itself, other forms through soundfile, read block by block."""

from __future__ import annotations

import contextlib
import io
import struct
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from conjure.core.errors import ConfigError, DataError
from conjure.domains.audio.sounds import Sound, pcm

WAV = (".wav", ".wave")
OTHERS = (".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff")
SUFFIXES = WAV + OTHERS
BLOCK = 1 << 20  # frames read at a time
LARGEST = 1 << 30  # bytes of 16-bit samples held in memory: more than three hours at 44.1 kHz
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE  # what a WAV file says its samples are


class _Foreign(DataError):
    """A file that is none of the WAV files read here; another reader may know it."""


def load(path: Path) -> Sound:
    """A file's recording, its channels averaged; DataError for a broken file and for samples that are no numbers.

    What is called WAV and is something else, or is coded in another way, is read where soundfile is there and knows it.
    """
    if not path.stat().st_size:
        raise DataError(f"{path} is empty")
    if path.suffix.lower() not in WAV:
        return _other(path, needs_soundfile(path))
    try:
        with path.open("rb") as file:
            rate, blocks = _wav(file, path)
            return _joined(blocks, rate, path)
    except _Foreign as error:
        with contextlib.suppress(ConfigError, DataError):
            return _other(path, needs_soundfile(path))
        raise DataError(str(error)) from None


def _other(path: Path, soundfile: Any) -> Sound:
    try:
        with soundfile.SoundFile(path) as file:
            return _joined(
                (b.mean(1) for b in file.blocks(BLOCK, dtype="float32", always_2d=True)), file.samplerate, path
            )
    except (soundfile.LibsndfileError, RuntimeError):  # what these say names files that are there as missing
        kind = path.suffix[1:].upper()
        raise DataError(f"{path} cannot be read: it is no {kind} file, or a broken one") from None


def needs_soundfile(path: Path) -> Any:
    """The package that reads all but WAV; ConfigError where it is not installed."""
    try:
        import soundfile
    except ImportError:
        kind = path.suffix[1:].upper()
        raise ConfigError(
            f"{path}: {kind} files need the package soundfile: pip install 'conjure[audio]', or convert to WAV"
        ) from None
    return soundfile


def to_wav(one: Sound) -> bytes:
    """A WAV file of 16 bits, mono."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(one.rate)
        file.writeframes(one.samples.astype("<i2").tobytes())
    return out.getvalue()


def _joined(blocks: Iterator[np.ndarray], rate: int, path: Path) -> Sound:
    parts: list[np.ndarray] = []
    size = 0
    for block in blocks:
        size += 2 * len(block)
        if size > LARGEST:
            raise DataError(f"{path} is longer than {LARGEST // 2 / rate / 60:.0f} minutes: cut it into shorter files")
        parts.append(pcm(block, str(path)) if np.abs(block).max(initial=0) <= 1 else block)
    if not size:
        raise DataError(f"{path} holds no samples")
    if any(part.dtype != np.int16 for part in parts):  # beyond full scale somewhere: all of it is brought down alike
        whole = np.concatenate([p / 32_767 if p.dtype == np.int16 else p for p in parts])
        return Sound(pcm(whole, str(path)), rate, name=str(path))
    return Sound(np.concatenate(parts), rate, name=str(path))


def _wav(file: BinaryIO, path: Path) -> tuple[int, Iterator[np.ndarray]]:
    """(rate, blocks of mono samples in [-1, 1]) of a RIFF file of 8, 16, 24 or 32-bit integers, or floats."""
    head = file.read(12)
    if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        raise _Foreign(f"{path} cannot be read: it is no WAV file, whatever its name says")
    told = None
    while len(chunk := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", chunk)
        if name == b"data":
            if told is None:
                break
            return told[1], _samples(file, size, told, path)
        body = file.read(size + size % 2)
        if name == b"fmt " and len(body) >= 16:
            kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
            if kind == EXTENSIBLE and len(body) >= 26:
                kind = struct.unpack("<H", body[24:26])[0]
            known = (kind == PCM and bits in (8, 16, 24, 32)) or (kind == FLOAT and bits in (32, 64))
            if not known or not 1 <= channels <= 64 or not 1_000 <= rate <= 400_000:
                raise _Foreign(
                    f"{path} cannot be read: WAV of format {kind}, {bits} bits, {channels} channels, {rate} Hz; "
                    "write it again as PCM of 16 bits"
                )
            told = (kind, rate, channels, bits // 8)
    raise DataError(f"{path} cannot be read: it is cut short")


def _samples(file: BinaryIO, size: int, told: tuple[int, int, int, int], path: Path) -> Iterator[np.ndarray]:
    kind, _, channels, width = told
    frame, left = channels * width, size
    while left >= frame:
        data = file.read(min(left, BLOCK * frame) // frame * frame)
        whole = len(data) // frame * frame
        if not whole:
            return  # shorter than its head says: what is there is kept
        left -= len(data)
        yield _numbers(data[:whole], kind, width).reshape(-1, channels).mean(1, dtype=np.float32)


def _numbers(data: bytes, kind: int, width: int) -> np.ndarray:
    """Samples in [-1, 1] of little-endian bytes, float32."""
    if kind == FLOAT:
        return np.frombuffer(data, f"<f{width}").astype(np.float32)
    if width == 1:  # the only unsigned one
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 127
    if width == 3:
        raw = np.frombuffer(data, np.uint8).reshape(-1, 3).astype(np.int32)
        values = (raw[:, 0] << 8 | raw[:, 1] << 16 | raw[:, 2] << 24) >> 8
        return values.astype(np.float32) / (2**23 - 1)
    return (np.frombuffer(data, f"<i{width}") / (2 ** (8 * width - 1) - 1)).astype(np.float32)
