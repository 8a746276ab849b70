"""Expected values of proxy_scores_test.cpp, by PyTorch and NumPy in float64.   python make_proxy_scores.py > proxy_scores.txt

Lines: case | score | value. The networks are those of tests/golden/make_training.py, the batch is its first one. Scores are computed
from their definitions (nas/transformer/proxy_scores.h) with torch.autograd, torch.linalg and numpy.corrcoef.
"""
import contextlib, importlib.util, io, math, pathlib
import numpy as np
import torch
import torch.nn.functional as F

path = pathlib.Path(__file__).parent.parent / "golden" / "make_training.py"
spec = importlib.util.spec_from_file_location("golden", path)
golden = importlib.util.module_from_spec(spec)
with contextlib.redirect_stdout(io.StringIO()): spec.loader.exec_module(golden)

LENGTHS = [5, 1, 9, 3, 3, 12, 2]


def batch():
    at, rows = 100000, []
    for length in LENGTHS:
        ids = torch.tensor([golden.mix(at + i) % golden.VOCAB for i in range(length)])
        types = torch.tensor([golden.mix(at + 50000 + i) % golden.TYPES for i in range(length)])
        rows.append((ids, types, golden.mix(at + 70000) % golden.CLASSES))
        at += length
    return rows


def is_linear(name): return name.endswith(".weight") and not name.startswith("embeddings.") and not name.endswith("norm.weight")


def attention_weights(model, name, l, x):
    t, heads, d = len(x), l["heads"], l["head_dim"]
    q, k, _ = (y.reshape(t, heads, d).transpose(0, 1) for y in model.linear(name + ".qkv", x).chunk(3, dim=1))
    if model.c["positions"] == "rotary":
        angle = torch.arange(t, dtype=torch.float64)[:, None] * 10000.0**(-2 * torch.arange(d // 2, dtype=torch.float64) / d)
        turn = lambda y: torch.cat([y[..., :d // 2] * angle.cos() - y[..., d // 2:] * angle.sin(), y[..., d // 2:] * angle.cos() + y[..., :d // 2] * angle.sin()], -1)
        q, k = turn(q), turn(k)
    return torch.softmax(q @ k.transpose(1, 2) / math.sqrt(d), -1)  # [heads, queries, keys]


def synflow(model):
    c = model.c
    w = {n: p.detach().abs().requires_grad_() for n, p in model.p.items() if is_linear(n)}
    x = torch.ones(golden.HIDDEN, dtype=torch.float64)
    for i, l in enumerate(c["layers"]):
        d = l["heads"] * l["head_dim"]
        a, f = f"layers.{i}.attention", f"layers.{i}.ffn"
        q, k, v = (w[a + ".qkv.weight"] @ x).split(d)
        # One token: the softmax over its only key is 1.
        weight = torch.softmax((q * k).sum().reshape(1), 0)
        x = x + w[a + ".out.weight"] @ (weight * v)
        x = x + w[f + ".out.weight"] @ (w[f + ".in.weight"] @ x)
    if c["pooler"]: x = w["pooler.weight"] @ x
    (w["classifier.weight"] @ x).sum().backward()
    return math.log(sum(float((p * p.grad).abs().sum()) for p in w.values()))


def scores(change):
    c = {**golden.BASE, **change}
    model, rows, out = golden.Model(c), batch(), {}
    out["params"] = float(sum(p.numel() for p in model.p.values()))
    out["synflow"] = synflow(model)

    loss = F.cross_entropy(torch.stack([model.logits(ids, types) for ids, types, _ in rows]), torch.tensor([label for _, _, label in rows]))
    loss.backward()
    p = {n: v for n, v in model.p.items() if is_linear(n)}
    out["grad_norm"] = sum(float(v.grad.norm()) for v in p.values())
    out["snip"] = sum(float((v * v.grad).abs().sum()) for v in p.values())
    out["saliency"] = sum(float((v * v.grad).abs().sum()) for n, v in p.items() if ".ffn." in n)
    nuclear = lambda m: float(torch.linalg.matrix_norm(m, "nuc"))
    out["diversity"] = sum(nuclear(v.grad) * nuclear(v.detach()) for n, v in p.items() if ".attention." in n)

    # The gradient of each text's logits with respect to the embeddings of its tokens, through a table with one row a token.
    longest, jacobian = max(LENGTHS), []
    for ids, types, _ in rows:
        table = model.p["embeddings.tokens"]
        model.p["embeddings.tokens"] = table.detach()[ids].requires_grad_()
        model.logits(torch.arange(len(ids)), types).sum().backward()
        g = model.p["embeddings.tokens"].grad
        jacobian.append(F.pad(g, (0, 0, 0, longest - len(ids))).flatten().numpy())
        model.p["embeddings.tokens"] = table
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(np.stack(jacobian)))
    out["jacobian"] = float(-np.sum(np.log(eigenvalues + 1e-5) + 1 / (eigenvalues + 1e-5)))

    total = 0.0
    for i, l in enumerate(c["layers"]):
        largest = []
        for ids, types, _ in rows:
            x, before = None, model.attention
            def spy(name, layer, y):
                nonlocal x
                if name == f"layers.{i}.attention": x = y
                return before(name, layer, y)
            model.attention = spy
            with torch.no_grad(): model.logits(ids, types)
            model.attention = before
            with torch.no_grad(): largest += attention_weights(model, f"layers.{i}.attention", l, x).amax(-1).flatten().tolist()
        total += sum(largest) / len(largest)
    out["head_confidence"] = total
    return out


print(f"# torch {torch.__version__.split('+')[0]}, numpy {np.__version__}")
for name, change in golden.CASES.items():
    if name.startswith("sgd"): continue
    for score, value in scores(change).items(): print(name, score, repr(value), sep=" | ")
print("# singular values of mix(i·31 + j) / 2^32 − 0.5, and of a matrix of rank 2")
for rows, columns in [(1, 1), (3, 7), (7, 3), (24, 24), (40, 17)]:
    m = torch.tensor([[golden.mix(i * 31 + j) / 2.0**32 - 0.5 for j in range(columns)] for i in range(rows)], dtype=torch.float64)
    print(f"nuclear {rows} {columns} full", "nuclear_norm", repr(float(torch.linalg.svdvals(m).sum())), sep=" | ")
    low = torch.outer(m[:, 0], m[0]) + torch.outer(m[:, -1], m[-1])
    print(f"nuclear {rows} {columns} low", "nuclear_norm", repr(float(torch.linalg.svdvals(low).sum())), sep=" | ")
