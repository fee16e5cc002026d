// What the theme leaves out: a name for the search dialog, and blocks to scroll that the keyboard reaches.
function mend() {
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
  for (const block of document.querySelectorAll("pre > code, .md-typeset__scrollwrap, .dataframe")) {
    if (block.scrollWidth > block.clientWidth) block.tabIndex = 0;
  }
}
mend();
window.addEventListener("load", mend);
window.addEventListener("resize", mend);
