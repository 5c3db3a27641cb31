"""What is recorded of where numbers came from, and what people call it."""

FACTS = {
    "swath.data_digest": "data",
    "swath.tensorflow": "TensorFlow",
    "swath.numpy": "NumPy",
    "swath.mlflow": "MLflow",
    "swath.cpu": "processor",
    "swath.cpu_instruction_sets": "instruction sets",
    "swath.onednn": "oneDNN",
    "swath.version": "swath",
    "swath.commit": "source commit",
    "swath.dirty": "uncommitted changes",
}
"""Tags that say what a run was made of and with."""

MAY_CHANGE_NUMBERS = (
    "swath.data_digest",
    "swath.tensorflow",
    "swath.cpu",
    "swath.cpu_instruction_sets",
    "swath.onednn",
)
"""Those whose change can change a bit of what is computed."""


def facts_of(tags: dict[str, str]) -> dict[str, str]:
    """The facts among tags, by tag."""
    return {name: tags[name] for name in FACTS if name in tags}
