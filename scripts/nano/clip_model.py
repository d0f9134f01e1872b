"""The CLIP's architecture: a small one of open_clip's.

Vision 4 layers of width 192, text 4 layers of width 128, embeddings of 64 dimensions.
"""

from typing import Any

import open_clip
from byte_bpe import PAD, TURN_END, token_id
from tokenizers import Tokenizer

CONTEXT_LENGTH = 96
EMBEDDING_DIMS = 64
IMAGE_WIDTH = 192


def clip_config(tokenizer: Tokenizer) -> dict[str, Any]:
    """open_clip's ``model_cfg`` for ``tokenizer``'s vocabulary."""
    return {
        "embed_dim": EMBEDDING_DIMS,
        "vision_cfg": {
            "image_size": 112,
            "patch_size": 14,
            "layers": 4,
            "width": IMAGE_WIDTH,
            "head_width": 64,
        },
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": tokenizer.get_vocab_size(),
            "hf_tokenizer_name": "local",
            "width": 128,
            "heads": 2,
            "layers": 4,
            "pool_type": "eos",
            "eos_id": token_id(tokenizer, TURN_END),
            "pad_id": token_id(tokenizer, PAD),
        },
    }


def build_clip(tokenizer: Tokenizer) -> open_clip.CLIP:
    """A newly initialised CLIP in float32."""
    config = clip_config(tokenizer)
    return open_clip.CLIP(config["embed_dim"], config["vision_cfg"], config["text_cfg"], output_dict=True)
