// Atoms of a scene: unpacked once, then placed, bonded and measured frame by frame.
"use strict";
Vitrion.atoms = (function () {
  // Rows are lattice vectors: r = s·H.
  function cartesian(s, h) {
    return [0, 1, 2].map((k) => s[0] * h[k] + s[1] * h[3 + k] + s[2] * h[6 + k]);
  }
  function cross(a, b) { return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]; }
  function dot(a, b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
  // Distances between opposite faces.
  function widths(h) {
    const rows = [0, 1, 2].map((k) => [h[3 * k], h[3 * k + 1], h[3 * k + 2]]);
    const volume = Math.abs(dot(rows[0], cross(rows[1], rows[2])));
    return [0, 1, 2].map((k) => { const n = cross(rows[(k + 1) % 3], rows[(k + 2) % 3]); return volume / Math.sqrt(dot(n, n)); });
  }

  class Atoms {
    constructor(scene, kinds, planes, quantities) {
      this.scene = scene;
      this.count = scene.atoms;
      this.kinds = kinds;
      this.quantities = quantities;
      this.frames = this.count ? planes.length / (6 * this.count) : 0;
      this.steps = scene.steps;
      // places on the grid, unwrapped from the first frame on
      this.grid = [];
      const n = this.count;
      for (let f = 0; f < this.frames; f++) {
        const now = new Int32Array(3 * n), before = this.grid[f - 1];
        for (let axis = 0; axis < 3; axis++) {
          const low = 6 * n * f + 2 * n * axis, high = low + n;
          for (let i = 0; i < n; i++) {
            const v = planes[low + i] | (planes[high + i] << 8);
            now[3 * i + axis] = before ? before[3 * i + axis] + ((v >>> 1) ^ -(v & 1)) : v;
          }
        }
        this.grid.push(now);
      }
      this.mass = scene.elements.map((e) => e.mass);
      this.longest = Math.max(0, ...scene.bonds.map((b) => b[2]));
      this.cache = { frame: -1 };
      this.moved = { frame: -1 };
    }
    cell(frame) { return this.scene.cells[Math.min(frame, this.scene.cells.length - 1)]; }
    time(frame) { return this.scene.times.length ? this.scene.times[frame] - this.scene.times[0] : null; }
    // Fractional coordinates of an atom, unwrapped.
    fractional(frame, i) {
      const g = this.grid[frame], s = this.scene;
      return [0, 1, 2].map((k) => s.origin[k] + s.extent[k] * (g[3 * i + k] + 0.5) / this.steps[k]);
    }
    // Places of all atoms in the cell, centred on it, with bonds; ligands lie beside the first centre they are bonded to.
    placed(frame) {
      if (this.cache.frame === frame) return this.cache;
      const n = this.count, h = this.cell(frame), periodic = this.scene.periodic, g = this.grid[frame];
      const middle = cartesian([0.5, 0.5, 0.5], h), { origin, extent } = this.scene;
      const s = new Float64Array(3 * n), r = new Float32Array(3 * n);
      for (let i = 0; i < n; i++) {
        for (let k = 0; k < 3; k++) {
          const v = origin[k] + extent[k] * (g[3 * i + k] + 0.5) / this.steps[k];
          s[3 * i + k] = periodic[k] ? v - Math.floor(v) : v;
        }
        for (let k = 0; k < 3; k++) r[3 * i + k] = s[3 * i] * h[k] + s[3 * i + 1] * h[3 + k] + s[3 * i + 2] * h[6 + k] - middle[k];
      }
      const { bonds, hulls } = this.bonded(s, r, h, periodic);
      this.cache = { frame, r, s, bonds, hulls };
      return this.cache;
    }
    // Pairs closer than their rule says, in every image of the cell: partners are sorted into bins, and of each centre the bins around are looked
    // through. Bins are as wide as the longest bond, or a cell narrower than that is looked through several times.
    bonded(s, r, h, periodic) {
      const { bonds: rules, centres } = this.scene, n = this.count, kinds = this.kinds, reach = this.longest, kindCount = this.scene.elements.length;
      const bonds = [], hulls = [];
      if (!rules.length) return { bonds, hulls };
      const w = widths(h), bins = w.map((x) => Math.max(1, Math.min(64, Math.floor(x / reach)))), span = w.map((x, k) => Math.ceil(reach * bins[k] / x - 1e-9));
      const squared = new Float64Array(kindCount * kindCount), isCentre = new Uint8Array(kindCount), isPartner = new Uint8Array(kindCount);
      for (const [i, j, d] of rules) { squared[i * kindCount + j] = d * d; isCentre[i] = 1; isPartner[j] = 1; }
      const bin = (x, k) => Math.max(0, Math.min(bins[k] - 1, Math.floor(x * bins[k])));
      const first = new Int32Array(bins[0] * bins[1] * bins[2]).fill(-1), next = new Int32Array(n);
      for (let j = n - 1; j >= 0; j--) if (isPartner[kinds[j]]) {
        const at = (bin(s[3 * j], 0) * bins[1] + bin(s[3 * j + 1], 1)) * bins[2] + bin(s[3 * j + 2], 2);
        next[j] = first[at];
        first[at] = j;
      }
      // every partner j of centre i, with the step from i to the image of it that is bonded
      const around = (i, visit) => {
        const bx = bin(s[3 * i], 0), by = bin(s[3 * i + 1], 1), bz = bin(s[3 * i + 2], 2), row = kinds[i] * kindCount;
        for (let ox = bx - span[0]; ox <= bx + span[0]; ox++) {
          const ix = Math.floor(ox / bins[0]);
          if (ix && !periodic[0]) continue;
          for (let oy = by - span[1]; oy <= by + span[1]; oy++) {
            const iy = Math.floor(oy / bins[1]);
            if (iy && !periodic[1]) continue;
            for (let oz = bz - span[2]; oz <= bz + span[2]; oz++) {
              const iz = Math.floor(oz / bins[2]);
              if (iz && !periodic[2]) continue;
              const at = ((ox - ix * bins[0]) * bins[1] + oy - iy * bins[1]) * bins[2] + oz - iz * bins[2];
              for (let j = first[at]; j >= 0; j = next[j]) {
                const limit = squared[row + kinds[j]];
                if (!limit) continue;
                const a = s[3 * j] + ix - s[3 * i], b = s[3 * j + 1] + iy - s[3 * i + 1], c = s[3 * j + 2] + iz - s[3 * i + 2];
                const x = a * h[0] + b * h[3] + c * h[6], y = a * h[1] + b * h[4] + c * h[7], z = a * h[2] + b * h[5] + c * h[8], d2 = x * x + y * y + z * z;
                if (d2 <= limit && d2 > 1e-6) visit(j, x, y, z);
              }
            }
          }
        }
      };
      const put = (j, i, x, y, z) => { r[3 * j] = r[3 * i] + x; r[3 * j + 1] = r[3 * i + 1] + y; r[3 * j + 2] = r[3 * i + 2] + z; };
      // the rule of render/placement.rs: of two centres that know no other one lies beside the other, a ligand beside the first centre that has it
      const mates = new Uint16Array(n);
      for (let i = 0; i < n; i++) if (isCentre[kinds[i]]) around(i, (j) => { if (isCentre[kinds[j]]) mates[i]++; });
      for (let i = 0; i < n; i++) if (mates[i] === 1) around(i, (j, x, y, z) => { if (j > i && mates[j] === 1 && isCentre[kinds[j]]) put(j, i, x, y, z); });
      const moved = new Uint8Array(n);
      for (let i = 0; i < n; i++) {
        if (!isCentre[kinds[i]]) continue;
        const corners = [];
        around(i, (j, x, y, z) => {
          const ligand = !isCentre[kinds[j]];
          if (ligand) corners.push([r[3 * i] + x, r[3 * i + 1] + y, r[3 * i + 2] + z]);
          if (ligand && !moved[j]) { moved[j] = 1; put(j, i, x, y, z); }
          const beside = Math.hypot(r[3 * i] + x - r[3 * j], r[3 * i + 1] + y - r[3 * j + 1], r[3 * i + 2] + z - r[3 * j + 2]) < 0.1;
          if (beside && (ligand || j > i)) bonds.push(i, j);
        });
        if (centres.includes(kinds[i]) && corners.length > 3) hulls.push({ centre: i, corners });
      }
      return { bonds, hulls };
    }
    // Distance [Å] of every atom from where it was in the first frame, the drift of all mass removed.
    displacements(frame) {
      if (this.moved.frame === frame) return this.moved.values;
      const n = this.count, h = this.cell(frame), h0 = this.cell(0), step = new Float64Array(3 * n), drift = [0, 0, 0], values = new Float32Array(n);
      let total = 0;
      for (let i = 0; i < n; i++) {
        const now = cartesian(this.fractional(frame, i), h), then = cartesian(this.fractional(0, i), h0), m = this.mass[this.kinds[i]];
        total += m;
        for (let k = 0; k < 3; k++) { step[3 * i + k] = now[k] - then[k]; drift[k] += m * step[3 * i + k]; }
      }
      for (let i = 0; i < n; i++) values[i] = Math.hypot(step[3 * i] - drift[0] / total, step[3 * i + 1] - drift[1] / total, step[3 * i + 2] - drift[2] / total);
      this.moved = { frame, values };
      return values;
    }
    // Segments of the way of an atom through all frames, inside the cell of the frame shown, each with its part of the time.
    path(i, frame) {
      const out = [], h = this.cell(frame), middle = cartesian([0.5, 0.5, 0.5], h), periodic = this.scene.periodic;
      for (let f = 1; f < this.frames; f++) {
        const a = this.fractional(f - 1, i), b = this.fractional(f, i);
        const shift = a.map((v, k) => periodic[k] ? Math.floor(v) : 0);
        const ends = [a, b].map((s) => cartesian(s.map((v, k) => v - shift[k]), h).map((v, k) => v - middle[k]));
        out.push([ends[0], ends[1], f / (this.frames - 1)]);
      }
      return out;
    }
    // Value of a quantity: NaN for none; of words, the number of the word.
    value(quantity, frame, i) {
      const q = this.scene.quantities[quantity], data = this.quantities[quantity], n = this.count, row = Math.floor(frame / q.stride);
      const none = q.bytes === 1 ? 255 : 65535, at = row * n * q.bytes + i;
      const v = q.bytes === 1 ? data[at] : data[at] | (data[at + n] << 8);
      if (v === none) return NaN;
      const x = q.low + (q.high - q.low) * v / (none - 1);
      return q.words.length ? Math.round(x) : x;
    }
  }

  // Triangles of the convex hull of a few points: every plane through three of them that has all others on one side.
  function hull(points) {
    const out = [], n = points.length, minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) for (let k = j + 1; k < n; k++) {
      const normal = cross(minus(points[j], points[i]), minus(points[k], points[i]));
      let above = false, below = false;
      for (let m = 0; m < n; m++) if (m !== i && m !== j && m !== k) {
        const side = dot(normal, minus(points[m], points[i]));
        if (side > 1e-6) above = true; else if (side < -1e-6) below = true;
      }
      if (!(above && below)) out.push([points[i], points[j], points[k]]);
    }
    return out;
  }

  return {
    hull, cartesian,
    async load(scene) {
      const [kinds, planes, ...quantities] = await Promise.all([scene.kinds, scene.positions, ...scene.quantities.map((q) => q.data)].map(Vitrion.unpack));
      return new Atoms(scene, kinds, planes, quantities);
    }
  };
})();
