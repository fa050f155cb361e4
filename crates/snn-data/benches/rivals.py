"""Times tonic and SpikingJelly on the files that `cargo bench -p snn-data` wrote.

Usage: python3 rivals.py [FOLDER]    (tonic 1.7.0, SpikingJelly 2.0.0, numpy 2.4.6)

Recordings that were put into the folder are read too. Files are in the page cache, as they are for
the Rust benchmark; times are medians. SpikingJelly's AEDAT 3 reader takes seconds for a file, so it
runs once.
"""

import pathlib
import statistics
import sys
import tempfile
import time

import numpy as np
from spikingjelly.datasets import cifar10_dvs
from spikingjelly.datasets import utils as sj
from tonic import io


def timed(name, work, seconds=4.0):
    """Median of at least seven runs, after one to warm up; `seconds` 0 for a single run."""
    times, result = [], None if seconds == 0 else work()
    while not times or seconds > 0 and (len(times) < 7 or sum(times) < seconds):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    print(f"{name:<60} {statistics.median(times) * 1e6:12.1f} us  {len(times)} runs", flush=True)
    return result


def aedat2(path):
    """tonic's read_dvs_128 expects two values of a function that returns three since 2024."""
    version, start, _ = io.read_aedat_header_from_file(path)
    events = io.get_aer_events_from_file(path, version, start)
    address = events["address"]
    return io.make_structured_array((address >> 8) & 0x7F, (address >> 1) & 0x7F,
                                    events["timeStamp"], address & 1)


def aedat3(path):
    """As above, for read_dvs_ibm."""
    version, start, _ = io.read_aedat_header_from_file(path)
    events = io.get_aer_events_from_file(path, version, start)
    address = events["address"]
    return io.make_structured_array((address >> 17) & 0x1FFF, (address >> 2) & 0x1FFF,
                                    events["timeStamp"], (address >> 1) & 1)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                          pathlib.Path(tempfile.gettempdir()) / "snn-data-bench")
    events = None
    for path in sorted(folder.iterdir()):
        name, start = path.name, path.open("rb").read(10)
        path = str(path)
        if start == b"#!AER-DAT2":
            timed(f"{name}, tonic", lambda: aedat2(path))
            timed(f"{name}, SpikingJelly", lambda: cifar10_dvs._load_origin_data(path))
        elif start == b"#!AER-DAT3":
            timed(f"{name}, tonic", lambda: aedat3(path))
            found = timed(f"{name}, SpikingJelly", lambda: sj.load_aedat_v3(path), 0)
            if len(found["t"]) == 10_000_000:
                events = found
        elif name.endswith(".bin"):
            timed(f"{name}, tonic", lambda: io.read_mnist_file(path, io.events_struct))
            timed(f"{name}, SpikingJelly", lambda: sj.load_ATIS_bin(path))
    for rule in ("number", "time"):
        frames = timed(
            f"SpikingJelly, 16 frames of 10^7 events by {rule}",
            lambda: sj.integrate_events_by_fixed_frames_number(events, rule, 16, 128, 128))
        assert frames.sum() == len(events["t"])
    timed("SpikingJelly, frames of 1 s of 10^7 events",
          lambda: sj.integrate_events_by_fixed_duration(events, 1_000_000, 128, 128))
    assert np.diff(events["t"]).min() >= 0


if __name__ == "__main__":
    main()
