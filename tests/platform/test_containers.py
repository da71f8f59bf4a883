"""The container files, read without a container engine: same processes, safe defaults, right order."""

import re
from typing import Any

import pytest
import yaml

from tradingsite.deployment import ROOT, SETTINGS
from tradingsite.supervisor import platform

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
OURS = [name for name, service in SERVICES.items() if service["image"] == "tradingsite"]


def test_compose__processes__are_those_of_the_procfile() -> None:
    processes = {name: SERVICES[name]["command"].split() for name in OURS if name != "prepare"}
    assert processes == platform.procfile(ROOT / "Procfile")


def test_compose__database__is_the_same_major_version_as_our_own() -> None:
    assert SERVICES["database"]["image"] == "postgres:18"
    assert "/var/lib/postgresql" in SERVICES["database"]["volumes"][0]  # where 18 keeps its data


@pytest.mark.parametrize("name", [name for name in OURS if name != "prepare"])
def test_compose__each_process__starts_after_the_migration(name: str) -> None:
    assert SERVICES[name]["depends_on"]["prepare"] == {"condition": "service_completed_successfully"}
    assert SERVICES[name]["depends_on"]["database"] == {"condition": "service_healthy"}


@pytest.mark.parametrize("name", OURS)
def test_compose__each_of_our_containers__has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert not any("docker.sock" in volume for volume in service["volumes"])


def test_compose__only_the_web__is_published_and_only_on_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"web": ["127.0.0.1:8001:8001"]}


def test_compose__servers_and_web__have_health_checks() -> None:
    assert [name for name in ("database", "queue", "web") if "healthcheck" not in SERVICES[name]] == []


def test_compose__settings__are_ones_we_know() -> None:
    names = {name for service in OURS for name in SERVICES[service]["environment"]}
    assert names <= {setting.name for setting in SETTINGS}


def test_dockerfile__runs_as_an_ordinary_user_with_locked_packages() -> None:
    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)
    assert users == ["platform"]
    assert "--require-hashes" in DOCKERFILE
    assert DOCKERFILE.index("USER platform") > DOCKERFILE.index("engine.warm")


def test_dockerignore__secrets_and_state__stay_out_of_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".env.local", ".env.docker", ".env.production", "var", ".git"} <= set(ignored)
