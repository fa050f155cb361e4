"""What the networks have in common."""
from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class Style:
    """How the same network is computed."""

    steps: int = 4
    neuron: str = "loop"  # or "spikingjelly"
    first_once: bool = False  # the first convolution once, not at each time step
    kv_first: bool = False  # K^T V before Q in Spikformer, as QKFormer's code does


def lif_loop(x, threshold=1.0, tau=2.0):
    """Currents [T, ...] to spikes: input decays, hard reset to 0, a tie fires."""
    v, spikes = None, []
    for current in x.unbind(0):
        h = current / tau if v is None else v + (current - v) / tau
        spike = (h >= threshold).to(h.dtype)
        v = h * (1.0 - spike)
        spikes.append(spike)
    return torch.stack(spikes)


class Lif(nn.Module):
    """[T B, ...] to [T B, ...]."""

    def __init__(self, style, threshold=1.0):
        super().__init__()
        self.style, self.threshold = style, threshold
        self.node = []  # in a list: its state is no part of the checkpoint
        if style.neuron == "spikingjelly":
            from spikingjelly.activation_based import neuron

            self.node.append(
                neuron.LIFNode(tau=2.0, v_threshold=threshold, detach_reset=True, step_mode="m")
            )

    def forward(self, x):
        steps = x.reshape(self.style.steps, -1, *x.shape[1:])
        if self.node:
            self.node[0].reset()
            return self.node[0](steps.contiguous()).reshape(x.shape)
        return lif_loop(steps, self.threshold).reshape(x.shape)


class TokenNorm(nn.BatchNorm1d):
    """BatchNorm over the last axis of [T B, N, C]."""

    def forward(self, x):
        return super().forward(x.transpose(-1, -2)).transpose(-1, -2).contiguous()


def conv3(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


def pool():
    return nn.MaxPool2d(3, 2, 1)


def over_time(style, image, conv, bn):
    """The first convolution of a static image, [B, 3, H, W] to [T B, C, H, W]."""
    if style.first_once:
        y = bn(conv(image))
        return y.unsqueeze(0).expand(style.steps, *y.shape).flatten(0, 1)
    return bn(conv(image.unsqueeze(0).repeat(style.steps, 1, 1, 1, 1).flatten(0, 1)))


def mean_over_time(style, x):
    return x.reshape(style.steps, -1, x.shape[-1]).mean(0)
