"""QKFormer for CIFAR: Zhou et al., NeurIPS 2024. An image does not depend on its batch."""
from torch import nn

from .parts import Lif, conv3, mean_over_time, over_time, pool


class QkStem1(nn.Module):
    def __init__(self, dim, style):
        super().__init__()
        self.style = style
        half = dim // 2
        self.proj_conv, self.proj_bn, self.proj_lif = conv3(3, half), nn.BatchNorm2d(half), Lif(style)
        self.proj1_conv, self.proj1_bn, self.proj1_lif = conv3(half, dim), nn.BatchNorm2d(dim), Lif(style)
        self.proj_res_conv = nn.Conv2d(half, dim, 1, bias=False)
        self.proj_res_bn, self.proj_res_lif = nn.BatchNorm2d(dim), Lif(style)

    def forward(self, image):
        f = self.proj_lif(over_time(self.style, image, self.proj_conv, self.proj_bn))
        x = self.proj1_lif(self.proj1_bn(self.proj1_conv(f)))
        return x + self.proj_res_lif(self.proj_res_bn(self.proj_res_conv(f)))


class QkStem2(nn.Module):
    def __init__(self, dim, style):
        super().__init__()
        half = dim // 2
        self.proj3_conv, self.proj3_bn, self.proj3_lif = conv3(half, dim), nn.BatchNorm2d(dim), Lif(style)
        self.proj4_conv, self.proj4_bn = conv3(dim, dim), nn.BatchNorm2d(dim)
        self.proj4_maxpool, self.proj4_lif = pool(), Lif(style)
        self.proj_res_conv = nn.Conv2d(half, dim, 1, 2, bias=False)
        self.proj_res_bn, self.proj_res_lif = nn.BatchNorm2d(dim), Lif(style)

    def forward(self, f):
        x = self.proj3_lif(self.proj3_bn(self.proj3_conv(f)))
        x = self.proj4_lif(self.proj4_maxpool(self.proj4_bn(self.proj4_conv(x))))
        return x + self.proj_res_lif(self.proj_res_bn(self.proj_res_conv(f)))


class QkAttention(nn.Module):
    """`names` is "qk" for the token mask, "qkv" for self-attention."""

    def __init__(self, dim, heads, style, names):
        super().__init__()
        self.heads, self.names = heads, names
        for name in names:
            self.add_module(f"{name}_conv", nn.Conv1d(dim, dim, 1, bias=False))
            self.add_module(f"{name}_bn", nn.BatchNorm1d(dim))
            self.add_module(f"{name}_lif", Lif(style))
        self.attn_lif = Lif(style, threshold=0.5)
        self.proj_conv, self.proj_bn, self.proj_lif = nn.Conv1d(dim, dim, 1), nn.BatchNorm1d(dim), Lif(style)

    def forward(self, x):
        shape = x.shape
        x = x.flatten(2)

        def split(name):
            y = getattr(self, f"{name}_bn")(getattr(self, f"{name}_conv")(x))
            y = getattr(self, f"{name}_lif")(y)
            return y.reshape(y.shape[0], self.heads, -1, y.shape[-1])  # [T B, heads, d, N]

        if self.names == "qk":
            q, k = split("q"), split("k")
            y = (self.attn_lif(q.sum(2, keepdim=True)) * k).flatten(1, 2)
        else:
            q, k, v = split("q"), split("k"), split("v")
            y = self.attn_lif((v @ k.transpose(-2, -1) @ q * 0.125).flatten(1, 2))
        return self.proj_lif(self.proj_bn(self.proj_conv(y))).reshape(shape)


class QkMlp(nn.Module):
    def __init__(self, dim, hidden, style):
        super().__init__()
        self.mlp1_conv, self.mlp1_bn, self.mlp1_lif = nn.Conv2d(dim, hidden, 1), nn.BatchNorm2d(hidden), Lif(style)
        self.mlp2_conv, self.mlp2_bn, self.mlp2_lif = nn.Conv2d(hidden, dim, 1), nn.BatchNorm2d(dim), Lif(style)

    def forward(self, x):
        x = self.mlp1_lif(self.mlp1_bn(self.mlp1_conv(x)))
        return self.mlp2_lif(self.mlp2_bn(self.mlp2_conv(x)))


class QkBlock(nn.Module):
    def __init__(self, dim, style, name, names):
        super().__init__()
        self.name = name
        self.add_module(name, QkAttention(dim, 8, style, names))
        self.mlp = QkMlp(dim, 4 * dim, style)

    def forward(self, x):
        x = x + getattr(self, self.name)(x)
        return x + self.mlp(x)


class QkFormer(nn.Module):
    def __init__(self, depth, dim, style, classes=10):
        super().__init__()
        self.style = style
        self.patch_embed1 = QkStem1(dim // 4, style)
        self.stage1 = nn.ModuleList([QkBlock(dim // 4, style, "tssa", "qk")])
        self.patch_embed2 = QkStem2(dim // 2, style)
        self.stage2 = nn.ModuleList([QkBlock(dim // 2, style, "tssa", "qk")])
        self.patch_embed3 = QkStem2(dim, style)
        self.stage3 = nn.ModuleList(QkBlock(dim, style, "ssa", "qkv") for _ in range(depth - 2))
        self.head = nn.Linear(dim, classes)

    def forward(self, image):
        x = image
        for i in (1, 2, 3):
            x = getattr(self, f"patch_embed{i}")(x)
            for block in getattr(self, f"stage{i}"):
                x = block(x)
        return self.head(mean_over_time(self.style, x.flatten(2).mean(2)))
