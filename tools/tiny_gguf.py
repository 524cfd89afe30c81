"""Write the tiny model as a GGUF file, for llama.cpp.

usage: python tools/tiny_gguf.py FOLDER FILE.gguf

Runs in the environment of tools/tiny_model.py, with the package gguf.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gguf
from transformers import Qwen3ForCausalLM

INNER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
OUTER = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}


def tensor_name(name: str) -> str:
    """GGUF's name of a parameter; empty for the output matrix, which is the embedding's."""
    if name in OUTER:
        return OUTER[name]
    if not name.startswith("model.layers."):
        return ""
    layer, _dot, rest = name.removeprefix("model.layers.").partition(".")
    return f"blk.{layer}.{INNER[rest.removesuffix('.weight')]}.weight"


def add_tokenizer(writer: gguf.GGUFWriter, folder: Path, size: int) -> None:
    told = json.loads((folder / "tokenizer.json").read_text())
    added = {token["id"]: token for token in told["added_tokens"]}
    names = {number: text for text, number in told["model"]["vocab"].items()}
    names |= {number: token["content"] for number, token in added.items()}
    tokens = [names.get(n, f"[PAD{n}]") for n in range(size)]
    kinds = [gguf.TokenType.NORMAL if n in names else gguf.TokenType.UNUSED for n in range(size)]
    for number, token in added.items():
        kinds[number] = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
    merges = [m if isinstance(m, str) else " ".join(m) for m in told["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template((folder / "chat_template.jinja").read_text())


def main() -> None:
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    model = Qwen3ForCausalLM.from_pretrained(folder)
    config = model.config
    writer = gguf.GGUFWriter(target, "qwen3")
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(float(getattr(config, "rope_theta", None) or config.rope_parameters["rope_theta"]))
    add_tokenizer(writer, folder, config.vocab_size)
    for name, tensor in model.state_dict().items():
        if found := tensor_name(name):
            writer.add_tensor(found, tensor.float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
