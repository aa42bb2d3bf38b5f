"""`python -m conjure`, also what torchrun starts."""

from conjure.cli import main

if __name__ == "__main__":
    main()
