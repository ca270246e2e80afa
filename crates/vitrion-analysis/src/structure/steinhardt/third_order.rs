//! The third-order invariant of a bond-order vector,
//!
//! ```text
//! w_l = Σ_{m1 + m2 + m3 = 0} ( l  l  l  ) q_lm1 q_lm2 q_lm3 / (Σ_m |q_lm|²)^{3/2}
//!                            ( m1 m2 m3 )
//! ```
//!
//! with Wigner 3j symbols (Steinhardt, Nelson and Ronchetti 1983). It vanishes for odd `l`.

/// The terms of the sum for one even `l`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ThirdOrder {
    l: usize,
    terms: Vec<Term>,
}

/// All orders and both signs of three `m`, of which the sum takes the real part.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Term {
    m: [isize; 3],
    factor: f64,
}

impl ThirdOrder {
    /// `None` for odd `l`.
    pub(super) fn new(l: usize) -> Option<Self> {
        if l % 2 == 1 {
            return None;
        }
        let top = l as isize;
        let mut terms = Vec::new();
        // m1 ≥ m2 ≥ m3, and of m and −m the one with the larger first two
        for m1 in 0..=top {
            for m2 in -top..=m1 {
                let m3 = -m1 - m2;
                let opposite = [-m3, -m2, -m1];
                if m3 > m2 || m3 < -top || [m1, m2, m3] < opposite {
                    continue;
                }
                let orders = match (m1 == m2, m2 == m3) {
                    (true, true) => 1.0,
                    (false, false) => 6.0,
                    _ => 3.0,
                };
                let signs = if [m1, m2, m3] == opposite { 1.0 } else { 2.0 };
                let m = [m1, m2, m3];
                terms.push(Term { m, factor: orders * signs * wigner_3j(l, m) });
            }
        }
        Some(ThirdOrder { l, terms })
    }

    /// Of real components `a_0, a_1, b_1, …` in any common scale; NaN if they are all zero.
    pub(super) fn of(&self, components: &[f64]) -> f64 {
        debug_assert_eq!(components.len(), 2 * self.l + 1);
        let half = std::f64::consts::FRAC_1_SQRT_2;
        // q_m = (−1)ᵐ (a + ib)/√2 and q_−m = (a − ib)/√2
        let q = |m: isize| -> [f64; 2] {
            let at = m.unsigned_abs();
            if at == 0 {
                return [components[0], 0.0];
            }
            let (a, b) = (half * components[2 * at - 1], half * components[2 * at]);
            match (m > 0, at % 2) {
                (true, 0) => [a, b],
                (true, _) => [-a, -b],
                _ => [a, -b],
            }
        };
        let mut sum = 0.0;
        for Term { m, factor } in &self.terms {
            let [a, b, c] = m.map(q);
            let ab = [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]];
            sum += factor * (ab[0] * c[0] - ab[1] * c[1]);
        }
        let norm2: f64 = components.iter().map(|x| x * x).sum();
        sum / (norm2 * norm2.sqrt())
    }
}

/// `(l l l; m1 m2 m3)` for `m1 + m2 + m3 = 0`, by Racah's sum, whose terms are products of three
/// binomial coefficients here and add up exactly.
pub(super) fn wigner_3j(l: usize, m: [isize; 3]) -> f64 {
    let n = l as isize;
    let binomial = |k: isize| -> i64 {
        if !(0..=n).contains(&k) {
            return 0;
        }
        (1..=k as i64).fold(1, |value, i| value * (n as i64 + 1 - i) / i)
    };
    let mut sum = 0_i64;
    for k in 0..=n {
        let term = binomial(k) * binomial(k + m[0]) * binomial(k - m[1]);
        sum += if k % 2 == 0 { term } else { -term };
    }
    let factorial = |n: isize| (1..=n).map(|k| k as f64).product::<f64>();
    // √((l!)³ / (3l + 1)!) Π √((l + m)! (l − m)!) / (l!)³
    let product: f64 = m.iter().map(|m| factorial(n + m) * factorial(n - m)).product();
    let scale = (product.sqrt() / factorial(n).powi(3))
        * (factorial(n).powi(3) / factorial(3 * n + 1)).sqrt();
    let sign = if m[2] % 2 == 0 { 1.0 } else { -1.0 };
    sign * scale * sum as f64
}
