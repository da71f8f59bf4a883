"""What is set, as one document that differs only where a value does: for files, git and other installations."""

from collections.abc import Sequence
from typing import Any

from configuration import store
from configuration.documents import FORMAT, as_json, as_yaml, scope_name
from configuration.image import Image
from configuration.scopes import Scope
from configuration.selectors.past import image_at

__all__ = ["as_json", "as_yaml", "exported"]


def exported(
    *,
    namespaces: Sequence[str] | None = None,
    scopes: Sequence[Scope] | None = None,
    at_version: int | None = None,
) -> dict[str, Any]:
    """Every value set at a scope, or only those of some namespaces or scopes; now, or at a version.

    The header names version, head hash and catalogue, and what is stored but no longer declared;
    everything else is the same for the same values, wherever it is exported. Defaults and the
    environment's values are not in it. An old version is written in the terms of its own catalogue.
    Raises NotFound for an unknown namespace or version.
    """
    image: Image = store.current() if at_version is None else image_at(version=at_version)
    wanted = list(image.catalogue.namespaces() if namespaces is None else namespaces)
    for namespace in wanted:
        image.catalogue.parameters(namespace)  # raises NotFound
    document: dict[str, Any] = {"format": FORMAT, "header": _header(image)}
    if scopes is not None:
        document["scopes"] = sorted({scope_name(scope) for scope in scopes})
    document["namespaces"] = {namespace: _namespace(image, namespace, scopes) for namespace in sorted(set(wanted))}
    return document


def _header(image: Image) -> dict[str, Any]:
    retired = sorted(
        f"{namespace}.{name} at {scope_name(scope)}"
        for namespace, scope in image.places()
        for name in image.stored(namespace, scope)
        if image.catalogue.find(namespace, name) is None
    )
    header = {"catalogue": image.catalogue.fingerprint, "hash": image.head_hash, "version": image.version}
    return header | ({"retired": retired} if retired else {})


def _namespace(image: Image, namespace: str, scopes: Sequence[Scope] | None) -> dict[str, Any]:
    found = [scope for owner, scope in image.places() if owner == namespace and (scopes is None or scope in scopes)]
    written = {scope_name(scope): _scope(image, namespace, scope) for scope in found}
    return {name: written[name] for name in sorted(written) if written[name]}


def _scope(image: Image, namespace: str, scope: Scope) -> dict[str, Any]:
    stored = image.stored(namespace, scope)
    return {name: _plain(stored[name].value) for name in sorted(stored) if image.catalogue.find(namespace, name)}


def _plain(value: Any) -> Any:
    """A list or map of the image as an ordinary one, a map in the order of its keys."""
    if isinstance(value, dict):
        return dict(sorted(value.items()))
    return list(value) if isinstance(value, list) else value
