"""Times tonic and SpikingJelly on the files that `cargo bench -p snn-data` wrote.

Usage: python3 rivals.py [FOLDER]    (tonic 1.7.0, SpikingJelly 2.0, numpy 2.4.6)

The file is in the page cache, as it is for the Rust benchmark. SpikingJelly's AEDAT 3 reader takes
a minute for ten million events.
"""

import pathlib
import sys
import tempfile
import time

import numpy as np
from spikingjelly.datasets import utils as sj
from tonic import io


def timed(name, work, repeat=3):
    best = float("inf")
    for _ in range(repeat):
        start = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - start)
    print(f"{name:<40} {best * 1e3:10.1f} ms", flush=True)
    return result


def aedat2(path):
    """tonic's read_dvs_128 expects two values of a function that returns three since 2024."""
    version, start, _ = io.read_aedat_header_from_file(path)
    events = io.get_aer_events_from_file(path, version, start)
    address = events["address"]
    return io.make_structured_array((address >> 8) & 0x7F, (address >> 1) & 0x7F,
                                    events["timeStamp"], address & 1)


def aedat3(path):
    version, start, _ = io.read_aedat_header_from_file(path)
    events = io.get_aer_events_from_file(path, version, start)
    address = events["address"]
    return io.make_structured_array((address >> 17) & 0x1FFF, (address >> 2) & 0x1FFF,
                                    events["timeStamp"], (address >> 1) & 1)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                          pathlib.Path(tempfile.gettempdir()) / "snn-data-bench")
    file = {name: str(folder / f"ten_million{name}") for name in (".aedat", "_v3.aedat", ".bin")}
    timed("tonic AEDAT 2.0", lambda: aedat2(file[".aedat"]))
    timed("tonic AEDAT 3.1", lambda: aedat3(file["_v3.aedat"]))
    timed("tonic ATIS", lambda: io.read_mnist_file(file[".bin"], io.events_struct))
    timed("SpikingJelly ATIS", lambda: sj.load_ATIS_bin(file[".bin"]))
    events = timed("SpikingJelly AEDAT 3.1", lambda: sj.load_aedat_v3(file["_v3.aedat"]), 1)
    for rule in ("number", "time"):
        frames = timed(
            f"SpikingJelly frames by {rule}, 16",
            lambda: sj.integrate_events_by_fixed_frames_number(events, rule, 16, 128, 128))
        assert frames.sum() == len(events["t"])
    timed("SpikingJelly frames of 1 s",
          lambda: sj.integrate_events_by_fixed_duration(events, 1_000_000, 128, 128))
    assert np.diff(events["t"]).min() >= 0


if __name__ == "__main__":
    main()
