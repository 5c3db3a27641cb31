"""The softmax tutorial's way of training: a TensorFlow 1 graph that is fed one NumPy batch per step.

Follows the description in Wolfgang Beyer's "Simple Image Classification Models for the CIFAR-10 dataset using
TensorFlow". Independent of swath; uses TensorFlow's default settings.

    python tutorial.py FOLDER [BATCH_SIZE LEARNING_RATE MAX_STEPS]

FOLDER contains data_batch_1 to 5 and test_batch.
"""

import pickle
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
from numpy.typing import NDArray

PRINT_EVERY_STEPS = 100
PIXELS = 3072
CLASSES = 10

FloatImages = NDArray[np.float64]
Labels = NDArray[np.int64]


def read_batch(path: Path) -> tuple[FloatImages, Labels]:
    """Images, float [10000, 3072], and labels, [10000], of one pickle."""
    with path.open("rb") as file:
        batch = pickle.load(file, encoding="bytes")
    return batch[b"data"].astype(float), np.array(batch[b"labels"])


def read_images(folder: Path) -> tuple[FloatImages, Labels, FloatImages, Labels]:
    """Training images and labels, test images and labels; images minus the mean training image."""
    batches = [read_batch(folder / f"data_batch_{number}") for number in range(1, 6)]
    train_images = np.concatenate([images for images, _ in batches])
    train_labels = np.concatenate([labels for _, labels in batches])
    test_images, test_labels = read_batch(folder / "test_batch")
    mean_image = train_images.mean(axis=0)
    train_images -= mean_image
    test_images -= mean_image
    return train_images, train_labels, test_images, test_labels


def main(folder: Path, batch_size: int = 100, learning_rate: float = 0.005, max_steps: int = 1000) -> None:
    """Train, and print the same lines as the tutorial."""
    started = time.time()
    train_images, train_labels, test_images, test_labels = read_images(folder)

    images: Any = tf.placeholder(tf.float32, [None, PIXELS])
    labels: Any = tf.placeholder(tf.int64, [None])
    weights = tf.Variable(tf.zeros([PIXELS, CLASSES]))
    biases = tf.Variable(tf.zeros([CLASSES]))
    logits = tf.matmul(images, weights) + biases
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(logits=logits, labels=labels))
    train_step = tf.train.GradientDescentOptimizer(learning_rate).minimize(loss)
    accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), labels), tf.float32))

    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for step in range(max_steps):
            chosen = np.random.choice(len(train_images), batch_size)
            batch = {images: train_images[chosen], labels: train_labels[chosen]}
            if step % PRINT_EVERY_STEPS == 0:
                print(f"Step {step:5d}: training accuracy {session.run(accuracy, batch):g}")
            session.run(train_step, batch)
        test_accuracy = session.run(accuracy, {images: test_images, labels: test_labels})
        print(f"Test accuracy {test_accuracy:g}")
    print(f"Total time: {time.time() - started:5.2f}s")


if __name__ == "__main__":
    tf.disable_eager_execution()
    arguments = sys.argv[1:]
    if len(arguments) == 1:
        main(Path(arguments[0]))
    else:
        main(Path(arguments[0]), int(arguments[1]), float(arguments[2]), int(arguments[3]))
