"""The core of spiking self-attention, Q (K^T V): spikes in, products out as 32-bit
floats; with `neuron`, LIF neurons of threshold 0.5 behind them, spikes out."""


def prepare(rival, case, heads, neuron, threads):
    """`(about, run)` of one rival."""
    import torch
    from models import load
    from networks import lif_loop

    torch.set_grad_enabled(False)
    torch.set_num_threads(threads)
    version = torch.__version__.split("+")[0]
    tensors = load(case)[1]

    def split(name):  # [T, B, N, C] to [T, B, heads, N, d], as a network would keep it
        x = torch.from_numpy(tensors[name])
        return x.unflatten(-1, (heads, -1)).transpose(2, 3).contiguous()

    q, k, v = split("q"), split("k"), split("v")

    def compute(q, k, v, lif):
        y = q @ (k.transpose(-2, -1) @ v)
        return lif(y * 0.125, 0.5) if neuron else y

    about = f"torch {version}, K^T V first"
    lif = lif_loop
    if rival == "torch-compile":
        compute = torch.compile(compute, dynamic=False)
        about += ", compiled"
    elif rival == "spikingjelly":
        from importlib.metadata import version as version_of

        from spikingjelly.activation_based import neuron as neurons

        node = neurons.LIFNode(tau=2.0, v_threshold=0.5, detach_reset=True, step_mode="m")
        about = f"spikingjelly {version_of('spikingjelly')} on " + about

        def lif(x, threshold):
            node.reset()
            return node(x)

    # Back to the axes of the input, as a view that costs nothing.
    return about, lambda: compute(q, k, v, lif).transpose(2, 3)
