"""Expected values of test_training.cpp: a few training steps in PyTorch, in float64.   python make_training.py > training.json

The model is written out in tensor operations, one sequence at a time, so that nothing but PyTorch's functions, gradients and
optimizers is taken for granted. Weights, ids and labels come from an integer hash that the test computes as well.
"""
import json, math, sys
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
STEPS, WARMUP, PEAK, CLIP, DECAY = 6, 2, 0.02, 0.5, 0.1
LENGTHS = [[5, 1, 9], [3, 3], [12], [2, 7, 4, 1], [6], [8, 2]]
VOCAB, TYPES, MAX, HIDDEN, CLASSES = 11, 2, 12, 12, 3
BASE = dict(norm="layer_norm", place="pre", positions="learned", embedding_norm=False, scale_embedding=False, pooling="mean", pooler=False,
            types=False, optimizer="adamw", layers=[dict(heads=3, head_dim=4, ffn=10, activation="gelu_tanh")])
CASES = {
    "pre layer_norm learned mean": {},
    "post layer_norm first pooler types": dict(place="post", embedding_norm=True, pooling="first", pooler=True, types=True,
                                               layers=[dict(heads=2, head_dim=6, ffn=7, activation="gelu"), dict(heads=4, head_dim=3, ffn=9, activation="relu")]),
    "pre rms_norm rotary": dict(norm="rms_norm", positions="rotary", layers=[dict(heads=3, head_dim=4, ffn=10, activation="silu"), dict(heads=1, head_dim=6, ffn=5, activation="squared_relu")]),
    "post rms_norm sinusoidal scaled": dict(norm="rms_norm", place="post", positions="sinusoidal", scale_embedding=True),
    "sgd with momentum": dict(optimizer="sgd"),
}


def mix(x):
    x &= 0xFFFFFFFF
    x ^= x >> 16
    x = x * 0x7FEB352D & 0xFFFFFFFF
    x ^= x >> 15
    x = x * 0x846CA68B & 0xFFFFFFFF
    return x ^ x >> 16


class Model:
    def __init__(self, c):
        self.c, self.p = c, {}
        h = HIDDEN
        self.add("embeddings.tokens", VOCAB, h)
        if c["positions"] == "learned": self.add("embeddings.positions", MAX, h)
        if c["types"]: self.add("embeddings.types", TYPES, h)
        if c["embedding_norm"]: self.add_norm("embeddings.norm")
        for i, l in enumerate(c["layers"]):
            d = l["heads"] * l["head_dim"]
            self.add_norm(f"layers.{i}.attention.norm")
            self.add_linear(f"layers.{i}.attention.qkv", h, 3 * d)
            self.add_linear(f"layers.{i}.attention.out", d, h)
            self.add_norm(f"layers.{i}.ffn.norm")
            self.add_linear(f"layers.{i}.ffn.in", h, l["ffn"])
            self.add_linear(f"layers.{i}.ffn.out", l["ffn"], h)
        if c["place"] == "pre": self.add_norm("norm")
        if c["pooler"]: self.add_linear("pooler", h, h)
        self.add_linear("classifier", h, CLASSES)

    def add(self, name, *shape, center=0.0):
        n, base = math.prod(shape), 1000003 * len(self.p)
        values = [center + 0.5 * (mix(base + i) / 2.0**32 - 0.5) * 2 for i in range(n)]
        self.p[name] = torch.tensor(values, dtype=torch.float32).double().reshape(shape).requires_grad_()

    def add_norm(self, name):
        self.add(name + ".weight", HIDDEN, center=1.0)
        if self.c["norm"] == "layer_norm": self.add(name + ".bias", HIDDEN)

    def add_linear(self, name, i, o):
        self.add(name + ".weight", o, i)
        self.add(name + ".bias", o)

    def norm(self, name, x):
        if self.c["norm"] == "layer_norm": return F.layer_norm(x, (HIDDEN,), self.p[name + ".weight"], self.p[name + ".bias"], 1e-5)
        return F.rms_norm(x, (HIDDEN,), self.p[name + ".weight"], 1e-5)

    def linear(self, name, x):
        return F.linear(x, self.p[name + ".weight"], self.p[name + ".bias"])

    def attention(self, name, l, x):
        t, heads, d = len(x), l["heads"], l["head_dim"]
        q, k, v = (y.reshape(t, heads, d).transpose(0, 1) for y in self.linear(name + ".qkv", x).chunk(3, dim=1))
        if self.c["positions"] == "rotary":
            angle = torch.arange(t, dtype=torch.float64)[:, None] * 10000.0**(-2 * torch.arange(d // 2, dtype=torch.float64) / d)
            turn = lambda y: torch.cat([y[..., :d // 2] * angle.cos() - y[..., d // 2:] * angle.sin(), y[..., d // 2:] * angle.cos() + y[..., :d // 2] * angle.sin()], -1)
            q, k = turn(q), turn(k)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.linear(name + ".out", y.transpose(0, 1).reshape(t, heads * d))

    def ffn(self, name, l, x):
        act = {"gelu": F.gelu, "gelu_tanh": lambda y: F.gelu(y, approximate="tanh"), "relu": F.relu, "silu": F.silu, "squared_relu": lambda y: F.relu(y)**2}
        return self.linear(name + ".out", act[l["activation"]](self.linear(name + ".in", x)))

    def logits(self, ids, types):
        c, t = self.c, len(ids)
        x = self.p["embeddings.tokens"][ids]
        if c["scale_embedding"]: x = x * math.sqrt(HIDDEN)
        if c["positions"] == "learned": x = x + self.p["embeddings.positions"][:t]
        if c["positions"] == "sinusoidal":
            angle = torch.arange(t, dtype=torch.float64)[:, None] * 10000.0**(-2 * torch.arange(HIDDEN // 2, dtype=torch.float64) / HIDDEN)
            x = x + torch.cat([angle.sin(), angle.cos()], 1)
        if c["types"]: x = x + self.p["embeddings.types"][types]
        if c["embedding_norm"]: x = self.norm("embeddings.norm", x)
        for i, l in enumerate(c["layers"]):
            a, f = f"layers.{i}.attention", f"layers.{i}.ffn"
            if c["place"] == "pre":
                x = x + self.attention(a, l, self.norm(a + ".norm", x))
                x = x + self.ffn(f, l, self.norm(f + ".norm", x))
            else:
                x = self.norm(a + ".norm", x + self.attention(a, l, x))
                x = self.norm(f + ".norm", x + self.ffn(f, l, x))
        if c["place"] == "pre": x = self.norm("norm", x)
        x = x.mean(0) if c["pooling"] == "mean" else x[0]
        if c["pooler"]: x = torch.tanh(self.linear("pooler", x))
        return self.linear("classifier", x)


def rate(step):
    if step < WARMUP: return PEAK * (step + 1) / WARMUP
    return PEAK * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP))) / 2


def run(change):
    c = {**BASE, **change}
    model = Model(c)
    decayed = [p for p in model.p.values() if p.dim() >= 2]
    other = [p for p in model.p.values() if p.dim() < 2]
    if c["optimizer"] == "adamw":
        optimizer = torch.optim.AdamW([dict(params=decayed, weight_decay=DECAY), dict(params=other, weight_decay=0.0)], lr=PEAK)
    else:
        optimizer = torch.optim.SGD(decayed + other, lr=PEAK, momentum=0.9)
    losses, norms = [], []
    for step, lengths in enumerate(LENGTHS):
        logits, labels, at = [], [], 100000 * (step + 1)
        for length in lengths:
            ids = torch.tensor([mix(at + i) % VOCAB for i in range(length)])
            types = torch.tensor([mix(at + 50000 + i) % TYPES for i in range(length)])
            logits.append(model.logits(ids, types))
            labels.append(mix(at + 70000) % CLASSES)
            at += length
        loss = F.cross_entropy(torch.stack(logits), torch.tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        norm = math.sqrt(sum(float((p.grad**2).sum()) for p in model.p.values()))
        if norm > CLIP:
            for p in model.p.values(): p.grad.mul_(CLIP / norm)
        for group in optimizer.param_groups: group["lr"] = rate(step)
        optimizer.step()
        losses.append(loss.item())
        norms.append(norm)
    return dict(config=c, losses=losses, gradient_norms=norms, parameter_norms={n: p.detach().norm().item() for n, p in model.p.items()},
                parameter_sums={n: p.detach().sum().item() for n, p in model.p.items()})


json.dump(dict(torch=torch.__version__.split("+")[0], cases={n: run(c) for n, c in CASES.items()}), sys.stdout, indent=1)
print()
