// A table whose rows come from the API a page at a time. Head, captions and filters are the template's:
//   <div data-table> <table><thead>… <button data-sort="pnl">…</thead><tbody></tbody></table>
//   <div data-pager hidden>…<span data-range></span> <button data-previous> <button data-next></div> </div>
import * as api from "./api.js";
import { element } from "./dom.js";

export class PagedTable {
  /** `row(item)` answers the cells of one row; `identify(item)` its stable key; `query` is sent along. */
  constructor(root, { url, row, identify, query = {}, pageSize = 25, empty = "Nothing here yet.", onSelect = null }) {
    Object.assign(this, { root, url, row, identify, query, pageSize, empty, onSelect });
    this.page = 1;
    this.items = [];
    this.ordering = root.dataset.ordering ?? "";
    this.body = root.querySelector("tbody");
    this.pager = root.querySelector("[data-pager]");
    this.columns = root.querySelectorAll("thead th").length;
    root.querySelectorAll("[data-sort]").forEach((button) => button.addEventListener("click", () => this.sort(button.dataset.sort)));
    root.querySelector("[data-previous]")?.addEventListener("click", () => this.load(this.page - 1));
    root.querySelector("[data-next]")?.addEventListener("click", () => this.load(this.page + 1));
  }

  sort(field) {
    this.ordering = this.ordering === `-${field}` ? field : `-${field}`;
    return this.load(1);
  }

  filter(changes) {
    Object.assign(this.query, changes);
    return this.load(1);
  }

  /** The page is drawn when the promise resolves. A newer call makes an older answer unimportant. */
  async load(page = 1) {
    this.pending?.abort();
    const pending = (this.pending = new AbortController());
    this.root.setAttribute("aria-busy", "true");
    try {
      const query = { ...this.query, ordering: this.ordering, page, page_size: this.pageSize };
      const answer = await api.get(this.url, query, pending.signal);
      this.page = page;
      this.items = answer.data;
      this.draw(answer.metadata.pagination);
    } catch (error) {
      if (error.name !== "AbortError") this.say(api.explain(error));
    } finally {
      if (this.pending === pending) this.root.removeAttribute("aria-busy");
    }
  }

  draw(pagination) {
    this.markSort();
    const first = (pagination.page - 1) * pagination.page_size + 1;
    if (this.items.length === 0) this.say(this.empty);
    else this.body.replaceChildren(...this.items.map((item) => this.line(item)));
    if (!this.pager) return;
    this.pager.hidden = pagination.total <= pagination.page_size;
    this.pager.querySelector("[data-range]").textContent =
      `${first.toLocaleString("en-US")}–${(first + this.items.length - 1).toLocaleString("en-US")} of ${pagination.total.toLocaleString("en-US")}`;
    this.pager.querySelector("[data-previous]").disabled = !pagination.has_previous;
    this.pager.querySelector("[data-next]").disabled = !pagination.has_next;
  }

  line(item) {
    const line = element("tr", { "data-key": this.identify(item), class: this.onSelect ? "click" : null }, ...this.row(item));
    if (this.onSelect) {
      line.addEventListener("click", (event) => {
        if (!event.target.closest("a, button:not([data-choose])")) this.choose(item);
      });
    }
    return line;
  }

  choose(item) {
    this.mark(this.identify(item));
    this.onSelect(item);
  }

  /** Shows which row is meant. Answers whether it is on this page. */
  mark(key, { scroll = false } = {}) {
    let found = null;
    for (const line of this.body.children) {
      const isIt = line.dataset.key === String(key);
      line.setAttribute("aria-selected", isIt);
      if (isIt) found = line;
    }
    if (found && scroll) found.scrollIntoView({ block: "center", behavior: "smooth" });
    return Boolean(found);
  }

  markSort() {
    this.root.querySelectorAll("[data-sort]").forEach((button) => {
      const head = button.closest("th");
      const field = button.dataset.sort;
      if (this.ordering === field) head.setAttribute("aria-sort", "ascending");
      else if (this.ordering === `-${field}`) head.setAttribute("aria-sort", "descending");
      else head.removeAttribute("aria-sort");
    });
  }

  say(text) {
    this.body.replaceChildren(element("tr", {}, element("td", { colspan: this.columns, class: "wide soft" }, text)));
  }
}
