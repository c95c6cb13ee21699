"""A training in nanoGPT's shape: a small GPT learns the letters of Python's own documentation."""

import math
import pydoc_data.topics

import ratesmith
import torch
from torch import nn

learning_rate, weight_decay, grad_clip = 3e-3, 0.1, 1.0
max_iters, warmup_iters, eval_interval, eval_iters = 120, 12, 40, 10
batch_size, block_size, n_embd, gradient_accumulation_steps = 8, 32, 48, 2
torch.manual_seed(1337)

text = "".join(pydoc_data.topics.topics.values())[:300_000]
letters = sorted(set(text))
codes = torch.tensor([letters.index(letter) for letter in text])
data = {"train": codes[:270_000], "val": codes[270_000:]}


def get_batch(split):
    starts = torch.randint(len(data[split]) - block_size, (batch_size,))
    windows = torch.stack([data[split][start : start + block_size + 1] for start in starts])
    return windows[:, :-1], windows[:, 1:]


def get_lr(it):  # as a share of learning_rate
    if it < warmup_iters:
        return (it + 1) / (warmup_iters + 1)
    progress = (it - warmup_iters) / (max_iters - warmup_iters)
    return 0.1 + 0.9 * 0.5 * (1.0 + math.cos(math.pi * progress))


trial = ratesmith.get_trial(lr=learning_rate, schedule='custom("mine")', steps=max_iters, functions={"mine": get_lr})


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(len(letters), n_embd), nn.Embedding(block_size, n_embd)
        block = nn.TransformerEncoderLayer(n_embd, 4, 4 * n_embd, 0.0, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, 2, nn.LayerNorm(n_embd), enable_nested_tensor=False)
        self.lm_head = nn.Linear(n_embd, len(letters), bias=False)

    def forward(self, x, targets):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        hidden = self.blocks(self.wte(x) + self.wpe(torch.arange(x.shape[1])), mask, is_causal=True)
        logits = self.lm_head(hidden)
        return nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


@torch.no_grad()
def estimate_loss():
    model.eval()
    losses = [model(*get_batch("val")).item() for _ in range(eval_iters)]
    model.train()
    return sum(losses) / len(losses)


model = GPT()
decayed = [weight for weight in model.parameters() if weight.dim() >= 2]
others = [weight for weight in model.parameters() if weight.dim() < 2]
groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.95))

for iter_num in range(max_iters):
    lr = trial.lr * trial.factor(iter_num)
    for param_group in optimizer.param_groups:
        param_group["lr"] = lr
    for _ in range(gradient_accumulation_steps):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(*get_batch("train")) / gradient_accumulation_steps
        loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    trial.report_train(loss * gradient_accumulation_steps)
    if (iter_num + 1) % eval_interval == 0:
        val_loss = estimate_loss()
        print(f"step {iter_num + 1}: loss {val_loss!r}")
        trial.report(loss=val_loss, step=iter_num + 1)
