//! Quantiles of the normal and of Student's t distribution.

/// `x` with `P(X < x) = p` for a standard normal `X`; ±∞ at 0 and 1, NaN outside.
///
/// Algorithm AS 241 (PPND16) of Wichura, Appl. Statist. 37, 477 (1988); relative error 1e-16.
pub fn normal(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * ratio(r, &CENTER);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    if tail <= 0.0 {
        return f64::INFINITY.copysign(q);
    }
    let r = (-tail.ln()).sqrt();
    let x = if r <= 5.0 { ratio(r - 1.6, &MIDDLE) } else { ratio(r - 5.0, &FAR) };
    x.copysign(q)
}

/// `t` with `P(T < t) = p` for Student's t with `dof` degrees of freedom (need not be whole).
///
/// Solves `½ I_{ν/(ν+t²)}(ν/2, ½) = 1 − p` by bisection to machine precision; the normal quantile
/// above 1e8 degrees of freedom, where the two agree. NaN for `dof ≤ 0` or `p` outside (0, 1).
pub fn student_t(p: f64, dof: f64) -> f64 {
    if !(p > 0.0 && p < 1.0 && dof > 0.0) {
        return f64::NAN;
    }
    if dof > 1e8 {
        return normal(p);
    }
    if p < 0.5 {
        return -student_t(1.0 - p, dof);
    }
    let target = 1.0 - p;
    let tail = |t: f64| 0.5 * incomplete_beta(dof / (dof + t * t), 0.5 * dof, 0.5);
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    while tail(high) > target && high < 1e300 {
        low = high;
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if tail(middle) > target { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// `ln Γ(x)` for x > 0, Lanczos with g = 7 and nine terms, relative error about 1e-15.
fn ln_gamma(x: f64) -> f64 {
    const G: f64 = 7.0;
    const C: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let mut sum = C[0];
    for (k, c) in C.iter().enumerate().skip(1) {
        sum += c / (x + k as f64);
    }
    let t = x + G + 0.5;
    0.5 * std::f64::consts::TAU.ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// Regularised incomplete beta function `I_x(a, b)` by its continued fraction (DLMF 8.17.22),
/// evaluated with the modified Lentz method.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // the fraction converges fast only below the mean
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    let guard = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..10_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / guard(1.0 + even * d);
        c = guard(1.0 + even / c);
        fraction *= c * d;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / guard(1.0 + odd * d);
        c = guard(1.0 + odd / c);
        let step = c * d;
        fraction *= step;
        if (step - 1.0).abs() < 1e-15 {
            break;
        }
    }
    front * fraction / a
}

/// `P(r) / Q(r)` from `[numerator, denominator]`, lowest power first.
fn ratio(r: f64, coefficients: &[[f64; 8]; 2]) -> f64 {
    let polynomial = |c: &[f64; 8]| c.iter().rev().fold(0.0, |sum, c| sum * r + c);
    polynomial(&coefficients[0]) / polynomial(&coefficients[1])
}

/// AS 241, |p − 1/2| ≤ 0.425.
#[rustfmt::skip]
const CENTER: [[f64; 8]; 2] = [
    [3.387_132_872_796_366_5, 1.331_416_678_917_843_8e2, 1.971_590_950_306_551_3e3,
     1.373_169_376_550_946e4, 4.592_195_393_154_987e4, 6.726_577_092_700_87e4,
     3.343_057_558_358_813e4, 2.509_080_928_730_122_7e3],
    [1.0, 4.231_333_070_160_091e1, 6.871_870_074_920_579e2, 5.394_196_021_424_751e3,
     2.121_379_430_158_66e4, 3.930_789_580_009_271e4, 2.872_908_573_572_194_3e4,
     5.226_495_278_852_854e3],
];
/// AS 241, sqrt(−ln tail) ≤ 5.
#[rustfmt::skip]
const MIDDLE: [[f64; 8]; 2] = [
    [1.423_437_110_749_683_5, 4.630_337_846_156_546, 5.769_497_221_460_691,
     3.647_848_324_763_204_5, 1.270_458_252_452_368_4, 2.417_807_251_774_506e-1,
     2.272_384_498_926_918_4e-2, 7.745_450_142_783_414e-4],
    [1.0, 2.053_191_626_637_759, 1.676_384_830_183_803_8, 6.897_673_349_851e-1,
     1.481_039_764_274_800_8e-1, 1.519_866_656_361_645_7e-2, 5.475_938_084_995_345e-4,
     1.050_750_071_644_416_9e-9],
];
/// AS 241, beyond.
#[rustfmt::skip]
const FAR: [[f64; 8]; 2] = [
    [6.657_904_643_501_103, 5.463_784_911_164_114, 1.784_826_539_917_291_3,
     2.965_605_718_285_048_7e-1, 2.653_218_952_657_612_4e-2, 1.242_660_947_388_078_4e-3,
     2.711_555_568_743_487_6e-5, 2.010_334_399_292_288_1e-7],
    [1.0, 5.998_322_065_558_88e-1, 1.369_298_809_227_358e-1, 1.487_536_129_085_061_5e-2,
     7.868_691_311_456_133e-4, 1.846_318_317_510_054_8e-5, 1.421_511_758_316_446e-7,
     2.044_263_103_389_939_8e-15],
];

#[cfg(test)]
mod tests {
    use super::*;

    // scipy 1.17.1, scripts/references/quantiles.py
    const NORMAL_SCIPY: [(f64, f64); 7] = [
        (1e-20, -9.262340089798409),
        (1e-06, -4.753424308822899),
        (0.025, -1.9599639845400545),
        (0.2, -0.8416212335729142),
        (0.6, 0.2533471031357997),
        (0.975, 1.959963984540054),
        (0.999999, 4.753424308817087),
    ];
    const STUDENT_SCIPY: [(f64, f64, f64); 8] = [
        (0.975, 1.0, 12.706204736174694),
        (0.975, 2.0, 4.302652729749462),
        (0.975, 3.0, 3.1824463052837078),
        (0.95, 7.5, 1.8757474792112878),
        (0.995, 30.0, 2.7499956535672254),
        (0.975, 1000.0, 1.9623390808264083),
        (0.6, 2.0, 0.2886751345948128),
        (0.9999, 4.0, 13.033671720896821),
    ];

    #[test]
    fn normal_quantiles_are_those_of_scipy() {
        // scipy.stats.norm.ppf, see scripts/references/quantiles.py
        for (p, x) in NORMAL_SCIPY {
            assert!((normal(p) - x).abs() < 4e-15 * x.abs().max(1.0), "p {p}: {}", normal(p));
        }
    }

    #[test]
    fn student_quantiles_are_those_of_scipy() {
        // scipy.stats.t.ppf, see scripts/references/quantiles.py
        for (p, dof, t) in STUDENT_SCIPY {
            let found = student_t(p, dof);
            assert!((found / t - 1.0).abs() < 1e-11, "p {p}, dof {dof}: {found} is not {t}");
            assert!((student_t(1.0 - p, dof) + found).abs() < 1e-9 * t.abs());
        }
    }

    #[test]
    fn probabilities_outside_their_range_are_not_numbers() {
        assert!(normal(-0.1).is_nan() && normal(f64::NAN).is_nan());
        assert!(student_t(0.5, 0.0).is_nan() && student_t(1.0, 3.0).is_nan());
        assert!(normal(0.0).is_infinite() && normal(0.0) < 0.0);
        assert!(student_t(0.5, 3.0).abs() < 1e-12);
    }
}
