// Interactive charts over the same data objects as the still ones: hover, zoom, legend, runs, export.
// Ticks, ranges, legends and strokes follow chart/axes.rs, chart/legend.rs and chart/draw.rs.
"use strict";
var Vitrion = (function () {
  var SUPER = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  var DASH = ["", "7 4", "2 3", "8 3 2 3"];
  var MARK = ["", "M-4.5 0A4.5 4.5 0 1 0 4.5 0A4.5 4.5 0 1 0 -4.5 0Z", "M-4 -4H4V4H-4Z",
    "M0 -5.5L5.5 0L0 5.5L-5.5 0Z", "M0 -5L5 4H-5Z"];
  var BOUND = "M-5 0H5M0 0V14M-4 9L0 14L4 9";
  var SHADE = [1, 0.6, 0.35, 0.8];
  var KELVIN = [2000, 1500, 1200, 1000, 800, 700, 600, 500, 400, 350, 300, 250];
  var MOST_RUNS = 6, MOST_STRETCH = 100;
  var charts = [], pen = document.createElement("canvas").getContext("2d");
  // What of the runs is shown, in all charts at once.
  var view = { by: "temperature", systems: {}, temperatures: {} };

  function width(s) {
    if (!pen) return s.length * 7;
    pen.font = "12px system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif";
    return pen.measureText(s).width;
  }
  function power(p) {
    return "10" + String(p).split("").map(function (c) { return c === "-" ? "⁻" : SUPER[+c]; }).join("");
  }
  function text(v, digits) {
    if (v === null || v === undefined || !isFinite(v)) return "—";
    if (v === 0) return "0";
    var p = Math.floor(Math.log10(Math.abs(v)));
    if (p < -3 || p > 4) {
      var m = (v / Math.pow(10, p)).toPrecision(digits).replace("-", "−");
      return (+m === 1 && digits === 1 ? "" : m + " × ") + power(p);
    }
    return v.toPrecision(Math.max(digits, p + 1)).replace("-", "−");
  }
  function trimmed(v, decimals) { return String(+v.toFixed(decimals)).replace("-", "−"); }
  function tickText(v, lo, hi, log) {
    var p;
    if (log && (lo < 0.0099 || hi > 2000) && v > 0) {
      p = Math.floor(Math.log10(v) + 1e-9);
      var d = v / Math.pow(10, p);
      if (Math.abs(d - Math.round(d)) < 1e-6) {
        d = Math.round(d);
        return d > 1 ? d + "·" + power(p) : p === 0 ? "1" : power(p);
      }
    }
    var size = Math.abs(v);
    if (size <= 0.5e-9 * Math.abs(hi - lo)) return "0";
    if (size >= 1e5 || size < 1e-4) {
      p = Math.floor(Math.log10(size) + 1e-9);
      return trimmed(v / Math.pow(10, p), 3) + "·" + power(p);
    }
    return trimmed(v, 6);
  }
  function linear(lo, hi, want) {
    var raw = (hi - lo) / Math.max(want, 1), p = Math.pow(10, Math.floor(Math.log10(raw))), major = [], minor = [], i;
    var step = [[1, 5], [2, 4], [5, 5], [10, 5]].filter(function (m) { return m[0] * p >= raw * 0.999; })[0] || [10, 5];
    var s = step[0] * p, t = s / step[1];
    for (i = Math.ceil(lo / s - 1e-9); i <= Math.floor(hi / s + 1e-9); i++) major.push(i * s);
    for (i = Math.ceil(lo / t - 1e-9); i <= Math.floor(hi / t + 1e-9); i++) if (i % step[1]) minor.push(i * t);
    return { major: major, minor: minor };
  }
  function ticks(lo, hi, log, want) {
    if (!log) return linear(lo, hi, want);
    var a = Math.ceil(Math.log10(lo) - 1e-9), b = Math.floor(Math.log10(hi) + 1e-9), major = [], minor = [], i;
    var within = function (t) { return t >= lo && t <= hi; };
    var digits = function (list) {
      var out = [];
      for (var k = a - 1; k <= b + 1; k++) list.forEach(function (d) { out.push(d * Math.pow(10, k)); });
      return out.filter(within);
    };
    if (b - a >= 1) {
      var stride = Math.floor((b - a) / want) + 1;
      for (i = a; i <= b; i++) ((i - a) % stride ? minor : major).push(Math.pow(10, i));
      return { major: major, minor: stride > 1 ? minor : digits([2, 3, 4, 5, 6, 7, 8, 9]) };
    }
    if (hi / lo > 2.5) {
      major = digits([1, 2, 5]);
      if (major.length > 1) return { major: major, minor: digits([3, 4, 6, 7, 8, 9]) };
    }
    return linear(lo, hi, want);
  }
  function esc(s) {
    return String(s).replace(/[&<>"]/g, function (c) { return { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" }[c]; });
  }
  // G_s with a subscript, in text that is escaped.
  function rich(s) {
    return esc(s).replace(/(^|[^A-Za-zα-ω])([A-Za-zα-ω])_([A-Za-z0-9]{1,3})(?![A-Za-z0-9_])(.*)/, function (_, before, letter, below, rest) {
      return before + letter + '<tspan dy="3" font-size="9" style="font-size:9px">' + below + "</tspan>" + (rest ? '<tspan dy="-3">' + rest.replace(/^ /, "\u00a0") + "</tspan>" : "");
    });
  }
  function save(name, type, content) {
    var a = document.createElement("a");
    a.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type: type }));
    a.download = name;
    document.body.appendChild(a);
    a.click();
    a.remove();
    setTimeout(function () { URL.revokeObjectURL(a.href); }, 1000);
  }
  function button(label, title, action) {
    var b = document.createElement("button");
    b.type = "button";
    b.textContent = label;
    b.title = title;
    b.addEventListener("click", action);
    return b;
  }
  function element(name, className) {
    var e = document.createElement(name);
    if (className) e.className = className;
    return e;
  }
  function quote(s) { return '"' + String(s === null || s === undefined ? "" : s).replace(/"/g, '""') + '"'; }
  function plain(v) { return v === null || v === undefined ? "" : v; }
  function csv(fig) {
    var rows = [];
    if (fig.kind === "bars") {
      rows.push(["name", "run", fig.axis, "error"].map(quote).join(","));
      fig.names.forEach(function (name, k) {
        fig.bars.forEach(function (run) { rows.push([quote(name), quote(run.label), plain(run.values[k]), plain(run.errors[k])].join(",")); });
      });
    } else if (fig.kind === "heat_map") {
      rows.push([fig.x.label, fig.y.label, fig.z].map(quote).join(","));
      fig.xs.forEach(function (x, i) { fig.ys.forEach(function (y, j) { rows.push([x, y, plain(fig.values[i][j])].join(",")); }); });
    } else {
      var names = fig.runs || { systems: [], temperatures: [] };
      rows.push(["series", fig.facets.length ? fig.group : "facet", "system", "temperature [K]", fig.x.label, fig.y.label, "low", "high", "note"].map(quote).join(","));
      fig.series.forEach(function (s) {
        var run = s.run || {}, note = (s.bound ? "upper bound. " : "") + s.note;
        s.x.forEach(function (x, i) {
          rows.push([quote(s.label), quote(s.facet === null ? "" : fig.facets[s.facet]), quote(names.systems[run.system]), plain(names.temperatures[run.temperature]),
            plain(x), plain(s.y[i]), plain(s.low[i]), plain(s.high[i]), quote(note)].join(","));
        });
      });
    }
    return rows.join("\n") + "\n";
  }
  function visible(run) {
    return !run || !(view.systems[run.system] || run.temperature !== null && view.temperatures[run.temperature]);
  }
  // Colour and the second sign of a run: dash, marker or how pale. Where the second is the same for all, it repeats the first.
  function signs(run) {
    var system = view.by === "system", first = system ? run.system : run.temperature, second = system ? run.temperature : run.system;
    return [first, view.alone ? first : second];
  }
  function look(s) {
    if (!s.run || s.run.temperature === null) return s.style;
    var sign = signs(s.run), out = {};
    Object.keys(s.style).forEach(function (k) { out[k] = s.style[k]; });
    out.color = sign[0];
    if (s.style.marker) out.marker = sign[1] % 4 + 1; else out.dash = sign[1];
    return out;
  }
  function ink(style) {
    return style.tone === "guide" ? "var(--guide)" : style.tone === "ink" ? "var(--ink)" : "var(--c" + (style.color % 7) + ")";
  }
  function inside(style) { return style.tone === "ink" ? "var(--ink)" : "var(--card)"; }
  function barSigns(b) {
    var sign = b.tag && b.tag.temperature !== null ? signs(b.tag) : [b.color, b.shade];
    return [sign[0], b.tag && view.alone ? 0 : sign[1]];
  }
  function dashed(style) { return style.dash % 4 ? ' stroke-dasharray="' + DASH[style.dash % 4] + '"' : ""; }
  function key(e) {
    var s = e.style, color = ink(s), out = "";
    if (e.shade !== undefined) return '<rect y="1" width="28" height="10" fill="' + color + '" opacity="' + SHADE[e.shade % 4] + '"/>';
    if (s.band) out += '<rect width="28" height="12" fill="' + color + '" opacity="0.2"/>';
    if (s.line) out += '<path d="M0 6H28" fill="none" stroke="' + color + '" stroke-width="1.8"' + dashed(s) + "/>";
    if (e.bound) out += '<path d="M-5 -4H5M0 -4V7M-4 3L0 7L4 3" transform="translate(14 5)" fill="none" stroke="' + color + '" stroke-width="1.6"/>';
    else if (s.marker) out += '<path d="' + MARK[s.marker] + '" transform="translate(14 6)" fill="' + inside(s) + '" stroke="' + color + '" stroke-width="1.6"/>';
    return out;
  }

  function Chart(host, fig) {
    var self = this, tools = element("div", "tools"), beside = fig.alone ? "" : "; figures/" + fig.id + ".svg, .pdf and .png for print lie beside the report";
    fig.facets = fig.facets || [];
    this.host = host; this.fig = fig; this.facet = 0; this.hidden = {}; this.zoom = null;
    this.clip = "live-" + fig.id;
    this.still = fig.kind === "heat_map" ? host.querySelector("svg").outerHTML : "";
    host.textContent = "";
    this.surface = element("div", "surface");
    this.surface.tabIndex = 0;
    this.surface.setAttribute("role", "img");
    this.surface.setAttribute("aria-label", fig.title + ". Arrow keys move the cursor, Escape resets the zoom.");
    this.tip = element("div", "tip");
    this.tip.hidden = true;
    this.tip.setAttribute("role", "status");
    this.legend = element("ul", "legend");
    if (fig.kind === "lines") tools.appendChild(button("Reset", "Reset the zoom of " + fig.title, function () { self.reset(); }));
    tools.appendChild(button("SVG", "Save " + fig.title + " as SVG" + beside, function () { save(self.name() + ".svg", "image/svg+xml", self.standalone()); }));
    tools.appendChild(button("PNG", "Save " + fig.title + " as PNG" + beside, function () { self.png(); }));
    tools.appendChild(button("CSV", "Save the data of " + fig.title, function () { save(fig.id + ".csv", "text/csv", csv(fig)); }));
    [tools, this.surface, this.tip, this.legend].forEach(function (e) { host.appendChild(e); });
    this.listen();
    this.refresh();
    if (window.ResizeObserver) new ResizeObserver(function () { if (Math.abs(host.clientWidth - self.w) > 1) self.draw(); }).observe(host);
  }
  Chart.prototype.name = function () { 
    return this.fig.id + (this.facet ? "-" + this.fig.facets[this.facet].replace(/[^A-Za-z0-9_]+/g, "-") : "");
  };
  Chart.prototype.reset = function () { this.zoom = null; this.draw(); };
  Chart.prototype.refresh = function () { this.makeLegend(); this.draw(); };
  Chart.prototype.select = function (facet) { this.facet = facet; this.zoom = null; this.refresh(); };
  Chart.prototype.ofFacet = function () {
    var self = this;
    return this.fig.series.filter(function (s) { return (s.facet === null || s.facet === self.facet) && s.x.length && visible(s.run); });
  };
  Chart.prototype.shown = function () {
    var hidden = this.hidden;
    return this.ofFacet().filter(function (s) {
      var run = s.run || {};
      return !hidden["l" + s.label] && !hidden["t" + run.temperature] && !hidden["s" + run.system];
    });
  };
  // Rows of the legend; many runs are told by temperature and by system.
  Chart.prototype.entries = function () {
    var fig = this.fig, out = [], labels = {}, found = { t: {}, s: {} }, list, split;
    if (fig.kind === "heat_map") return out;
    if (fig.kind === "bars") {
      fig.bars.forEach(function (b) {
        if (!visible(b.tag)) return;
        var sign = barSigns(b);
        out.push({ key: "l" + b.label, label: b.label, style: { color: sign[0] }, shade: sign[1] });
      });
      return out;
    }
    list = this.ofFacet();
    list.forEach(function (s) {
      if (!s.run || s.run.temperature === null) return;
      var style = look(s);
      labels[s.label] = true;
      found.t[s.run.temperature] = found.t[s.run.temperature] || style;
      found.s[s.run.system] = found.s[s.run.system] || style;
    });
    split = Object.keys(labels).length > MOST_RUNS && Object.keys(found.t).length > 1 && Object.keys(found.s).length > 1;
    if (split) [["t", fig.runs.temperatures.map(function (t) { return trimmed(t, 1) + " K"; })], ["s", fig.runs.systems]].forEach(function (part) {
      var colored = (view.by === "system") === (part[0] === "s");
      Object.keys(found[part[0]]).sort(function (a, b) { return a - b; }).forEach(function (k) {
        var style = found[part[0]][k];
        out.push({ key: part[0] + k, label: part[1][k], style: { color: style.color, line: style.line, band: colored && style.band, dash: colored ? 0 : style.dash, marker: colored && style.line ? 0 : style.marker, tone: colored ? "palette" : style.marker ? "guide" : "ink" } });
      });
    });
    list.forEach(function (s) {
      if (!s.label || split && s.run && s.run.temperature !== null) return;
      var style = look(s), e = out.filter(function (o) { return o.key === "l" + s.label; })[0];
      if (!e) {
        e = { key: "l" + s.label, label: s.label, bound: true, style: { color: style.color, tone: style.tone, dash: 0, marker: 0 } };
        out.push(e);
      }
      e.style.line = e.style.line || style.line; e.style.band = e.style.band || style.band;
      e.style.dash = Math.max(e.style.dash, style.dash); e.style.marker = e.style.marker || style.marker;
      e.bound = e.bound && s.bound;
    });
    return out;
  };
  Chart.prototype.makeLegend = function () {
    var self = this, entries = this.entries();
    this.legend.textContent = "";
    entries.forEach(function (e) {
      var li = element("li"), b = button("", "Show or hide " + e.label, function () {
        self.hidden[e.key] = !self.hidden[e.key];
        b.setAttribute("aria-pressed", String(!self.hidden[e.key]));
        self.draw();
      });
      b.setAttribute("aria-pressed", String(!self.hidden[e.key]));
      b.innerHTML = '<svg viewBox="0 0 28 12" aria-hidden="true">' + key(e) + "</svg><span>" + esc(e.label) + "</span>";
      li.appendChild(b);
      self.legend.appendChild(li);
    });
    this.legend.hidden = entries.length < 2;
  };

  function extent(values, log, pad) {
    var lo = Infinity, hi = -Infinity;
    values.forEach(function (v) {
      if (v === null || !isFinite(v) || (log && v <= 0)) return;
      if (v < lo) lo = v;
      if (v > hi) hi = v;
    });
    if (lo > hi) return log ? [0.1, 10] : [0, 1];
    if (log) {
      var m = Math.max(Math.log(hi / lo) * pad, hi > lo ? 0 : 0.5);
      return [lo * Math.exp(-m), hi * Math.exp(m)];
    }
    var span = hi > lo ? (hi - lo) * pad : Math.max(Math.abs(hi), 1) * 0.1;
    return [lo >= 0 && lo < 0.1 * hi ? 0 : lo - span, hi + span];
  }
  function all(series, names) {
    var out = [];
    series.forEach(function (s) { names.forEach(function (n) { s[n].forEach(function (v) { out.push(v); }); }); });
    return out;
  }
  function share(v, range, log) {
    return log ? Math.log(Math.max(v, 1e-300) / range[0]) / Math.log(range[1] / range[0]) : (v - range[0]) / (range[1] - range[0]);
  }
  function unshare(f, range, log) {
    return log ? range[0] * Math.pow(range[1] / range[0], f) : range[0] + f * (range[1] - range[0]);
  }
  Chart.prototype.layout = function () {
    var fig = this.fig, self = this, s = this.shown().filter(function (q) { return q.style.tone !== "guide"; });
    this.w = Math.max(this.host.clientWidth, 240);
    this.h = Math.round(Math.min(440, Math.max(250, this.w * 0.6)));
    this.box = { l: 0, r: 14, t: fig.reciprocal ? 34 : 12, b: 46 };
    this.x = this.zoom ? this.zoom.x : extent(all(s, ["x"]), fig.x.log, 0);
    // curves fill the width, single points are drawn whole
    if (!this.zoom && s.some(function (q) { return !q.style.line && !q.style.band; }))
      this.x = [unshare(-0.05, this.x, fig.x.log), unshare(1.05, this.x, fig.x.log)];
    var ends = all(s, ["low", "high"]);
    if (fig.y.log) {
      var core = extent(all(s, ["y"]), true, 0);
      ends = ends.filter(function (v) { return v >= core[0] / MOST_STRETCH && v <= core[1] * MOST_STRETCH; });
    }
    this.y = this.zoom ? this.zoom.y : extent(all(s, ["y"]).concat(ends), fig.y.log, 0.06);
    this.yTicks = ticks(this.y[0], this.y[1], fig.y.log, Math.min(8, Math.max(3, (this.h - this.box.t - this.box.b) / 44)));
    this.box.l = 34 + Math.max.apply(null, [0].concat(this.yTicks.major.map(function (t) { return width(self.yText(t)); })));
    var want = 9, crowded = function () {
      return self.xTicks.major.some(function (t, k, list) {
        return k && self.px(list[k - 1]) + width(self.xText(list[k - 1])) / 2 + 9 > self.px(t) - width(self.xText(t)) / 2;
      });
    };
    do this.xTicks = ticks(this.x[0], this.x[1], fig.x.log, want--); while (want >= 1 && crowded());
  };
  Chart.prototype.xText = function (t) { return tickText(t, this.x[0], this.x[1], this.fig.x.log); };
  Chart.prototype.yText = function (t) { return tickText(t, this.y[0], this.y[1], this.fig.y.log); };
  Chart.prototype.px = function (v) { var b = this.box; return b.l + share(v, this.x, this.fig.x.log) * (this.w - b.l - b.r); };
  Chart.prototype.py = function (v) { var b = this.box; return this.h - b.b - share(v, this.y, this.fig.y.log) * (this.h - b.t - b.b); };
  Chart.prototype.inverse = function (px, py) {
    var b = this.box;
    return [unshare((px - b.l) / (this.w - b.l - b.r), this.x, this.fig.x.log),
      unshare((this.h - b.b - py) / (this.h - b.t - b.b), this.y, this.fig.y.log)];
  };
  function label(x, y, anchor, size, s) {
    return '<text class="' + size + '" x="' + x.toFixed(1) + '" y="' + y.toFixed(1) + '" text-anchor="' + anchor + '">' + rich(s) + "</text>";
  }
  function upwards(x, y, anchor, size, s) {
    return '<text class="' + size + '" transform="translate(' + x.toFixed(1) + " " + y.toFixed(1) + ') rotate(-90)" text-anchor="' + anchor + '">' + rich(s) + "</text>";
  }
  function stroke(d, color, rest) { return d ? '<path d="' + d + '" fill="none" stroke="' + color + '"' + (rest || "") + "/>" : ""; }
  Chart.prototype.draw = function () {
    var body;
    this.tip.hidden = true;
    if (this.fig.kind === "heat_map") body = this.heatMap();
    else if (this.fig.kind === "bars") body = this.barChart();
    else body = this.lines();
    this.surface.innerHTML = this.fig.kind === "heat_map" ? body : '<svg xmlns="http://www.w3.org/2000/svg" width="' + this.w + '" height="' + this.h + '" viewBox="0 0 ' + this.w + " " + this.h + '">' + body + "</svg>";
    this.cursorLine = this.surface.querySelector(".cursor");
    this.selection = this.surface.querySelector(".select");
  };
  Chart.prototype.lines = function () {
    this.layout();
    var self = this, fig = this.fig, b = this.box, w = this.w, h = this.h, out = [], grid = "", marks = "", dots = "", last = -1e9;
    var bottom = h - b.b, right = w - b.r;
    this.xTicks.major.forEach(function (t) {
      var x = self.px(t);
      grid += "M" + x.toFixed(1) + " " + b.t + "V" + bottom;
      marks += "M" + x.toFixed(1) + " " + bottom + "v5";
      out.push(label(x, bottom + 17, "middle", "tick", self.xText(t)));
    });
    this.yTicks.major.forEach(function (t) {
      var y = self.py(t);
      grid += "M" + b.l.toFixed(1) + " " + y.toFixed(1) + "H" + right;
      marks += "M" + b.l.toFixed(1) + " " + y.toFixed(1) + "h-5";
      out.push(label(b.l - 8, y + 4.2, "end", "tick", self.yText(t)));
    });
    if (fig.x.log) this.xTicks.minor.forEach(function (t) { marks += "M" + self.px(t).toFixed(1) + " " + bottom + "v3"; });
    if (fig.y.log) this.yTicks.minor.forEach(function (t) { marks += "M" + b.l.toFixed(1) + " " + self.py(t).toFixed(1) + "h-3"; });
    if (fig.reciprocal) KELVIN.forEach(function (k) {
      var x = self.px(1000 / k), half = width("1000 K") / 2;
      if (x < b.l - 1 || x > right + 1 || x - last < 2 * half + 8) return;
      last = x;
      marks += "M" + x.toFixed(1) + " " + b.t + "v-5";
      out.push(label(Math.min(x, w - half), b.t - 8, "middle", "tick", k + " K"));
    });
    fig.marks.forEach(function (m) {
      var x = self.px(m[0]);
      if (x < b.l || x > right) return;
      dots += "M" + x.toFixed(1) + " " + b.t + "V" + bottom;
      if (!fig.reciprocal) out.push(upwards(x - 4, b.t + 5, "end", "tick", m[1]));
    });
    out.push(stroke(grid, "var(--grid)"), stroke(dots, "var(--guide)", ' stroke-dasharray="2 4"'));
    out.push(stroke("M" + b.l.toFixed(1) + " " + b.t + "H" + right + "V" + bottom + "H" + b.l.toFixed(1) + "Z" + marks, "var(--soft)"));
    out.push(label((b.l + right) / 2, h - 9, "middle", "label", fig.x.label), upwards(15, (b.t + bottom) / 2, "middle", "label", fig.y.label));
    out.push('<clipPath id="' + this.clip + '"><rect x="' + b.l + '" y="' + b.t + '" width="' + (right - b.l) + '" height="' + (bottom - b.t) + '"/></clipPath>');
    out.push('<g clip-path="url(#' + this.clip + ')">');
    [true, false].forEach(function (guide) {
      self.shown().forEach(function (s) { if ((s.style.tone === "guide") === guide) self.series(s, out); });
    });
    out.push('</g><path class="cursor" fill="none" stroke="var(--guide)" stroke-dasharray="2 4" d=""/><rect class="select" fill="var(--accent)" opacity="0.15" width="0" height="0"/>');
    return out.join("");
  };
  Chart.prototype.series = function (s, out) {
    var self = this, fig = this.fig, style = look(s), color = ink(style), i, d = "", down = false, bars = "";
    var ok = function (x, y) { return x !== null && y !== null && (!fig.x.log || x > 0) && (!fig.y.log || y > 0); };
    var at = function (x, y) { return self.px(x).toFixed(1) + " " + self.py(y).toFixed(1); };
    var floor = function (x, v) { return self.px(x).toFixed(1) + " " + (fig.y.log && v <= 0 ? self.h + 50 : Math.min(self.py(v), self.h + 50)).toFixed(1); };
    if (style.band) {
      for (i = 0; i < s.x.length; i++) if (ok(s.x[i], s.high[i])) d += (d ? "L" : "M") + at(s.x[i], s.high[i]);
      for (i = s.x.length - 1; i >= 0; i--) if (s.low[i] !== null && ok(s.x[i], s.high[i])) d += "L" + floor(s.x[i], s.low[i]);
      if (d) out.push('<path d="' + d + 'Z" fill="' + color + '" opacity="0.16"/>');
    } else if (s.low.length === s.x.length) {
      for (i = 0; i < s.x.length; i++) if (ok(s.x[i], s.high[i]) && s.low[i] !== null) {
        var lo = floor(s.x[i], s.low[i]), hi = at(s.x[i], s.high[i]), left = function (p) { return "M" + (parseFloat(p) - 3.5).toFixed(1) + " " + p.split(" ")[1] + "h7"; };
        bars += "M" + lo + "L" + hi + left(hi) + left(lo);
      }
      out.push(stroke(bars, color, ' stroke-width="1.3"'));
    }
    if (style.line) {
      for (i = 0, d = ""; i < s.x.length; i++) {
        if (!ok(s.x[i], s.y[i])) { down = false; continue; }
        d += (down ? "L" : "M") + at(s.x[i], s.y[i]);
        down = true;
      }
      out.push(stroke(d, color, ' stroke-width="' + (style.tone === "guide" ? 1.2 : 1.7) + '" stroke-linejoin="round"' + dashed(style)));
    }
    if (style.marker) for (i = 0; i < s.x.length; i++) if (ok(s.x[i], s.y[i]))
      out.push('<path d="' + (s.bound ? BOUND : MARK[style.marker]) + '" fill="' + (s.bound ? "none" : inside(style)) + '" stroke="' + color + '" stroke-width="1.6" transform="translate(' + at(s.x[i], s.y[i]) + ')"/>');
  };
  // Bars as bars.rs draws them, of the runs that are shown.
  Chart.prototype.barChart = function () {
    var self = this, fig = this.fig, out = [], hidden = this.hidden, BAR = 15, TOP = 8, RIGHT = 96;
    var runs = fig.bars.filter(function (b) { return visible(b.tag) && !hidden["l" + b.label]; });
    this.w = Math.max(this.host.clientWidth, 240);
    var most = 0.45 * this.w, left = 16 + Math.min(most, Math.max.apply(null, [0].concat(fig.common.map(function (k) { return width(fig.names[k]); }))));
    var bottom = TOP, span = Math.max(this.w - left - RIGHT, 40), top = 0, least = 0;
    runs.forEach(function (r) { r.values.forEach(function (v, k) {
      if (v === null) return;
      top = Math.max(top, v + (r.errors[k] || 0));
      if (v < 0) least = Math.min(least, v - (r.errors[k] || 0));
    }); });
    var place = function (v) { return left + Math.max(v - least, 0) * (top > least ? span / (top - least) : 0); };
    this.rows = [];
    fig.common.forEach(function (k) {
      var name = fig.names[k], cut = name, y = bottom, present = runs.filter(function (r) { return r.values[k] !== null; });
      if (!present.length) return;
      bottom += present.length * BAR + 9;
      while (width(cut) > most && cut.length > 1) cut = cut.slice(0, -2) + "…";
      out.push(label(left - 8, y + present.length * BAR / 2 + 4.2, "end", "tick", cut));
      present.forEach(function (r, n) {
        var v = r.values[k], e = r.errors[k] || 0, m = y + (n + 0.5) * BAR;
        var sign = barSigns(r), from = place(Math.min(v, 0)), to = place(Math.max(v, 0)), lo = place(v - e), hi = place(v + e);
        out.push('<rect x="' + from.toFixed(1) + '" y="' + (m - BAR / 2 + 1).toFixed(1) + '" width="' + (to - from).toFixed(1) + '" height="' + (BAR - 2) + '" fill="var(--c' + (sign[0] % 7) + ')" opacity="' + SHADE[sign[1] % 4] + '"/>');
        if (e > 0) out.push(stroke("M" + lo.toFixed(1) + " " + m + "H" + hi.toFixed(1) + "M" + lo.toFixed(1) + " " + (m - 3) + "v6M" + hi.toFixed(1) + " " + (m - 3) + "v6", "var(--ink)"));
        out.push(label(Math.max(hi, to) + 6, m + 4.2, "start", "tick", r.texts[k]));
        self.rows.push({ y: m, color: sign[0], text: name + (r.label ? ", " + r.label : ""), value: r.texts[k], end: to });
      });
    });
    this.h = Math.round(bottom + 32);
    out.push(stroke("M" + place(0).toFixed(1) + " " + TOP + "V" + bottom, "var(--soft)"), label(left + span / 2, bottom + 20, "middle", "label", fig.axis));
    return out.join("");
  };
  // The still of heat_map.rs, with a frame for the cell under the cursor; the card of a run that is not shown is hidden.
  Chart.prototype.heatMap = function () {
    this.w = Math.max(this.host.clientWidth, 240);
    (this.host.closest("figure") || this.host).hidden = !visible(this.fig.run);
    return this.still.replace("</svg>", '<path class="cursor" fill="none" stroke="#fff" stroke-width="1.5" d=""/></svg>');
  };

  Chart.prototype.show = function (html, x, y) {
    this.tip.innerHTML = html;
    this.tip.hidden = false;
    var wide = this.tip.offsetWidth, left = x + 14 + wide > this.w ? x - wide - 14 : x + 14;
    this.tip.style.left = Math.max(0, Math.min(left, this.w - wide)) + "px";
    this.tip.style.top = this.surface.offsetTop + y + "px";
  };
  Chart.prototype.leave = function () {
    this.tip.hidden = true;
    if (this.cursorLine) this.cursorLine.setAttribute("d", "");
  };
  function swatch(color, html) { return '<div><i style="background:' + color + '"></i>' + html + "</div>"; }
  Chart.prototype.hover = function (px, py) {
    if (this.fig.kind === "bars") return this.hoverBars(py);
    if (this.fig.kind === "heat_map") return this.hoverMap(px, py);
    var self = this, fig = this.fig, b = this.box, best = null, rows = [];
    px = Math.min(Math.max(px, b.l), this.w - b.r);
    this.shown().forEach(function (s) {
      if (s.style.tone === "guide" || (s.style.band && !s.style.line)) return;
      var near = -1, gap = Infinity;
      s.x.forEach(function (x, i) {
        if (x === null || s.y[i] === null || (fig.x.log && x <= 0)) return;
        var g = Math.abs(self.px(x) - px);
        if (g < gap) { gap = g; near = i; }
      });
      if (near < 0 || gap > 30) return;
      if (!best || gap < best.gap) best = { gap: gap, x: s.x[near] };
      rows.push({ s: s, i: near });
    });
    this.at = px;
    if (!best) return this.leave();
    var at = this.px(best.x);
    this.cursorLine.setAttribute("d", "M" + at.toFixed(1) + " " + b.t + "V" + (this.h - b.b));
    rows = rows.filter(function (r) { return Math.abs(self.px(r.s.x[r.i]) - at) < 12; });
    var more = rows.length - 12;
    this.show("<b>" + esc(fig.x.label) + " = " + text(best.x, 4) + (fig.reciprocal ? " · " + Math.round(1000 / best.x) + " K" : "") + "</b>" +
      rows.slice(0, 12).map(function (r) {
        var s = r.s, i = r.i, range = s.low.length ? " [" + text(s.low[i], 3) + ", " + text(s.high[i], 3) + "]" : "";
        return swatch(ink(look(s)), esc(s.label) + ": " + (s.bound ? "&lt; " : "") + text(s.y[i], 4) + range + (s.note ? "<br><small>" + esc(s.note) + "</small>" : ""));
      }).join("") + (more > 0 ? "<small>and " + more + " more</small>" : ""), at, b.t + 6);
  };
  Chart.prototype.hoverBars = function (py) {
    var best = null;
    this.rows.forEach(function (r) { if (!best || Math.abs(r.y - py) < Math.abs(best.y - py)) best = r; });
    if (!best) return this.leave();
    this.at = best.y;
    this.show("<b>" + esc(best.text) + "</b>" + swatch("var(--c" + (best.color % 7) + ")", esc(this.fig.axis) + ": " + esc(best.value)), best.end, best.y + 10);
  };
  Chart.prototype.hoverMap = function (px, py) {
    var fig = this.fig, p = fig.place, unit = this.surface.clientWidth / this.surface.querySelector("svg").viewBox.baseVal.width, x = px / unit, y = py / unit;
    var borders = [], xs = fig.xs.map(function (v) { return fig.x.log ? Math.log(v) : v; }), n = xs.length, i, j;
    for (i = 0; i <= n; i++) borders.push(i === 0 ? 1.5 * xs[0] - 0.5 * xs[1] : i === n ? 1.5 * xs[n - 1] - 0.5 * xs[n - 2] : (xs[i - 1] + xs[i]) / 2);
    var X = function (v) { return p[0] + (p[2] - p[0]) * (v - fig.ends[0][0]) / (fig.ends[0][1] - fig.ends[0][0]); };
    var Y = function (v) { return p[3] - (p[3] - p[1]) * (v - fig.ends[1][0]) / (fig.ends[1][1] - fig.ends[1][0]); };
    for (i = 0; i < n - 1 && X(borders[i + 1]) < x; i++);
    for (j = 0; j < fig.ys.length - 1 && Y(fig.rows[j + 1]) > y; j++);
    if (x < p[0] || x > p[2] || y < p[1] || y > p[3]) return this.leave();
    this.at = px; this.row = py;
    this.cursorLine.setAttribute("d", "M" + X(borders[i]) + " " + Y(fig.rows[j]) + "H" + X(borders[i + 1]) + "V" + Y(fig.rows[j + 1]) + "H" + X(borders[i]) + "Z");
    this.show("<b>" + esc(fig.z) + ": " + text(fig.values[i][j], 4) + "</b>" + esc(fig.x.label) + " = " + text(fig.xs[i], 4) + "<br>" + esc(fig.y.label) + " = " + text(fig.ys[j], 4), px, py + 10);
  };
  Chart.prototype.listen = function () {
    var self = this, start = null, el = this.surface, zooms = this.fig.kind === "lines";
    var place = function (e) { var r = el.getBoundingClientRect(); return [e.clientX - r.left, e.clientY - r.top]; };
    el.addEventListener("pointermove", function (e) {
      var p = place(e);
      if (!start) return self.hover(p[0], p[1]);
      [["x", Math.min(p[0], start[0])], ["y", Math.min(p[1], start[1])], ["width", Math.abs(p[0] - start[0])], ["height", Math.abs(p[1] - start[1])]]
        .forEach(function (a) { self.selection.setAttribute(a[0], a[1]); });
    });
    el.addEventListener("pointerleave", function (e) { if (!start && e.pointerType === "mouse") self.leave(); });
    el.addEventListener("pointerdown", function (e) {
      var p = place(e);
      if (e.pointerType !== "mouse") self.hover(p[0], p[1]);
      else if (zooms && e.button === 0) { start = p; el.setPointerCapture(e.pointerId); self.leave(); }
    });
    el.addEventListener("pointerup", function (e) {
      if (!start) return;
      var p = place(e), a = start;
      start = null;
      if (Math.abs(p[0] - a[0]) > 8 && Math.abs(p[1] - a[1]) > 8) {
        var lo = self.inverse(Math.min(a[0], p[0]), Math.max(a[1], p[1])), hi = self.inverse(Math.max(a[0], p[0]), Math.min(a[1], p[1]));
        var deep = hi[0] - lo[0] < 1e-9 * Math.abs(hi[0]) || hi[1] - lo[1] < 1e-9 * Math.abs(hi[1]);
        if (!deep) self.zoom = { x: [lo[0], hi[0]], y: [lo[1], hi[1]] };
        self.draw();
      } else self.selection.setAttribute("width", 0);
    });
    el.addEventListener("pointercancel", function () { if (start) { start = null; self.draw(); } });
    el.addEventListener("dblclick", function () { self.reset(); });
    el.addEventListener("keydown", function (e) {
      var step = { ArrowLeft: [-8, 0], ArrowRight: [8, 0], ArrowUp: [0, -15], ArrowDown: [0, 15] }[e.key];
      if (step && (zooms ? step[0] : self.fig.kind === "heat_map" || step[1])) {
        var bars = self.fig.kind === "bars";
        self.hover(bars ? 0 : (self.at || self.w / 2) + step[0], bars ? (self.at || 0) + step[1] : (self.row || self.w / 5) + step[1]);
        e.preventDefault();
      }
      if (e.key === "Escape") self.reset();
    });
    el.addEventListener("blur", function () { self.leave(); });
  };
  // A file of its own: colours and fonts resolved, a title on top, a legend below.
  Chart.prototype.standalone = function () {
    var svg = this.surface.querySelector("svg").cloneNode(true), style = getComputedStyle(document.documentElement), keys = "", self = this;
    var box = (svg.getAttribute("viewBox") || "0 0 720 400").split(" "), w = +box[2], x = 70, y = +box[3] + 30;
    Array.prototype.forEach.call(svg.querySelectorAll(".cursor,.select"), function (e) { e.remove(); });
    var entries = this.entries().filter(function (e) { return !self.hidden[e.key]; });
    if (entries.length > 1) entries.forEach(function (e) {
      var wide = 48 + width(e.label);
      if (x > 70 && x + wide > w) { x = 70; y += 19; }
      keys += '<g transform="translate(' + x + " " + y + ')">' + key(e) + '<text x="35" y="10.3">' + esc(e.label) + "</text></g>";
      x += wide + 12;
    });
    var full = y + 22, title = this.fig.title + (this.fig.facets.length ? " · " + this.fig.facets[this.facet] : "");
    var css = "text{font:12px system-ui,Arial,sans-serif;fill:var(--soft)}.label{font-size:13px;fill:var(--ink)}";
    var out = '<svg xmlns="http://www.w3.org/2000/svg" width="' + w + '" height="' + full + '" viewBox="0 0 ' + w + " " + full + '"><style>' + css + '</style><rect width="100%" height="100%" fill="var(--card)"/><text x="14" y="17" style="font-weight:600;fill:var(--ink)">' + esc(title) + '</text><g transform="translate(0 24)">' + svg.innerHTML + "</g>" + keys + "</svg>";
    return out.replace(/var\((--[\w-]+)\)/g, function (_, name) { return style.getPropertyValue(name).trim() || "#777"; });
  };
  Chart.prototype.png = function () {
    var self = this, image = new Image(), source = this.standalone();
    image.onload = function () {
      var canvas = document.createElement("canvas"), c = canvas.getContext("2d");
      canvas.width = image.width * 2; canvas.height = image.height * 2;
      c.scale(2, 2);
      c.drawImage(image, 0, 0);
      canvas.toBlob(function (blob) { save(self.name() + ".png", "image/png", blob); });
    };
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(source);
  };

  // The bar that chooses runs for all charts at once.
  function toolbar() {
    var names = null, pairs = {}, main = document.getElementById("main"), bar = element("div", "runs"), head = element("strong");
    charts.forEach(function (c) {
      names = names || c.fig.runs;
      (c.fig.series || c.fig.bars || [c.fig]).forEach(function (s) {
        var run = s.run || s.tag;
        if (run && run.temperature !== null) (pairs[run.temperature] = pairs[run.temperature] || {})[run.system] = true;
      });
    });
    var shared = Object.keys(pairs).filter(function (t) { return Object.keys(pairs[t]).length > 1; });
    if (!names || !main || names.systems.length * Math.max(names.temperatures.length, 1) < 2) return;
    function update() {
      var other = view.by === "system" ? "temperatures" : "systems";
      view.alone = names[other].filter(function (_, k) { return !view[other][k]; }).length < 2;
      charts.forEach(function (c) { if (c.fig.runs) c.refresh(); });
    }
    function group(title, list, state) {
      if (list.length < 2) return;
      var set = element("fieldset"), legend = element("legend");
      legend.textContent = title;
      set.appendChild(legend);
      list.forEach(function (name, k) {
        var l = element("label"), box = element("input");
        box.type = "checkbox";
        box.checked = !state[k];
        box.addEventListener("change", function () { state[k] = !box.checked; update(); });
        l.appendChild(box);
        l.appendChild(document.createTextNode(" " + name));
        set.appendChild(l);
      });
      bar.appendChild(set);
    }
    head.textContent = "Charts show";
    bar.appendChild(head);
    // more than one system at a temperature: compare them there
    if (shared.length) {
      view.by = "system";
      var most = Math.max.apply(null, shared.map(function (t) { return Object.keys(pairs[t]).length; }));
      var best = shared.filter(function (t) { return Object.keys(pairs[t]).length === most; });
      names.temperatures.forEach(function (_, k) { view.temperatures[k] = String(k) !== best[Math.floor(best.length / 2)]; });
    }
    group("Systems", names.systems, view.systems);
    group("Temperatures", names.temperatures.map(function (t) { return trimmed(t, 1) + " K"; }), view.temperatures);
    if (names.systems.length > 1 && names.temperatures.length > 1) {
      var l = element("label"), by = element("select");
      l.textContent = "Colour by ";
      ["system", "temperature"].forEach(function (name) {
        var o = element("option");
        o.textContent = name; o.selected = view.by === name;
        by.appendChild(o);
      });
      by.addEventListener("change", function () { view.by = by.options[by.selectedIndex].text; update(); });
      l.appendChild(by);
      bar.appendChild(l);
    }
    bar.appendChild(button("Show all", "Show all systems and temperatures", function () {
      Array.prototype.forEach.call(bar.querySelectorAll("input"), function (box) { if (!box.checked) box.click(); });
    }));
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", "Runs shown in the charts");
    // it stays in sight as far as there are charts of runs
    var of = charts.filter(function (c) { return c.fig.runs; }).map(function (c) { return c.host.closest("section"); });
    var from = of[0], to = of.reduce(function (a, b) { return a.compareDocumentPosition(b) & 4 ? b : a; }, from), around = element("div");
    of.forEach(function (s) { if (from.compareDocumentPosition(s) & 2) from = s; });
    from.parentNode.insertBefore(around, from);
    around.appendChild(bar);
    for (var next = from, here; next && here !== to; next = around.nextSibling) { here = next; around.appendChild(here); }
    update();
  }
  return {
    charts: charts, toolbar: toolbar, csv: csv, save: save, button: button, escape: esc,
    chart: function (host, fig) { var c = new Chart(host, fig); charts.push(c); return c; },
    redraw: function () { charts.forEach(function (c) { c.draw(); }); }
  };
})();
