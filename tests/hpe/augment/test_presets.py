import pytest

from hpe.augment.composition import CompositionConfig
from hpe.augment.presets import PRESETS


def configured(name):
    nested = {}
    for path, value in PRESETS[name].items():
        operation, setting = path.split("/")
        nested.setdefault(operation, {})[setting] = value
    return CompositionConfig.model_validate(nested)


def enabled_operations(config):
    return {name for name in CompositionConfig.model_fields if getattr(config, name).enabled}


@pytest.mark.parametrize(
    ("name", "operations"),
    [
        ("simclr", {"zoom", "hsv_jitter"}),
        ("peclr", {"rotate", "translate", "zoom", "hsv_jitter"}),
        ("supervised", {"rotate", "translate", "zoom"}),
    ],
)
def test_presets_enable_the_published_operations(name, operations):
    assert enabled_operations(configured(name)) == operations


def test_the_published_ranges_are_spurrs():
    config = configured("peclr")
    assert config.rotate.max_deg == 45
    assert 1.25 / config.zoom.max_factor == pytest.approx(0.9)
    assert 1.25 / config.zoom.min_factor == pytest.approx(1.5)
    assert config.translate.max_share * 128 == pytest.approx(15)
    assert config.translate.one_sided
