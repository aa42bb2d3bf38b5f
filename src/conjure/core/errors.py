"""The few errors a user can meet. Each carries one sentence that says what is wrong and what would be right."""


class ConjureError(Exception):
    """Anything a user can mend: the command line prints it in one line and exits with 2."""


class DataError(ConjureError):
    """The data cannot be used as it is; the sentence names the file, row or column."""


class ConfigError(ConjureError):
    """A setting, recipe or condition is unknown or impossible; the sentence names the key."""


class ArtifactError(ConjureError):
    """A saved folder is missing, damaged, foreign or newer than this version."""


class TrainingError(ConjureError):
    """Training cannot go on (the loss is not a number, the disk is full)."""


class PrivacyError(ConjureError):
    """What was made may not leave the house: the sentence names the attacks that succeed on it."""
