//! From means over frames to partial and weighted structure factors.

use super::{Scattering, StructureFactor};
use crate::samples::Samples;
use std::f64::consts::PI;
use vitrion_core::SpeciesId;
use vitrion_core::observables::Observables;

/// fm² to barn.
const BARN: f64 = 0.01;
/// The routes should agree from so many times `2π/r_max` on.
const RESOLVED: f64 = 2.0;

/// Which way the partial structure factors came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    WaveVectors,
    Transform,
}

/// Which scatterers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    Neutron,
    Xray,
    Nuclei,
}

/// What every curve is made with.
pub(super) struct Grids<'a> {
    this: &'a StructureFactor,
    /// Shells that hold wave vectors, and their Q.
    shells: Vec<usize>,
    direct: Vec<f64>,
    transform: Vec<f64>,
    /// `4π M(r) ∫_bin r sin(Qr)/Q dr`, `[Q][bin]`.
    kernel: Vec<f64>,
}

impl<'a> Grids<'a> {
    pub(super) fn new(this: &'a StructureFactor, samples: &Samples) -> Self {
        let s = &this.settings;
        let mean = samples.mean();
        let at = this.vectors_at();
        let shells: Vec<usize> = (0..this.shells).filter(|shell| mean[at + shell] > 0.0).collect();
        let center = |shell: usize| (shell as f64 + 0.5) * s.dq;
        let transform: Vec<f64> = (0..(s.q_max / s.dq).round() as usize).map(center).collect();
        let mut kernel = Vec::with_capacity(transform.len() * this.bins);
        for q in &transform {
            // the integral of r sin(Qr) is sin(Qr)/Q² − r cos(Qr)/Q
            let integral = |r: f64| (q * r).sin() / (q * q) - r * (q * r).cos() / q;
            for bin in 0..this.bins {
                let edge = |k: usize| k as f64 * s.dr;
                let x = PI * (edge(bin) + 0.5 * s.dr) / s.r_max;
                let window = if s.lorch { x.sin() / x } else { 1.0 };
                kernel
                    .push(4.0 * PI * window * (integral(edge(bin + 1)) - integral(edge(bin))) / q);
            }
        }
        Grids {
            this,
            direct: shells.iter().map(|shell| center(*shell)).collect(),
            shells,
            transform,
            kernel,
        }
    }

    pub(super) fn q(&self, route: Route) -> &[f64] {
        match route {
            Route::WaveVectors => &self.direct,
            Route::Transform => &self.transform,
        }
    }

    fn fractions<'m>(&self, means: &'m [f64]) -> &'m [f64] {
        &means[self.this.fractions_at()..]
    }

    /// `A_ab` of the wave vectors.
    fn amplitudes(&self, means: &[f64], a: usize, b: usize) -> Vec<f64> {
        let row = self.this.pair_number(a, b) * self.this.shells;
        let vectors = self.this.vectors_at();
        self.shells.iter().map(|shell| means[row + shell] / means[vectors + shell]).collect()
    }

    /// `S_ab − 1` of Faber and Ziman, not broadened.
    fn partial(&self, means: &[f64], route: Route, a: usize, b: usize) -> Vec<f64> {
        let c = self.fractions(means);
        match route {
            Route::WaveVectors => {
                let own = if a == b { c[a] } else { 0.0 };
                let all = self.amplitudes(means, a, b).into_iter();
                all.map(|amplitude| (amplitude - own) / (c[a] * c[b])).collect()
            }
            Route::Transform => {
                let row = self.this.transform_at() + self.this.pair_number(a, b) * self.this.bins;
                let correlation = &means[row..row + self.this.bins];
                let at = |kernel: &[f64]| kernel.iter().zip(correlation).map(|(k, g)| k * g).sum();
                self.kernel.chunks_exact(self.this.bins).map(at).collect()
            }
        }
    }

    fn broadened(&self, route: Route, values: Vec<f64>) -> Vec<f64> {
        let sigma = self.this.settings.sigma_q;
        if sigma == 0.0 {
            return values;
        }
        let q = self.q(route);
        let at = |center: &f64| {
            let weight = |q: &f64| (-0.5 * ((q - center) / sigma).powi(2)).exp();
            let (mut sum, mut total) = (0.0, 0.0);
            for (q, value) in q.iter().zip(&values) {
                sum += weight(q) * value;
                total += weight(q);
            }
            sum / total
        };
        q.iter().map(at).collect()
    }

    fn weight(&self, probe: Probe, species: usize, q: f64) -> f64 {
        match probe {
            Probe::Neutron => self.this.lengths[species],
            Probe::Xray => self.this.form_factors[species].at(q),
            Probe::Nuclei => 1.0,
        }
    }

    /// `⟨w⟩` and `⟨w²⟩`.
    fn averages(&self, means: &[f64], probe: Probe, q: f64) -> [f64; 2] {
        let mut averages = [0.0; 2];
        for (species, c) in self.fractions(means).iter().enumerate() {
            let w = self.weight(probe, species, q);
            averages[0] += c * w;
            averages[1] += c * w * w;
        }
        averages
    }

    /// `F(Q)`, not broadened.
    fn f(&self, means: &[f64], route: Route, probe: Probe) -> Vec<f64> {
        let c = self.fractions(means);
        let q = self.q(route);
        let mut f = vec![0.0; q.len()];
        for [a, b] in self.this.pairs().filter(|[a, b]| c[*a] * c[*b] > 0.0) {
            let twice = if a == b { 1.0 } else { 2.0 };
            let partial = self.partial(means, route, a, b);
            for ((f, s), q) in f.iter_mut().zip(partial).zip(q) {
                let weights = self.weight(probe, a, *q) * self.weight(probe, b, *q);
                *f += twice * c[a] * c[b] * weights * s;
            }
        }
        f
    }

    /// `S(Q) = 1 + F/⟨w⟩²`.
    fn s(&self, means: &[f64], route: Route, probe: Probe) -> Vec<f64> {
        let mut s = self.f(means, route, probe);
        for (s, q) in s.iter_mut().zip(self.q(route)) {
            *s = 1.0 + *s / self.averages(means, probe, *q)[0].powi(2);
        }
        self.broadened(route, s)
    }

    /// Position, height and full width at half maximum of the highest point in a range, by a parabola; the
    /// half is taken between the top and the lowest point of the range.
    fn peak(&self, q: &[f64], s: &[f64]) -> [f64; 3] {
        let [from, to] = self.this.settings.first_peak;
        let inside: Vec<usize> = (0..q.len()).filter(|k| (from..=to).contains(&q[*k])).collect();
        let top = inside.iter().copied().max_by(|a, b| s[*a].total_cmp(&s[*b]));
        let Some(top) = top.filter(|top| *top > 0 && top + 1 < q.len()) else {
            return [f64::NAN; 3];
        };
        if top == inside[0] || Some(&top) == inside.last() {
            return [f64::NAN; 3];
        }
        let (left, middle, right) = (s[top - 1], s[top], s[top + 1]);
        let curvature = left - 2.0 * middle + right;
        let shift = if curvature < 0.0 { 0.5 * (left - right) / curvature } else { 0.0 };
        let height = middle - 0.25 * (left - right) * shift;
        let position = q[top] + shift * self.this.settings.dq;
        let base = inside.iter().map(|k| s[*k]).fold(f64::INFINITY, f64::min);
        let half = 0.5 * (height + base);
        let crossing = |inner: usize, outer: usize| {
            q[inner] + (s[inner] - half) / (s[inner] - s[outer]) * (q[outer] - q[inner])
        };
        let low = (1..=top).rev().find(|k| s[*k - 1] <= half).map(|k| crossing(k, k - 1));
        let high = (top..q.len() - 1).find(|k| s[*k + 1] <= half).map(|k| crossing(k, k + 1));
        [position, height, low.zip(high).map_or(f64::NAN, |(low, high)| high - low)]
    }

    /// Root mean square difference of the two routes where both resolve `S_NN`.
    fn difference(&self, means: &[f64]) -> f64 {
        let direct = self.s(means, Route::WaveVectors, Probe::Nuclei);
        let transform = self.s(means, Route::Transform, Probe::Nuclei);
        let from = RESOLVED * 2.0 * PI / self.this.settings.r_max;
        let (mut sum, mut count) = (0.0, 0.0);
        for (shell, s) in self.shells.iter().zip(direct) {
            let q = (*shell as f64 + 0.5) * self.this.settings.dq;
            if q >= from && *shell < transform.len() {
                sum += (s - transform[*shell]).powi(2);
                count += 1.0;
            }
        }
        (sum / count).sqrt()
    }
}

pub(super) fn report(this: &StructureFactor, samples: &Samples) -> Observables {
    let mut result = Observables::new(
        "structure_factor",
        "Structure factors",
        "S_ab(Q) = 1 + (A_ab - c_a delta_ab)/(c_a c_b), A_ab = <Re rho_a(k) rho_b(-k)>/N over wave vectors of the cell; \
         the same from 1 + 4pi int rho (g_ab - 1) M(r) r sin(Qr)/Q dr; F(Q) = sum_ab c_a c_b w_a w_b (S_ab - 1) over all \
         ordered pairs, S(Q) = 1 + F/<w>^2 (paper, eqs. 3-5)",
    );
    parameters(this, &mut result);
    let grids = Grids::new(this, samples);
    let symbol = |index: usize| {
        this.table.symbol(SpeciesId(u8::try_from(index).expect("at most 255 species")))
    };
    let mean = samples.mean();
    let present = grids.fractions(&mean).to_vec();
    let axis = |route: Route| (("Q", "1/Å"), grids.q(route).to_vec());
    let there = |[a, b]: &[usize; 2]| present[*a] * present[*b] > 0.0;
    let routes = [
        (Route::WaveVectors, "", "wave vectors"),
        (Route::Transform, "_transform", "transform of g(r)"),
    ];
    for (route, ending, words) in routes {
        for [a, b] in this.pairs().filter(there) {
            let (name, label) = (
                format!("s_{}_{}{ending}", symbol(a), symbol(b)),
                format!("{}–{}", symbol(a), symbol(b)),
            );
            let y = format!("S(Q), Faber–Ziman, {words}");
            let curve = samples.curve((&name, &label), axis(route), (&y, ""), |means| {
                let one = grids.partial(means, route, a, b).iter().map(|s| 1.0 + s).collect();
                grids.broadened(route, one)
            });
            result.curves.push(curve);
        }
        for (probe, name, label) in
            [(Probe::Neutron, "neutron", "neutrons"), (Probe::Xray, "xray", "X-rays")]
        {
            let y = format!("S(Q), {words}");
            let names = (format!("{name}_s{ending}"), label.to_owned());
            result.curves.push(samples.curve(
                (&names.0, &names.1),
                axis(route),
                (&y, ""),
                |means| grids.s(means, route, probe),
            ));
        }
        let f = |means: &[f64], own: bool| {
            let mut f = grids.f(means, route, Probe::Neutron);
            let squares = grids.averages(means, Probe::Neutron, 0.0)[1];
            for f in &mut f {
                *f = BARN * (*f + if own { squares } else { 0.0 });
            }
            grids.broadened(route, f)
        };
        let y = format!("F(Q), neutrons, {words}");
        for (name, label, own) in
            [("neutron_f", "F(Q)", false), ("neutron_total", "with the self part", true)]
        {
            let name = format!("{name}{ending}");
            let curve =
                samples.curve((&name, label), axis(route), (&y, "barn/sr"), |means| f(means, own));
            result.curves.push(curve);
        }
    }
    for [a, b] in this.pairs().filter(there) {
        let name = format!("ashcroft_langreth_{}_{}", symbol(a), symbol(b));
        let label = format!("{}–{}", symbol(a), symbol(b));
        let y = ("S(Q), Ashcroft–Langreth, wave vectors", "");
        result.curves.push(samples.curve((&name, &label), axis(Route::WaveVectors), y, |means| {
            let c = grids.fractions(means);
            let scale = 1.0 / (c[a] * c[b]).sqrt();
            let all = grids.amplitudes(means, a, b).into_iter().map(|x| scale * x).collect();
            grids.broadened(Route::WaveVectors, all)
        }));
    }
    bhatia_thornton(&grids, samples, &present, &mut result);
    peaks(&grids, samples, &mut result);
    compare(&grids, samples, &mut result);
    result
}

fn parameters(this: &StructureFactor, result: &mut Observables) {
    let s = &this.settings;
    result.parameter("shells of Q", format!("{} 1/Å wide", s.dq));
    result.parameter(
        "wave vectors",
        format!("{} up to {:.3} 1/Å", this.indices.len(), s.q_max_direct),
    );
    result.parameter("wave vectors per shell", format!("at most {}", s.vectors_per_shell));
    result.parameter("smallest Q of the cell", format!("{:.4} 1/Å", this.smallest));
    result.parameter(
        "transform",
        format!("r up to {} Å in steps of {:.4} Å, Q up to {} 1/Å", s.r_max, s.dr, s.q_max),
    );
    result.parameter("window", if s.lorch { "Lorch" } else { "none" });
    result.parameter("broadening by the end of g(r)", format!("{:.3} 1/Å", 2.0 * PI / s.r_max));
    result.parameter("instrument", format!("Gaussian, sigma {} 1/Å", s.sigma_q));
    let lengths: Vec<String> = this
        .table
        .symbols()
        .iter()
        .zip(&this.lengths)
        .map(|(symbol, length)| format!("{symbol} {length} fm"))
        .collect();
    let isotopes = if s.isotopes.is_empty() { "natural".to_owned() } else { s.isotopes.join(", ") };
    result.parameter("neutron lengths", format!("{} ({isotopes})", lengths.join(", ")));
    result.parameter("X-ray form factors", "neutral atoms, Waasmaier and Kirfel 1995");
    result.parameter("first peak", format!("{} to {} 1/Å", s.first_peak[0], s.first_peak[1]));
}

/// From the two fractions, and `A_aa`, `A_bb`, `A_ab`.
type Combine = fn([f64; 2], [f64; 3]) -> f64;

/// `S_NN` of any composition; `S_Nc` and `S_cc` of two elements.
fn bhatia_thornton(
    grids: &Grids<'_>,
    samples: &Samples,
    present: &[f64],
    result: &mut Observables,
) {
    let route = Route::WaveVectors;
    let axis = || (("Q", "1/Å"), grids.q(route).to_vec());
    let y = ("S(Q), Bhatia–Thornton, wave vectors", "");
    result.curves.push(samples.curve(("s_nn", "number–number"), axis(), y, |means| {
        grids.s(means, route, Probe::Nuclei)
    }));
    let species: Vec<usize> = (0..present.len()).filter(|a| present[*a] > 0.0).collect();
    let [a, b] = species[..] else {
        let elements = species.len();
        let what = format!("{elements} elements: only number–number; the others are those of two");
        result.parameter("Bhatia–Thornton", what);
        return;
    };
    let concentration: Combine =
        |[ca, cb], [aa, bb, ab]| cb * cb * aa + ca * ca * bb - 2.0 * ca * cb * ab;
    let mixed: Combine = |[ca, cb], [aa, bb, ab]| cb * aa - ca * bb + (cb - ca) * ab;
    for (name, label, combine) in [
        ("s_cc", "concentration–concentration", concentration),
        ("s_nc", "number–concentration", mixed),
    ] {
        result.curves.push(samples.curve((name, label), axis(), y, |means| {
            let c = grids.fractions(means);
            let [aa, bb, ab] = [[a, a], [b, b], [a, b]].map(|[a, b]| grids.amplitudes(means, a, b));
            let all = (0..aa.len()).map(|k| combine([c[a], c[b]], [aa[k], bb[k], ab[k]])).collect();
            grids.broadened(route, all)
        }));
    }
}

fn peaks(grids: &Grids<'_>, samples: &Samples, result: &mut Observables) {
    let route = Route::WaveVectors;
    for (probe, name, label) in
        [(Probe::Neutron, "neutron", "neutrons"), (Probe::Xray, "xray", "X-rays")]
    {
        let labels = [
            (
                format!("first_peak_{name}_per_a"),
                format!("first sharp diffraction peak, {label}"),
                "1/Å",
            ),
            (format!("first_peak_height_{name}"), format!("S(Q) there, {label}"), ""),
            (
                format!("first_peak_width_{name}_per_a"),
                format!("full width at half maximum, {label}"),
                "1/Å",
            ),
        ];
        result.estimates.extend(samples.estimates(&labels, |means| {
            grids.peak(grids.q(route), &grids.s(means, route, probe)).to_vec()
        }));
    }
    let name = "difference_of_routes".to_owned();
    let label = "root mean square difference of the two routes to number–number S(Q)".to_owned();
    result
        .estimates
        .extend(samples.estimates(&[(name, label, "")], |means| vec![grids.difference(means)]));
}

fn compare(grids: &Grids<'_>, samples: &Samples, result: &mut Observables) {
    let Some(experiment) = &grids.this.settings.experiment else { return };
    let what = match experiment.function {
        Scattering::NeutronS => "S(Q), neutrons",
        Scattering::NeutronF => "F(Q), neutrons [barn/sr]",
        Scattering::XrayS => "S(Q), X-rays",
    };
    result
        .parameter("compared with", format!("{}: {what}, the transform of g(r)", experiment.file));
    let fit = if experiment.fit { "fitted" } else { "1 and 0" };
    result.parameter("scale and offset", fit);
    let route = Route::Transform;
    let calculated = |means: &[f64]| match experiment.function {
        Scattering::NeutronS => grids.s(means, route, Probe::Neutron),
        Scattering::XrayS => grids.s(means, route, Probe::Xray),
        Scattering::NeutronF => {
            let f = grids.f(means, route, Probe::Neutron).into_iter().map(|f| BARN * f).collect();
            grids.broadened(route, f)
        }
    };
    let labels = [
        ("r_chi".to_owned(), "R_chi of Wright".to_owned(), ""),
        (
            "chi2".to_owned(),
            "mean squared deviation by the errors of the measurement".to_owned(),
            "",
        ),
        ("scale".to_owned(), "scale of the measurement".to_owned(), ""),
        ("offset".to_owned(), "offset of the measurement".to_owned(), ""),
    ];
    let shown = if experiment.fit { &labels[..] } else { &labels[..2] };
    result.estimates.extend(samples.estimates(shown, |means| {
        let found = experiment.compare(grids.q(route), &calculated(means));
        let all = [found.r_chi, found.chi2, found.scale, found.offset];
        all[..shown.len()].to_vec()
    }));
}
