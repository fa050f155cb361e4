"""Times tonic, SpikingJelly and snn-data by turns on the files that `cargo bench -p snn-data --bench
events` wrote.

Usage: python3 rivals.py [FOLDER]    (tonic 1.7.0, SpikingJelly 2.0.0, numpy 2.4.6)

Recordings that were put into the folder are read too. Files are in the page cache; times are medians
over rounds in which each program has one turn, so that what else the machine does slows all alike: a
run that counts after 50 ms of runs that do not. SpikingJelly's AEDAT 3 reader takes seconds for a
file and has one turn only.

Before anything is timed, the number of events and the sum of their times must be the same in all
programs, and the SHA-256 over all events in the three forms of snn-data: the whole file into new
memory; into memory that was used before; in batches of bounded memory. `bytes alone` is what the
system takes to copy the bytes of the file from its cache: no reader that asks for them can be faster.
`events alone` is what it takes two threads to look at the events in memory.
"""

import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from spikingjelly.datasets import cifar10_dvs
from spikingjelly.datasets import utils as sj
from tonic import io

ROUNDS = 21


class Ours:
    """The benchmark of this crate, which does what it is told line by line."""

    def __init__(self):
        command = ["cargo", "bench", "--quiet", "-p", "snn-data", "--bench", "events", "--", "beside"]
        root = pathlib.Path(__file__).parent
        self.process = subprocess.Popen(command, cwd=root, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return [float(word) for word in self.process.stdout.readline().split()]


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def turn(work):
    """What a run takes after 50 ms of runs that wake threads and caches."""
    start = time.perf_counter()
    while time.perf_counter() - start < 0.05:
        work()
    return seconds(work)


def table(name, rivals, forms, ours, rounds=ROUNDS):
    """Prints the medians of `rivals` (name to work) and of what `ours` answers for `forms`."""
    times = {rival: [] for rival in rivals} | {form: [] for form in forms}
    slow = {rival for rival, work in rivals.items() if seconds(work) > 1}
    for _ in range(rounds):
        for rival, work in rivals.items():
            if rival not in slow or not times[rival]:
                times[rival].append((seconds if rival in slow else turn)(work))
        for form, taken in zip(forms, ours()):
            times[form].append(taken)
    medians = {who: statistics.median(taken) for who, taken in times.items()}
    print(name)
    for who, median in medians.items():
        ratios = [f"{medians[rival] / median:6.1f} x {rival}" for rival in rivals if who in forms]
        print(f"    {who:<14} {median * 1e3:10.3f} ms", *ratios, flush=True)


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


def readers(path):
    """tonic's and SpikingJelly's way to read a file, if they know its format."""
    start = path.open("rb").read(10)
    path = str(path)
    if start == b"#!AER-DAT2":
        return aedat2, cifar10_dvs._load_origin_data
    if start == b"#!AER-DAT3":
        return aedat3, sj.load_aedat_v3
    if path.endswith(".bin"):
        return lambda path: io.read_mnist_file(path, io.events_struct), sj.load_ATIS_bin
    return None


def same(path, found, ours):
    """The number of events and the sum of their times, of which tonic takes 32 bits as unsigned."""
    count, total = ours.ask(f"check {path}")
    times = np.asarray(found["t"], dtype=np.int64)
    found = (len(times), int(times.sum()) % 2**32)
    assert found == (int(count), int(total) % 2**32), path.name


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                          pathlib.Path(tempfile.gettempdir()) / "snn-data-bench")
    ours, events = Ours(), None
    for path in sorted(folder.iterdir()):
        found = readers(path)
        if found is None:
            continue
        tonic, jelly = found
        same(path, tonic(str(path)), ours)
        if path.stat().st_size > 1 << 24 and jelly is sj.load_aedat_v3:
            events = jelly(str(path))
            same(path, events, ours)
        table(path.name, {"tonic": lambda: tonic(str(path)), "SpikingJelly": lambda: jelly(str(path))},
              ["new memory", "used memory", "in batches", "bytes alone"], lambda: ours.ask(f"read {path}"))
    assert np.diff(events["t"]).min() >= 0 and len(events["t"]) == 10_000_000
    for rule in ("number", "time"):
        work = lambda: sj.integrate_events_by_fixed_frames_number(events, rule, 16, 128, 128)
        assert work().sum() == len(events["t"])
        table(f"16 frames of 10^7 events by {rule}", {"SpikingJelly": work},
              ["snn-data", "events alone"], lambda: ours.ask(f"frames {rule}"))
    table("frames of 1 s of 10^7 events",
          {"SpikingJelly": lambda: sj.integrate_events_by_fixed_duration(events, 1_000_000, 128, 128)},
          ["snn-data", "events alone"], lambda: ours.ask("frames duration"))


if __name__ == "__main__":
    main()
