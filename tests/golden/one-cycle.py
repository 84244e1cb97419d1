"""one-cycle.py: learning rates of PyTorch's OneCycleLR, for tests/js/one-cycle.js.

It needs torch; its output is committed, so the tests do not:
    python3 tests/golden/one-cycle.py > tests/js/one-cycle.js
"""
import json
import torch

CASES = [
    dict(totalSteps=20, maxLearningRate=0.1),
    dict(totalSteps=13, maxLearningRate=2.0, pctStart=0.5, divFactor=10.0),
    dict(totalSteps=30, maxLearningRate=0.003, pctStart=0.25, finalDivFactor=100.0),
    dict(totalSteps=7, maxLearningRate=1.0, pctStart=0.9, divFactor=1.5, finalDivFactor=1.0),
    dict(totalSteps=11, maxLearningRate=0.5, pctStart=0.0),
    dict(totalSteps=9, maxLearningRate=0.5, pctStart=1.0),
    dict(totalSteps=2, maxLearningRate=0.1),
    dict(totalSteps=1, maxLearningRate=0.1),
]


def rates(totalSteps, maxLearningRate, pctStart=0.3, divFactor=25.0, finalDivFactor=1e4):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=maxLearningRate,
        total_steps=totalSteps,
        pct_start=pctStart,
        div_factor=divFactor,
        final_div_factor=finalDivFactor,
    )
    told = [schedule.get_last_lr()[0]]
    for _ in range(totalSteps - 1):
        optimizer.step()
        schedule.step()
        told.append(schedule.get_last_lr()[0])
    return told


print("/* one-cycle.js: learning rates of PyTorch's OneCycleLR: the output of")
print(" * tests/golden/one-cycle.py, of torch 1.13. */")
print("export const ONE_CYCLES = [")
for case in CASES:
    print("  {")
    for name, value in case.items():
        print(f"    {name}: {json.dumps(value)},")
    print(f"    rates: {json.dumps(rates(**case))},")
    print("  },")
print("];")
