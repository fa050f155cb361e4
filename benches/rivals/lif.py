"""LIF neurons over all time steps, from currents to spikes as 32-bit floats."""


def prepare(rival, case, threads):
    """`(about, run)` of one rival; the answer is one float a spike or silence."""
    import torch
    from models import load
    from networks import lif_loop

    torch.set_grad_enabled(False)
    torch.set_num_threads(threads)
    version = torch.__version__.split("+")[0]
    currents = torch.from_numpy(load(case)[1]["x"])
    if rival == "torch-compile":
        run = torch.compile(lambda: lif_loop(currents), dynamic=False)
        return f"torch {version}, a loop, compiled", lambda: run().numpy()
    if rival == "spikingjelly":
        from importlib.metadata import version as version_of

        from spikingjelly.activation_based import neuron

        node = neuron.LIFNode(tau=2.0, detach_reset=True, step_mode="m")

        def run():
            node.reset()
            return node(currents).numpy()

        return f"spikingjelly {version_of('spikingjelly')} on torch {version}, eager", run
    return f"torch {version}, a loop that reuses its membrane", lambda: in_place(currents).numpy()


def in_place(currents):
    """The fastest form of `lif_loop` that we know in eager PyTorch."""
    import torch

    spikes = torch.empty_like(currents)
    v = torch.zeros_like(currents[0])
    for t in range(len(currents)):
        v.add_(currents[t]).mul_(0.5)
        torch.ge(v, 1.0, out=spikes[t])
        v.masked_fill_(v >= 1.0, 0.0)
    return spikes
