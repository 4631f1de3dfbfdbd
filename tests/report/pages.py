"""Reads a report as a browser would: its sections' texts, its elements and their attributes."""

import html.parser

VOID = {"meta", "link", "img", "br"}


class Page(html.parser.HTMLParser):
    """A report's HTML.

    Attributes:
        texts: the text of each section by its id, white space single.
        elements: (tag, attributes) of every element, in their order.
    """

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.texts, self.elements, self._open = {}, [], []
        self.feed(source)
        self.close()
        assert not self._open, f"never closed: {self._open}"
        self.texts = {name: " ".join(" ".join(parts).split()) for name, parts in self.texts.items()}

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self._open.append((tag, attributes.get("id")))

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        opened, _ = self._open.pop()
        assert opened == tag, f"</{tag}> closes <{opened}>"

    def handle_data(self, data):
        for tag, identifier in self._open:
            if tag in ("section", "header"):
                self.texts.setdefault(identifier, []).append(data)

    def attributes(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(run_dir):
    return Page((run_dir / "report.html").read_text(encoding="utf-8"))
