"""The place in a text that a reader has reached."""

from __future__ import annotations

from .limits import FormulaError
from .looks import Token
from .tree import Grower

__all__ = ["Cursor"]


class Cursor:
    """Walks over the tokens of a text, counting every step; there is no way back but `rewind`.

    Args:
        tokens: the tokens, the last of kind "end".
        grow: counts the work and knows the limits.
    """

    def __init__(self, tokens: list[Token], grow: Grower) -> None:
        self.tokens, self.grow = tokens, grow
        self.position = self.depth = 0

    @property
    def token(self) -> Token:
        """The token that is read next."""
        return self.tokens[self.position]

    @property
    def before(self) -> Token:
        """The token that was read last."""
        return self.tokens[self.position - 1]

    @property
    def after(self) -> Token:
        """The token after the next one."""
        return self.tokens[min(self.position + 1, len(self.tokens) - 1)]

    def advance(self) -> Token:
        """Take the next token."""
        token = self.tokens[self.position]
        self.grow.work += 1
        if token.kind != "end":
            self.position += 1
        return token

    def accept(self, *kinds: str) -> bool:
        """Take the next token if it is of one of the kinds."""
        if self.token.kind not in kinds:
            return False
        self.advance()
        return True

    def expect(self, kind: str, what: str) -> Token:
        """Take a token of a kind.

        Raises:
            FormulaError: if the next one is another.
        """
        if self.token.kind != kind:
            raise self.refuse(f"expected {kind} {what}, got {self.token.text}")
        return self.advance()

    def refuse(self, reason: str, at: int | None = None) -> FormulaError:
        """The error that refuses the text, here or at an index."""
        return self.grow.refuse(reason, self.token.at if at is None else at)

    def enter(self) -> None:
        """One bracket deeper.

        Raises:
            FormulaError: if that is too deep.
        """
        self.depth += 1
        if self.depth > self.grow.limits.depth:
            raise self.refuse(f"expected brackets at most {self.grow.limits.depth} deep")

    def leave(self) -> None:
        """One bracket up again."""
        self.depth -= 1
