"""The encoder classifier of bench_train_step and bench_learning in PyTorch: pre-norm blocks, LayerNorm, tanh GELU, mean pooling."""
import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, hidden, heads, ffn, dropout):
        super().__init__()
        self.heads, self.drop, self.p = heads, nn.Dropout(dropout), dropout
        self.n1, self.n2, self.qkv, self.out = nn.LayerNorm(hidden), nn.LayerNorm(hidden), nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.up, self.down = nn.Linear(hidden, ffn), nn.Linear(ffn, hidden)

    def forward(self, x, mask):
        b, s, h = x.shape
        q, k, v = self.qkv(self.n1(x)).view(b, s, 3, self.heads, h // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=None if mask is None else mask[:, None, None], dropout_p=self.p if self.training else 0.0)
        x = x + self.drop(self.out(y.transpose(1, 2).reshape(b, s, h)))
        return x + self.drop(self.down(F.gelu(self.up(self.n2(x)), approximate="tanh")))


class Encoder(nn.Module):
    """Ids [rows, longest] and, where rows are padded, a mask of the real tokens, to two logits a row."""

    def __init__(self, vocabulary, positions, hidden, heads, layers=4, ffn=4, dropout=0.0):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, hidden), nn.Embedding(positions, hidden)
        self.blocks = nn.ModuleList(Block(hidden, heads, ffn * hidden, dropout) for _ in range(layers))
        self.norm, self.head, self.drop = nn.LayerNorm(hidden), nn.Linear(hidden, 2), nn.Dropout(dropout)

    def forward(self, ids, mask=None):
        x = self.drop(self.tokens(ids) + self.positions.weight[:ids.shape[1]])
        for block in self.blocks: x = block(x, mask)
        x = self.norm(x)
        if mask is None: return self.head(x.mean(1))
        return self.head((x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
