
// The live page: asks for state.json and shows it. All text from files is set as text, never as markup.
(function () {
  var EVERY = 2000, root = document.documentElement;
  var byId = function (id) { return document.getElementById(id); };
  var charts = {}, chosen = null, shownTasks = [], timer = null, asking = false;

  // characters that turn the direction of what follows would make a name look like another
  function plain(text) { return String(text).replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd"); }
  function make(name, className, text) {
    var element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = plain(text);
    return element;
  }
  // changes nothing that is as it should be: screen readers and selections stay undisturbed
  function say(element, text) {
    text = plain(text);
    if (element.textContent !== text) element.textContent = text;
  }
  function show(element, yes) { element.hidden = !yes; }
  function look(element, name) { if (element.dataset.look !== name) element.dataset.look = name; }
  function lookOf(state) {
    if (/^finished/.test(state)) return "finished";
    if (/^(failed|interrupted)/.test(state)) return "trouble";
    return /^running/.test(state) ? "running" : "waiting";
  }
  function duration(s) {
    if (s === null || !isFinite(s)) return "";
    var whole = Math.round(s), pad = function (n) { return (n < 10 ? "0" : "") + n; };
    if (whole < 120) return whole + " s";
    if (whole < 7200) return Math.floor(whole / 60) + " min " + pad(whole % 60) + " s";
    if (whole < 172800) return Math.floor(whole / 3600) + " h " + pad(Math.floor(whole / 60) % 60) + " min";
    return Math.floor(whole / 86400) + " d " + Math.floor(whole / 3600) % 24 + " h";
  }
  function digits(value) {
    if (value === null || !isFinite(value)) return "–";
    if (value === 0) return "0";
    var size = Math.abs(value);
    if (size >= 1e6 || size < 1e-3) return value.toExponential(2);
    return size >= 100 ? String(Math.round(value)) : String(+value.toPrecision(3));
  }
  function count(value) { return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, "\u202f"); }
  function percent(fraction) { return (100 * fraction).toFixed(fraction < 1 && fraction > 0.999 ? 2 : 1) + " %"; }
  function time(text) {
    var date = new Date(text);
    return isNaN(date) ? "" : date.toLocaleString();
  }

  function facts(state) {
    var pairs = [], start = Date.parse(state.started), end = Date.parse(state.running ? state.now : state.finished);
    if (time(state.started)) pairs.push(["started", time(state.started)]);
    if (!state.running && time(state.finished)) pairs.push(["ended", time(state.finished)]);
    if (isFinite(start) && isFinite(end) && end >= start) pairs.push([state.running ? "elapsed" : "from start to end", duration((end - start) / 1000)]);
    pairs = pairs.concat(state.facts);
    if (state.silence_s !== null && state.running) pairs.push(["last sign of life", duration(state.silence_s) + " ago"]);
    var list = byId("facts");
    while (list.children.length > pairs.length) list.lastChild.remove();
    pairs.forEach(function (pair, k) {
      var box = list.children[k];
      if (!box) {
        box = make("div");
        box.appendChild(make("dt"));
        box.appendChild(make("dd"));
        list.appendChild(box);
      }
      say(box.firstChild, pair[0]);
      say(box.lastChild, pair[1]);
    });
  }

  function overview(state) {
    say(byId("title"), state.title || "…");
    // a long reason has its place below
    say(byId("status"), state.running ? state.status : state.status.split(":")[0]);
    look(byId("status"), state.silent ? "trouble" : lookOf(state.status));
    say(byId("folder"), state.folder);
    document.title = plain((state.fraction !== null && state.running ? Math.floor(100 * state.fraction) + " % · " : "") + state.title + " · vitrion watch");
    show(byId("overview"), state.kind !== "waiting");
    show(byId("whole"), state.fraction !== null);
    if (state.fraction !== null) {
      var bar = byId("progress");
      bar.value = state.fraction;
      look(bar, lookOf(state.status));
      say(byId("percent"), percent(state.fraction));
      say(byId("left"), state.running && state.left_s !== null ? "about " + duration(state.left_s) + " left" : "");
    }
    show(byId("silent"), state.silent);
    if (state.silent) say(byId("silent"), "No sign of life for " + duration(state.silence_s) + ": nothing was written in the folder. The work may have been killed, or wait in a queue.");
    show(byId("sofar"), state.running && state.report);
    var done = byId("done"), why = state.status.replace(/^finished(: |$)/, "");
    var text = /^finished/.test(state.status) ? "The work is finished" + (why ? ": " + why : "") + "." : "The work has ended: " + why + ".";
    show(done, !state.running);
    look(done, lookOf(state.status));
    if (done.dataset.text !== text + state.report) {
      done.dataset.text = text + state.report;
      done.textContent = plain(text) + " ";
      if (state.report) {
        var link = make("a", "", "Open the report");
        link.href = "/report.html";
        done.appendChild(link);
      }
    }
    facts(state);
  }

  function tasks(state) {
    var list = byId("task-list");
    show(byId("tasks"), state.tasks.length > 0);
    say(byId("tasks-title"), state.tasks_title);
    while (list.children.length > state.tasks.length) list.lastChild.remove();
    state.tasks.forEach(function (task, k) {
      var item = list.children[k];
      if (!item) {
        item = make("li");
        var row = make("div", "row");
        ["name", "what", "numbers"].forEach(function (part) { row.appendChild(make("span", part)); });
        item.appendChild(row);
        var bar = make("progress");
        bar.max = 1;
        item.appendChild(bar);
        list.appendChild(item);
      }
      var parts = item.firstChild.children, progress = item.lastChild;
      var what = task.state === "running" && task.what ? task.what : task.state + (task.what ? ", " + task.what : "");
      var numbers = task.all > 0 ? [count(task.done) + " / " + count(task.all) + " " + task.unit] : task.done > 0 ? [count(task.done) + " " + task.unit] : [];
      task.speeds.forEach(function (speed) { numbers.push(digits(speed[0]) + " " + speed[1]); });
      if (task.left_s !== null) numbers.push(duration(task.left_s) + " left");
      say(parts[0], task.name);
      say(parts[1], what);
      say(parts[2], numbers.join(" · "));
      progress.value = task.all > 0 ? Math.min(1, task.done / task.all) : 0;
      look(progress, lookOf(task.state));
      progress.setAttribute("aria-label", task.name + ": " + what);
    });
  }

  function choice(state) {
    var select = byId("choice"), able = state.tasks.map(function (task, k) { return [k, task]; }).filter(function (pair) { return pair[1].curves; });
    var names = able.map(function (pair) { return pair[0] + pair[1].name; }).join("\n");
    show(byId("choose"), able.length > 1);
    if (names !== shownTasks) {
      shownTasks = names;
      select.textContent = "";
      able.forEach(function (pair) {
        var option = make("option", "", pair[1].name);
        option.value = pair[0];
        select.appendChild(option);
      });
    }
    if (state.shown !== null && document.activeElement !== select) select.value = String(state.shown);
  }

  function series(curve) {
    var all = [];
    curve.lines.forEach(function (line, k) {
      all.push({
        label: line.label, facet: null, bound: false, note: "", x: line.x, y: line.y, low: line.low, high: line.high,
        style: { color: k % 7, dash: 0, line: true, marker: line.points ? k % 4 + 1 : 0, band: line.low.length > 0 }
      });
    });
    return all;
  }

  function draw(state) {
    var host = byId("charts"), seen = {};
    show(byId("curves"), state.curves.length > 0);
    show(byId("merged"), state.curves.some(function (curve) { return curve.lines.some(function (line) { return line.low.length > 0; }); }));
    state.curves.forEach(function (curve) {
      seen[curve.id] = true;
      var known = charts[curve.id];
      if (known && known.shown !== state.shown + curve.title) {
        // another run: its zoom means nothing here
        known.chart.zoom = null;
        known.shown = state.shown + curve.title;
      }
      var text = JSON.stringify([curve.title, curve.note, curve.lines, curve.marks]);
      if (known && known.text === text) return;
      if (!known) {
        var figure = make("figure", "card"), chart = make("div", "chart"), plot = make("div", "plot");
        var title = make("h3", "", curve.title);
        chart.appendChild(title);
        chart.appendChild(plot);
        figure.appendChild(chart);
        var caption = make("figcaption");
        figure.appendChild(caption);
        host.appendChild(figure);
        known = charts[curve.id] = { figure: figure, title: title, caption: caption, shown: state.shown + curve.title, text: text };
        say(caption, curve.note);
        known.chart = Vitrion.chart(plot, {
          id: "watch-" + curve.id, title: curve.title, x: { label: curve.x, log: curve.log[0] }, y: { label: curve.y, log: curve.log[1] },
          kind: "lines", alone: true, reciprocal: false, group: "", facets: [], marks: curve.marks, series: series(curve)
        });
        return;
      }
      if (known.figure.matches(":active")) return; // in the middle of a zoom
      known.text = text;
      say(known.title, curve.title);
      say(known.caption, curve.note);
      refresh(known.chart, curve);
    });
    Object.keys(charts).forEach(function (id) { show(charts[id].figure, seen[id] === true); });
  }
  // The same chart with new data: zoom, hidden lines and the cursor stay.
  function refresh(chart, curve) {
    var labels = function (list) { return list.map(function (line) { return line.label; }).join("\n"); };
    var same = labels(chart.fig.series) === labels(curve.lines), pointing = chart.tip && !chart.tip.hidden;
    chart.fig.title = curve.title;
    chart.fig.series = series(curve);
    chart.fig.marks = curve.marks;
    if (!same) chart.makeLegend();
    chart.draw();
    if (pointing) chart.hover(chart.at);
  }

  function tables(state) {
    var host = byId("tables"), text = JSON.stringify(state.tables);
    if (host.dataset.text === text) return;
    host.dataset.text = text;
    host.textContent = "";
    state.tables.filter(function (table) { return table.rows.length > 0; }).forEach(function (table) {
      var section = make("section"), scroll = make("div", "scroll"), element = make("table");
      section.appendChild(make("h2", "", table.title));
      scroll.tabIndex = 0;
      scroll.setAttribute("role", "region");
      scroll.setAttribute("aria-label", table.title);
      var line = function (parent, cells, names) {
        var row = make("tr");
        cells.forEach(function (cell, k) {
          var part = make(names || k === 0 ? "th" : "td", "", cell);
          if (part.tagName === "TH") part.scope = names ? "col" : "row";
          row.appendChild(part);
        });
        parent.appendChild(row);
      };
      var head = make("thead"), body = make("tbody");
      line(head, table.head, true);
      table.rows.forEach(function (row) { line(body, row, false); });
      element.appendChild(head);
      element.appendChild(body);
      scroll.appendChild(element);
      section.appendChild(scroll);
      host.appendChild(section);
    });
  }

  function notes(state) {
    var list = byId("note-list"), text = state.notes.join("\n");
    show(byId("notes"), state.notes.length > 0);
    if (list.dataset.text === text) return;
    list.dataset.text = text;
    list.textContent = "";
    state.notes.forEach(function (note) { list.appendChild(make("li", "", note)); });
  }

  function update(state) {
    overview(state);
    tasks(state);
    choice(state);
    draw(state);
    tables(state);
    notes(state);
  }

  function ask() {
    clearTimeout(timer);
    if (asking || document.hidden) return; // a page that nobody sees asks nothing
    asking = true;
    fetch("/state.json" + (chosen === null ? "" : "?show=" + chosen), { cache: "no-store" })
      .then(function (answer) {
        if (!answer.ok) throw new Error(String(answer.status));
        return answer.json();
      })
      .then(function (state) {
        show(byId("lost"), false);
        update(state);
      }, function () { show(byId("lost"), true); })
      .finally(function () {
        asking = false;
        timer = setTimeout(ask, EVERY);
      });
  }

  var theme = byId("theme"), dark = window.matchMedia("(prefers-color-scheme: dark)");
  function current() { return root.dataset.theme || (dark.matches ? "dark" : "light"); }
  function restyle() {
    say(theme, current() === "dark" ? "Light" : "Dark");
    theme.setAttribute("aria-label", "Switch to the " + (current() === "dark" ? "light" : "dark") + " theme");
  }
  try {
    var kept = localStorage.getItem("vitrion-theme");
    if (/^(dark|light)$/.test(kept || "")) root.dataset.theme = kept;
  } catch (e) { /* no storage: the theme of the system */ }
  theme.addEventListener("click", function () {
    root.dataset.theme = current() === "dark" ? "light" : "dark";
    try { localStorage.setItem("vitrion-theme", root.dataset.theme); } catch (e) { /* as above */ }
    restyle();
  });
  dark.addEventListener("change", restyle);
  restyle();
  byId("choice").addEventListener("change", function () {
    chosen = Number(this.value);
    ask();
  });
  document.addEventListener("visibilitychange", ask);
  ask();
})();
