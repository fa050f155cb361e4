"""Spike-driven Transformer for CIFAR: Yao et al., NeurIPS 2023."""
from torch import nn

from .parts import Lif, conv3, mean_over_time, over_time, pool


class SpikeDrivenStem(nn.Module):
    def __init__(self, dim, style):
        super().__init__()
        self.style = style
        widths = [3, dim // 8, dim // 4, dim // 2, dim]
        for i, suffix in enumerate(["", "1", "2", "3"]):
            self.add_module(f"proj_conv{suffix}", conv3(widths[i], widths[i + 1]))
            self.add_module(f"proj_bn{suffix}", nn.BatchNorm2d(widths[i + 1]))
            self.add_module(f"proj_lif{suffix}", Lif(style))
        self.maxpool2, self.maxpool3 = pool(), pool()
        self.rpe_conv, self.rpe_bn = conv3(dim, dim), nn.BatchNorm2d(dim)

    def forward(self, image):
        x = self.proj_lif(over_time(self.style, image, self.proj_conv, self.proj_bn))
        x = self.proj_lif1(self.proj_bn1(self.proj_conv1(x)))
        x = self.maxpool2(self.proj_lif2(self.proj_bn2(self.proj_conv2(x))))
        membrane = self.maxpool3(self.proj_bn3(self.proj_conv3(x)))
        return self.rpe_bn(self.rpe_conv(self.proj_lif3(membrane))) + membrane


class SpikeDrivenAttention(nn.Module):
    def __init__(self, dim, style):
        super().__init__()
        for name in ["q", "k", "v"]:
            self.add_module(f"{name}_conv", nn.Conv2d(dim, dim, 1, bias=False))
            self.add_module(f"{name}_bn", nn.BatchNorm2d(dim))
            self.add_module(f"{name}_lif", Lif(style))
        self.talking_heads = nn.Conv1d(8, 8, 1, bias=False)  # stored, never used
        self.talking_heads_lif = Lif(style, threshold=0.5)
        self.proj_conv, self.proj_bn = nn.Conv2d(dim, dim, 1), nn.BatchNorm2d(dim)
        self.shortcut_lif = Lif(style)

    def layer(self, name, x):
        x = getattr(self, f"{name}_bn")(getattr(self, f"{name}_conv")(x))
        return getattr(self, f"{name}_lif")(x)

    def forward(self, x):
        spikes = self.shortcut_lif(x)
        q, k, v = (self.layer(name, spikes) for name in "qkv")
        mask = self.talking_heads_lif((k * v).sum((2, 3), keepdim=True))
        return self.proj_bn(self.proj_conv(q * mask)) + x


class SpikeDrivenMlp(nn.Module):
    def __init__(self, dim, hidden, style):
        super().__init__()
        self.fc1_conv, self.fc1_bn, self.fc1_lif = nn.Conv2d(dim, hidden, 1), nn.BatchNorm2d(hidden), Lif(style)
        self.fc2_conv, self.fc2_bn, self.fc2_lif = nn.Conv2d(hidden, dim, 1), nn.BatchNorm2d(dim), Lif(style)

    def forward(self, x):
        y = self.fc1_bn(self.fc1_conv(self.fc1_lif(x)))
        return self.fc2_bn(self.fc2_conv(self.fc2_lif(y))) + x


class SpikeDrivenBlock(nn.Module):
    def __init__(self, dim, style):
        super().__init__()
        self.attn, self.mlp = SpikeDrivenAttention(dim, style), SpikeDrivenMlp(dim, 4 * dim, style)

    def forward(self, x):
        return self.mlp(self.attn(x))


class SpikeDrivenTransformer(nn.Module):
    def __init__(self, depth, dim, style, classes=10):
        super().__init__()
        self.style = style
        self.patch_embed = SpikeDrivenStem(dim, style)
        self.block = nn.ModuleList(SpikeDrivenBlock(dim, style) for _ in range(depth))
        self.head_lif, self.head = Lif(style), nn.Linear(dim, classes)

    def forward(self, image):
        x = self.patch_embed(image)
        for block in self.block:
            x = block(x)
        return mean_over_time(self.style, self.head(self.head_lif(x.mean((2, 3)))))
