// The one door to the API: reads the envelope, and turns its error into an exception with code and details.

export class ApiError extends Error {
  constructor(status, error) {
    super(error?.message ?? `The server answered ${status}.`);
    this.status = status;
    this.code = error?.code ?? "UNKNOWN";
    this.details = error?.details ?? [];
  }
}

const csrfToken = () => document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";

async function request(url, options) {
  const response = await fetch(url, { credentials: "same-origin", ...options, headers: { Accept: "application/json", ...options?.headers } });
  const body = response.status === 204 ? { success: true, data: null } : await response.json().catch(() => null);
  if (!response.ok || !body?.success) throw new ApiError(response.status, body?.error);
  return body;
}

/** GET; `query` entries that are empty are left out. Answers the envelope: {data, metadata}. */
export function get(url, query = {}, signal = undefined) {
  const full = new URL(url, location.origin);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") full.searchParams.set(name, value);
  }
  return request(full, { signal });
}

export function post(url, body = {}) {
  return request(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken() },
    body: JSON.stringify(body),
  });
}

/** What went wrong, in words a reader can act on: every fault of a refused request. */
export function explain(error) {
  if (!(error instanceof ApiError)) return "The server cannot be reached. Trying again may help.";
  const faults = (Array.isArray(error.details) ? error.details : []).map((fault) => fault.message).filter(Boolean);
  return faults.length ? faults.join(" ") : error.message;
}

/** JSON the page carries for its scripts (Django's json_script). */
export const embedded = (id) => JSON.parse(document.getElementById(id).textContent);
