"""A synapse and the LIF neurons behind it: spikes [T, B, positions..., C] in as 32-bit
floats, spikes out likewise. The layout inside is PyTorch's own."""


def prepare(rival, case, threads):
    """`(about, run)` of one rival."""
    import torch
    from models import load
    from networks import lif_loop
    from torch.nn import functional

    torch.set_grad_enabled(False)
    torch.set_num_threads(threads)
    version = torch.__version__.split("+")[0]
    tensors = {name: torch.from_numpy(x) for name, x in load(case)[1].items()}
    x, weight = tensors["x"], tensors["weight"]
    steps = x.shape[0]
    if weight.dim() == 4:
        x = x.flatten(0, 1).permute(0, 3, 1, 2).contiguous()

        def compute(x):
            return lif_loop(functional.conv2d(x, weight, padding=1).unflatten(0, (steps, -1)))

    else:

        def compute(x):
            return lif_loop(functional.linear(x, weight))

    about = f"torch {version}"
    if rival == "torch-compile":
        compute = torch.compile(compute, dynamic=False)
        about += ", compiled"
    # Channels last again, as a view that costs nothing.
    back = (lambda y: y.permute(0, 1, 3, 4, 2)) if weight.dim() == 4 else (lambda y: y)
    return about, lambda: back(compute(x))
