"""A Hugging Face Trainer: a small Llama, made from a configuration, learns the letters of Python's documentation."""

import pydoc_data.topics

import ratesmith.transformers
import torch
import transformers

block_size = 32
transformers.set_seed(42)

text = "".join(pydoc_data.topics.topics.values())[:60_000]
letters = sorted(set(text))
codes = torch.tensor([letters.index(letter) for letter in text])
blocks = codes[: len(codes) // block_size * block_size].view(-1, block_size)
dataset = [{"input_ids": block, "labels": block} for block in blocks]
train_dataset, eval_dataset = dataset[:-200], dataset[-200:]
trial = ratesmith.get_trial(lr=5e-3, schedule="warmup(9) >> linear()", steps=90, seed=42)

config = transformers.LlamaConfig(
    vocab_size=len(letters),
    hidden_size=48,
    intermediate_size=128,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=block_size,
    pad_token_id=None,
    bos_token_id=None,
    eos_token_id=None,
)
model = transformers.LlamaForCausalLM(config)
arguments = transformers.TrainingArguments(
    output_dir="runs/docs_trainer",
    max_steps=90,
    seed=42,
    learning_rate=5e-3,
    lr_scheduler_type="linear",
    warmup_steps=9,
    weight_decay=0.01,
    per_device_train_batch_size=16,
    per_device_eval_batch_size=50,
    eval_strategy="steps",
    eval_steps=30,
    save_strategy="no",
    report_to=[],
    disable_tqdm=True,
    use_cpu=True,
)
trainer = transformers.Trainer(
    model=model,
    args=arguments,
    train_dataset=train_dataset,
    eval_dataset=eval_dataset,
    callbacks=[ratesmith.transformers.TrialCallback(trial)],
)
trainer.train()
for row in trainer.state.log_history:
    if "eval_loss" in row:
        print(f"step {row['step']}: loss {row['eval_loss']!r}")
