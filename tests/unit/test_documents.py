"""The documents are correct: links lead to files, commands are valid, generated parts are up to date."""

import contextlib
import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml
from support.own_models import example_added
from support.pictures import write_pictures

import swath
from swath.cli.arguments import read_arguments
from swath.cli.compare_arguments import check_arguments, parser
from swath.cli.reference import DOCUMENTS as DOCUMENTS_OF
from swath.cli.reproduce import parser as reproduce_parser
from swath.cli.validation import check_command
from swath.config import primary_configs, register

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")


GENERATED = ("commands.md", "python.md")

SITE = [*(path for path in (ROOT / "docs").rglob("*.md") if path.name not in GENERATED)]


def shown_commands() -> list[str]:
    """Every command in the README and in the documentation site."""
    texts = [README, *(path.read_text(encoding="utf-8") for path in sorted(SITE))]
    blocks = [block for text in texts for block in re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)]
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            dead.append(target)
    assert dead == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_source_file_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = {
        *re.findall(r"`((?:\w+/)+\w+\.(?:py|pyi|yaml|json|md))`", text),
        *(f"{module.replace('.', '/')}.py" for module in re.findall(r"python -m (swath\.[\w.]+\w)", text)),
    }
    places = (ROOT, ROOT / "src", ROOT / "src" / "swath", document.parent)
    named = {name for name in named if "NAME" not in name}  # a placeholder
    assert [name for name in sorted(named) if not any((place / name).is_file() for place in places)] == []


@pytest.mark.parametrize("command", [c for c in shown_commands() if c.split()[0] == "swath"])
def test_every_swath_command_in_the_documents_is_accepted(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "data.dir=pictures" in command:  # as on the page about one's own images
        write_pictures(tmp_path / "pictures", {"cats": 60, "dogs": 120})
        images, labels = np.zeros((24, 4, 4), np.uint8), np.arange(24) % 2
        np.savez(tmp_path / "pictures.npz", images=images, labels=labels)
        monkeypatch.chdir(tmp_path)
    arguments = read_arguments(shlex.split(command)[1:])
    with example_added() if "model=convnet" in command else contextlib.nullcontext():
        register(arguments.user_folders)
        assert arguments.config_name in primary_configs(arguments.user_folders)
        if arguments.trains:
            check_command(
                arguments.config_name,
                list(arguments.overrides),
                arguments.flags.multirun,
                arguments.user_folders,
            )


@pytest.mark.parametrize("command", [c for c in shown_commands() if c.split()[0] == "swath-compare"])
def test_every_compare_command_in_the_documents_is_accepted(command: str) -> None:
    arguments = parser().parse_args(shlex.split(command)[1:])
    assert arguments.sweep is None or arguments.sweep in primary_configs(())
    check_arguments(arguments)


@pytest.mark.parametrize("command", [c for c in shown_commands() if c.split()[0] == "swath-reproduce"])
def test_every_reproduce_command_in_the_documents_is_accepted(command: str) -> None:
    arguments = reproduce_parser().parse_args(shlex.split(command)[1:])
    assert set(arguments.runs) <= {"RUN_ID", "config.yaml"}
    assert bool(arguments.runs) != bool(arguments.sweep)


@pytest.mark.parametrize("command", [c for c in shown_commands() if c.startswith("make ")])
def test_every_make_command_in_the_readme_is_a_make_target(command: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{re.escape(command.split()[1])}:", makefile, flags=re.MULTILINE)


def test_readme_shows_only_known_kinds_of_commands() -> None:
    known = ("swath", "make ", "mlflow ui", "pip install", "git clone", "cd ", "docker ")
    assert [command for command in shown_commands() if not command.startswith(known)] == []


@pytest.mark.parametrize("name", ["commands", "python"])
def test_generated_pages_are_up_to_date(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") == DOCUMENTS_OF[name]()


@pytest.mark.parametrize("path", SITE, ids=lambda path: str(path.relative_to(ROOT)))
def test_yaml_blocks_are_valid(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for block in re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL):
        assert yaml.safe_load(block)


def test_the_sweep_file_of_the_documents_is_accepted(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "how-to" / "sweep-file.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "mine.yaml").write_text(block, encoding="utf-8")
    register((tmp_path,))
    try:
        checked = check_command("mine", [], False, (tmp_path,))
    finally:
        register(())
    assert len(checked.configs) == 6
    assert checked.multirun


def test_every_page_of_the_site_is_in_its_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r": ([\w/-]+\.md)$", text, flags=re.MULTILINE))
    assert named == {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}


def test_lock_files_contain_hashes_and_no_index_address() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "://" not in text
        pins = re.findall(r"^[a-z0-9].*$", text, flags=re.MULTILINE | re.IGNORECASE)
        assert all("==" in pin and pin.endswith("\\") for pin in pins)
        assert text.count("--hash=sha256:") >= len(pins)


def test_every_law_in_contributing_is_a_hypothesis_property() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (laws,) = re.findall(r"^## Laws\n(.*?)^## ", text, flags=re.MULTILINE | re.DOTALL)
    files = re.findall(r"`(tests/[^`]+)`", laws)
    assert files
    assert [file for file in files if "@given" not in (ROOT / file).read_text(encoding="utf-8")] == []


def test_glossary_defines_each_term_once_in_alphabetical_order() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^\*\*([^*]+)\*\*: ", text, flags=re.MULTILINE)
    keys = [term.lower().replace("-", " ") for term in terms]
    assert len(keys) > 50
    assert keys == sorted(set(keys))


def test_architecture_describes_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    described = re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)
    rooms = [path.parent.name for path in (ROOT / "src" / "swath").glob("*/__init__.py")]
    assert sorted(described) == sorted(rooms)


def test_citation_has_the_version_and_licence_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (swath.__version__, project["license"])
    assert citation["authors"] == project["authors"]


def test_package_metadata_names_every_supported_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    assert project["requires-python"] == f">={versions[0]},<3.{int(versions[-1][2:]) + 1}"


@pytest.mark.parametrize("form", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.name)
def test_github_files_are_yaml_mappings(form: Path) -> None:
    assert isinstance(yaml.safe_load(form.read_text(encoding="utf-8")), dict)
