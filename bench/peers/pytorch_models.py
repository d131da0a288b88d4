# SPDX-License-Identifier: Apache-2.0
"""The model zoo in PyTorch: same structure, state names and parameter order as graft's models.

Names follow torchvision (ResNet, MobileNetV2, DenseNet, SqueezeNet; CIFAR ResNets likewise) and
xternalz/WideResNet-pytorch. `build(text)` knows the names that graft's command line uses; the
constructors take their widths as arguments.
"""

import re

import torch
from torch import nn
from torch.nn import functional as F


def conv(c_in, c_out, kernel, stride=1, groups=1, bias=False):
    return nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=bias)


def global_pool(x):
    return x.mean((2, 3))


def make_divisible(value, divisor=8):
    """Nearest multiple of `divisor`, not below 90 % of `value` (torchvision's rule)."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


class SubsamplePad(nn.Module):
    """Option-A shortcut: every stride-th pixel, zero channels on both sides; no parameters."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.stride, self.pad = stride, (c_out - c_in) // 2
        assert c_in + 2 * self.pad == c_out

    def forward(self, x):
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, c_in, width, stride, option):
        super().__init__()
        self.conv1, self.bn1 = conv(c_in, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, 3), nn.BatchNorm2d(width)
        self.downsample = shortcut(c_in, width, stride, option)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, c_in, width, stride, option):
        super().__init__()
        c_out = width * self.expansion
        self.conv1, self.bn1 = conv(c_in, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = conv(width, c_out, 1), nn.BatchNorm2d(c_out)
        self.downsample = shortcut(c_in, c_out, stride, option)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


def shortcut(c_in, c_out, stride, option):
    if stride == 1 and c_in == c_out:
        return nn.Identity()
    if option == "A":
        return SubsamplePad(c_in, c_out, stride)
    return nn.Sequential(conv(c_in, c_out, 1, stride), nn.BatchNorm2d(c_out))


class ResNet(nn.Module):
    """He et al. 2016. stem "cifar": one 3x3; "imagenet": 7x7 stride 2 and max-pool."""

    def __init__(self, block, blocks, widths, classes, stem, option):
        super().__init__()
        c = widths[0]
        self.conv1 = conv(3, c, 3) if stem == "cifar" else conv(3, c, 7, 2)
        self.bn1 = nn.BatchNorm2d(c)
        self.maxpool = nn.Identity() if stem == "cifar" else nn.MaxPool2d(3, 2, 1)
        self.stages = len(widths)
        for s, (count, width) in enumerate(zip(blocks, widths)):
            layers = []
            for i in range(count):
                layers.append(block(c, width, 2 if s > 0 and i == 0 else 1, option))
                c = width * block.expansion
            setattr(self, f"layer{s + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(c, classes)

    def forward(self, x):
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        for s in range(self.stages):
            x = getattr(self, f"layer{s + 1}")(x)
        return self.fc(global_pool(x))


def resnet_cifar(depth, classes=10, width=16):
    """6n+2 layers, three stages of width, 2 width, 4 width, parameter-free shortcuts."""
    n = (depth - 2) // 6
    assert depth == 6 * n + 2
    return ResNet(BasicBlock, [n] * 3, [width, 2 * width, 4 * width], classes, "cifar", "A")


def resnet(depth, classes=1000, stem="imagenet", width=64):
    block, blocks = {
        18: (BasicBlock, [2, 2, 2, 2]),
        34: (BasicBlock, [3, 4, 6, 3]),
        50: (Bottleneck, [3, 4, 6, 3]),
        101: (Bottleneck, [3, 4, 23, 3]),
    }[depth]
    return ResNet(block, blocks, [width << s for s in range(4)], classes, stem, "B")


class WideBlock(nn.Module):
    """Pre-activation block; where the width changes, the shortcut starts behind bn1 and ReLU."""

    def __init__(self, c_in, c_out, stride, dropout):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(c_in), conv(c_in, c_out, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(c_out), conv(c_out, c_out, 3)
        self.dropout = dropout
        self.convShortcut = conv(c_in, c_out, 1, stride) if c_in != c_out else None

    def forward(self, x):
        a = F.relu(self.bn1(x))
        y = F.relu(self.bn2(self.conv1(a)))
        y = self.conv2(F.dropout(y, self.dropout, self.training))
        return y + (x if self.convShortcut is None else self.convShortcut(a))


class WideBlocks(nn.Module):
    def __init__(self, n, c_in, c_out, stride, dropout):
        super().__init__()
        self.layer = nn.Sequential(
            *[
                WideBlock(c_out if i else c_in, c_out, 1 if i else stride, dropout)
                for i in range(n)
            ]
        )

    def forward(self, x):
        return self.layer(x)


class WideResNet(nn.Module):
    """Zagoruyko & Komodakis 2016: WRN-depth-k, depth = 6n+4."""

    def __init__(self, depth, k, classes=10, dropout=0.0):
        super().__init__()
        n = (depth - 4) // 6
        assert depth == 6 * n + 4
        self.conv1 = conv(3, 16, 3)
        self.block1 = WideBlocks(n, 16, 16 * k, 1, dropout)
        self.block2 = WideBlocks(n, 16 * k, 32 * k, 2, dropout)
        self.block3 = WideBlocks(n, 32 * k, 64 * k, 2, dropout)
        self.bn1 = nn.BatchNorm2d(64 * k)
        self.fc = nn.Linear(64 * k, classes)

    def forward(self, x):
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        return self.fc(global_pool(F.relu(self.bn1(x))))


def conv_bn_act(c_in, c_out, kernel, stride=1, groups=1, act=nn.ReLU6):
    return nn.Sequential(conv(c_in, c_out, kernel, stride, groups), nn.BatchNorm2d(c_out), act())


class MobileNetV1(nn.Module):
    """Howard et al. 2017; stem "cifar": first convolution and first strided block have stride 1."""

    def __init__(self, alpha=1.0, classes=1000, stem="imagenet"):
        super().__init__()
        first = 1 if stem == "cifar" else 2
        widths = [64, 128, 128, 256, 256] + [512] * 6 + [1024, 1024]
        strides = [1, first, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
        c = int(32 * alpha)
        layers = [conv_bn_act(3, c, 3, first)]
        for width, stride in zip(widths, strides):
            k = int(width * alpha)
            layers += [conv_bn_act(c, c, 3, stride, c), conv_bn_act(c, k, 1)]
            c = k
        self.features = nn.Sequential(*layers)
        self.fc = nn.Linear(c, classes)

    def forward(self, x):
        return self.fc(global_pool(self.features(x)))


class InvertedResidual(nn.Module):
    def __init__(self, c_in, c_out, stride, expand):
        super().__init__()
        hidden = c_in * expand
        layers = [conv_bn_act(c_in, hidden, 1)] if expand != 1 else []
        layers.append(conv_bn_act(hidden, hidden, 3, stride, hidden))
        layers += [conv(hidden, c_out, 1), nn.BatchNorm2d(c_out)]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x):
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    """Sandler et al. 2018; stem "cifar": stride 1 in features.0 and in the 24-channel stage."""

    def __init__(self, width=1.0, classes=1000, stem="imagenet", dropout=0.2):
        super().__init__()
        first = 1 if stem == "cifar" else 2
        table = [(1, 16, 1, 1), (6, 24, 2, first), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1)]
        table += [(6, 160, 3, 2), (6, 320, 1, 1)]
        c = make_divisible(32 * width)
        layers = [conv_bn_act(3, c, 3, first)]
        for expand, channels, count, stride in table:
            k = make_divisible(channels * width)
            for i in range(count):
                layers.append(InvertedResidual(c, k, 1 if i else stride, expand))
                c = k
        last = make_divisible(1280 * max(1.0, width))
        layers.append(conv_bn_act(c, last, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, classes))

    def forward(self, x):
        return self.classifier(global_pool(self.features(x)))


class DenseLayer(nn.Module):
    def __init__(self, c_in, growth, bottleneck):
        super().__init__()
        c = growth * bottleneck
        self.norm1, self.conv1 = nn.BatchNorm2d(c_in), conv(c_in, c, 1)
        self.norm2, self.conv2 = nn.BatchNorm2d(c), conv(c, growth, 3)

    def forward(self, x):
        y = self.conv1(F.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(F.relu(self.norm2(y)))], 1)


class DenseNet(nn.Module):
    """Huang et al. 2017, BC form (bottleneck 4, compression 0.5).

    stem "cifar": features.conv0 is a bare 3x3; "imagenet": 7x7 stride 2, norm0, max-pool.
    """

    def __init__(self, growth, blocks, first, classes, stem, bottleneck=4):
        super().__init__()
        f = nn.Sequential()
        f.add_module("conv0", conv(3, first, 3) if stem == "cifar" else conv(3, first, 7, 2))
        if stem != "cifar":
            f.add_module("norm0", nn.BatchNorm2d(first))
            f.add_module("relu0", nn.ReLU())
            f.add_module("pool0", nn.MaxPool2d(3, 2, 1))
        c = first
        for b, count in enumerate(blocks):
            block = nn.Sequential()
            for i in range(count):
                block.add_module(f"denselayer{i + 1}", DenseLayer(c, growth, bottleneck))
                c += growth
            f.add_module(f"denseblock{b + 1}", block)
            if b + 1 < len(blocks):
                transition = nn.Sequential()
                transition.add_module("norm", nn.BatchNorm2d(c))
                transition.add_module("relu", nn.ReLU())
                transition.add_module("conv", conv(c, c // 2, 1))
                transition.add_module("pool", nn.AvgPool2d(2, 2))
                f.add_module(f"transition{b + 1}", transition)
                c //= 2
        f.add_module("norm5", nn.BatchNorm2d(c))  # torchvision's name for any number of blocks
        self.features = f
        self.classifier = nn.Linear(c, classes)

    def forward(self, x):
        return self.classifier(global_pool(F.relu(self.features(x))))


def densenet_bc(depth, growth=12, classes=10):
    """DenseNet-BC-depth-growth for 32x32 input: depth = 6n+4, three blocks."""
    n = (depth - 4) // 6
    assert depth == 6 * n + 4
    return DenseNet(growth, [n] * 3, 2 * growth, classes, "cifar")


class Fire(nn.Module):
    def __init__(self, c_in, squeeze, expand):
        super().__init__()
        self.squeeze = conv(c_in, squeeze, 1, bias=True)
        self.expand1x1 = conv(squeeze, expand, 1, bias=True)
        self.expand3x3 = conv(squeeze, expand, 3, bias=True)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], 1)


class SqueezeNet11(nn.Module):
    def __init__(self, classes=1000, dropout=0.5):
        super().__init__()
        pool = lambda: nn.MaxPool2d(3, 2, ceil_mode=True)  # noqa: E731
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool(),
            Fire(64, 16, 64), Fire(128, 16, 64), pool(),
            Fire(128, 32, 128), Fire(256, 32, 128), pool(),
            Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), conv(512, classes, 1, bias=True), nn.ReLU()
        )

    def forward(self, x):
        return global_pool(self.classifier(self.features(x)))


def build(text, classes=10, stem="cifar"):
    """The network that graft calls `text`: resnet20, resnet50, wrn-16-2:dropout=0.3,
    mobilenet_v1:alpha=0.5, mobilenet_v2:width=1.4,dropout=0, densenet121, densenet-bc-100-12,
    squeezenet1_1 ... `stem` is for the families that have two."""
    name, _, rest = text.partition(":")
    options = {k: float(v) for k, v in (o.split("=") for o in rest.split(",") if rest)}
    if options and not name.startswith(("wrn-", "mobilenet_", "squeezenet")):
        raise SystemExit(f"{name} has no options here, got '{rest}'")
    if m := re.fullmatch(r"resnet(\d+)", name):
        depth = int(m[1])
        if depth in (18, 34, 50, 101):
            return resnet(depth, classes, stem)
        return resnet_cifar(depth, classes)
    if m := re.fullmatch(r"wrn-(\d+)-(\d+)", name):
        return WideResNet(int(m[1]), int(m[2]), classes, **options)
    if name == "mobilenet_v1":
        return MobileNetV1(classes=classes, stem=stem, **options)
    if name == "mobilenet_v2":
        return MobileNetV2(classes=classes, stem=stem, **options)
    if m := re.fullmatch(r"densenet-bc-(\d+)-(\d+)", name):
        return densenet_bc(int(m[1]), int(m[2]), classes)
    if name == "densenet121":
        return DenseNet(32, [6, 12, 24, 16], 64, classes, stem)
    if name == "squeezenet1_1":
        return SqueezeNet11(classes, **options)
    raise SystemExit(f"unknown model '{text}'; see the docstring of pytorch_models.build")


def initialise(model):
    """graft's start, which is torchvision's ResNet's: He normal (fan out) for convolutions, gamma 1,
    beta 0; nn.Linear keeps its default U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weight and bias."""
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            if m.bias is not None:
                nn.init.zeros_(m.bias)
    return model


def parameter_count(model):
    return sum(p.numel() for p in model.parameters())
