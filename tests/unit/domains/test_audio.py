"""Recordings: what is read of every kind of file, what is refused, and the laws of the codec."""

from __future__ import annotations

import io
import json
import struct
import wave as wavefile

import numpy as np
import pytest
import torch

from conjure.core.errors import ConfigError, DataError
from conjure.domains.audio import checks, corpus, files, view
from conjure.domains.audio.codec import AudioCodec
from conjure.domains.audio.drums import drum_sounds
from conjure.domains.audio.resampling import at_rate
from conjure.domains.audio.sounds import Sounds, sound, sounds

RATE = 16_000
TONE = 0.5 * np.sin(2 * np.pi * 440 * np.arange(4000) / RATE)


def riff(data: bytes, kind: int, channels: int, rate: int, bits: int, extra: bytes = b"") -> bytes:
    """A WAV file by hand, with a chunk that nobody knows before the samples."""
    width = channels * bits // 8
    head = struct.pack("<HHIIHH", kind, channels, rate, rate * width, width, bits) + extra
    chunks = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    chunks += b"fmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def coded(bits: int) -> bytes:
    """The tone as integers of so many bits."""
    if bits == 8:
        return (np.rint(TONE * 127) + 128).astype(np.uint8).tobytes()
    values = np.rint(TONE * (2 ** (bits - 1) - 1)).astype("<i4")
    if bits == 24:
        return values.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    return values.astype(f"<i{bits // 8}").tobytes()


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_integers_of_every_width_are_read(tmp_path, bits):
    (tmp_path / "a.wav").write_bytes(riff(coded(bits), 1, 1, RATE, bits))
    one = files.load(tmp_path / "a.wav")
    assert one.rate == RATE
    np.testing.assert_allclose(one.wave, TONE, atol=0.005 if bits == 8 else 5e-5)


@pytest.mark.parametrize("bits", [32, 64])
def test_floats_and_what_goes_beyond_full_scale(tmp_path, bits):
    (tmp_path / "a.wav").write_bytes(riff((4 * TONE).astype(f"<f{bits // 8}").tobytes(), 3, 1, RATE, bits))
    np.testing.assert_allclose(files.load(tmp_path / "a.wav").wave, TONE / np.abs(TONE).max(), atol=5e-5)


def test_channels_are_averaged_and_an_extensible_head_is_understood(tmp_path):
    both = np.stack([TONE, np.zeros_like(TONE)], 1).astype("<f4").tobytes()
    guid = struct.pack("<HHIH", 22, 32, 3, 3) + b"\x00" * 14
    (tmp_path / "a.wav").write_bytes(riff(both, 0xFFFE, 2, 44_100, 32, guid))
    one = files.load(tmp_path / "a.wav")
    assert one.rate == 44_100
    np.testing.assert_allclose(one.wave, TONE / 2, atol=5e-5)


def test_more_than_a_block_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BLOCK", 1000)
    (tmp_path / "a.wav").write_bytes(riff(coded(16), 1, 1, RATE, 16))
    np.testing.assert_allclose(files.load(tmp_path / "a.wav").wave, TONE, atol=5e-5)


@pytest.mark.parametrize(("kind", "name"), [("FLAC", "a.wav"), ("MP3", "a.wav"), ("WAV", "a.mp3"), ("FLAC", "a.ogg")])
def test_a_wrong_extension_is_seen_through(tmp_path, kind, name):
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / name, TONE, RATE, format=kind)
    assert abs(len(files.load(tmp_path / name)) - len(TONE)) < 3000


def test_wav_in_another_code_is_read_where_soundfile_is_and_else_refused(tmp_path, monkeypatch):
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "a.wav", TONE, RATE, subtype="ULAW")
    np.testing.assert_allclose(files.load(tmp_path / "a.wav").wave, TONE, atol=0.02)
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    with pytest.raises(
        DataError, match="WAV of format 7, 8 bits, 1 channels, 16000 Hz; write it again as PCM of 16 bits"
    ):
        files.load(tmp_path / "a.wav")


@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.ogg"])
def test_what_soundfile_cannot_read_is_named_as_what_it_is_not(tmp_path, name):
    pytest.importorskip("soundfile")
    (tmp_path / name).write_bytes(b"these are words " * 50)
    with pytest.raises(
        DataError, match=rf"a\.{name[2:]} cannot be read: it is no {name[2:].upper()} file, or a broken"
    ):
        files.load(tmp_path / name)


def test_studio_quality_in_stereo_is_brought_to_the_codecs_rate_and_cut(tmp_path):
    """Twenty seconds at 96 kHz, 24 bits, the right channel silent: ten clips at 16 kHz of the same pitch."""
    left = np.rint(0.5 * np.sin(2 * np.pi * 440 * np.arange(20 * 96_000) / 96_000) * (2**23 - 1)).astype("<i4")
    both = np.stack([left, np.zeros_like(left)], 1).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    (tmp_path / "a.wav").write_bytes(riff(both, 1, 2, 96_000, 24))
    found = corpus.read(tmp_path / "a.wav")[0]
    assert found[0].rate == 96_000
    x = codec_of(found).encode(found).x
    assert x.shape == (10, 32_000)
    spectra = np.abs(np.fft.rfft(x.numpy()))
    assert set(spectra.argmax(1).tolist()) == {880}  # half a hertz a bin
    assert 0.24 < float(x.abs().max()) < 0.26


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".mp3"])
def test_other_forms_come_through_soundfile(tmp_path, suffix):
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / f"a{suffix}", TONE, RATE)
    one = files.load(tmp_path / f"a{suffix}")
    assert abs(len(one) - len(TONE)) < 3000
    assert 0.4 < np.abs(one.wave).max() < 0.6


def test_without_soundfile_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    (tmp_path / "a.flac").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"FLAC files need the package soundfile: pip install 'conjure\[audio\]'"):
        corpus.read(tmp_path)


def put(path, one=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(files.to_wav(one or sound(TONE)))


def test_a_folder_with_classes_and_bad_files(tmp_path):
    put(tmp_path / "kick" / "a.wav")
    put(tmp_path / "kick" / "deep" / "b.wav")
    put(tmp_path / "hat" / "c.wav", sound(-TONE))
    put(tmp_path / "hat" / "quiet.wav", sound(np.zeros(100)))
    (tmp_path / "hat" / "broken.wav").write_bytes(b"RIFF not really")
    (tmp_path / "hat" / "short.wav").write_bytes(riff(coded(16), 1, 1, RATE, 16)[:40])
    (tmp_path / "hat" / "nan.wav").write_bytes(riff(np.full(9, np.nan, "<f4").tobytes(), 3, 1, RATE, 32))
    (tmp_path / "hat" / "notes.txt").write_text("no sound")
    found, source = corpus.read(tmp_path)
    assert [one.label for one in found] == ["hat", "kick", "kick"]
    assert found.classes == ("hat", "kick")
    assert source.rows == 3
    assert found.notes[0].startswith("3 broken sound files left out: ")
    assert "nan.wav" in found.notes[0]
    assert found.notes[1] == f"1 silent sound file left out: {tmp_path / 'hat' / 'quiet.wav'}"


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("x.wav", b"", "is empty"),
        ("x.flac", b"", "is empty"),
        ("x.wav", b"these are words", "it is no WAV file, whatever its name says"),
        ("x.wav", coded(16)[:8000], "it is no WAV file, whatever its name says"),
        ("x.wav", riff(coded(16), 1, 1, RATE, 16)[:40], "it is cut short"),
        ("x.wav", riff(b"", 1, 1, RATE, 16), "holds no samples"),
        ("x.wav", riff(b"\0" * 90, 2, 1, RATE, 4), "format 2, 4 bits, 1 channels, 16000 Hz; write it again as PCM"),
        ("x.wav", riff(np.full(9, np.inf, "<f4").tobytes(), 3, 1, RATE, 32), "no numbers"),
        ("x.wav", riff(b"\0" * 90, 1, 1, RATE, 16), "is silent"),
        ("x.mid", b"MThd", "is no sound file: WAV, FLAC, OGG, MP3 and AIFF can be read"),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path, name, data, sentence):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=sentence) as said:
        corpus.read(tmp_path / name)
    assert name in str(said.value)


def test_folders_without_anything_to_learn(tmp_path):
    with pytest.raises(DataError, match="holds no sound file"):
        corpus.read(tmp_path)
    put(tmp_path / "a.wav", sound(np.zeros(100)))
    with pytest.raises(DataError, match=r"none of the 1 sounds in .* can be learnt from; .*a.wav is silent"):
        corpus.read(tmp_path)
    with pytest.raises(DataError, match="there is no file, folder or embedded set 'nothing'"):
        corpus.read("nothing")


def test_too_much_sound_is_refused_before_memory_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LARGEST", 10_000)
    put(tmp_path / "a.wav")
    put(tmp_path / "b.wav")
    with pytest.raises(DataError, match="give shorter or fewer"):
        corpus.read(tmp_path)
    put(tmp_path / "long.wav", sound(np.tile(TONE, 2)))
    with pytest.raises(DataError, match=r"long\.wav is longer than 0 minutes"):
        files.load(tmp_path / "long.wav")


def test_arrays_in_memory():
    found, _ = corpus.read(np.stack([TONE, -TONE]))
    assert len(found) == 2
    for bad, sentence in (
        (np.zeros((2, 50)), "nothing but silence"),
        ([["a"]], "a sound is numbers"),
        (np.full((1, 9), np.nan), "no numbers"),
        (np.zeros((0, 9)), "no sound"),
    ):
        with pytest.raises(DataError, match=sentence):
            corpus.read(bad)


def test_resampling_keeps_pitch_and_length():
    high = sound(0.5 * np.sin(2 * np.pi * 440 * np.arange(11_025) / 44_100), 44_100)
    low = at_rate(high, RATE)
    assert len(low) == 4000
    np.testing.assert_allclose(low[200:-200], TONE[200:-200], atol=0.01)


def codec_of(objects: Sounds, **config) -> AudioCodec:
    return AudioCodec.learn(objects, AudioCodec.Config(**config))


def test_codec_laws():
    drums = drum_sounds(4)
    codec = codec_of(drums)
    encoded = codec.encode(drums)
    assert codec.space.contains(encoded.x)
    assert encoded.given.squeeze(1).tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    labels = list(drums.labels)
    again = codec.decode(encoded.x, given={"label": labels})
    assert all(checks.same(a, b) for a, b in zip(codec.decode(codec.encode(again).x, given={"label": labels}), again))
    for one, other in zip(drums, again):
        n = len(other)
        assert np.array_equal(one.samples[:n], other.samples[: len(one)][:n]) or n > len(one)
        assert not np.abs(one.wave[n:]).max(initial=0) > 1e-3
    other = AudioCodec.from_state(json.loads(json.dumps(codec.state())))
    assert torch.equal(other.encode(drums).x, encoded.x)
    assert other.space == codec.space
    assert codec.describe() == "sounds of 0.51 s at 16 kHz of 4 classes"


def test_long_recordings_are_cut_and_nothing_is_lost():
    long = sound(np.sin(np.arange(RATE * 3)) * np.linspace(0.1, 1, RATE * 3))
    codec = codec_of(Sounds((long,)), seconds=0.8)
    x = codec.encode(Sounds((long,))).x
    assert x.shape == (4, 12_800)
    np.testing.assert_array_equal(x[0], long.wave[:12_800])
    np.testing.assert_array_equal(x[-1], long.wave[-12_800:])
    assert len(codec.decode(x)[0]) == 12_800  # no recording ended early, so nothing is cut off


def test_conditions_and_what_is_refused():
    drums = drum_sounds(2)
    codec = codec_of(drums)
    assert codec.condition({"label": "kick"}, 2).tolist() == [[1], [1]]
    with pytest.raises(ConfigError, match="did you mean 'label'"):
        codec.condition({"lable": "kick"}, 2)
    with pytest.raises(ConfigError, match="without class labels"):
        codec_of(drums, labels=False).condition({"label": "kick"}, 1)
    with pytest.raises(DataError, match="class 'cow'"):
        codec.encode(sounds([TONE], labels=["cow"]))
    with pytest.raises(ConfigError, match=r"codec\.seconds is 90"):
        AudioCodec.Config(seconds=90.0)
    with pytest.raises(DataError, match="some have none"):
        codec_of(Sounds((*drums.items, sound(TONE))))
    assert codec.encode(drums.take([0])).given.tolist() == [[0]]


def test_split_keeps_classes_and_cuts_a_single_recording():
    kept, held = corpus.split(drum_sounds(10), 0.2, 0)
    assert (len(kept), len(held)) == (32, 8)
    assert held.classes == kept.classes
    kept, held = corpus.split(Sounds((sound(TONE),)), 0.25, 0)
    assert (len(kept[0]), len(held[0])) == (3000, 1000)


def test_written_and_read_again(tmp_path):
    drums = drum_sounds(2)
    corpus.write(drums, tmp_path / "kit")
    again, _ = corpus.read(tmp_path / "kit")
    assert all(checks.same(a, b) and a.label == b.label for a, b in zip(again, drums))
    with pytest.raises(DataError, match="is not an empty folder"):
        corpus.write(drums, tmp_path / "kit")
    corpus.write(drums, tmp_path / "kit.wav")  # beside a folder of that name: all in turn
    with wavefile.open(io.BytesIO((tmp_path / "kit.wav").read_bytes())) as file:
        assert file.getnframes() == 8 * 8000 + 7 * 4000
    with pytest.raises(DataError, match=r"not \.mp3"):
        corpus.write(drums, tmp_path / "kit.mp3")


def test_views_show_a_player_and_a_line():
    one = drum_sounds(1)[1]
    shown = view.to_html(one)
    assert 'src="data:audio/wav;base64,' in shown
    assert "<svg" in shown
    assert "kick, 0.50 s" in shown
    assert "kick" in view.to_text(Sounds((one,)))
    assert drum_sounds(4)._repr_html_().count("<audio") == 12


def test_checks():
    assert checks.valid(sound(TONE))
    assert not checks.valid(sound(np.zeros(9)))
    assert checks.clipped(sound(np.array([1.0, 0.5, -1.0, 0]))) == 0.5
