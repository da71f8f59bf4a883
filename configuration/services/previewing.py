"""What a change would do, before it is made. Writes nothing.

The same plan the write path makes, what it would do to what is in force, and whatever stands in the
way: one image, one look at the bots.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from configuration import planning, ports, store
from configuration.actors import Actor
from configuration.cautions import Caution, cautions
from configuration.effects import Effects, Touched, after, looked_at, requires_restart, shifts, touched
from configuration.planning import Operation, Plan
from configuration.services import gating
from configuration.services.changing import Recipe, worked_out
from configuration.services.gating import Obstacle
from engine.domain.errors import InputError


class Preview(NamedTuple):
    """Everything to know before a change is made.

    ``version``: the newest, which it was worked out on; send it as base_version. ``plan``: the
    changes, and every fault. ``effects``: what resolves differently. ``plan_hash``: given to
    ``change``, it does exactly this or nothing. ``needs_reason``: the parameters that ask for one.
    ``barred`` (not granted), ``unexplained`` (no reason where one is required) and ``collisions``
    (changed since base_version) stand in the way; ``gates`` says how to clear them.
    """

    kind: str
    version: int
    plan: Plan
    effects: Effects
    touched: Touched
    requires_restart: tuple[str, ...]
    warnings: tuple[Caution, ...]
    plan_hash: str
    needs_reason: tuple[str, ...]
    barred: tuple[Obstacle, ...]
    unexplained: tuple[Obstacle, ...]
    collisions: tuple[Obstacle, ...]

    @property
    def gates(self) -> tuple[dict[str, Any], ...]:
        return tuple(obstacle.gate for obstacle in (*self.barred, *self.unexplained, *self.collisions))

    @property
    def refusal(self) -> InputError | None:
        """What ``change`` would raise now; None where it would apply the plan."""
        faults = (*self.plan.faults, *(one.fault for one in self.unexplained))
        return gating.refusal(faults, barred=self.barred, collisions=self.collisions)


def preview(
    operations: Sequence[Operation] | Recipe,
    *,
    actor: Actor,
    base_version: int | None = None,
    kind: str = "set",
    reason: str | None = None,
) -> Preview:
    """What ``change`` would do with the same arguments now, or why it would refuse. Raises nothing of that.

    ``reason``: None while it is not known yet; else a missing one is a gate where one is required.
    """
    image = store.current()
    asked = worked_out(operations)
    planned = planning.plan(asked, image)
    faults = planned.faults + gating.base_version_faults(base_version, head_version=image.version)
    unexplained = () if reason is None else gating.reason_obstacles(reason, planned.changes, asked)
    later = after(image, planned.changes)
    bots = ports.reach().bots()
    paths = looked_at(planned.changes, before=image, after=later, bots=bots)
    found = shifts(planned.changes, before=image, after=later, paths=paths)
    concerned = touched(found, bots=bots, catalogue=image.catalogue)
    return Preview(
        kind=kind,
        version=image.version,
        plan=planned._replace(faults=faults),
        effects=Effects(found),
        touched=concerned,
        requires_restart=requires_restart(found),
        warnings=cautions(planned.changes, found, concerned, before=image, paths=paths, bots=bots),
        plan_hash=planning.plan_hash(planned.changes, catalogue=image.catalogue.fingerprint),
        needs_reason=tuple(gating.risky_names(planned.changes, asked)),
        barred=tuple(gating.not_granted(planned.changes, asked, actor)),
        unexplained=tuple(unexplained),
        collisions=tuple(
            gating.changed_since(base_version, head_version=image.version, changes=planned.changes, operations=asked)
        ),
    )
