"""The probe accepts bit-exact widths and rejects others."""

from typing import Any

import archspec.cpu
import pytest
from support.training import device_data, softmax_of

import swath.models.backend
from swath.models import tf
from swath.training import GradientDescent, compile_evaluation, compile_program, is_bit_exact


def probe_width(batch_size: int, lanes: int) -> bool:
    data = device_data()
    model = softmax_of(data)
    program = compile_program(data, model, GradientDescent())
    return is_bit_exact(program, compile_evaluation(data, model), data, batch_size, lanes)


@pytest.mark.skipif(
    not {"avx2", "fma"} <= archspec.cpu.host().features, reason="this processor has no AVX2 and FMA"
)
@pytest.mark.parametrize(("batch_size", "lanes"), [(1, 2), (7, 3), (100, 8), (150, 24), (16, 48)])
def test_narrow_groups_are_bit_exact(batch_size: int, lanes: int) -> None:
    assert probe_width(batch_size, lanes)


def test_width_dependent_matrix_product_is_not_bit_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    class WidthDependent:
        """TensorFlow with a matrix product whose scale depends on its width."""

        def __getattr__(self, name: str) -> Any:
            return getattr(tf, name)

        def matmul(self, a: Any, b: Any, **options: Any) -> Any:
            return tf.matmul(a, b, **options) * (1 + 1e-6 * tf.cast(tf.shape(b)[1], tf.float32))

    monkeypatch.setattr(swath.models.backend, "tf", WidthDependent())
    assert not probe_width(10, 3)
