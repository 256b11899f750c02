"""open_clip models to described artefacts: loaded, converted, compared, calibrated. Needs the extra `train`."""

__all__: list[str] = []
