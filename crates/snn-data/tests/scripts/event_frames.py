"""Writes ../data/event_frames.json: what SpikingJelly and tonic make of the same events.

Usage: python3 event_frames.py    (SpikingJelly 2.0 of August 2026, tonic 1.7.0, numpy 2.4.6)

Events come from a linear congruential generator that the test repeats. Counts are kept as SHA-256
over little-endian 32-bit integers [T, 2, H, W]; voxel grids, time surfaces and the results of the
filters as numbers.
"""

import hashlib
import json
import pathlib

import numpy as np
from spikingjelly.datasets import utils as sj
from tonic import functional as tonic

WIDTH, HEIGHT, COUNT = 23, 17, 3000


def generator(seed):
    state = seed
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield state >> 33


def events(count=COUNT, width=WIDTH, height=HEIGHT, seed=7):
    random = generator(seed)
    t = 0
    rows = []
    for _ in range(count):
        t += next(random) % 700
        rows.append((next(random) % width, next(random) % height, t, next(random) % 2))
    return np.array(rows, dtype=[("x", int), ("y", int), ("t", int), ("p", int)])


def digest(frames):
    frames = np.ascontiguousarray(frames)
    assert (frames == frames.astype(np.int32)).all()
    return {
        "shape": list(frames.shape),
        "sha256": hashlib.sha256(frames.astype("<i4").tobytes()).hexdigest(),
    }


def rows(found):
    return [[int(e["t"]), int(e["x"]), int(e["y"]), int(e["p"])] for e in found]


def main():
    e = events()
    arrays = {name: e[name] for name in "txyp"}
    size = (WIDTH, HEIGHT, 2)
    counts = {}
    for frames in (1, 4, 10, 16, 7):
        for rule in ("number", "time"):
            found = sj.integrate_events_by_fixed_frames_number(arrays, rule, frames, HEIGHT, WIDTH)
            counts[f"spikingjelly {rule} {frames}"] = digest(found)
    for duration in (1000, 77_777, 100_000, int(e["t"][-1] - e["t"][0]), 10**7):
        found = sj.integrate_events_by_fixed_duration(arrays, duration, HEIGHT, WIDTH)
        counts[f"spikingjelly duration {duration}"] = digest(found)
    for window, overlap, incomplete in ((50_000, 0, False), (50_000, 0, True), (80_000, 30_000, True),
                                        (10**8, 0, False), (int(e["t"][-1] - e["t"][0]), 0, False)):
        found = tonic.to_frame_numpy(e, size, time_window=window, overlap=overlap,
                                     include_incomplete=incomplete)
        counts[f"tonic time {window} {overlap} {incomplete}"] = digest(found)
    for number, overlap, incomplete in ((250, 0, False), (701, 0, True), (701, 0, False),
                                        (400, 150, True), (5000, 0, False)):
        found = tonic.to_frame_numpy(e, size, event_count=number, overlap=overlap,
                                     include_incomplete=incomplete)
        counts[f"tonic count {number} {overlap} {incomplete}"] = digest(found)
    for bins, overlap in ((10, 0.0), (7, 0.25), (16, 0.1)):
        found = tonic.to_frame_numpy(e, size, n_time_bins=bins, overlap=overlap)
        counts[f"tonic time-bins {bins} {overlap}"] = digest(found)
        found = tonic.to_frame_numpy(e, size, n_event_bins=bins, overlap=overlap)
        counts[f"tonic event-bins {bins} {overlap}"] = digest(found)

    small = events(60, 5, 4, 11)
    voxel = tonic.to_voxel_grid_numpy(small.copy(), (5, 4, 2), n_time_bins=6)
    surface = tonic.to_timesurface_numpy(small.copy(), (5, 4, 2), dt=5000, tau=4000.0)
    sparse = events(400, 12, 9, 3)
    golden = {
        "counts": counts,
        "voxel": voxel.ravel().tolist(),
        "surface": surface.ravel().tolist(),
        "denoise": rows(tonic.denoise_numpy(sparse.copy(), filter_time=3000)),
        "refractory": rows(tonic.refractory_period_numpy(sparse.copy(), refractory_period=20_000)),
        "hot": sorted(
            [int(x), int(y)] for x, y in tonic.identify_hot_pixel(sparse.copy(), 50)
        ),
    }
    path = pathlib.Path(__file__).parent.parent / "data" / "event_frames.json"
    path.write_text(json.dumps(golden, indent=0) + "\n")


if __name__ == "__main__":
    main()
