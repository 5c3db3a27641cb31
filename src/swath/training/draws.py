"""What is drawn at random for a step: which images, and which of them are mirrored."""

from swath.models import Tensor, tf


def batch_indices(seed: Tensor, step: Tensor, batch_size: Tensor, images: Tensor) -> Tensor:
    """Indices of the images of one step: int32 [batch], drawn uniformly with replacement from 0..images-1.

    The generator is counter-based (Philox; Salmon et al. 2011) with the key (seed, step), so the batch of a
    step does not depend on earlier steps.
    """
    key = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
    return tf.random.stateless_uniform([batch_size], key, 0, images, tf.int32, alg="philox")


def mirror_choices(seed: Tensor, step: Tensor, batch_size: Tensor) -> Tensor:
    """Whether each image of a step is mirrored: int32 [batch], 0 or 1 with the same probability.

    The key is (seed, -1 - step), which `batch_indices` does not use.
    """
    key = tf.stack([tf.cast(seed, tf.int64), -1 - tf.cast(step, tf.int64)])
    return tf.random.stateless_uniform([batch_size], key, 0, 2, tf.int32, alg="philox")
