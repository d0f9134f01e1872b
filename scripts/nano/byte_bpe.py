"""The byte-level BPE tokenizer of the nano models.

Comes in: captions and prompts, English and Chinese. Goes out: tokenizers in the form that transformers'
`AutoTokenizer` and open_clip's `HFTokenizer` load. Not its job: chat templates (see ``model_folders``).
"""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

PAD = "<|endoftext|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
IMAGE_START = "<img>"
IMAGE_END = "</img>"
IMAGE_CONTEXT = "<IMG_CONTEXT>"
VIDEO = "<video>"
SPECIAL_TOKENS = [PAD, TURN_START, TURN_END, IMAGE_START, IMAGE_END, IMAGE_CONTEXT, VIDEO]

VOCAB_SIZE = 1400
MAX_TOKEN_BYTES = 36
"""So 36 English letters or 12 Chinese characters."""


def train_tokenizer(texts: Iterable[str], vocab_size: int = VOCAB_SIZE) -> Tokenizer:
    """Train on ``texts``. The first ids belong to ``SPECIAL_TOKENS``, in order."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=MAX_TOKEN_BYTES,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def wrap_for_captioner(tokenizer: Tokenizer, chat_template: str) -> PreTrainedTokenizerFast:
    """Add the token names that transformers' InternVL processor looks up. No tokens are added to a text."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=TURN_END,
        pad_token=PAD,
        chat_template=chat_template,
        model_max_length=1024,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        extra_special_tokens={
            "start_image_token": IMAGE_START,
            "end_image_token": IMAGE_END,
            "context_image_token": IMAGE_CONTEXT,
            "video_token": VIDEO,
        },
    )


def wrap_for_clip(tokenizer: Tokenizer, context_length: int) -> PreTrainedTokenizerFast:
    """A copy that ends every text, truncated ones too, with ``TURN_END``, which the text tower pools at."""
    copy = Tokenizer.from_str(tokenizer.to_str())
    end_id = token_id(copy, TURN_END)
    copy.post_processor = processors.TemplateProcessing(
        single=f"$A {TURN_END}", special_tokens=[(TURN_END, end_id)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=copy,
        eos_token=TURN_END,
        pad_token=PAD,
        model_max_length=context_length,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of a special token. Raises KeyError if the tokenizer doesn't have it."""
    index = tokenizer.token_to_id(token)
    if index is None:
        raise KeyError(token)
    return int(index)


def load_tokenizer(path: Path) -> Tokenizer:
    """Load a tokenizer from its JSON file."""
    return Tokenizer.from_file(str(path))
