#!/usr/bin/env python3
"""PyTorch's numbers for the policy network and the loss of PPO: policy.txt (torch 2.x, CPU, f64).

    python make_policy.py > policy.txt

The policy is written with torch's own LSTMCell, log_softmax, clamp and minimum. Parameters are 0.3 · sin(1 + k) in the order of
registration, k counting through all of them, so that neither side has to store them. Lines: name, then numbers.
"""
import torch

torch.set_default_dtype(torch.float64)
CHOICES, HIDDEN, EMBEDDING, FORBIDDEN = [3, 4, 2], 5, 4, -1e4
count = 0


def parameter(*shape):
    global count
    n = torch.Size(shape).numel()
    values = 0.3 * torch.sin(1.0 + torch.arange(count, count + n, dtype=torch.float64))
    count += n
    return values.reshape(shape).requires_grad_()


# In the order in which lathe registers them.
input_weight, bias, state_weight = parameter(4 * HIDDEN, EMBEDDING), parameter(4 * HIDDEN), parameter(4 * HIDDEN, HIDDEN)
embedding = parameter(1 + sum(n + 1 for n in CHOICES), EMBEDDING)  # row 0: the start
head_weight, head_bias = parameter(len(CHOICES), max(CHOICES), HIDDEN), parameter(len(CHOICES), 1, max(CHOICES))
value_weight, value_bias = parameter(1, HIDDEN), parameter(1)
everything = [input_weight, bias, state_weight, embedding, head_weight, head_bias, value_weight, value_bias]

cell = torch.nn.LSTMCell(EMBEDDING, HIDDEN)
call = lambda x, state: torch.func.functional_call(cell, {"weight_ih": input_weight, "weight_hh": state_weight, "bias_ih": bias, "bias_hh": torch.zeros(4 * HIDDEN)}, (x, state))

chosen = torch.tensor([[2, 0, 1], [0, -1, 0], [1, 3, -1], [1, 2, 1]])  # −1: not active
rows = len(chosen)
mask = torch.zeros(rows, CHOICES[1])
mask[0, 3] = mask[3, 0] = mask[3, 1] = FORBIDDEN  # of the second decision
old = torch.tensor([[-1.3, -1.0, -0.8], [-0.9, 0.0, -0.4], [-1.0, -1.6, 0.0], [-1.5, -0.2, -0.7]])
advantage = torch.tensor([[1.2, -0.3, 0.7], [-1.1, 0.0, 0.4], [0.8, -0.9, 0.0], [-0.5, 1.6, -1.4]])
reward = torch.tensor([1.2, -0.7, 0.3, -0.8])

state = (torch.zeros(rows, HIDDEN), torch.zeros(rows, HIDDEN))
x, first = embedding[:1].expand(rows, EMBEDDING), 1
log_p, entropy, value = [], [], []
for i, n in enumerate(CHOICES):
    state = call(x, state)
    w, b = head_weight[i, :n], head_bias[i, 0, :n]
    logits = 5 * torch.tanh((state[0] @ w.T + b) / 5) + (mask if i == 1 else 0)
    all_p = torch.log_softmax(logits, 1)
    active = (chosen[:, i] >= 0).double()
    log_p.append(all_p.gather(1, chosen[:, i : i + 1].clamp(min=0))[:, 0] * active)
    entropy.append(torch.distributions.Categorical(logits=logits).entropy() * active)
    value.append((state[0] @ value_weight.T + value_bias)[:, 0])
    x, first = embedding[first + torch.where(chosen[:, i] < 0, n, chosen[:, i])], first + n + 1
log_p, entropy, value = (torch.stack(v, 1) for v in (log_p, entropy, value))
active = (chosen >= 0).double()
ratio = torch.exp(log_p - old)
gain = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
loss = ((-gain + 0.5 * (value - reward[:, None]) ** 2 - 0.03 * entropy) * active).sum() / active.sum()
loss.backward()

show = lambda name, t: print(name, *(repr(float(v)) for v in t.detach().reshape(-1)))
show("h", state[0])
show("c", state[1])
show("log_probability", log_p)
show("entropy", entropy)
show("value", value)
show("loss", loss)
# Clipped and not, with either sign of the advantage: all four are among the decisions.
print("clipped", int(((ratio < 0.8) & (active > 0)).sum() + ((ratio > 1.2) & (active > 0)).sum()))
for i, p in enumerate(everything): show(f"grad{i}", p.grad)
