"""Invalid values in grouping configs are refused."""

import pytest

from triptych.errors import UsageError
from triptych.grouping.config import EmbeddingConfig, SetsConfig


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"related_cosine_similarity": 0.95, "duplicate_cosine_similarity": 0.94},
            "related_cosine_similarity is 0.95 and duplicate_cosine_similarity 0.94",
        ),
        ({"related_cosine_similarity": float("nan")}, "is nan"),
        ({"duplicate_cosine_similarity": 1.5}, "1.5; expected -1 <= related < duplicate <= 1"),
        ({"min_images": 1}, "sets.min_images is 1"),
        ({"min_images": 4, "max_images": 3}, "expected 2 <= min_images <= max_images"),
        ({"neighbours": 0}, "sets.neighbours is 0; expected 1 or more"),
        ({"min_recall": 0.0}, "sets.min_recall is 0.0; expected more than 0, at most 1"),
        ({"threads": -1}, "sets.threads is -1; expected 0 or more"),
        ({"size_weights": (1, 1)}, r"sets.size_weights is \[1, 1\]; expected 4 weights of 0 or more"),
        ({"size_weights": (0, 0, 0, 0)}, "not all 0: one for each size from 2 to 5 images"),
        ({"max_sets": -1}, "sets.max_sets is -1; expected 0 or more"),
        (
            {"contrast_share": -0.1},
            "sets.contrast_share is -0.1 and sets.varied_share 0.0; expected 0 or more",
        ),
        ({"contrast_share": 0.6, "varied_share": 0.6}, "and at most 1 together"),
        ({"contrast_share": 0.1, "max_images": 2}, "sets.max_images 2; expected 3 or more images"),
        (
            {"together": "album", "apart": "video"},
            "sets.together is 'album' and sets.apart 'video'; expected one",
        ),
    ],
)
def test_a_sets_config_out_of_range_says_what_was_found_and_expected(
    fields: dict[str, float], message: str
) -> None:
    """Thresholds, sizes, counts and shares are checked when the config is created."""
    with pytest.raises(UsageError, match=message):
        SetsConfig(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": ""}, "embedding.model is empty"),
        ({"batch_size": 0}, "embedding.batch_size is 0; expected 1 or more"),
        ({"decode_threads": -1}, "embedding.decode_threads is -1; expected 0 or more"),
        ({"devices": ()}, r"embedding.devices is \[\]; expected auto, or a list of cpu, cuda or cuda:N"),
        ({"devices": ("cpu", "gpu0")}, r"embedding.devices is \['cpu', 'gpu0'\]"),
    ],
)
def test_an_embedding_config_out_of_range_says_what_was_found_and_expected(
    fields: dict[str, object], message: str
) -> None:
    """Model, batches, threads and devices are checked when the config is created."""
    with pytest.raises(UsageError, match=message):
        EmbeddingConfig(**fields)  # type: ignore[arg-type]
