"""Pictures for the screen and the page: as for all pictures."""

from conjure.domains.image.view import WHOLE, contact_sheet, to_html, to_png, to_text

__all__ = ["WHOLE", "contact_sheet", "to_html", "to_png", "to_text"]
