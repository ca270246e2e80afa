// Atom picture on a 2D canvas: shaded balls sorted by depth, turned by dragging, zoomed by buttons or Ctrl + wheel.
"use strict";
Vitrion.viewer = function (host, scene) {
  var stage = host.querySelector(".stage"), canvas = document.createElement("canvas"), c = canvas.getContext("2d");
  if (!c) return;
  stage.textContent = "";
  stage.appendChild(canvas);
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", scene.title + ". Drag or arrow keys turn, plus and minus zoom.");
  var FOG = 6, sprites = [], background = "", turn, zoom, queued = false;
  var reach = 1;
  scene.edges.forEach(function (e) { e.forEach(function (r) { reach = Math.max(reach, Math.hypot(r[0], r[1], r[2])); }); });

  function rotate(m, axis, angle) {
    var s = Math.sin(angle), k = Math.cos(angle);
    var r = axis === 0 ? [[1, 0, 0], [0, k, -s], [0, s, k]] : [[k, 0, s], [0, 1, 0], [-s, 0, k]];
    return r.map(function (row) { return [0, 1, 2].map(function (j) { return row[0] * m[0][j] + row[1] * m[1][j] + row[2] * m[2][j]; }); });
  }
  function reset() {
    turn = rotate(rotate([[1, 0, 0], [0, 1, 0], [0, 0, 1]], 1, -25 * Math.PI / 180), 0, 15 * Math.PI / 180);
    zoom = 1;
    request();
  }
  function hex(s) { s = s.trim().replace("#", ""); return [0, 2, 4].map(function (i) { return parseInt(s.substr(i, 2), 16); }); }
  function mix(a, b, t) { return "rgb(" + a.map(function (v, i) { return Math.round(v + (b[i] - v) * t); }).join(",") + ")"; }
  function makeSprites() {
    background = getComputedStyle(document.documentElement).getPropertyValue("--card");
    var back = hex(background);
    sprites = scene.elements.map(function (element) {
      var color = hex(element[2]), list = [];
      for (var f = 0; f < FOG; f++) {
        var fog = 0.62 * f / (FOG - 1), sprite = document.createElement("canvas"), size = 96, g;
        sprite.width = sprite.height = size;
        var p = sprite.getContext("2d");
        g = p.createRadialGradient(size * 0.36, size * 0.32, 2, size / 2, size / 2, size / 2);
        var tone = function (rgb) { return mix(rgb, back, fog); };
        g.addColorStop(0, tone(color.map(function (v) { return v + (255 - v) * 0.75; })));
        g.addColorStop(0.45, tone(color));
        g.addColorStop(1, tone(color.map(function (v) { return v * 0.42; })));
        p.fillStyle = g;
        p.beginPath();
        p.arc(size / 2, size / 2, size / 2 - 1, 0, 2 * Math.PI);
        p.fill();
        list.push(sprite);
      }
      return list;
    });
  }
  function request() {
    if (queued) return;
    queued = true;
    requestAnimationFrame(function () { queued = false; draw(); });
  }
  function draw() {
    var ratio = window.devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
    if (!w || !h) return;
    if (canvas.width !== Math.round(w * ratio)) { canvas.width = Math.round(w * ratio); canvas.height = Math.round(h * ratio); }
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, w, h);
    var far = 4 * reach, unit = 0.5 * Math.min(w * 1.1, h) / reach * zoom;
    var place = function (r) {
      var x = turn[0][0] * r[0] + turn[0][1] * r[1] + turn[0][2] * r[2];
      var y = turn[1][0] * r[0] + turn[1][1] * r[1] + turn[1][2] * r[2];
      var z = turn[2][0] * r[0] + turn[2][1] * r[1] + turn[2][2] * r[2];
      var s = unit * far / (far - z);
      return [w / 2 + x * s, h / 2 - y * s, z, s];
    };
    var at = scene.positions.map(place), items = [], line = getComputedStyle(document.documentElement).getPropertyValue("--soft");
    at.forEach(function (p, i) { items.push([p[2], 0, i]); });
    scene.bonds.forEach(function (b, i) { items.push([(at[b[0]][2] + at[b[1]][2]) / 2, 1, i]); });
    scene.edges.forEach(function (e, i) {
      for (var k = 0; k < 8; k++) {
        var a = e[0].map(function (v, j) { return v + (e[1][j] - v) * k / 8; }), z = e[0].map(function (v, j) { return v + (e[1][j] - v) * (k + 1) / 8; });
        var p = place(a), q = place(z);
        items.push([(p[2] + q[2]) / 2, 2, p, q]);
      }
    });
    items.sort(function (a, b) { return a[0] - b[0]; });
    items.forEach(function (item) {
      var p, q;
      if (item[1] === 0) {
        p = at[item[2]];
        var kind = scene.kinds[item[2]], radius = scene.elements[kind][1] * p[3];
        var fog = Math.max(0, Math.min(FOG - 1, Math.round((0.55 - p[2] / (1.6 * reach)) * (FOG - 1))));
        c.drawImage(sprites[kind][fog], p[0] - radius, p[1] - radius, 2 * radius, 2 * radius);
      } else {
        if (item[1] === 1) { var b = scene.bonds[item[2]]; p = at[b[0]]; q = at[b[1]]; c.strokeStyle = "#b98a5a"; c.lineWidth = 0.28 * p[3]; c.globalAlpha = 0.9; }
        else { p = item[2]; q = item[3]; c.strokeStyle = line; c.lineWidth = 1; c.globalAlpha = 0.75; }
        c.beginPath(); c.moveTo(p[0], p[1]); c.lineTo(q[0], q[1]); c.stroke();
        c.globalAlpha = 1;
      }
    });
  }
  function zoomBy(factor) { zoom = Math.min(6, Math.max(0.4, zoom * factor)); request(); }
  var last = null;
  canvas.addEventListener("pointerdown", function (e) { last = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); });
  canvas.addEventListener("pointerup", function () { last = null; });
  canvas.addEventListener("pointercancel", function () { last = null; });
  canvas.addEventListener("pointermove", function (e) {
    if (!last) return;
    turn = rotate(rotate(turn, 1, (e.clientX - last[0]) * 0.008), 0, (e.clientY - last[1]) * 0.008);
    last = [e.clientX, e.clientY];
    request();
  });
  canvas.addEventListener("wheel", function (e) {
    if (!e.ctrlKey && document.activeElement !== canvas) return;
    e.preventDefault();
    zoomBy(Math.exp(-e.deltaY * 0.0015));
  }, { passive: false });
  canvas.addEventListener("keydown", function (e) {
    var step = { ArrowLeft: [1, -0.1], ArrowRight: [1, 0.1], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[e.key];
    if (step) { turn = rotate(turn, step[0], step[1]); request(); e.preventDefault(); }
    if (e.key === "+" || e.key === "=") zoomBy(1.15);
    if (e.key === "-") zoomBy(1 / 1.15);
  });
  canvas.addEventListener("dblclick", reset);
  var tools = document.createElement("div");
  tools.className = "tools";
  tools.appendChild(Vitrion.button("+", "Zoom in", function () { zoomBy(1.25); }));
  tools.appendChild(Vitrion.button("−", "Zoom out", function () { zoomBy(0.8); }));
  tools.appendChild(Vitrion.button("Reset", "Reset the view", reset));
  tools.appendChild(Vitrion.button("PNG", "Save the picture", function () { canvas.toBlob(function (blob) { Vitrion.save(scene.id + ".png", "image/png", blob); }); }));
  host.appendChild(tools);
  makeSprites();
  reset();
  if (window.ResizeObserver) new ResizeObserver(request).observe(canvas);
  return { restyle: function () { makeSprites(); request(); }, now: function () { makeSprites(); draw(); } };
};
