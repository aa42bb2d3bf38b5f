"""Music: scores of notes in parts, read from MIDI, MusicXML, ABC and humdrum."""
