"""Identity of the code of a model that a package or a program brings, to notice that it has changed."""

from swath.models.model import ModelSpec
from swath.system import module_of, object_digest, package_digest


def code_of(spec: ModelSpec) -> str:
    """`NAME:DIGEST` of a model: of the Python files of its package, or the source of its class or function.

    Empty for a model of swath, whose version says it; `NAME:unknown` where there is no source.
    """
    own = spec.own
    if own is None:
        return ""
    try:
        module = module_of(own.make if isinstance(own.make, str) else own.source)
        digest = package_digest(module) if spec.package else object_digest(own.source)
    except (OSError, TypeError, ImportError, ValueError, AttributeError):
        return f"{spec.name}:unknown"
    return f"{spec.name}:{digest}"
