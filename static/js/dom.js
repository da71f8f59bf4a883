// Small pieces of page. Text goes in as text, never as markup.

/** element("td", {class: "num", "data-label": "Price"}, "12.30", otherElement) */
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** The overlay of a chart or table that has nothing to draw: loading, empty, failed. */
export function showState(container, text, { busy = false, retry = null } = {}) {
  clearState(container);
  const state = element("div", { class: "state", role: "status" });
  if (busy) state.append(element("span", { class: "spinner", "aria-hidden": "true" }));
  state.append(element("span", {}, text));
  if (retry) {
    const button = element("button", { class: "button small", type: "button" }, "Try again");
    button.addEventListener("click", retry);
    state.append(button);
  }
  container.append(state);
}

export const clearState = (container) => container.querySelector(":scope > .state")?.remove();
