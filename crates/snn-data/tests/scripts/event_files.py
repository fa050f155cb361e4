"""Writes ../data/events/: the same events in files that other programs write.

Usage: python3 event_files.py    (h5py 3.16.0, numpy 2.4.6, scipy 1.17.1, expelliarmus 1.1.12)

The events are those of event_frames.py, repeated by the test; nothing in them is recorded.
"""

import pathlib

import h5py
import numpy as np
import scipy.io
from expelliarmus import Wizard

from event_frames import events, generator

OUT = pathlib.Path(__file__).parent.parent / "data" / "events"


def spikes(path, real, **options):
    """Spike trains in the layout of SHD; recording 3 is empty."""
    random = generator(5)
    with h5py.File(path, "w", **options) as file:
        count = 9
        shape = dict(shape=(count,), chunks=(4,), maxshape=(None,), compression="gzip")
        times = file.create_dataset("spikes/times", dtype=h5py.vlen_dtype(real), **shape)
        units = file.create_dataset("spikes/units", dtype=h5py.vlen_dtype(np.uint16), **shape)
        labels = []
        for i in range(count):
            length = 0 if i == 3 else 5 + next(random) % 20
            steps = [next(random) % 64 for _ in range(length)]
            times[i] = np.cumsum(steps).astype(np.float64).astype(real) / real(1024)
            units[i] = np.array([next(random) % 700 for _ in range(length)], dtype=np.uint16)
            labels.append(next(random) % 20)
        labels = np.array(labels, dtype=np.uint8)
        file.create_dataset("labels", data=labels, compression="gzip", shuffle=True)
        file["extra/keys"] = np.array([b"zero", b"one"])


def main():
    OUT.mkdir(exist_ok=True)
    e = events(300, 23, 17, 9)
    # SpikingJelly keeps the big-endian times of CIFAR10-DVS as they are.
    np.savez_compressed(OUT / "spikingjelly.npz", t=e["t"].astype(">u4"), x=e["x"].astype(np.uint32),
                        y=e["y"].astype(np.uint32), p=e["p"].astype(np.int64))
    np.savez(OUT / "stored.npz", t=e["t"], x=e["x"].astype(np.int16), y=e["y"].astype(np.uint8),
             p=e["p"].astype(bool))
    frames = np.zeros((4, 2, 17, 23))
    for i, row in enumerate(e):
        frames[min(i // 75, 3), row["p"], row["y"], row["x"]] += 1
    np.savez_compressed(OUT / "frames.npz", frames=frames)
    np.save(OUT / "fields.npy", e)
    columns = np.stack([e["x"], e["y"], e["p"], e["t"] / 1000], axis=1)
    np.save(OUT / "tonic.npy", columns)
    boxes = np.array([(1000, 10.5, 20.0, 30.0, 40.25, 1, 0.5, 7), (2000, 0, 1, 2, 3, 0, 1.0, 8)],
                     dtype=[("ts", "<u8"), ("x", "<f4"), ("y", "<f4"), ("w", "<f4"), ("h", "<f4"),
                            ("class_id", "u1"), ("confidence", "<f4"), ("track_id", "<u4")])
    np.save(OUT / "boxes.npy", boxes)
    matrix = {"ts": e["t"][:, None].astype(np.int32), "x": e["x"][:, None].astype(float),
              "y": e["y"][:, None].astype(np.uint8), "pol": e["p"][:, None].astype(float)}
    scipy.io.savemat(OUT / "packed.mat", matrix, do_compression=True)
    scipy.io.savemat(OUT / "plain.mat", matrix)
    spikes(OUT / "half.h5", np.float16)
    spikes(OUT / "single.h5", np.float32)
    spikes(OUT / "latest.h5", np.float64, libver="latest")
    found = np.zeros(len(e), dtype=[("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "u1")])
    for name in "txyp":
        found[name] = e[name]
    for encoding in ("dat", "evt2", "evt3"):
        ending = "dat" if encoding == "dat" else "raw"
        # Its EVT 3.0 writer names the upper half of the clock once, so times must end below 4096.
        some = found[found["t"] < 4096] if encoding == "evt3" else found
        Wizard(encoding=encoding).save(fpath=str(OUT / f"{encoding}.{ending}"), arr=some)


if __name__ == "__main__":
    main()
