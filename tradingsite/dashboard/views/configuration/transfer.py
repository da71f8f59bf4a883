"""Import and export: a document's plan, counted, with everything wrong with it; and then exactly that."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from configuration import ports, services, store
from configuration.services import Actor, ImportPlan, Mode
from engine.domain.errors import Fault, InputError, PlatformError
from tradingsite.dashboard import configuration_changes as changes
from tradingsite.dashboard import places
from tradingsite.dashboard.access import owner_seen_by, page
from tradingsite.dashboard.configuration_changes import Shown, Wish

LARGEST_BYTES: Final = 2_000_000
"""A page sends the document to and fro; what is larger goes through the API or the command."""
SHOWN_FAULTS: Final = 300
_MODES: Final[dict[str, Mode]] = {"merge": "merge", "replace": "replace"}


class Given(NamedTuple):
    """What was sent: the text of the document, what to do with what it does not name, and why."""

    text: str
    mode: Mode
    reason: str
    faults: tuple[Fault, ...]


class Plan(NamedTuple):
    """What the document would do now. ``shown`` is None where it cannot be imported: then ``faults`` says why."""

    counts: ImportPlan | None
    shown: Shown | None
    faults: tuple[Fault, ...]
    note: str


@page
def show(request: HttpRequest) -> HttpResponse:
    """The form. A POST plans, storing nothing; with ``intent`` apply it does exactly what was planned."""
    if request.method != "POST":
        return _drawn(request, Given("", "merge", "", ()), None)
    given = _given(request)
    if given.faults:
        return _drawn(request, given, Plan(None, None, given.faults, ""), status=422)
    if request.POST.get("intent") == "apply":
        return _applied(request, given)
    plan = _plan(request, given)
    return _drawn(request, given, plan, status=422 if plan.faults else 200)


def _applied(request: HttpRequest, given: Given) -> HttpResponse:
    try:
        done = services.import_document(
            services.read_document(given.text),
            mode=given.mode,
            actor=_actor(request),
            reason=given.reason,
            now=datetime.now(UTC),
            # What was not seen is not done: an empty hash fits no plan.
            plan_hash=request.POST.get("plan_hash", ""),
            request_id=getattr(request, "request_id", ""),
        )
    except PlatformError as refused:
        note = changes.why_not(refused)
        return _drawn(request, given, _plan(request, given, note=note), status=refused.status)
    if not done.changes:
        messages.info(request, "Everything in the document is set like that already; nothing was changed.")
        return redirect("pages:config-import")
    messages.success(request, changes.done(done), extra_tags="good")
    return redirect("pages:config-change", done.version)


def _given(request: HttpRequest) -> Given:
    posted, file = request.POST, request.FILES.get("file")
    mode = _MODES.get(posted.get("mode", ""), "merge")
    # A text area sends every end of a line as two characters.
    text = posted.get("document", "").replace("\r\n", "\n")
    faults: list[Fault] = []
    if file is not None and (file.size or 0) <= LARGEST_BYTES:
        try:
            text = cast(bytes, file.read()).decode("utf-8-sig")
        except UnicodeDecodeError:
            faults.append(Fault("unreadable", "", "The file is no text in UTF-8."))
    if max(len(text.encode("utf-8", "surrogatepass")), file.size or 0 if file is not None else 0) > LARGEST_BYTES:
        message = (
            f"The document is larger than {LARGEST_BYTES:,} bytes. Import it through the API, "
            "or with manage.py config_import."
        )
        faults.append(Fault("file_too_large", "", message, LARGEST_BYTES))
        text = ""
    elif not text.strip() and not faults:
        faults.append(Fault("required", "/document", "Choose a file, or paste a document."))
    return Given(text, mode, posted.get("reason", ""), tuple(faults))


def _plan(request: HttpRequest, given: Given, *, note: str = "") -> Plan:
    try:
        document: Mapping[str, Any] = services.read_document(given.text)
    except InputError as refused:
        return Plan(None, None, refused.faults, note)
    counts = services.plan_import(document, mode=given.mode)
    if counts.faults:
        return Plan(counts, None, counts.faults, note)
    shown = changes.look(
        Wish(
            services.operations_of(document, mode=given.mode),
            store.current().version,
            given.reason,
            "import",
        ),
        actor=_actor(request),
        bot_names=places.bot_names(owner_id=owner_seen_by(request)),
        note=note,
        spoken=False,
    )
    return Plan(counts, shown, (), "")


def _actor(request: HttpRequest) -> Actor:
    return ports.principals().actor_of(request.user, None)


def _drawn(request: HttpRequest, given: Given, plan: Plan | None, *, status: int = 200) -> HttpResponse:
    image = store.current()
    context = {
        "section": "configuration",
        "tab": "import",
        "given": given,
        "plan": plan,
        "faults": plan.faults[:SHOWN_FAULTS] if plan else (),
        "fault_count": len(plan.faults) if plan else 0,
        "version": image.version,
        "set_count": sum(len(image.stored(*place)) for place in image.places()),
        "largest": LARGEST_BYTES,
    }
    return render(request, "configuration/import.html", context, status=status)
