import math

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from hpe.config import identity_settings
from hpe.phases.optimization import (
    LARS_TRUST_COEFFICIENT,
    OptimizerConfig,
    ScheduledOptimizer,
    apply_trust_ratio,
    lr_factor,
    peak_lr,
)


def layer(weight: list[list[float]], grad: list[list[float]]) -> nn.Parameter:
    parameter = nn.Parameter(torch.tensor(weight))
    parameter.grad = torch.tensor(grad)
    return parameter


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))


def scheduled(module: nn.Module, config: OptimizerConfig, *, steps: int = 5) -> ScheduledOptimizer:
    return ScheduledOptimizer(
        module.parameters(), config, effective_batch=4, steps_per_epoch=steps, epochs=2
    )


def train(module: nn.Module, optimizer: ScheduledOptimizer, steps: range) -> None:
    for step in steps:
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        module(x).square().mean().backward()
        optimizer.step(step)


@pytest.mark.parametrize(
    ("lr", "effective_batch", "expected"),
    [(1e-4, 128 * 16, 4.5255e-3), (4.42e-5, 128, 5.0006e-4)],
)
def test_sqrt_scaling_gives_the_published_rates(lr, effective_batch, expected):
    config = OptimizerConfig(lr=lr, sqrt_scaling=True)
    assert peak_lr(config, effective_batch=effective_batch) == pytest.approx(expected, rel=1e-4)


def test_without_scaling_the_rate_is_the_one_given():
    assert peak_lr(OptimizerConfig(lr=3e-3), effective_batch=2048) == 3e-3


def test_warmup_rises_linearly_to_the_peak_and_the_cosine_falls_to_zero():
    factors = [
        lr_factor(step, warmup_steps=4, total_steps=12, schedule="cosine") for step in range(13)
    ]
    assert factors[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert factors[8] == pytest.approx(0.5)
    assert factors[6] == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert factors[12] == pytest.approx(0.0)


def test_a_constant_schedule_stays_at_the_peak_after_the_warmup():
    factors = [
        lr_factor(step, warmup_steps=2, total_steps=6, schedule="constant") for step in range(6)
    ]
    assert factors == [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]


def rates(config: OptimizerConfig, *, steps: int, epochs: int) -> list[float]:
    """The learning rate that each step has set."""
    module = network()
    optimizer = ScheduledOptimizer(
        module.parameters(), config, effective_batch=4, steps_per_epoch=steps, epochs=epochs
    )
    seen = []
    for step in range(steps * epochs):
        module(torch.ones(2, 3)).sum().backward()
        optimizer.step(step)
        seen.append(optimizer.state_dict()["param_groups"][0]["lr"])
    return seen


def test_multistep_falls_by_its_factor_after_each_milestone():
    """S4's schedule in small: x 0.1 after epochs 2 and 3 of 4."""
    config = OptimizerConfig(lr=1.0, schedule="multistep", milestones=(2, 3))
    expected = [1.0] * 4 + [0.1] * 2 + [0.01] * 2
    assert rates(config, steps=2, epochs=4) == pytest.approx(expected)


def test_multistep_rises_first_and_takes_any_factor():
    config = OptimizerConfig(
        lr=1.0, schedule="multistep", milestones=(1,), factor=0.5, warmup_epochs=1
    )
    assert rates(config, steps=2, epochs=2) == pytest.approx([0.5, 1.0, 0.5, 0.5])


def test_a_longer_horizon_makes_the_start_of_a_longer_phase():
    long = rates(OptimizerConfig(lr=1.0, warmup_epochs=1), steps=3, epochs=6)
    short = rates(OptimizerConfig(lr=1.0, warmup_epochs=1, horizon_epochs=6), steps=3, epochs=2)
    assert short == long[:6]
    assert rates(OptimizerConfig(horizon_epochs=1), steps=3, epochs=2)[3:] == [0, 0, 0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "multistep"}, "needs milestones: epochs, such as"),
        ({"milestones": (3, 2)}, r"must be positive and rise, got \[3.0, 2.0\]"),
        ({"milestones": (0,)}, r"must be positive and rise, got \[0.0\]"),
    ],
)
def test_refuses_milestones_that_make_no_schedule(settings, message):
    with pytest.raises(ValidationError, match=message):
        OptimizerConfig(**settings)


def test_what_a_schedule_does_not_read_is_no_part_of_its_identity():
    plain = identity_settings(OptimizerConfig())
    assert identity_settings(OptimizerConfig(milestones=(3,), factor=0.5)) == plain
    constant = identity_settings(OptimizerConfig(schedule="constant"))
    assert identity_settings(OptimizerConfig(schedule="constant", horizon_epochs=9)) == constant
    assert identity_settings(OptimizerConfig(horizon_epochs=9)) != plain


def test_biases_and_norms_do_not_decay():
    module = network()
    optimizer = scheduled(module, OptimizerConfig(lr=0.1, weight_decay=0.5, schedule="constant"))
    before = {name: value.clone() for name, value in module.named_parameters()}
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step(0)
    for name, value in module.named_parameters():
        shrink = 1 - 0.1 * 0.5 if value.ndim > 1 else 1.0
        torch.testing.assert_close(value, before[name] * shrink, msg=name)


def test_the_trust_ratio_is_that_of_a_hand_computation():
    parameter = layer([[3.0, 4.0]], [[0.6, 0.8]])  # |w| = 5, |g| = 1
    apply_trust_ratio(parameter, lr=0.5, weight_decay=0.1)
    local = LARS_TRUST_COEFFICIENT * 5 / (1 + 0.1 * 5)
    expected = (torch.tensor([[0.6, 0.8]]) + 0.1 * torch.tensor([[3.0, 4.0]])) * local / 0.5
    torch.testing.assert_close(parameter.grad, expected)


def test_the_trust_ratio_is_clipped_at_one():
    parameter = layer([[3.0, 4.0]], [[0.6, 0.8]])
    apply_trust_ratio(parameter, lr=1e-6, weight_decay=0.0)
    torch.testing.assert_close(parameter.grad, torch.tensor([[0.6, 0.8]]))


@pytest.mark.parametrize(
    ("weight", "grad"), [([[0.0, 0.0]], [[0.6, 0.8]]), ([[3.0, 4.0]], [[0.0, 0.0]])]
)
def test_the_trust_ratio_leaves_zero_norms_alone(weight, grad):
    parameter = layer(weight, grad)
    apply_trust_ratio(parameter, lr=0.5, weight_decay=0.1)
    assert parameter.grad.tolist() == torch.tensor(grad).tolist()


@pytest.mark.parametrize("name", ["adamw", "adam", "lars"])
def test_an_optimizer_resumed_after_any_step_goes_on_exactly(name):
    config = OptimizerConfig(name=name, lr=0.05, warmup_epochs=0.5)
    whole = network()
    train(whole, scheduled(whole, config), range(10))
    for stop in (1, 4, 9):
        first, second = network(), network(seed=1)
        optimizer = scheduled(first, config)
        train(first, optimizer, range(stop))
        second.load_state_dict(first.state_dict())
        resumed = scheduled(second, config)
        resumed.load_state_dict(optimizer.state_dict())
        train(second, resumed, range(stop, 10))
        assert all(
            torch.equal(value, second.state_dict()[name])
            for name, value in whole.state_dict().items()
        )


def test_frozen_parameters_are_left_out():
    module = network()
    module[0].requires_grad_(False)
    before = module[0].weight.clone()
    train(module, scheduled(module, OptimizerConfig(lr=0.1)), range(2))
    assert torch.equal(module[0].weight, before)


def test_refuses_to_optimize_nothing():
    with pytest.raises(ValueError, match="at least one trainable parameter"):
        scheduled(network().requires_grad_(False), OptimizerConfig())
