//! How good a prediction is.

use std::cmp::Ordering;

/// Scores of softness against two classes; `S > 0` says mobile, with probability `1/(1 + e^{−S})`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Probability that a mobile ion is softer than an immobile one; ties count half.
    pub auc: f64,
    pub accuracy: f64,
    /// Mean of the shares of mobile and of immobile ions that are recognised.
    pub balanced_accuracy: f64,
    /// Matthews's correlation coefficient.
    pub mcc: f64,
    /// Mean square of probability minus outcome.
    pub brier: f64,
    /// Mean of −ln of the probability of what happened.
    pub log_loss: f64,
    /// Immobile called immobile, immobile called mobile, mobile called immobile, mobile called mobile.
    pub confusion: [usize; 4],
}

impl Scores {
    /// `None` where there is only one class.
    pub fn of(softness: &[f64], mobile: &[bool]) -> Option<Self> {
        let count = softness.len() as f64;
        let mut confusion = [0; 4];
        let (mut brier, mut log_loss) = (0.0, 0.0);
        for (s, mobile) in softness.iter().zip(mobile) {
            confusion[2 * usize::from(*mobile) + usize::from(*s > 0.0)] += 1;
            let p = probability(*s);
            brier += (p - f64::from(u8::from(*mobile))).powi(2) / count;
            let margin = if *mobile { *s } else { -*s };
            log_loss += ((-margin).max(0.0) + (-margin.abs()).exp().ln_1p()) / count;
        }
        let [tn, fp, wrong, tp] = confusion.map(|n| n as f64);
        let (negative, positive) = (tn + fp, wrong + tp);
        if negative == 0.0 || positive == 0.0 {
            return None;
        }
        let product = (tp + fp) * positive * negative * (tn + wrong);
        Some(Scores {
            auc: area_under_curve(softness, mobile),
            accuracy: (tn + tp) / count,
            balanced_accuracy: 0.5 * (tn / negative + tp / positive),
            mcc: if product > 0.0 { (tp * tn - fp * wrong) / product.sqrt() } else { 0.0 },
            brier,
            log_loss,
            confusion,
        })
    }
}

/// Of being mobile, as the logistic model has it.
pub fn probability(softness: f64) -> f64 {
    if softness > 0.0 {
        1.0 / (1.0 + (-softness).exp())
    } else {
        softness.exp() / (1.0 + softness.exp())
    }
}

/// Ranks from 1, ties with their mean.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    let compare = |a: &u32, b: &u32| -> Ordering {
        values[*a as usize].total_cmp(&values[*b as usize]).then(a.cmp(b))
    };
    order.sort_unstable_by(compare);
    let mut ranks = vec![0.0; values.len()];
    let mut at = 0.0;
    let tie = |a: &u32, b: &u32| values[*a as usize].total_cmp(&values[*b as usize]).is_eq();
    for tied in order.chunk_by(tie) {
        let mean = at + 0.5 * (tied.len() as f64 + 1.0);
        for one in tied {
            ranks[*one as usize] = mean;
        }
        at += tied.len() as f64;
    }
    ranks
}

/// Area under the receiver operating characteristic, from ranks.
fn area_under_curve(softness: &[f64], mobile: &[bool]) -> f64 {
    let ranks = ranks(softness);
    let positive = mobile.iter().filter(|mobile| **mobile).count() as f64;
    let negative = mobile.len() as f64 - positive;
    let sum: f64 = ranks.iter().zip(mobile).filter(|(_, m)| **m).map(|(rank, _)| rank).sum();
    (sum - 0.5 * positive * (positive + 1.0)) / (positive * negative)
}

/// Pearson's correlation coefficient; zero where one of them never varies.
pub fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let count = x.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / count;
    let (mx, my) = (mean(x), mean(y));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        xx += (x - mx) * (x - mx);
        yy += (y - my) * (y - my);
        xy += (x - mx) * (y - my);
    }
    if xx > 0.0 && yy > 0.0 { xy / (xx * yy).sqrt() } else { 0.0 }
}

/// Spearman's rank correlation.
pub fn spearman(x: &[f64], y: &[f64]) -> f64 {
    pearson(&ranks(x), &ranks(y))
}

/// Standard deviation with `n − 1`; zero for fewer than two values.
pub(super) fn standard_deviation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if values.len() < 2 { 0.0 } else { (squares / (count - 1.0)).sqrt() }
}
