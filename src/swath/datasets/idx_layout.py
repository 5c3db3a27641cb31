"""The official IDX files of a data set: their names, addresses and digests, and where they are found."""

from dataclasses import dataclass
from pathlib import Path

from swath.datasets.source import Source, source_on_disk
from swath.errors import DataError


@dataclass(frozen=True)
class IdxLayout:
    """Names and addresses of the official files of a data set.

    Attributes:
      title: name of the data set in messages.
      url: address of the folder of the files, with a slash at its end.
      folders: folders that may hold the files below a folder that the user names.
      sha256: of each packed file, in hex, by name: training images and labels, test images and labels.
    """

    title: str
    url: str
    folders: tuple[str, ...]
    sha256: tuple[tuple[str, str], ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the packed files."""
        return tuple(name for name, _ in self.sha256)

    def find(self, directory: Path, origin: str) -> Source:
        """Find the files below a folder named by the user; looks at names, sizes and times only.

        The folder itself counts only as `data.dir`: several data sets have files of these names, and
        $SWATH_DATA_DIR is one folder for all of them.

        Args:
          directory: the folder of the files, or a parent of it.
          origin: what named the directory: "data.dir" or "SWATH_DATA_DIR".

        Raises:
          DataError: no folder has all files.
        """
        places = [directory / folder for folder in self.folders]
        places += [directory] if origin == "data.dir" else []
        try:
            for place in places:
                found = [self.file_in(place, name) for name in self.files]
                if files := [file for file in found if file is not None]:
                    if len(files) == len(found):
                        return source_on_disk(origin, place, files)
                    missing = [name for name, file in zip(self.files, found, strict=True) if file is None]
                    are = "is" if len(missing) == 1 else "are"
                    raise DataError(f"no {self.title} in {place}: {', '.join(missing)} {are} missing")
        except OSError as error:
            raise DataError(f"cannot look into {directory}, given as {origin}: {error.strerror}") from error
        why = "none of its files are there" if directory.is_dir() else "there is no such folder"
        raise DataError(
            f"no {self.title} in {directory}, given as {origin}: {why}; expected {self.folders[0]}/ with "
            f"{', '.join(self.files)}, packed or unpacked; set {origin} to the folder that holds it"
        )

    def file_in(self, place: Path, name: str) -> Path | None:
        """The packed file in a folder, else the unpacked one; None if there is neither.

        Args:
          place: the folder.
          name: one of `files`.
        """
        return next(filter(Path.is_file, (place / name, place / name.removesuffix(".gz"))), None)
