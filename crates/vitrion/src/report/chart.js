// Interactive charts over the same data objects as the still ones: hover, zoom, legend, export.
"use strict";
var Vitrion = (function () {
  var SUPER = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  var DASH = ["", "7 4", "2 3", "8 3 2 3"];
  var MARK = ["", "M-4.5 0A4.5 4.5 0 1 0 4.5 0A4.5 4.5 0 1 0 -4.5 0Z", "M-4 -4H4V4H-4Z",
    "M0 -5.5L5.5 0L0 5.5L-5.5 0Z", "M0 -5L5 4H-5Z"];
  var BOUND = "M-5 0H5M0 0V14M-4 9L0 14L4 9";
  var KELVIN = [1200, 1000, 800, 700, 600, 500, 400, 350, 300, 250];
  var charts = [];

  function power(p) {
    return "10" + String(p).split("").map(function (c) { return c === "-" ? "⁻" : SUPER[+c]; }).join("");
  }
  function text(v, digits) {
    if (v === null || !isFinite(v)) return "—";
    if (v === 0) return "0";
    var p = Math.floor(Math.log10(Math.abs(v)));
    if (p < -3 || p > 4) {
      var m = (v / Math.pow(10, p)).toPrecision(digits).replace("-", "−");
      return (+m === 1 && digits === 1 ? "" : m + " × ") + power(p);
    }
    var s = v.toPrecision(Math.max(digits, p + 1));
    return s.replace("-", "−");
  }
  function tickText(v, powers) {
    if (powers && v > 0) {
      var p = Math.floor(Math.log10(v) + 1e-9), d = Math.round(v / Math.pow(10, p));
      return d > 1 ? d + "·" + power(p) : p === 0 ? "1" : power(p);
    }
    if (Math.abs(v) >= 1e5) return text(v, 1);
    return String(+v.toFixed(6)).replace("-", "−");
  }
  function wide(range, log) { return log && (range[0] < 0.0099 || range[1] > 2000); }
  function ticks(lo, hi, log, want) {
    var out = [], i;
    if (log) {
      var a = Math.ceil(Math.log10(lo) - 1e-9), b = Math.floor(Math.log10(hi) + 1e-9);
      if (b - a >= 1) {
        var stride = Math.floor((b - a) / 7) + 1;
        for (i = a; i <= b; i += stride) out.push(Math.pow(10, i));
        return out;
      }
      if (hi / lo > 2.5) {
        for (i = a - 1; i <= b + 1; i++) [1, 2, 5].forEach(function (d) {
          var t = d * Math.pow(10, i);
          if (t >= lo && t <= hi) out.push(t);
        });
        return out;
      }
    }
    var raw = (hi - lo) / want, p = Math.pow(10, Math.floor(Math.log10(raw)));
    var step = [1, 2, 5, 10].filter(function (m) { return m * p >= raw * 0.999; })[0] * p;
    for (i = Math.ceil(lo / step - 1e-9); i <= Math.floor(hi / step + 1e-9); i++) out.push(i * step);
    return out;
  }
  function esc(s) {
    return String(s).replace(/[&<>"]/g, function (c) { return { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" }[c]; });
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
  function csv(fig) {
    var quote = function (s) { return '"' + String(s).replace(/"/g, '""') + '"'; };
    var rows = [["series", fig.facets.length ? fig.group : "facet", fig.x.label, fig.y.label, "low", "high", "note"].map(quote).join(",")];
    fig.series.forEach(function (s) {
      var facet = s.facet === null ? "" : fig.facets[s.facet];
      s.x.forEach(function (x, i) {
        rows.push([quote(s.label), quote(facet === undefined ? "" : facet), x, s.y[i],
          s.low.length ? s.low[i] : "", s.high.length ? s.high[i] : "", quote((s.bound ? "upper bound. " : "") + s.note)].join(","));
      });
    });
    return rows.join("\n") + "\n";
  }

  function Chart(host, fig) {
    this.host = host; this.fig = fig; this.facet = 0; this.hidden = {}; this.zoom = null;
    this.clip = "live-" + fig.id;
    host.textContent = "";
    this.surface = document.createElement("div");
    this.surface.className = "surface";
    this.surface.tabIndex = 0;
    this.surface.setAttribute("role", "img");
    this.surface.setAttribute("aria-label", fig.title + ". Arrow keys move the cursor, Escape resets the zoom.");
    this.tip = document.createElement("div");
    this.tip.className = "tip"; this.tip.hidden = true;
    this.tip.setAttribute("role", "status");
    this.legend = document.createElement("ul");
    this.legend.className = "legend";
    var tools = document.createElement("div"), self = this;
    tools.className = "tools";
    tools.appendChild(button("Reset", "Reset the zoom of " + fig.title, function () { self.zoom = null; self.draw(); }));
    tools.appendChild(button("SVG", "Save " + fig.title + " as SVG", function () { save(fig.id + ".svg", "image/svg+xml", self.standalone()); }));
    tools.appendChild(button("PNG", "Save " + fig.title + " as PNG", function () { self.png(); }));
    tools.appendChild(button("CSV", "Save the data of " + fig.title, function () { save(fig.id + ".csv", "text/csv", csv(fig)); }));
    host.appendChild(tools); host.appendChild(this.surface); host.appendChild(this.tip); host.appendChild(this.legend);
    this.listen();
    this.makeLegend();
    this.draw();
    if (window.ResizeObserver) new ResizeObserver(function () { if (Math.abs(host.clientWidth - self.w) > 1) self.draw(); }).observe(host);
  }
  Chart.prototype.shown = function () {
    var self = this;
    return this.fig.series.filter(function (s) {
      return (s.facet === null || s.facet === self.facet) && !self.hidden[s.label];
    });
  };
  Chart.prototype.extent = function (pick, log, pad, series) {
    var lo = Infinity, hi = -Infinity;
    series.forEach(function (s) {
      if (s.style.guide) return;
      pick(s).forEach(function (v) {
        if (v === null || !isFinite(v) || (log && v <= 0)) return;
        if (v < lo) lo = v;
        if (v > hi) hi = v;
      });
    });
    if (lo > hi) return log ? [0.1, 10] : [0, 1];
    if (log) {
      var m = Math.max(Math.log(hi / lo) * pad, hi > lo ? 0 : 0.5);
      return [lo * Math.exp(-m), hi * Math.exp(m)];
    }
    var span = hi > lo ? (hi - lo) * pad : Math.max(Math.abs(hi), 1) * 0.1;
    return [lo >= 0 && lo < 0.1 * hi ? 0 : lo - span, hi + span];
  };
  Chart.prototype.layout = function () {
    var fig = this.fig, s = this.shown();
    this.w = Math.max(this.host.clientWidth, 240);
    this.h = Math.round(Math.min(440, Math.max(250, this.w * 0.6)));
    this.box = { l: 70, r: 12, t: fig.reciprocal ? 44 : 12, b: 48 };
    var pad = fig.reciprocal ? 0.03 : 0;
    this.x = this.zoom ? this.zoom.x : this.extent(function (q) { return q.x; }, fig.x.log, pad, s);
    // curves fill the width, single points are drawn whole
    if (!this.zoom && !fig.x.log && s.every(function (q) { return q.style.guide || q.x.length < 2; })) {
      var margin = 0.04 * (this.x[1] - this.x[0]);
      this.x = [this.x[0] - margin, this.x[1] + margin];
    }
    this.y = this.zoom ? this.zoom.y : this.extent(function (q) { return q.y.concat(q.low, q.high); }, fig.y.log, 0.06, s);
  };
  function share(v, range, log) {
    return log ? Math.log(Math.max(v, 1e-300) / range[0]) / Math.log(range[1] / range[0]) : (v - range[0]) / (range[1] - range[0]);
  }
  function unshare(f, range, log) {
    return log ? range[0] * Math.pow(range[1] / range[0], f) : range[0] + f * (range[1] - range[0]);
  }
  Chart.prototype.px = function (v) { var b = this.box; return b.l + share(v, this.x, this.fig.x.log) * (this.w - b.l - b.r); };
  Chart.prototype.py = function (v) { var b = this.box; return this.h - b.b - share(v, this.y, this.fig.y.log) * (this.h - b.t - b.b); };
  Chart.prototype.inverse = function (px, py) {
    var b = this.box;
    return [unshare((px - b.l) / (this.w - b.l - b.r), this.x, this.fig.x.log),
      unshare((this.h - b.b - py) / (this.h - b.t - b.b), this.y, this.fig.y.log)];
  };
  Chart.prototype.draw = function () {
    this.layout();
    var self = this, fig = this.fig, b = this.box, w = this.w, h = this.h, out = [];
    var bottom = h - b.b, right = w - b.r, last = -1e9;
    out.push('<svg xmlns="http://www.w3.org/2000/svg" width="' + w + '" height="' + h + '" viewBox="0 0 ' + w + " " + h + '">');
    out.push('<clipPath id="' + this.clip + '"><rect x="' + b.l + '" y="' + b.t + '" width="' + (right - b.l) + '" height="' + (bottom - b.t) + '"/></clipPath>');
    ticks(this.x[0], this.x[1], fig.x.log, Math.max(3, w / 100)).forEach(function (t) {
      var x = self.px(t).toFixed(1);
      out.push('<path class="grid" d="M' + x + " " + b.t + "V" + bottom + '"/><text class="tick" x="' + x + '" y="' + (bottom + 18) + '" text-anchor="middle">' + tickText(t, wide(self.x, fig.x.log)) + "</text>");
    });
    ticks(this.y[0], this.y[1], fig.y.log, 6).forEach(function (t) {
      var y = self.py(t);
      out.push('<path class="grid" d="M' + b.l + " " + y.toFixed(1) + "H" + right + '"/><text class="tick" x="' + (b.l - 8) + '" y="' + (y + 4).toFixed(1) + '" text-anchor="end">' + tickText(t, wide(self.y, fig.y.log)) + "</text>");
    });
    if (fig.reciprocal) KELVIN.forEach(function (k) {
      var x = self.px(1000 / k);
      if (x < b.l - 1 || x > right + 1 || x - last < 44) return;
      last = x;
      out.push('<path class="axis" d="M' + x.toFixed(1) + " " + b.t + 'v-5"/><text class="tick" x="' + Math.min(x, w - 20).toFixed(1) + '" y="' + (b.t - 10) + '" text-anchor="middle">' + k + " K</text>");
    });
    out.push('<g clip-path="url(#' + this.clip + ')">');
    fig.marks.forEach(function (m) {
      var x = self.px(m[0]).toFixed(1);
      out.push('<path class="mark" d="M' + x + " " + b.t + "V" + bottom + '"/>');
    });
    this.shown().forEach(function (s) { self.series(s, out); });
    out.push("</g>");
    out.push('<path class="axis" d="M' + b.l + " " + b.t + "V" + bottom + "H" + right + '"/>');
    out.push('<text class="label" x="' + (b.l + right) / 2 + '" y="' + (h - 8) + '" text-anchor="middle">' + esc(fig.x.label) + "</text>");
    out.push('<text class="label" transform="translate(15 ' + (b.t + bottom) / 2 + ') rotate(-90)" text-anchor="middle">' + esc(fig.y.label) + "</text>");
    out.push('<path class="mark cursor" d=""/><rect class="select" fill="var(--accent)" opacity="0.15" width="0" height="0"/></svg>');
    this.surface.innerHTML = out.join("");
    this.cursorLine = this.surface.querySelector(".cursor");
    this.selection = this.surface.querySelector(".select");
    this.tip.hidden = true;
  };
  Chart.prototype.series = function (s, out) {
    var self = this, fig = this.fig, color = s.style.guide ? "var(--guide)" : "var(--c" + (s.style.color % 7) + ")";
    var ok = function (x, y) { return x !== null && y !== null && (!fig.x.log || x > 0) && (!fig.y.log || y > 0); };
    var at = function (x, y) { return self.px(x).toFixed(1) + " " + self.py(y).toFixed(1); };
    var floor = function (v) { return fig.y.log && v <= 0 ? self.y[0] / 10 : v; };
    var i, d = "", pen = false;
    if (s.style.band) {
      for (i = 0; i < s.x.length; i++) if (ok(s.x[i], s.high[i])) d += (d ? "L" : "M") + at(s.x[i], s.high[i]);
      for (i = s.x.length - 1; i >= 0; i--) if (s.low[i] !== null && ok(s.x[i], s.high[i])) d += "L" + at(s.x[i], floor(s.low[i]));
      if (d) out.push('<path d="' + d + 'Z" fill="' + color + '" opacity="0.15"/>');
    } else if (s.low.length === s.x.length) {
      for (i = 0; i < s.x.length; i++) if (ok(s.x[i], s.high[i]) && s.low[i] !== null) {
        var x = self.px(s.x[i]), lo = self.py(floor(s.low[i])), hi = self.py(s.high[i]);
        out.push('<path d="M' + x.toFixed(1) + " " + lo.toFixed(1) + "V" + hi.toFixed(1) + "M" + (x - 3.5) + " " + hi.toFixed(1) + "h7M" + (x - 3.5) + " " + lo.toFixed(1) + 'h7" stroke="' + color + '" stroke-width="1.3" fill="none"/>');
      }
    }
    if (s.style.line) {
      for (i = 0, d = ""; i < s.x.length; i++) {
        if (!ok(s.x[i], s.y[i])) { pen = false; continue; }
        d += (pen ? "L" : "M") + at(s.x[i], s.y[i]);
        pen = true;
      }
      out.push('<path d="' + d + '" fill="none" stroke="' + color + '" stroke-width="1.7" stroke-linejoin="round" stroke-dasharray="' + DASH[s.style.dash % 4] + '"/>');
    }
    if (s.style.marker) for (i = 0; i < s.x.length; i++) if (ok(s.x[i], s.y[i]))
      out.push('<path d="' + (s.bound ? BOUND : MARK[s.style.marker]) + '" fill="' + (s.bound ? "none" : "var(--card)") + '" stroke="' + color + '" stroke-width="1.7" transform="translate(' + at(s.x[i], s.y[i]) + ')"/>');
  };
  Chart.prototype.makeLegend = function () {
    var self = this, seen = {};
    this.legend.textContent = "";
    this.fig.series.forEach(function (s) {
      if ((s.facet !== null && s.facet !== self.facet) || !s.label || seen[s.label]) return;
      seen[s.label] = true;
      var color = s.style.guide ? "var(--guide)" : "var(--c" + (s.style.color % 7) + ")", key = "", all = { line: false, band: false, dash: 0 };
      self.fig.series.forEach(function (o) {
        if (o.label !== s.label || (o.facet !== null && o.facet !== self.facet)) return;
        all.line = all.line || o.style.line; all.band = all.band || o.style.band; all.dash = Math.max(all.dash, o.style.dash);
      });
      if (all.band) key += '<rect width="28" height="12" fill="' + color + '" opacity="0.2"/>';
      if (all.line) key += '<path d="M0 6H28" stroke="' + color + '" stroke-width="2" stroke-dasharray="' + DASH[all.dash % 4] + '"/>';
      if (s.style.marker) key += '<path d="' + (s.bound ? "M-5 -4H5M0 -4V7M-4 3L0 7L4 3" : MARK[s.style.marker]) + '" transform="translate(14 6)" fill="' + (s.bound ? "none" : "var(--card)") + '" stroke="' + color + '" stroke-width="1.6"/>';
      var li = document.createElement("li"), b = document.createElement("button");
      b.type = "button";
      b.setAttribute("aria-pressed", String(!self.hidden[s.label]));
      b.title = "Show or hide " + s.label;
      b.innerHTML = '<svg viewBox="0 0 28 12" aria-hidden="true">' + key + "</svg><span>" + esc(s.label) + "</span>";
      b.addEventListener("click", function () {
        self.hidden[s.label] = !self.hidden[s.label];
        b.setAttribute("aria-pressed", String(!self.hidden[s.label]));
        self.draw();
      });
      li.style.padding = "0";
      li.appendChild(b);
      self.legend.appendChild(li);
    });
    this.legend.hidden = Object.keys(seen).length < 2;
  };
  Chart.prototype.select = function (facet) { this.facet = facet; this.zoom = null; this.makeLegend(); this.draw(); };
  Chart.prototype.hover = function (px) {
    var self = this, fig = this.fig, b = this.box;
    px = Math.min(Math.max(px, b.l), this.w - b.r);
    var best = null, rows = [];
    this.shown().forEach(function (s) {
      if (s.style.guide || (s.style.band && !s.style.line) || !s.x.length) return;
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
    if (!best) { this.tip.hidden = true; this.cursorLine.setAttribute("d", ""); return; }
    var at = this.px(best.x);
    this.cursorLine.setAttribute("d", "M" + at.toFixed(1) + " " + b.t + "V" + (this.h - b.b));
    this.at = at;
    rows = rows.filter(function (r) { return Math.abs(self.px(r.s.x[r.i]) - at) < 12; }).slice(0, 12);
    this.tip.innerHTML = "<b>" + esc(fig.x.label) + " = " + text(best.x, 4) + (fig.reciprocal ? " · " + Math.round(1000 / best.x) + " K" : "") + "</b>" +
      rows.map(function (r) {
        var s = r.s, i = r.i, range = s.low.length ? " [" + text(s.low[i], 3) + ", " + text(s.high[i], 3) + "]" : "";
        return '<div><i style="background:var(--c' + (s.style.color % 7) + ')"></i>' + esc(s.label) + ": " + (s.bound ? "&lt; " : "") + text(s.y[i], 4) + range + (s.note ? "<br><small>" + esc(s.note) + "</small>" : "") + "</div>";
      }).join("");
    this.tip.hidden = false;
    var wide = this.tip.offsetWidth, top = this.surface.offsetTop + b.t + 6;
    this.tip.style.left = Math.max(0, at + 14 + wide > this.w ? at - wide - 14 : at + 14) + "px";
    this.tip.style.top = top + "px";
  };
  Chart.prototype.listen = function () {
    var self = this, start = null, el = this.surface;
    var place = function (e) { var r = el.getBoundingClientRect(); return [e.clientX - r.left, e.clientY - r.top]; };
    el.addEventListener("pointermove", function (e) {
      var p = place(e);
      if (start) {
        self.selection.setAttribute("x", Math.min(p[0], start[0])); self.selection.setAttribute("y", Math.min(p[1], start[1]));
        self.selection.setAttribute("width", Math.abs(p[0] - start[0])); self.selection.setAttribute("height", Math.abs(p[1] - start[1]));
      } else self.hover(p[0]);
    });
    el.addEventListener("pointerleave", function () { if (!start) { self.tip.hidden = true; self.cursorLine.setAttribute("d", ""); } });
    el.addEventListener("pointerdown", function (e) { if (e.pointerType === "mouse" && e.button === 0) { start = place(e); el.setPointerCapture(e.pointerId); } });
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
    el.addEventListener("pointercancel", function () { start = null; self.draw(); });
    el.addEventListener("dblclick", function () { self.zoom = null; self.draw(); });
    el.addEventListener("keydown", function (e) {
      var step = { ArrowLeft: -8, ArrowRight: 8 }[e.key];
      if (step) { self.hover((self.at || self.w / 2) + step); e.preventDefault(); }
      if (e.key === "Escape") { self.zoom = null; self.draw(); }
    });
    el.addEventListener("blur", function () { self.tip.hidden = true; });
  };
  // A file of its own: colours and fonts resolved, a title on top, a legend below.
  Chart.prototype.standalone = function () {
    var svg = this.surface.querySelector("svg").cloneNode(true), style = getComputedStyle(document.documentElement), seen = {}, keys = "", x = 70, y = this.h + 34, w = this.w;
    this.shown().forEach(function (s) {
      if (!s.label || seen[s.label]) return;
      seen[s.label] = true;
      var color = s.style.guide ? "var(--guide)" : "var(--c" + (s.style.color % 7) + ")", wide = 40 + s.label.length * 6.6;
      if (x + wide > w) { x = 70; y += 20; }
      keys += '<g transform="translate(' + x + " " + y + ')"><path d="' + (s.style.marker && !s.style.line ? MARK[s.style.marker] : "M-10 0H10") + '" stroke="' + color + '" fill="none" stroke-width="2" stroke-dasharray="' + DASH[s.style.dash % 4] + '"/><text x="16" y="4">' + esc(s.label) + "</text></g>";
      x += wide;
    });
    var full = y + 20;
    var inner = svg.innerHTML;
    var css = "text{font:12px sans-serif;fill:var(--soft)}.label{font-size:13px;fill:var(--ink)}.grid{stroke:var(--grid);fill:none}.axis{stroke:var(--soft);fill:none}.mark{stroke:var(--guide);stroke-dasharray:2 4;fill:none}";
    var all = '<svg xmlns="http://www.w3.org/2000/svg" width="' + w + '" height="' + full + '" viewBox="0 0 ' + w + " " + full + '"><style>' + css + '</style><rect width="100%" height="100%" fill="var(--card)"/><text x="14" y="16" style="font-weight:600">' + esc(this.fig.title + (this.fig.facets.length ? " · " + this.fig.facets[this.facet] : "")) + '</text><g transform="translate(0 20)">' + inner + "</g>" + keys + "</svg>";
    return all.replace(/var\((--[\w-]+)\)/g, function (_, name) { return style.getPropertyValue(name).trim() || "#777"; });
  };
  Chart.prototype.png = function () {
    var self = this, image = new Image(), source = this.standalone();
    image.onload = function () {
      var canvas = document.createElement("canvas");
      canvas.width = image.width * 2; canvas.height = image.height * 2;
      var c = canvas.getContext("2d");
      c.scale(2, 2);
      c.drawImage(image, 0, 0);
      canvas.toBlob(function (blob) { save(self.fig.id + ".png", "image/png", blob); });
    };
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(source);
  };
  return {
    charts: charts, csv: csv, save: save, button: button, escape: esc,
    chart: function (host, fig) { var c = new Chart(host, fig); charts.push(c); return c; },
    redraw: function () { charts.forEach(function (c) { c.draw(); }); }
  };
})();
