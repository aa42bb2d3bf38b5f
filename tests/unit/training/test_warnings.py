"""What an objective warns of reaches the journal, the screen and the summary."""

from __future__ import annotations

from conjure.training.journal import read_journal
from tests.unit.training.toys import OBJECTIVES, Likely, trainer


class Uneasy(Likely):
    """Warns from its second validation on, in the same words."""

    asked = 0

    def warnings(self):
        self.asked += 1
        return ["the weights look odd"] if self.asked >= 2 else []


def test_a_warning_is_journalled_shown_and_summed_up(tmp_path, monkeypatch):
    monkeypatch.setitem(OBJECTIVES, "uneasy", Uneasy)
    run, shown = trainer("uneasy", folder=tmp_path, steps=30), []
    summary = run.run(lambda progress: shown.extend(progress.warnings))
    lines = [line for line in read_journal(tmp_path / "journal.jsonl") if "warnings" in line]
    assert [line["step"] for line in lines] == [20, 30]
    assert lines[0]["warnings"] == ["the weights look odd"]
    assert summary["warnings"] == ["the weights look odd"]
    assert shown
    assert set(shown) == {"the weights look odd"}
