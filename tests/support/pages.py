"""Read HTML pages with Python's own parser."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = ("meta", "img", "br", "hr", "link", "input")
"""Elements without an end tag."""


@dataclass
class TableOnPage:
    """A table: its caption, its headings, and the cells of each row."""

    caption: str = ""
    headings: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


class Page(HTMLParser):
    """A parsed page; fails if its elements are not properly nested.

    Attributes:
      tables: the tables, in their order.
      attributes: name and value of each attribute of each element, in their order.
      texts: element and text of each text that is not blank, in their order.
    """

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[TableOnPage] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], "elements that are not closed"

    def of(self, *elements: str) -> list[str]:
        """The texts within some kinds of elements."""
        return [text for element, text in self.texts if element in elements]

    def values(self, element: str, attribute: str) -> list[str]:
        """The values of an attribute of a kind of elements."""
        return [value for found, name, value in self.attributes if (found, name) == (element, attribute)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append(TableOnPage())
        elif tag == "tr":
            self.tables[-1].rows.append([])
        elif tag == "td":
            self.tables[-1].rows[-1].append("")
        elif tag == "th":
            self.tables[-1].headings.append("")

    def handle_endtag(self, tag: str) -> None:
        """Close an element."""
        assert self._open and self._open[-1] == tag, f"</{tag}> closes {self._open[-1:]}"
        self._open.pop()
        if tag == "table":
            self.tables[-1].rows = [row for row in self.tables[-1].rows if row]  # not the row of headings

    def handle_data(self, data: str) -> None:
        """Add a text to its element."""
        inside = self._open[-1] if self._open else ""
        if data.strip():
            self.texts.append((inside, data))
        if inside == "td":
            self.tables[-1].rows[-1][-1] += data
        elif inside == "th":
            self.tables[-1].headings[-1] += data
        elif inside == "caption":
            self.tables[-1].caption += data
