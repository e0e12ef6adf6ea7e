"""The operations on a view's colours for a batch of views on any device, parameters given.

Pixels are RGB in 0..255 as floating point, and are clipped, not rounded, between operations: what
`hpe.augment.appearance` computes in 8 bits comes out here to within its rounding.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from jaxtyping import Float, Int
from torch import Tensor

Images = Float[Tensor, "batch 3 side side"]

_LUMA = (0.299, 0.587, 0.114)


def luma(images: Images) -> Float[Tensor, "batch 1 side side"]:
    """Return the grey values."""
    weights = torch.tensor(_LUMA, device=images.device)
    return (images * weights[:, None, None]).sum(dim=1, keepdim=True)


def sobel(images: Images) -> Images:
    """Return |d/dx| + |d/dy| of the grey images in all channels.

    Greys are rounded first: differences of smooth pictures are small numbers of grey levels.
    """
    smooth, slope = (torch.tensor(row, device=images.device) for row in ((1.0, 2, 1), (-1.0, 0, 1)))
    kernels = torch.stack([torch.outer(smooth, slope), torch.outer(slope, smooth)])[:, None]
    grey = F.pad(luma(images.round()).round(), (1, 1, 1, 1), mode="reflect")
    edges = F.conv2d(grey, kernels).abs().clamp(max=255).sum(dim=1, keepdim=True)
    return edges.clamp(max=255).expand_as(images)


def cut_out(images: Images, boxes: Int[Tensor, "batch 5"]) -> Images:
    """Fill boxes of (left, top, right, bottom, grey); right and bottom are outside of them."""
    places = torch.arange(images.shape[-1], device=images.device)
    left, top, right, bottom, grey = boxes.T[:, :, None]
    columns = (places >= left) & (places < right)
    rows = (places >= top) & (places < bottom)
    inside = (rows[:, :, None] & columns[:, None, :])[:, None]
    return torch.where(inside, grey[:, None, None].to(images.dtype), images)


def blur(images: Images, sigmas_px: Sequence[float]) -> Images:
    """Convolve each image with its Gaussian, cut off at 3 deviations."""
    batch, channels, side, _ = images.shape
    reaches = [min(max(1, round(3 * sigma)), side - 1) for sigma in sigmas_px]
    reach = max(reaches)
    places = torch.arange(-reach, reach + 1, device=images.device)
    sigma = torch.tensor(sigmas_px, device=images.device, dtype=images.dtype)[:, None]
    within = places.abs() <= torch.tensor(reaches, device=images.device)[:, None]
    kernels = torch.exp(-(places**2) / (2 * sigma**2)) * within
    kernels = (kernels / kernels.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    padded = F.pad(images, (reach, reach, reach, reach), mode="reflect")
    stacked = padded.reshape(1, batch * channels, *padded.shape[2:])
    stacked = F.conv2d(stacked, kernels[:, None, None, :], groups=batch * channels)
    stacked = F.conv2d(stacked, kernels[:, None, :, None], groups=batch * channels)
    return stacked.reshape(images.shape)


def color_jitter(
    images: Images, changes: Float[Tensor, "batch 4"], orders: Int[Tensor, "batch 4"]
) -> Images:
    """Change brightness, contrast, saturation and hue of each image, in its own order.

    Args:
        images: The images.
        changes: What is added to the factors of the first three; the hue's move, in turns.
        orders: Which of the four comes first, second, third and fourth.
    """
    images = images.clone()
    for place in range(4):
        for kind in range(4):
            rows = (orders[:, place] == kind).nonzero()[:, 0]
            if len(rows):
                images[rows] = _jittered(images[rows], changes[rows, kind, None, None, None], kind)
    return images


def _jittered(images: Images, change: Float[Tensor, "batch 1 1 1"], kind: int) -> Images:
    if kind == 0:
        changed = images * (1 + change)
    elif kind == 1:
        mean = luma(images).mean(dim=(2, 3), keepdim=True)
        changed = mean + (images - mean) * (1 + change)
    elif kind == 2:
        grey = luma(images)
        changed = grey + (images - grey) * (1 + change)
    else:
        hue, saturation, value = hsv_from_rgb(images)
        changed = rgb_from_hsv((hue + change[:, 0]) % 1.0, saturation, value)
    return changed.clamp(0, 255)


def hsv_jitter(images: Images, changes: Float[Tensor, "batch 4"], *, swaps: bool) -> Images:
    """Scale hue, saturation and value, and add to the value.

    Args:
        images: The images.
        changes: The three factors and what is added.
        swaps: Whether red is read as blue and blue as red.
    """
    given = images.flip(1) if swaps else images
    hue, saturation, value = hsv_from_rgb(given)
    by_hue, by_saturation, by_value, added = changes.T[:, :, None, None]
    value = (value * by_value + added).clamp(0, 255)
    changed = rgb_from_hsv(hue * by_hue, saturation * by_saturation, value)
    return changed.flip(1) if swaps else changed


def hsv_from_rgb(images: Images) -> tuple[Tensor, Tensor, Tensor]:
    """Return hue in turns, saturation in 0..1 and value in 0..255, each without a channel axis."""
    red, green, blue = images.unbind(dim=1)
    value = images.amax(dim=1)
    chroma = value - images.amin(dim=1)
    divisor = torch.where(chroma > 0, chroma, 1.0)
    sector = torch.where(
        value == red,
        (green - blue) / divisor % 6,
        torch.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    saturation = chroma / torch.where(value > 0, value, 1.0)
    return torch.where(chroma > 0, sector, 0.0) / 6, saturation, value


def rgb_from_hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Images:
    """Return images from hue in turns, saturation in 0..1 and value in 0..255."""
    offsets = torch.tensor((5.0, 3.0, 1.0), device=hue.device)[:, None, None]
    place = (offsets + 6 * hue[:, None]) % 6
    share = torch.minimum(place, 4 - place).clamp(0, 1)
    return value[:, None] * (1 - saturation[:, None] * share)


def noise(images: Images, deviations: Sequence[float], seeds: Sequence[int]) -> Images:
    """Add white noise, each image's rounded and from its own seed; devices draw different noise."""
    noisy = images.clone()
    for row, (deviation, seed) in enumerate(zip(deviations, seeds, strict=True)):
        generator = torch.Generator(images.device).manual_seed(seed)
        drawn = torch.randn(images.shape[1:], generator=generator, device=images.device)
        noisy[row] += (drawn * deviation).round()
    return noisy.clamp(0, 255)


def gain(images: Images, factors: Float[Tensor, "batch 3"]) -> Images:
    """Multiply each channel by its factor."""
    return (images * factors[:, :, None, None]).clamp(0, 255)
