"""The skeleton, the style and the script of report pages."""

from __future__ import annotations

POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""What a page may load: only what is in itself."""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{heading}</h1>
{body}</main>
<script>{script}</script>
</body>
</html>
"""

STYLE = """
:root { color-scheme: light dark; --ink: #1f2933; --muted: #5f6b76; --paper: #fdfdfc; --line: #dfe3e8;
  --tint: #f3f5f7; --link: #0b5c94; --shade: #0002; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e7eb; --muted: #9aa5b1; --paper: #15191e; --line: #333b44; --tint: #1d2329; --link: #7cc0f0;
    --shade: #0008; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial,
    sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 3.5rem 1.25rem 6rem; }
h1 { font-size: 2rem; line-height: 1.2; letter-spacing: -0.01em; margin: 0 0 1.5rem; text-wrap: balance; }
h2 { font-size: 1.375rem; line-height: 1.3; margin: 3.5rem 0 1rem; text-wrap: balance; }
p { margin: 0 0 1rem; max-width: 42rem; overflow-wrap: break-word; }
a { color: var(--link); }
a:focus-visible, button:focus-visible, summary:focus-visible, .scroll:focus-visible, pre:focus-visible {
  outline: 2px solid var(--link); outline-offset: 2px; }
nav ol { margin: 0; padding: 0 0 0 1.25rem; color: var(--muted); }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; font-size: 0.875em; }
p code, li code, figcaption code { background: var(--tint); border-radius: 3px; padding: 0.1em 0.3em; }
pre { background: var(--tint); border-radius: 6px; padding: 1rem 1.125rem; margin: 1.5rem 0; line-height: 1.5;
  overflow-x: auto; }
pre code { font-size: 1em; }
.table, figure { margin: 2rem 0; }
.caption, figcaption { font-size: 0.9375rem; line-height: 1.5; color: var(--muted); max-width: 42rem; }
.caption { margin-bottom: 0.625rem; }
figcaption { margin-top: 0.75rem; }
.scroll { overflow-x: auto; background: linear-gradient(to left, var(--paper) 30%, transparent) right / 2.5rem 100%
    no-repeat local, linear-gradient(to left, var(--shade), transparent) right / 0.75rem 100% no-repeat scroll; }
table { border-collapse: collapse; font-size: 0.9375rem; line-height: 1.4; }
th, td { padding: 0.5rem 0.75rem; text-align: left; vertical-align: top; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th:first-child { padding-left: 0; }
thead th { position: relative; font-weight: 600; vertical-align: bottom; border-bottom: 1.5px solid var(--muted); }
tbody th { font-weight: 500; }
th:first-child { position: sticky; left: 0; z-index: 1; background: var(--paper); max-width: 45vw; }
.long { white-space: normal; overflow-wrap: break-word; min-width: 14rem; }
tbody th.long { min-width: min(14rem, 40vw); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
thead button { all: unset; cursor: pointer; }
thead button::after { content: "\\2195"; position: absolute; padding-left: 0.1em; font-size: 0.8em; opacity: 0.45; }
[aria-sort="ascending"] button::after { content: "\\2191"; opacity: 1; }
[aria-sort="descending"] button::after { content: "\\2193"; opacity: 1; }
figure img { display: block; max-width: 100%; height: auto; }
.lead { font-size: 1.25rem; line-height: 1.5; max-width: 46rem; margin-bottom: 2rem; text-wrap: pretty; }
.beside { display: grid; gap: 2rem 1.5rem; margin: 2rem 0;
  grid-template-columns: repeat(auto-fill, minmax(max(min(100%, 17rem), 100% / var(--columns) - 1.5rem), 1fr)); }
.beside figure { margin: 0; min-width: 0; display: flex; flex-direction: column; align-items: flex-start; }
.beside figcaption { margin-bottom: auto; }
figure audio { margin-top: 0.5rem; max-width: 22rem; }
details { margin: 1rem 0; border-top: 1px solid var(--line); border-bottom: 1px solid var(--line); }
details + details { border-top: 0; margin-top: -1rem; }
summary { cursor: pointer; padding: 0.625rem 0; color: var(--link); }
details .table { margin: 0.5rem 0 1.5rem; }
.download { font-size: 0.9375rem; }
.heat { font-size: 0.8125rem; border-spacing: 2px; border-collapse: separate; margin-bottom: 0.5rem; }
.heat th, .heat td { padding: 0.3rem 0.5rem; border: 0; text-align: center; font-variant-numeric: tabular-nums; }
.heat th { font-weight: 500; white-space: normal; vertical-align: bottom; }
.heat tbody th:first-child { text-align: left; padding-left: 0; min-width: 5.5rem; max-width: 14rem;
  overflow-wrap: break-word; vertical-align: middle; }
.heat .levels th { color: var(--muted); padding-top: 0.75rem; }
.heat .levels th:first-child { color: var(--ink); font-weight: 600; }
.heat td { position: relative; border-radius: 3px; min-width: 3.25rem; vertical-align: middle;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.heat td.marked { outline: 2px dashed currentColor; outline-offset: -4px; }
.scale { font-size: 0.8125rem; color: var(--muted); display: flex; flex-wrap: wrap; gap: 0.25rem 0.625rem;
  align-items: center; margin: 0 0 1rem; }
.scale i { width: 9rem; height: 0.75rem; border-radius: 2px; print-color-adjust: exact;
  -webkit-print-color-adjust: exact; }
.scale b { font-weight: 500; outline: 1.5px dashed currentColor; outline-offset: -1px; padding: 0 0.375rem; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.sounds { list-style: none; margin: 1.5rem 0; padding: 0; display: grid; gap: 1.25rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
.sounds span { display: block; font-size: 0.9375rem; margin-bottom: 0.375rem; }
audio { display: block; width: 100%; height: 40px; }
@media (max-width: 40rem) {
  main { padding-top: 2rem; }
  h1 { font-size: 1.625rem; }
  .lead { font-size: 1.125rem; }
  .heat th, .heat td { padding: 0.3rem 0.25rem; }
  .heat td { min-width: 2.4rem; }
}
@media print {
  :root { color-scheme: light; --ink: #000; --muted: #444; --paper: #fff; --line: #bbb; --tint: #f5f5f5;
    --link: #000; }
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  nav, audio, .sounds, .download, thead button::after { display: none; }
  figure img { max-height: 10.5cm; width: auto; }
  .beside { grid-template-columns: repeat(2, 1fr); gap: 1rem; margin: 1rem 0; }
  .heat tbody { break-inside: avoid; }
  h2, h2 + p { break-after: avoid; }
  figure, tr, pre { break-inside: avoid; }
  .scroll { overflow: visible; background: none; }
  pre { white-space: pre-wrap; }
  table { font-size: 9pt; }
  th, td { padding: 0.25rem 0.5rem; white-space: normal; }
}
"""

SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const number = (cell) => ("key" in cell.dataset ? Number(cell.dataset.key) : NaN);
      const compare = (a, b) => {
        const x = number(a), y = number(b);
        if (isNaN(x) && isNaN(y))
          return (up ? 1 : -1) * a.textContent.localeCompare(b.textContent, undefined, { numeric: true });
        if (isNaN(x) || isNaN(y)) return isNaN(x) ? 1 : -1;
        return (up ? 1 : -1) * (x - y);
      };
      body.append(...[...body.rows].sort((a, b) => compare(a.cells[column], b.cells[column])));
    });
  });
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((fold) => { fold.open = true; }));
"""
