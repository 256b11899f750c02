"""Pixels and words to embeddings, embeddings to tags. Nothing heavy is imported until a tower is asked for."""

__all__: list[str] = []
