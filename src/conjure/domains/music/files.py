"""Single scores from and to files: MIDI and ABC by symusic, MusicXML and humdrum by music21."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

from conjure.core.errors import ConfigError, DataError
from conjure.domains.music import abc, midi, streams
from conjure.domains.music.engraving import to_musicxml, to_svg
from conjure.domains.music.humdrum import to_kern
from conjure.domains.music.piece import Piece
from conjure.domains.music.sound import to_wav

MIDI, ABC, XML, HUMDRUM = (".mid", ".midi"), (".abc",), (".mxl", ".musicxml", ".xml"), (".krn",)
UNPACKED = 1 << 27  # bytes of a zipped score, and no more
SUFFIXES = (*MIDI, *ABC, *XML, *HUMDRUM)
LARGEST = 64 << 20  # bytes of a file: three hours of dense MIDI are 2 MB


def load(path: Path) -> list[Piece]:
    """The scores in a file (a tune book in ABC holds many); DataError says what is wrong with it.

    What a file is is told by its first bytes, so that a wrong suffix does no harm.
    """
    data = _bytes(path)
    try:
        kind = _kind(data, path)
        found = {"midi": midi.from_midi, "abc": abc.from_abc, "music21": streams.from_notation}[kind](path, data)
    except DataError:
        raise
    except Exception as error:  # parsers of foreign files raise whatever they like
        raise DataError(
            f"{path} is not a readable score: {str(error).splitlines()[0] if str(error) else path.suffix}"
        ) from None
    found = [p for p in found if len(p.notes)]
    if not found:
        raise DataError(f"{path} holds no notes")
    return found


def _bytes(path: Path) -> bytes:
    """What is in a file, without Python's layers of buffers: a folder holds thousands."""
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            size = os.fstat(handle).st_size
            if size > LARGEST:
                raise DataError(f"{path} has {size >> 20} MB; scores of at most {LARGEST >> 20} MB are read: cut it")
            data = os.read(handle, size)
            while len(data) < size and (more := os.read(handle, size - len(data))):
                data += more
        finally:
            os.close(handle)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    return data


def _kind(data: bytes, path: Path) -> str:
    head = data[:4096]
    if head[:4] == b"MThd" or head[:4] == b"RIFF":
        return "midi"
    if head[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            if sum(member.file_size for member in file.infolist()) > UNPACKED:
                raise DataError(f"{path} would unpack to more than the {UNPACKED:,} bytes that a score may have")
        return "music21"
    if head.lstrip()[:1] == b"<" or b"**kern" in head or head[:3] == b"!!!":
        return "music21"
    if b"X:" in head and b"K:" in data:
        return "abc"
    if path.suffix.lower() in SUFFIXES:
        raise DataError(f"{path} is not a readable {path.suffix[1:]} file: it begins with none of that format's marks")
    raise DataError(f"{path} is no score that can be read: MIDI, MusicXML (.mxl), ABC and humdrum (.krn) can")


def save(one: Piece, path: Path) -> Path:
    """A score to a file, by its suffix; written beside, then renamed. ConfigError for a suffix that is none."""
    suffix = path.suffix.lower()
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        if suffix in MIDI:
            midi.to_midi(one, beside)
        elif suffix in ABC:
            beside.write_text(abc.to_abc(one), "utf-8")
        elif suffix in XML:
            beside.write_bytes(to_musicxml(one, compressed=suffix == ".mxl"))
        elif suffix in HUMDRUM:
            beside.write_text(to_kern(one), "utf-8")
        elif suffix == ".svg":
            beside.write_text(to_svg(one), "utf-8")
        elif suffix == ".wav":
            beside.write_bytes(to_wav(one))
        else:
            raise ConfigError(
                f"music is written as .mid, .mxl, .musicxml, .abc, .krn, .svg or .wav, not {suffix or path}"
            )
        return beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
