"""CIFAR-100 with its fine labels."""

from swath.datasets.batch_files import BatchLayout
from swath.datasets.cifar import BatchedSpec

_CLASS_NAMES = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard
    lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear
    pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal
    shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank
    telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""

CIFAR100 = BatchedSpec(
    name="cifar100",
    image_shape=(3, 32, 32),
    class_names=tuple(_CLASS_NAMES.split()),
    train_images=50_000,
    test_images=10_000,
    layout=BatchLayout(
        title="CIFAR-100",
        archive="cifar-100-python.tar.gz",
        url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        # As torchvision states it; no download has confirmed it yet.
        sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
        folder="cifar-100-python",
        batches=(("train", 50_000), ("test", 10_000)),
        meta="meta",
        names_key="fine_label_names",
        labels_key="fine_labels",
    ),
)
