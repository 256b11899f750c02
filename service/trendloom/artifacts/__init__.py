"""Model folders: where they are, what their cards say, and whether their files are whole."""

from trendloom.artifacts.cards import CARD, FITS, INTERPOLATIONS, MODEL_NAME, REQUIRED_FILES, load_card, write_card
from trendloom.artifacts.files import digest, records, verified, verify
from trendloom.artifacts.folders import (
    find_model,
    installed_cards,
    model_names,
    models_folder,
    remove_model,
    taxonomy_path,
    user_models_folder,
)
from trendloom.artifacts.gates import GATES, Gate, passed_gates, read_gates, write_gate
from trendloom.artifacts.nouns import (
    Calibration,
    ClassifyCalibration,
    FileRecord,
    ModelCard,
    ModelSource,
    TagCalibration,
    TextSpec,
    TrainingSet,
)

__all__ = [
    "CARD",
    "FITS",
    "GATES",
    "INTERPOLATIONS",
    "MODEL_NAME",
    "REQUIRED_FILES",
    "Calibration",
    "ClassifyCalibration",
    "FileRecord",
    "Gate",
    "ModelCard",
    "ModelSource",
    "TagCalibration",
    "TextSpec",
    "TrainingSet",
    "digest",
    "find_model",
    "installed_cards",
    "load_card",
    "model_names",
    "models_folder",
    "passed_gates",
    "read_gates",
    "records",
    "remove_model",
    "taxonomy_path",
    "user_models_folder",
    "verified",
    "verify",
    "write_card",
    "write_gate",
]
