"""Books of learnt vectors: each vector is written as the nearest of a book, what is left as the nearest of the next."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

FEW = 0.05  # of an even share: a code used less often than that is dead
KEPT = 1e-5


class Codebooks(nn.Module):
    """Residual vector quantisation (Zeghidour et al. 2021, algorithm 1) with books moved by averages.

    A book's vectors are the running means of what they stood for (van den Oord et al. 2017, appendix A.1), so no
    gradient moves them. A code that is hardly used is set down anew on a vector of the batch.

    Shapes: vectors (N, D), codes (N, L), books (L, V, D).
    """

    def __init__(self, levels: int, codes: int, size: int):
        super().__init__()
        books = torch.randn(levels, codes, size) * (0.5 ** torch.arange(levels))[:, None, None]
        self.register_buffer("books", books)
        self.register_buffer("sums", books.clone())
        self.register_buffer("counts", torch.ones(levels, codes))

    def encode(self, vectors: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Codes (N, L), and what each level was to write, L times (N, D)."""
        left, rests, codes = vectors.detach().float(), [], []
        for book in self.books:
            code = _nearest(left, book)
            rests.append(left)
            codes.append(code)
            left = left - book[code]
        return torch.stack(codes, 1), rests

    def decode(self, codes: Tensor) -> Tensor:
        """The sum of the codes' vectors, (N, D)."""
        levels = torch.arange(codes.shape[1], device=codes.device)
        return self.books[levels, codes].sum(1)

    @torch.no_grad()
    def begin(self, vectors: Tensor, rng: torch.Generator) -> None:
        """Set every book down on vectors, level after level on what is left; the longer one is, the more likely.

        Evenly drawn, most codes would stand for silence, which is most of what short sounds are.
        """
        left = vectors.detach().float()
        for level, book in enumerate(self.books):
            size = left.norm(dim=1).cpu() + KEPT
            book.copy_(left[torch.multinomial(size, len(book), replacement=True, generator=rng).to(left.device)])
            book[0] = 0.0
            self.sums[level], self.counts[level] = book, 1.0
            left = left - book[_nearest(left, book)]

    @torch.no_grad()
    def follow(self, codes: Tensor, rests: list[Tensor], decay: float, total: Callable[[Tensor], Tensor]) -> None:
        """Move books towards the means of what their codes stood for; `total` sums over processes."""
        vocab = self.books.shape[1]
        for level, rest in enumerate(rests):
            count = total(torch.bincount(codes[:, level], minlength=vocab).float())
            found = total(torch.zeros_like(self.books[level]).index_add_(0, codes[:, level], rest))
            self.counts[level].lerp_(count, 1 - decay)
            self.sums[level].lerp_(found, 1 - decay)
            self.books[level] = self.sums[level] / self.counts[level].clamp(min=KEPT)[:, None]

    @torch.no_grad()
    def revive(self, vectors: list[Tensor]) -> None:
        """Set dead codes down anew, each on its own of vectors (V, D), L times."""
        for level, fresh in enumerate(vectors):
            even = self.counts[level].mean()
            dead = self.counts[level] < FEW * even
            self.books[level] = torch.where(dead[:, None], fresh, self.books[level])
            self.counts[level] = torch.where(dead, even.clamp(min=KEPT), self.counts[level])
            self.sums[level] = torch.where(dead[:, None], fresh * self.counts[level][:, None], self.sums[level])

    def perplexity(self) -> Tensor:
        """How many codes are in use, exp of the entropy of their frequencies, mean over levels, ()."""
        share = self.counts / self.counts.sum(1, keepdim=True)
        return (-(share * share.clamp(min=1e-12).log()).sum(1)).exp().mean()


def _nearest(vectors: Tensor, book: Tensor) -> Tensor:
    """Which of a book (V, D) each vector (N, D) is nearest to, (N,)."""
    return (book.square().sum(1) - 2 * vectors @ book.T).argmin(1)
