// Puts the charts and atom pictures in place and wires theme, selectors and downloads.
"use strict";
// Bytes of deflated base64.
Vitrion.unpack = async function (text) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};
Vitrion.ready = (async function () {
  var data = JSON.parse(new TextDecoder().decode(await Vitrion.unpack(document.getElementById("report-data").textContent))), root = document.documentElement;
  var theme = document.getElementById("theme"), dark = window.matchMedia("(prefers-color-scheme: dark)");
  var find = function (list, id) { return list.filter(function (item) { return item.id === id; })[0]; };
  var each = function (selector, action) { Array.prototype.forEach.call(document.querySelectorAll(selector), action); };
  var viewers = [];
  function stored(value) {
    try { if (value) localStorage.setItem("vitrion-theme", value); return localStorage.getItem("vitrion-theme"); } catch (e) { return null; }
  }
  function current() { return root.dataset.theme || (dark.matches ? "dark" : "light"); }
  function restyle() {
    theme.textContent = current() === "dark" ? "Light" : "Dark";
    theme.setAttribute("aria-label", "Switch to the " + (current() === "dark" ? "light" : "dark") + " theme");
    viewers.forEach(function (viewer) { viewer.restyle(); });
  }
  var wanted = /[?&]theme=(dark|light)/.exec(location.search);
  if (wanted) root.dataset.theme = wanted[1];
  else if (/^(dark|light)$/.test(stored() || "")) root.dataset.theme = stored();
  theme.addEventListener("click", function () {
    root.dataset.theme = current() === "dark" ? "light" : "dark";
    stored(root.dataset.theme);
    restyle();
  });
  if (dark.addEventListener) dark.addEventListener("change", restyle);
  each("[data-figure]", function (host) { Vitrion.chart(host, find(data.figures, host.dataset.figure)); });
  Vitrion.toolbar();
  each("[data-scene]", function (host) {
    var viewer = Vitrion.viewer(host, find(data.scenes, host.dataset.scene));
    viewers.push(viewer);
  });
  each("select[data-group]", function (select) {
    select.addEventListener("change", function () {
      var name = select.options[select.selectedIndex].text;
      Vitrion.charts.forEach(function (chart) {
        var facet = chart.fig.facets.indexOf(name);
        if (chart.fig.group === select.dataset.group && facet >= 0) chart.select(facet);
      });
    });
  });
  each("button[data-csv]", function (button) {
    button.addEventListener("click", function () {
      var id = button.dataset.csv;
      Vitrion.save(id + ".csv", "text/csv", Vitrion.csv(find(data.figures, id)));
    });
  });
  each("button[data-table]", function (button) {
    button.addEventListener("click", function () {
      var rows = Array.prototype.map.call(document.getElementById(button.dataset.table).rows, function (row) {
        return Array.prototype.map.call(row.cells, function (cell) { return '"' + cell.textContent.replace(/"/g, '""') + '"'; }).join(",");
      });
      Vitrion.save(button.dataset.table + ".csv", "text/csv", rows.join("\n") + "\n");
    });
  });
  // Paper is white: print with the light theme, then go back.
  var before = null;
  function dress(value) {
    if (value) root.dataset.theme = value; else delete root.dataset.theme;
    viewers.forEach(function (viewer) { viewer.now(); });
    restyle();
  }
  window.addEventListener("beforeprint", function () { before = root.dataset.theme || ""; dress("light"); Vitrion.redraw(); });
  window.addEventListener("afterprint", function () { if (before !== null) dress(before); before = null; });
  restyle();
})();
