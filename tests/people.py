"""People for tests: a user with a role. Without one a user may sign in, and nothing else."""

from typing import Any

from django.contrib.auth.models import Group, User


def a_person(name: str, *, role: str = "viewer", **facts: Any) -> User:
    """A user in the group of that role; '' gives none."""
    return with_role(User.objects.create_user(name, **facts), role)


def with_role(user: User, role: str) -> User:
    """The user, newly read, with that role alone."""
    # Tests that end by emptying the tables take the groups of the migration along.
    user.groups.set([Group.objects.get_or_create(name=role)[0]] if role else [])
    return User.objects.get(pk=user.pk)
