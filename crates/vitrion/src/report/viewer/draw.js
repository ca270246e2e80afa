// Draws spheres, cylinders, triangles and lines with WebGL 2: each sphere and cylinder is one rectangle whose pixels solve for the surface.
"use strict";
Vitrion.painter = function (canvas) {
  const gl = canvas.getContext("webgl2", { alpha: false, antialias: true, preserveDrawingBuffer: false });
  if (!gl) return null;

  const VIEW = `uniform mat3 turn; uniform vec2 scale; uniform vec2 pan; uniform float depth;
    vec4 project(vec3 v) { return vec4(v.xy * scale + pan, -v.z / depth, 1.0); }`;
  const SHADE = `precision highp float; uniform float depth; uniform vec3 background; uniform float fog; out vec4 pixel;
    vec3 shade(vec3 color, vec3 n, float z) {
      float lit = 0.42 + 0.62 * max(dot(n, normalize(vec3(-0.35, 0.55, 0.85))), 0.0);
      float shine = pow(max(dot(n, normalize(vec3(-0.2, 0.32, 1.6))), 0.0), 48.0) * 0.22;
      float rim = 0.72 + 0.28 * smoothstep(0.0, 0.45, n.z);
      return mix(color * lit * rim + shine, background, fog * clamp(0.5 - z / (1.15 * depth), 0.0, 1.0));
    }`;
  const SHADERS = {
    sphere: [`#version 300 es
      in vec2 corner; in vec4 place; in vec4 color; ${VIEW}
      out vec2 at; flat out vec3 centre; flat out float radius; flat out vec4 tint;
      void main() {
        centre = turn * place.xyz; radius = place.w; tint = color; at = corner * 1.05;
        gl_Position = project(vec3(centre.xy + at * radius, centre.z));
        if (radius <= 0.0) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
      }`, `#version 300 es
      ${SHADE}
      in vec2 at; flat in vec3 centre; flat in float radius; flat in vec4 tint;
      void main() {
        float d = length(at), edge = fwidth(d);
        if (d > 1.0 + edge) discard;
        vec3 n = vec3(at / max(d, 1.0), sqrt(max(1.0 - d * d, 0.0)));
        float z = centre.z + radius * n.z;
        gl_FragDepth = 0.5 - 0.5 * z / depth;
        vec3 color = shade(tint.rgb, n, z);
        if (tint.a > 0.99 && d > 0.82) color = vec3(1.0, 0.85, 0.1);
        pixel = vec4(color, 1.0 - smoothstep(1.0 - edge, 1.0 + edge, d));
      }`],
    cylinder: [`#version 300 es
      in vec2 corner; in vec4 from; in vec3 to; in vec4 color; in vec4 second; ${VIEW}
      out vec2 at; flat out vec3 a; flat out vec3 b; flat out float radius; flat out vec4 tint; flat out vec4 other;
      void main() {
        a = turn * from.xyz; b = turn * to; radius = from.w; tint = color; other = second;
        vec2 along = b.xy - a.xy; float span = length(along);
        along = span > 1e-5 ? along / span : vec2(1.0, 0.0);
        vec3 end = corner.x < 0.0 ? a : b;
        at = end.xy + along * corner.x * radius + vec2(-along.y, along.x) * corner.y * radius;
        gl_Position = project(vec3(at, end.z));
      }`, `#version 300 es
      ${SHADE}
      in vec2 at; flat in vec3 a; flat in vec3 b; flat in float radius; flat in vec4 tint; flat in vec4 other;
      void main() {
        float span = length(b - a); vec3 u = (b - a) / span; vec2 q = at - a.xy;
        float qu = dot(q, u.xy), A = 1.0 - u.z * u.z, B = -qu * u.z, C = dot(q, q) - qu * qu - radius * radius;
        float inside = B * B - A * C;
        if (A < 1e-5 || inside < 0.0) discard;
        float t = (-B + sqrt(inside)) / A, s = qu + t * u.z;
        if (s < 0.0 || s > span) discard;
        float z = a.z + t;
        gl_FragDepth = 0.5 - 0.5 * z / depth;
        pixel = vec4(shade(s < 0.5 * span ? tint.rgb : other.rgb, (vec3(q, t) - s * u) / radius, z), 1.0);
      }`],
    flat: [`#version 300 es
      in vec3 place; in vec4 color; ${VIEW}
      out vec3 at; flat out vec4 tint;
      void main() { at = turn * place; tint = color; gl_Position = project(at); }`, `#version 300 es
      ${SHADE}
      in vec3 at; flat in vec4 tint; uniform float lit;
      void main() {
        vec3 n = normalize(cross(dFdx(at), dFdy(at)));
        if (n.z < 0.0) n = -n;
        vec3 color = lit > 0.5 ? shade(tint.rgb, n, at.z) : mix(tint.rgb, background, fog * clamp(0.5 - at.z / (1.15 * depth), 0.0, 1.0));
        gl_FragDepth = 0.5 - 0.5 * at.z / depth;
        pixel = vec4(color, tint.a);
      }`]
  };

  let programs = {};
  function compile(kind, text) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) throw new Error(gl.getShaderInfoLog(shader));
    return shader;
  }
  // A program with its vertex array: `layout` lists attribute, numbers, type, and whether it steps with instances.
  function make(name, layout) {
    const program = gl.createProgram();
    SHADERS[name].forEach((text, k) => gl.attachShader(program, compile(k ? gl.FRAGMENT_SHADER : gl.VERTEX_SHADER, text)));
    gl.linkProgram(program);
    const array = gl.createVertexArray(), buffers = {};
    gl.bindVertexArray(array);
    layout.forEach(([attribute, size, type, instanced]) => {
      const at = gl.getAttribLocation(program, attribute), buffer = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, size, type, type === gl.UNSIGNED_BYTE, 0, 0);
      gl.vertexAttribDivisor(at, instanced ? 1 : 0);
      if (attribute === "corner") gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW);
      buffers[attribute] = buffer;
    });
    return { program, array, buffers, count: 0, place: (uniform) => gl.getUniformLocation(program, uniform) };
  }
  function setup() {
    programs = {
      spheres: make("sphere", [["corner", 2, gl.FLOAT, false], ["place", 4, gl.FLOAT, true], ["color", 4, gl.UNSIGNED_BYTE, true]]),
      cylinders: make("cylinder", [["corner", 2, gl.FLOAT, false], ["from", 4, gl.FLOAT, true], ["to", 3, gl.FLOAT, true], ["color", 4, gl.UNSIGNED_BYTE, true], ["second", 4, gl.UNSIGNED_BYTE, true]]),
      triangles: make("flat", [["place", 3, gl.FLOAT, false], ["color", 4, gl.UNSIGNED_BYTE, false]]),
      lines: make("flat", [["place", 3, gl.FLOAT, false], ["color", 4, gl.UNSIGNED_BYTE, false]])
    };
    gl.enable(gl.DEPTH_TEST);
  }
  setup();

  const loss = gl.getExtension("WEBGL_lose_context");
  return {
    // Gives the graphics card back, and takes it again.
    rest() { if (loss) loss.loseContext(); },
    wake() { if (loss) loss.restoreContext(); },
    // Data of one kind of thing: `count` instances or vertices, and an array for every attribute.
    set(kind, count, arrays) {
      const p = programs[kind];
      p.count = count;
      Object.keys(arrays).forEach((attribute) => {
        gl.bindBuffer(gl.ARRAY_BUFFER, p.buffers[attribute]);
        gl.bufferData(gl.ARRAY_BUFFER, arrays[attribute], gl.DYNAMIC_DRAW);
      });
    },
    restore: setup,
    lost: () => gl.isContextLost(),
    // view: turn (9 numbers, rows), scale [NDC/Å], pan [NDC], depth [Å], background [0..1], fog
    draw(view) {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(view.background[0], view.background[1], view.background[2], 1);
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      const use = (p) => {
        gl.useProgram(p.program);
        gl.bindVertexArray(p.array);
        // rows of a matrix are columns to GL
        gl.uniformMatrix3fv(p.place("turn"), true, view.turn);
        gl.uniform2fv(p.place("scale"), view.scale);
        gl.uniform2fv(p.place("pan"), view.pan);
        gl.uniform1f(p.place("depth"), view.depth);
        gl.uniform3fv(p.place("background"), view.background);
        gl.uniform1f(p.place("fog"), view.fog);
      };
      gl.disable(gl.BLEND);
      gl.enable(gl.SAMPLE_ALPHA_TO_COVERAGE);
      ["spheres", "cylinders"].forEach((kind) => {
        const p = programs[kind];
        if (!p.count) return;
        use(p);
        gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, p.count);
      });
      gl.disable(gl.SAMPLE_ALPHA_TO_COVERAGE);
      if (programs.lines.count) {
        use(programs.lines);
        gl.uniform1f(programs.lines.place("lit"), 0);
        gl.drawArrays(gl.LINES, 0, programs.lines.count);
      }
      if (programs.triangles.count) {
        use(programs.triangles);
        gl.uniform1f(programs.triangles.place("lit"), 1);
        gl.enable(gl.BLEND);
        gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
        gl.depthMask(false);
        gl.drawArrays(gl.TRIANGLES, 0, programs.triangles.count);
        gl.depthMask(true);
        gl.disable(gl.BLEND);
      }
    },
    // Colours of the picture as it was drawn last, for tests and for telling an empty picture.
    pixels() {
      const out = new Uint8Array(4 * canvas.width * canvas.height);
      gl.readPixels(0, 0, canvas.width, canvas.height, gl.RGBA, gl.UNSIGNED_BYTE, out);
      return out;
    }
  };
};
