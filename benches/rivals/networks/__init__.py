"""Three spiking transformers for 32x32 images in plain PyTorch, for inference.

Written from the papers and the published structure, with the names of the authors'
checkpoints. Time is folded into the batch everywhere but in neurons and attention.
"""
import torch
from torch import nn

from .parts import Style, lif_loop
from .qkformer import QkFormer
from .spike_driven_transformer import SpikeDrivenTransformer
from .spikformer import Spikformer

NETWORKS = {
    "spikformer": Spikformer,
    "spike-driven-transformer": SpikeDrivenTransformer,
    "sdt": SpikeDrivenTransformer,
    "qkformer": QkFormer,
}


def build(name, style):
    """A network by `system-depth-dim`, such as `spikformer-4-384`."""
    system, depth, dim = name.rsplit("-", 2)
    return NETWORKS[system](int(depth), int(dim), style).eval()


def fold(model):
    """Folds every BatchNorm into the map before it, in place."""
    for parent in list(model.modules()):
        for name, norm in list(parent.named_children()):
            if not isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d)):
                continue
            maps = (getattr(parent, name.replace("bn", kind), None) for kind in ("conv", "linear"))
            map_ = next(m for m in maps if m is not None)
            gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            weight = map_.weight * gain.reshape(-1, *[1] * (map_.weight.dim() - 1))
            bias = 0 if map_.bias is None else map_.bias
            bias = (bias - norm.running_mean) * gain + norm.bias
            map_.weight, map_.bias = (nn.Parameter(p.detach(), False) for p in (weight, bias))
            setattr(parent, name, nn.Identity())
    return model
