"""S2's EffPose as its description has it, with names of its own, in front of an encoder of ours."""

import torch
from torch import nn

from hpe.models.encoders import EncoderConfig, build_encoder

ENCODER = EncoderConfig(name="s2_efficientnet_b0")
OUTSIDE = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
IN_BLOCK = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "se.conv_reduce": "_se_reduce",
    "se.conv_expand": "_se_expand",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}
IN_FIRST_BLOCK = IN_BLOCK | {"bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}


def tower(channels, width, blocks):
    """First dense, the others by channel and 1 x 1; ReLU, then batch norm."""
    layers = [nn.ConvTranspose2d(channels, width, 4, 2, 1), nn.ReLU(), nn.BatchNorm2d(width)]
    for _ in range(blocks - 1):
        layers += [
            nn.ConvTranspose2d(width, width, 4, 2, 1, groups=width, bias=False),
            nn.Conv2d(width, width, 1),
            nn.ReLU(),
            nn.BatchNorm2d(width),
        ]
    return nn.Sequential(*layers)


class Decoder(nn.Module):
    """Shares of the axes in S2's order of joints, bins counted from their edge."""

    def __init__(self, channels=320, width=4, blocks=2):
        super().__init__()
        self.xy_tower, self.z_tower = (tower(channels, width, blocks) for _ in range(2))
        for axis in "xyz":
            self.add_module(f"heatmap_{axis}", nn.Conv1d(width, 21, 1))

    def forward(self, maps):
        plane, depth = self.xy_tower(maps), self.z_tower(maps)
        logits = [
            self.heatmap_x(plane.mean(2)),
            self.heatmap_y(plane.mean(3)),
            self.heatmap_z(depth.mean(2)),
        ]
        bins = torch.arange(logits[0].shape[-1])
        return torch.stack([(x.softmax(-1) * bins).sum(-1) / len(bins) for x in logits], -1)


def s2_module():
    """Return an encoder of ours, a decoder of S2's, and their state under S2's names."""
    torch.manual_seed(4)
    encoder, decoder = build_encoder(ENCODER, seed=3).eval(), Decoder().eval()
    for module in decoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
        if isinstance(module, nn.Conv1d):
            module.weight.data.mul_(20)
    state = {f"model.net.{n}": t for n, t in as_efficientnet_pytorch(encoder).items()}
    state |= {f"model.decoder.{n}": t for n, t in decoder.state_dict().items()}
    return encoder, decoder, state


def as_efficientnet_pytorch(encoder):
    """Return a state under efficientnet_pytorch's names, its classifier's among them."""
    renamed, numbers = {"_fc.weight": torch.zeros(1000, 1280)}, {}
    for name, tensor in encoder.state_dict().items():
        parts = name.split(".")[1:]
        if parts[0] != "blocks":
            renamed[f"{OUTSIDE[parts[0]]}.{parts[1]}"] = tensor
            continue
        number = numbers.setdefault(tuple(parts[1:3]), len(numbers))
        layers = IN_FIRST_BLOCK if parts[1] == "0" else IN_BLOCK
        renamed[f"_blocks.{number}.{layers['.'.join(parts[3:-1])]}.{parts[-1]}"] = tensor
    return renamed
