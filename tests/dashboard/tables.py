"""Reads HTML as a screen reader would: the texts of headings and table rows."""

from html.parser import HTMLParser


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tables = {}  # aria-label -> rows of cell texts, head included
        self.texts = []  # (innermost open tag, text)
        self._open = []

    def handle_starttag(self, tag, attrs):
        if tag in {"br", "col"}:
            return
        self._open.append(tag)
        if tag == "table":
            self.tables[dict(attrs)["aria-label"]] = []
        if tag == "tr":
            self._rows().append([])
        if tag in {"td", "th"}:
            self._rows()[-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self._open[-1], data))
        if {"td", "th"} & set(self._open):
            self._rows()[-1][-1] = " ".join(f"{self._rows()[-1][-1]} {data}".split())

    def _rows(self):
        return list(self.tables.values())[-1]


def read(html):
    """Parse, and insist that every tag is closed in order."""
    reader = _Reader()
    reader.feed(html)
    assert reader._open == []
    return reader


def body_rows(html, label):
    """The cell texts of one table without its head."""
    return [row for row in read(html).tables[label] if row[0] not in {"Verdict", "State", "p50"}]


def text(html):
    """All the words, in order."""
    return " ".join(" ".join(data for _, data in read(html).texts).split())


def heading(html):
    """The words of the only h1."""
    return " ".join(data for tag, data in read(html).texts if tag == "h1")
