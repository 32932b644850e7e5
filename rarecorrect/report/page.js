"use strict";
document.querySelectorAll("table.sortable").forEach((table) => {
  const body = table.tBodies[0], heads = table.tHead.rows[0].cells;
  if (body.rows.length < 2) return;
  Array.from(heads).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending" ||
        (!head.hasAttribute("aria-sort") && !head.classList.contains("num"));
      Array.from(heads).forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      sort(body, column, up ? 1 : -1);
    });
  });
});
function sort(body, column, way) {
  const order = (row) => {
    const cell = row.cells[column];
    return "order" in cell.dataset ? Number(cell.dataset.order) : cell.textContent;
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number" ?
    a - b || 0 : String(a).localeCompare(String(b), "en", { numeric: true });
  const rows = Array.from(body.rows).map((row) => [order(row), row]);
  rows.sort((a, b) => way * compare(a[0], b[0]));
  body.append(...rows.map((pair) => pair[1]));
}
window.addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((one) => { one.open = true; });
});
