"""The programs that scores are compared with: Hugging Face and the original."""
