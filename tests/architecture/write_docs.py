"""Write the pages that are made from the code: `make docs`."""

from tests.architecture.grid import markdown
from tests.architecture.house import ROOT

if __name__ == "__main__":
    (ROOT / "docs" / "grid.md").write_text(markdown(), "utf-8")
