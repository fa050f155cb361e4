"""A rival on one side of a pipe: it answers, then runs as often as it is told.

One JSON object a line on standard output: what it is and how long it took to get
ready, once its answer is written; the seconds of each run for every number of
runs that comes in; at the end of input, the greatest memory that it held.
"""
import ctypes
import json
import os
import sys
import time


def keep_memory():
    """glibc returns large blocks to the system after every operator, and each is
    then page-faulted again: 10 to 20 % of PyTorch's time. Told not to, it keeps
    them. The fairest setting that we know; without glibc there is nothing to do."""
    try:
        libc = ctypes.CDLL("libc.so.6")
        trim, map_, top = -1, -3, -2
        for option, value in [(trim, 2**31 - 1), (map_, 2**30), (top, 2**26)]:
            libc.mallopt(option, value)
    except OSError:
        pass


def peak_rss_mb():
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    return None


def serve(prepare, answer_path):
    """`prepare()` gives `(about, run)`; `run()` computes the answer as a contiguous
    array of NumPy, or something that `numpy.asarray` takes."""
    import numpy

    # What libraries print goes to standard error.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    start = time.perf_counter()
    about, run = prepare()
    answer = numpy.asarray(run())
    setup = time.perf_counter() - start
    numpy.ascontiguousarray(answer).tofile(answer_path)
    del answer
    print(json.dumps({"about": about, "setup_s": setup}), file=out)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
        print(json.dumps({"seconds": seconds}), file=out)
    print(json.dumps({"peak_rss_mb": peak_rss_mb()}), file=out)
