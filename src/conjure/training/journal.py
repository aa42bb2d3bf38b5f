"""The journal of a run: one JSON object a line, and TensorBoard's files on request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conjure.core.errors import ConfigError


class Journal:
    """Appends to `journal.jsonl`; a resumed run first drops lines of steps that will be taken again."""

    def __init__(self, folder: Path | None, resumed_at: int = 0, board: bool = False):
        self.path = folder / "journal.jsonl" if folder else None
        self.lines: list[dict[str, Any]] = []
        if self.path:
            self.lines = [line for line in read_journal(self.path) if line.get("step", 0) <= resumed_at]
            self.lines = self.lines if resumed_at else []
            self.path.write_text("".join(json.dumps(line) + "\n" for line in self.lines), "utf-8")
        self.board = _board(folder) if board and folder else None

    def write(self, step: int, seconds: float, **values: Any) -> None:
        line = {"step": step, "seconds": round(seconds, 3), **values}
        self.lines.append(line)
        if self.path:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        if self.board:
            for name, value in values.items():
                if isinstance(value, (int, float)):
                    self.board.add_scalar(name, value, step)

    def close(self) -> None:
        if self.board:
            self.board.close()


def read_journal(path: Path) -> list[dict[str, Any]]:
    """All whole lines; a last line cut short by a kill is left out."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text("utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError("training.board needs TensorBoard: pip install 'conjure[board]'") from None
    return SummaryWriter(str(folder / "board"))
