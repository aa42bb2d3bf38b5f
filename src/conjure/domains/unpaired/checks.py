"""Whether a picture is one, and whether two are the same: as for all pictures."""

from conjure.domains.image.checks import same, valid

__all__ = ["same", "valid"]
