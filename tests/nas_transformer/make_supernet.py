#!/usr/bin/env python3
"""Writes supernet.txt: the gradient of one sandwich step with distillation, computed by PyTorch in float64 from the definition.

    python3 tests/nas_transformer/make_supernet.py > tests/nas_transformer/supernet.txt

Three sub-networks of one whole network (largest, smallest, one between) on one batch; their weights are slices of the whole one's by
plain indexing, so autograd adds the gradients by itself. supernet_gradient_test.cpp says the same sizes again.
"""
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
V, T, CLASSES = 7, 6, 3
WHOLE = dict(hidden=8, layers=[dict(heads=2, dim=4, ffn=12, act="gelu_tanh")] * 2)
SMALL = dict(hidden=4, layers=[dict(heads=1, dim=2, ffn=4, act="gelu_tanh")])
MIDDLE = dict(hidden=6, layers=[dict(heads=2, dim=3, ffn=8, act="relu"), dict(heads=1, dim=4, ffn=12, act="gelu_tanh")])
SEQUENCES = [[1, 2, 3, 4, 5, 6], [3, 1], [6, 6, 2, 0], [5]]
LABELS = [0, 2, 1, 2]


def parameters():
    """In lathe's order of registration; number k of all is ((37 k + 11) mod 101 - 50) / 200, gains of norms 1 more."""
    h, shapes = WHOLE["hidden"], {}
    shapes["embeddings.tokens"] = (V, h)
    shapes["embeddings.positions"] = (T, h)
    for i, l in enumerate(WHOLE["layers"]):
        inner, p = l["heads"] * l["dim"], f"layers.{i}."
        for name, shape in [("attention.norm.weight", (h,)), ("attention.norm.bias", (h,)), ("attention.qkv.weight", (3 * inner, h)),
                            ("attention.qkv.bias", (3 * inner,)), ("attention.out.weight", (h, inner)), ("attention.out.bias", (h,)),
                            ("ffn.norm.weight", (h,)), ("ffn.norm.bias", (h,)), ("ffn.in.weight", (l["ffn"], h)),
                            ("ffn.in.bias", (l["ffn"],)), ("ffn.out.weight", (h, l["ffn"])), ("ffn.out.bias", (h,))]:
            shapes[p + name] = shape
    for name, shape in [("norm.weight", (h,)), ("norm.bias", (h,)), ("classifier.weight", (CLASSES, h)), ("classifier.bias", (CLASSES,))]:
        shapes[name] = shape
    out, k = {}, 0
    for name, shape in shapes.items():
        n = torch.Size(shape).numel()
        values = torch.tensor([((37 * (k + i) + 11) % 101 - 50) / 200 for i in range(n)]).reshape(shape)
        k += n
        out[name] = (values + (1 if name.endswith("norm.weight") else 0)).requires_grad_()
    return out


def forward(w, part, ids):
    h = part["hidden"]
    norm = lambda x, name: F.layer_norm(x, (h,), w[name + ".weight"][:h], w[name + ".bias"][:h], 1e-5)
    x = w["embeddings.tokens"][ids, :h] + w["embeddings.positions"][: len(ids), :h]
    for i, l in enumerate(part["layers"]):
        p, full, n, d = f"layers.{i}.", WHOLE["layers"][i], l["heads"], l["dim"]
        qkv_w = w[p + "attention.qkv.weight"].reshape(3, full["heads"], full["dim"], -1)[:, :n, :d, :h]
        qkv_b = w[p + "attention.qkv.bias"].reshape(3, full["heads"], full["dim"])[:, :n, :d]
        q, k, v = torch.einsum("sndh,th->sntd", qkv_w, norm(x, p + "attention.norm")) + qkv_b[:, :, None, :]
        mixed = torch.softmax(q @ k.transpose(1, 2) / d**0.5, -1) @ v
        out_w = w[p + "attention.out.weight"].reshape(-1, full["heads"], full["dim"])[:h, :n, :d]
        x = x + torch.einsum("hnd,ntd->th", out_w, mixed) + w[p + "attention.out.bias"][:h]
        inner = F.linear(norm(x, p + "ffn.norm"), w[p + "ffn.in.weight"][: l["ffn"], :h], w[p + "ffn.in.bias"][: l["ffn"]])
        inner = F.relu(inner) if l["act"] == "relu" else F.gelu(inner, approximate="tanh")
        x = x + F.linear(inner, w[p + "ffn.out.weight"][:h, : l["ffn"]], w[p + "ffn.out.bias"][:h])
    return F.linear(norm(x, "norm").mean(0), w["classifier.weight"][:, :h], w["classifier.bias"])


def logits(w, part):
    return torch.stack([forward(w, part, torch.tensor(s)) for s in SEQUENCES])


w = parameters()
answer = logits(w, WHOLE)
largest = F.cross_entropy(answer, torch.tensor(LABELS))
teacher = torch.softmax(answer.detach(), -1)
students = [F.cross_entropy(logits(w, part), teacher) for part in (SMALL, MIDDLE)]
(largest + sum(students)).backward()
print(f"# Made by make_supernet.py with PyTorch {torch.__version__.split('+')[0]}: losses of the largest and the smallest, then gradients.")
print("loss", "%.9g %.9g" % (largest.item(), students[0].item()))
for name, value in w.items():
    print(name, " ".join("%.9g" % g for g in value.grad.flatten().tolist()))
