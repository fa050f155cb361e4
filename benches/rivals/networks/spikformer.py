"""Spikformer for CIFAR: Zhou et al., ICLR 2023."""
from torch import nn

from .parts import Lif, TokenNorm, conv3, mean_over_time, over_time, pool


class SpikformerStem(nn.Module):
    def __init__(self, dim, style):
        super().__init__()
        self.style = style
        widths = [3, dim // 8, dim // 4, dim // 2, dim]
        for i, suffix in enumerate(["", "1", "2", "3"]):
            self.add_module(f"proj_conv{suffix}", conv3(widths[i], widths[i + 1]))
            self.add_module(f"proj_bn{suffix}", nn.BatchNorm2d(widths[i + 1]))
            self.add_module(f"proj_lif{suffix}", Lif(style))
        self.maxpool2, self.maxpool3 = pool(), pool()
        self.rpe_conv, self.rpe_bn, self.rpe_lif = conv3(dim, dim), nn.BatchNorm2d(dim), Lif(style)

    def forward(self, image):
        x = self.proj_lif(over_time(self.style, image, self.proj_conv, self.proj_bn))
        x = self.proj_lif1(self.proj_bn1(self.proj_conv1(x)))
        x = self.maxpool2(self.proj_lif2(self.proj_bn2(self.proj_conv2(x))))
        x = self.maxpool3(self.proj_lif3(self.proj_bn3(self.proj_conv3(x))))
        x = self.rpe_lif(self.rpe_bn(self.rpe_conv(x))) + x
        return x.flatten(2).transpose(1, 2).contiguous()


class SpikformerAttention(nn.Module):
    def __init__(self, dim, heads, style):
        super().__init__()
        self.heads, self.style = heads, style
        for name in ["q", "k", "v", "proj"]:
            self.add_module(f"{name}_linear", nn.Linear(dim, dim))
            self.add_module(f"{name}_bn", TokenNorm(dim))
            self.add_module(f"{name}_lif", Lif(style))
        self.attn_lif = Lif(style, threshold=0.5)

    def layer(self, name, x):
        x = getattr(self, f"{name}_bn")(getattr(self, f"{name}_linear")(x))
        return getattr(self, f"{name}_lif")(x)

    def forward(self, x):
        def split(name):
            y = self.layer(name, x)
            return y.reshape(*y.shape[:2], self.heads, -1).transpose(1, 2).contiguous()

        q, k, v = split("q"), split("k"), split("v")
        if self.style.kv_first:
            y = q @ (k.transpose(-2, -1) @ v) * 0.125
        else:
            y = (q @ k.transpose(-2, -1)) @ v * 0.125
        return self.layer("proj", self.attn_lif(y.transpose(1, 2).flatten(2)))


class SpikformerMlp(nn.Module):
    def __init__(self, dim, hidden, style):
        super().__init__()
        self.fc1_linear, self.fc1_bn, self.fc1_lif = nn.Linear(dim, hidden), TokenNorm(hidden), Lif(style)
        self.fc2_linear, self.fc2_bn, self.fc2_lif = nn.Linear(hidden, dim), TokenNorm(dim), Lif(style)

    def forward(self, x):
        x = self.fc1_lif(self.fc1_bn(self.fc1_linear(x)))
        return self.fc2_lif(self.fc2_bn(self.fc2_linear(x)))


class SpikformerBlock(nn.Module):
    def __init__(self, dim, heads, style):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)  # stored, never used
        self.attn = SpikformerAttention(dim, heads, style)
        self.mlp = SpikformerMlp(dim, 4 * dim, style)

    def forward(self, x):
        x = x + self.attn(x)
        return x + self.mlp(x)


class Spikformer(nn.Module):
    def __init__(self, depth, dim, style, classes=10):
        super().__init__()
        self.style = style
        heads = 12 if dim == 384 else 8
        self.patch_embed = SpikformerStem(dim, style)
        self.block = nn.ModuleList(SpikformerBlock(dim, heads, style) for _ in range(depth))
        self.head = nn.Linear(dim, classes)

    def forward(self, image):
        x = self.patch_embed(image)
        for block in self.block:
            x = block(x)
        return self.head(mean_over_time(self.style, x.mean(1)))
