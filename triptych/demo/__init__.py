"""The demo world: drawn scenes with known content, their pictures and their true captions."""
