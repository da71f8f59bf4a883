#!/usr/bin/env python3
"""Change a parameter and take the change back, knowing nothing but the address of the API's description and a token.

    TRADINGSITE_TOKEN=ts_... python docs/examples/agent.py http://127.0.0.1:8001/api/v1/schema \
        --about "stop loss" --value 500 --symbol BTCUSDT --side LONG --reason "Wide swings this week"

No address is written down here. The first is found by the words of the description; every later one is a link in an
answer. What is refused is mended from the refusal alone: its faults say what is wrong, its gates what to do. Each
step is told as one line of JSON. It needs Python and nothing else.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit
from urllib.request import Request, urlopen

Json = dict[str, Any]
MOST_ATTEMPTS = 5


class Answer(NamedTuple):
    """The status, and the body as it came."""

    status: int
    body: Any

    @property
    def data(self) -> Any:
        """What is inside the envelope of a good answer."""
        if self.status >= 300:
            raise SystemExit(f"{self.status}: {json.dumps(self.body)}")
        return self.body["data"]


class Api:
    """The API as its description tells of it."""

    def __init__(self, schema_url: str, token: str) -> None:
        self.url, self.token = schema_url, token
        self.described: Json = self.send("GET", schema_url).body

    def send(self, method: str, address: str, body: Json | None = None) -> Answer:
        """One call; a refusal is an answer like another."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body).encode()
        request = Request(urljoin(self.url, address), data=sent, headers=headers, method=method)  # noqa: S310  the caller's own address
        try:
            with urlopen(request, timeout=30) as response:  # noqa: S310  as above
                return Answer(response.status, json.load(response))
        except HTTPError as refusal:
            return Answer(refusal.code, json.load(refusal))

    def operation(self, method: str, *words: str) -> tuple[str, Json]:
        """The address and description of the one operation whose description has all these words."""
        found = [
            (path, methods[method.lower()])
            for path, methods in self.described["paths"].items()
            if method.lower() in methods
            and all(word in methods[method.lower()].get("description", "").lower() for word in words)
        ]
        if len(found) != 1:
            raise SystemExit(f"{len(found)} operations are described with {' and '.join(words)}.")
        return found[0]

    def asking(self, link: str, wanted: Mapping[str, str]) -> str:
        """A link to read, with what of ``wanted`` its operation takes in the query."""
        parts = urlsplit(link)
        known = {one["name"] for one in self.described["paths"][parts.path]["get"]["parameters"]}
        query = {**dict(parse_qsl(parts.query)), **{name: value for name, value in wanted.items() if name in known}}
        return f"{parts.path}?{urlencode(query)}"


def tell(step: str, **facts: Any) -> None:
    """One step, as a line of JSON."""
    sys.stdout.write(json.dumps({"step": step, **facts}) + "\n")


def find(api: Api, words: str) -> Json:
    """The parameter that the words mean."""
    path, operation = api.operation("GET", "parameters", "by name", "meaning")
    asked = next(one["name"] for one in operation["parameters"] if "words" in one.get("description", ""))
    found = api.send("GET", f"{path}?{urlencode({asked: words})}").data
    if not found:
        raise SystemExit(f"Nothing is known about {words!r}.")
    best: Json = found[0]
    tell("found", namespace=best["namespace"], parameter=best["parameter"], what=best["about"]["description"])
    return best


def explain(api: Api, address: str) -> Json:
    """Why the value is what it is, and what may be done next."""
    explained: Json = api.send("GET", address).data
    tell("explained", value=explained["value"], summary=explained["summary"], limits=explained["limits"])
    return explained


def call_of(explained: Json, code: str) -> Json:
    """The call of that name among those an answer offers."""
    call: Json = next(call for call in explained["next"] if call["code"] == code)
    return call


def mended(body: Json, refusal: Json, reason: str) -> Json:
    """The body as the refusal asks for it. Stops where a fault needs a person."""
    parameters, others = dict(body["parameters"]), {name: body[name] for name in body if name != "parameters"}
    gates: Sequence[Json] = refusal["gates"]
    for fault in refusal["details"]:
        where = fault["pointer"].removeprefix("/parameters/")
        meant = next((gate.get("nearest") for gate in gates if gate.get("parameter") == fault["got"]), None)
        if fault["code"] == "unknown_parameter" and meant:
            value = parameters.pop(where)
            parameters.setdefault(meant[0], value)
        elif fault["code"] == "unknown_field":
            others.pop(where.removeprefix("/"))
        elif fault["code"] == "reason_required":
            others["reason"] = reason
        elif isinstance(fault["allowed"], dict) and where in parameters:
            limits = fault["allowed"]
            parameters[where] = min(max(parameters[where], limits["minimum"]), limits["maximum"])
        else:
            raise SystemExit(f"A person must decide: {fault['message']}")
    return {"parameters": parameters, **others}


def change(api: Api, call: Json, body: Json, reason: str) -> Json:
    """Try, mend what was refused, look at the plan, and do exactly that."""
    for _ in range(MOST_ATTEMPTS):
        tried = api.send(call["method"], call["path"], {**body, "validate_only": True})
        if tried.status < 300 and tried.data["preview"]["applies"]:
            break
        refusal = tried.body["error"] if tried.status >= 300 else {"details": [], **tried.data["preview"]}
        faults = [(fault["code"], fault["pointer"]) for fault in refusal["details"]]
        tell("refused", status=tried.status, faults=faults, gates=[gate["code"] for gate in refusal["gates"]])
        body = mended(body, refusal, reason)
        if any(gate["code"] == "reason_required" for gate in refusal["gates"]):
            body["reason"] = reason
    preview = tried.data["preview"]
    tell("previewed", body=body, effects=preview["effects_total"], plan_hash=preview["plan_hash"])
    applied: Json = api.send(call["method"], call["path"], {**body, "plan_hash": preview["plan_hash"]}).data
    tell("applied", version=applied["version"], changes=applied["changes"])
    return applied


def undo(api: Api, explained: Json, reason: str) -> None:
    """Take back what decided the value, by the call the explanation offers."""
    call = call_of(explained, "undo")
    done = api.send(call["method"], call["path"], {**call["body"], "reason": reason}).data
    tell("undone", version=done["version"], changes=done["changes"])


def main() -> None:
    """Find, explain, try, mend, apply, look, undo, look."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("schema")
    for name in ("about", "value", "reason"):
        given.add_argument(f"--{name}", required=True)
    for name in ("symbol", "side", "bot"):
        given.add_argument(f"--{name}")
    given.add_argument("--also", default="{}", help="more fields of the body, as JSON: to see what a refusal says")
    asked = given.parse_args()
    api = Api(asked.schema, os.environ["TRADINGSITE_TOKEN"])
    place = {name: value for name in ("symbol", "side", "bot") if (value := getattr(asked, name))}

    found = find(api, asked.about)
    address = api.asking(found["explain"]["path"], place)
    call = call_of(explain(api, address), "change")
    also = json.loads(asked.also)
    wanted = {found["parameter"]: json.loads(asked.value), **also.pop("parameters", {})}
    change(api, call, {"parameters": wanted, **also}, asked.reason)
    undo(api, explain(api, address), f"Back again: {asked.reason}")
    explain(api, address)


if __name__ == "__main__":
    main()
