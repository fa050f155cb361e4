"""A layer of masked time-to-first-spike codes, dense: levels in as 32-bit floats, the levels of
the next code out likewise."""


def prepare(rival, case, threads):
    """`(about, run)` of one rival."""
    import torch
    from models import load
    from torch.nn import functional

    torch.set_grad_enabled(False)
    torch.set_num_threads(threads)
    tensors = {name: torch.from_numpy(x) for name, x in load(case)[1].items()}
    x, weight, bias = (tensors[name] for name in ("x", "weight", "bias"))
    greatest, mask, zone = 15.0, 7.0, 3.0

    def compute(x):
        level = functional.linear(x, weight, bias).round().add(mask).clamp(0.0, greatest)
        return torch.where((level - mask).abs() <= zone, mask, level)

    about = f"torch {torch.__version__.split('+')[0]}, dense"
    if rival == "torch-compile":
        compute = torch.compile(compute, dynamic=False)
        about += ", compiled"
    return about, lambda: compute(x)
