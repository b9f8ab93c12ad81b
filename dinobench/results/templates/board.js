"use strict";
// Sorts a table by the column whose button was pressed; shows the rows that the controls leave.
function cellValue(row, place) {
  const cell = row.cells[place];
  const value = cell.dataset.value ?? cell.textContent.trim();
  const number = Number(value);
  return value !== "" && !Number.isNaN(number) ? number : value.toLowerCase();
}
function compareValues(a, b) {
  if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
  return typeof a === "number" ? -1 : 1;
}
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), table = button.closest("table");
    const place = [...head.parentNode.children].indexOf(head);
    const falling = head.getAttribute("aria-sort") !== "descending";
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const body = table.tBodies[0], rows = [...body.rows];
    rows.sort((x, y) => (falling ? -1 : 1) * compareValues(cellValue(x, place), cellValue(y, place)));
    body.append(...rows);
  });
}
const filters = { text: document.getElementById("text"), task: document.getElementById("task"), fits: document.getElementById("fits") };
function showFiltered() {
  const words = filters.text.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const section of document.querySelectorAll("section.board")) {
    let kept = 0;
    for (const row of section.querySelectorAll("tbody tr")) {
      const text = (section.dataset.title + " " + row.textContent).toLowerCase();
      const fits = words.every((word) => text.includes(word))
        && (!filters.task.value || section.dataset.task === filters.task.value)
        && (!filters.fits.value || row.dataset.comparable === filters.fits.value);
      row.hidden = !fits;
      kept += fits ? 1 : 0;
    }
    section.hidden = kept === 0;
    shown += kept;
  }
  document.getElementById("count").textContent = `${shown} figures`;
}
if (filters.text) for (const control of Object.values(filters)) control.addEventListener("input", showFiltered);
