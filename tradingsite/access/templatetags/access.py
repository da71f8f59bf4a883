"""Buttons and links only where they lead somewhere."""

from typing import Any

from django import template

from tradingsite.access import judging

register = template.Library()


@register.filter
def may(user: Any, door: str) -> bool:
    """``{% if user|may:"POST pages:bot" %}``: whether the matrix opens that route to the user."""
    method, _, route = door.partition(" ")
    return judging.may(user, route, method)
