"""What a written report says, read again."""

import html.parser


class Page(html.parser.HTMLParser):
    """Checks that every tag is closed and that links within the page have a place there.

    Attributes:
      sources: what pictures, and links that leave the page, refer to.
      text: what is read.
    """

    def __init__(self, text):
        super().__init__()
        self.open, self.sources, self.text = [], [], []
        links, places = self._links, self._places = [], []
        self.feed(text)
        assert self.open == []
        assert {link[1:] for link in links} <= set(places)

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "img"):
            self.open.append(tag)
        self._places += [value for name, value in attributes if name == "id"]
        for name, value in attributes:
            if name in ("src", "href"):
                (self._links if value.startswith("#") else self.sources).append(value)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def table_below(markdown, heading):
    """The rows of the first table below a heading, as mappings."""
    lines = markdown.split(f"{heading}\n\n", 1)[1].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    cells = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        cells.append([cell.strip() for cell in line.strip("|").split("|")])
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]
