"""Sets and single images to captions, through a vision-language model."""
