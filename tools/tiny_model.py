"""Make a tiny model of the Qwen3 type, so that a real server can be tested on any machine.

usage: python tools/tiny_model.py FOLDER [--seconds 240]

Runs in an environment that has torch and transformers (tools/test_servers.py makes one). The model has two layers and
a byte-level vocabulary of its own, and is trained for a minute on dialogues made here: it learns the form
of a tool call, of thinking, and of stopping, so that a server's own parsers have something to do. What it says makes no
sense.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

SEED = 7
VOCABULARY = 2000
LENGTH = 8192
"""Tokens of the context that the model is made for."""
ROW = 1280
"""Tokens of the longest row in training; a real first request has about 700."""
ENOUGH = 0.2
"""The loss at which training ends; choosing among the few programs alone costs about 0.04."""
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MARKS = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"]

# ChatML with Qwen's section of tools. Where thinking is asked for, the template opens it, as Qwen's thinking models do.
TEMPLATE = """\
{%- set first = messages[0] -%}
{%- if tools -%}
{{- '<|im_start|>system\\n' -}}
{%- if first.role == 'system' -%}{{- first.content + '\\n\\n' -}}{%- endif -%}
{{- '# Tools\\n\\nYou may call one or more functions. Their signatures stand within <tools></tools>:\\n<tools>' -}}
{%- for tool in tools -%}{{- '\\n' + (tool | tojson) -}}{%- endfor -%}
{{- '\\n</tools>\\n\\nFor each call, return a JSON object with its name and arguments:\\n' -}}
{{- '<tool_call>\\n{"name": NAME, "arguments": OBJECT}\\n</tool_call><|im_end|>\\n' -}}
{%- elif first.role == 'system' -%}
{{- '<|im_start|>system\\n' + first.content + '<|im_end|>\\n' -}}
{%- endif -%}
{%- for message in messages -%}
{%- set text = message.content if message.content is string else '' -%}
{%- if message.role == 'system' -%}
{%- elif message.role == 'tool' -%}
{{- '<|im_start|>user\\n<tool_response>\\n' + text + '\\n</tool_response><|im_end|>\\n' -}}
{%- elif message.role == 'assistant' -%}
{{- '<|im_start|>assistant\\n' + text -}}
{%- for call in message.tool_calls or [] -%}
{%- set f = call.function -%}
{{- ('\\n' if text or not loop.first else '') + '<tool_call>\\n{"name": "' + f.name + '", "arguments": ' -}}
{{- (f.arguments if f.arguments is string else f.arguments | tojson) + '}\\n</tool_call>' -}}
{%- endfor -%}
{{- '<|im_end|>\\n' -}}
{%- else -%}
{{- '<|im_start|>' + message.role + '\\n' + text + '<|im_end|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- if enable_thinking is defined and enable_thinking -%}{{- '<think>\\n' -}}{%- endif -%}
{%- endif -%}
"""

TOOL = {
    "type": "function",
    "function": {
        "name": "execute",
        "description": "Run code.",
        "parameters": {
            "type": "object",
            "properties": {"language": {"type": "string"}, "code": {"type": "string"}},
            "required": ["language", "code"],
        },
    },
}
WORDS = ["sum", "count", "mean", "rows", "file", "table", "month", "price", "city", "文件", "数据", "价格", "城市"]
SYSTEMS = ["You get things done by writing code.", "You are careful.", "Answer in the person's language."]


def dialogue(rng: random.Random) -> tuple[list[dict[str, object]], bool, bool]:
    """(messages, whether tools are offered, whether the last answer thinks first); the last message is the answer."""
    word, number = rng.choice(WORDS), rng.randint(0, 99)
    # What it says does not depend on what it is asked: so small a model learns forms, and copies badly.
    language, code = rng.choice([("python", "print(1)"), ("python", "print(2)"), ("shell", "ls")])
    tools, thinks = rng.random() < 0.75, rng.random() < 0.3
    messages: list[dict[str, object]] = [
        {"role": "system", "content": rng.choice(SYSTEMS)},
        {
            "role": "user",
            "content": rng.choice([f"Run {word}({number})", f"Show {word} {number}.", f"请计算{word} {number}"]),
        },
    ]
    arguments = json.dumps({"language": language, "code": code}, ensure_ascii=False)
    call: dict[str, object] = {"role": "assistant", "content": ""}
    if tools:
        call["tool_calls"] = [{"type": "function", "function": {"name": "execute", "arguments": arguments}}]
    else:
        call["content"] = f"```{language}\n{code}\n```"
    if rng.random() < 0.5:
        return [*messages, call], tools, thinks
    result: dict[str, object] = {"role": "tool" if tools else "user", "content": f"{word} {number}"}
    return [*messages, call, result, {"role": "assistant", "content": "Done."}], tools, thinks


def sources() -> list[Path]:
    """Texts to learn from that every machine has."""
    return sorted(Path(os.__file__).parent.glob("*.py"))[:120]


def make_tokenizer(rng: random.Random) -> PreTrainedTokenizerFast:
    texts = [p.read_text(encoding="utf-8", errors="replace") for p in sources()]
    texts += ["\n".join(str(m["content"]) for m in dialogue(rng)[0]) for _ in range(2000)]
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bare.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
        ),
    )
    made = PreTrainedTokenizerFast(tokenizer_object=bare, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    made.add_tokens(MARKS)
    made.model_max_length = LENGTH
    made.chat_template = TEMPLATE
    return made


def make_model(size: int, tokenizer: PreTrainedTokenizerFast) -> Qwen3ForCausalLM:
    config = Qwen3Config(
        vocab_size=size,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=LENGTH,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Qwen3ForCausalLM(config)


def row(tokenizer: PreTrainedTokenizerFast, rng: random.Random, filler: str) -> tuple[list[int], list[int]]:
    """Tokens, and the labels: only the last answer is learnt. `filler` makes prompts as long as real ones."""
    messages, tools, thinks = dialogue(rng)
    at = rng.randrange(len(filler) - len(filler) // 2)
    messages[0]["content"] = f"{messages[0]['content']}\n{filler[at : at + rng.randrange(len(filler) // 2)]}"
    offered = [TOOL] if tools else None
    before = tokenizer.apply_chat_template(
        messages[:-1], tools=offered, tokenize=False, add_generation_prompt=True, enable_thinking=thinks
    )
    last = messages[-1]
    calls = last.get("tool_calls")
    answer = str(last["content"])
    if isinstance(calls, list):
        function = calls[0]["function"]
        answer += f'<tool_call>\n{{"name": "execute", "arguments": {function["arguments"]}}}\n</tool_call>'
    thought = "The person wants something.\n</think>\n\n" if thinks else ""
    head = tokenizer(before, add_special_tokens=False)["input_ids"]
    tail = tokenizer(f"{thought}{answer}<|im_end|>", add_special_tokens=False)["input_ids"]
    return (head + tail)[-ROW:], ([-100] * len(head) + tail)[-ROW:]


def train(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, rng: random.Random, seconds: float) -> float:
    """Until it has learnt enough or time is over. Returns the loss, smoothed."""
    filler = "\n".join(p.read_text(encoding="utf-8", errors="replace") for p in sources()[:20])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    started, loss, steps = time.monotonic(), 2.0, 0
    model.train()
    while loss > ENOUGH and time.monotonic() - started < seconds:
        size = 4800 if steps % 8 == 7 else 200
        at = rng.randrange(len(filler) - size)
        rows = [row(tokenizer, rng, filler[at : at + size]) for _ in range(8 if size == 200 else 2)]
        longest = max(len(ids) for ids, _ in rows)
        ids = torch.tensor([r[0] + [tokenizer.pad_token_id] * (longest - len(r[0])) for r in rows])
        labels = torch.tensor([r[1] + [-100] * (longest - len(r[1])) for r in rows])
        mask = torch.tensor([[1] * len(r[0]) + [0] * (longest - len(r[0])) for r in rows])
        output = model(input_ids=ids, attention_mask=mask, labels=labels)
        optimizer.zero_grad()
        output.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        steps += 1
        loss = 0.9 * loss + 0.1 * float(output.loss.detach())
    return loss


def sample(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> str:
    """What it answers to a request with tools."""
    model.eval()
    messages = [{"role": "system", "content": SYSTEMS[0]}, {"role": "user", "content": "Run print(5)"}]
    text = tokenizer.apply_chat_template(messages, tools=[TOOL], tokenize=False, add_generation_prompt=True)
    ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    with torch.no_grad():
        for _ in range(60):
            token = model(input_ids=ids).logits[0, -1].argmax()
            ids = torch.cat([ids, token.view(1, 1)], dim=1)
            if int(token) == tokenizer.eos_token_id:
                break
    return tokenizer.decode(ids[0])[len(text) :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=240.0, help="of training at most; 0: a model that babbles")
    given = parser.parse_args()
    rng = random.Random(SEED)
    torch.manual_seed(SEED)
    torch.set_num_threads(2)
    tokenizer = make_tokenizer(rng)
    size = -(-len(tokenizer) // 64) * 64
    model = make_model(size, tokenizer)
    loss = train(model, tokenizer, rng, given.seconds)
    given.folder.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(given.folder)
    tokenizer.save_pretrained(given.folder)
    count = sum(p.numel() for p in model.parameters())
    print(f"{given.folder}: {count / 1e6:.2f} M parameters, loss {loss:.3f}; says {sample(model, tokenizer)!r}")


if __name__ == "__main__":
    main()
