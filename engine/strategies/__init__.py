"""One strategy per file. What each tells about itself is gathered here, without a compiler."""

from engine.domain.declarations import StrategyDeclaration
from engine.strategies import external, indicator_voting

DECLARED: dict[str, StrategyDeclaration] = {
    declaration.name: declaration for declaration in (indicator_voting.DECLARATION, external.DECLARATION)
}
