//! The first peak of a radial distribution function.

/// In units of bins; the centre of bin `k` is at `k + 1/2`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FirstPeak {
    /// Top of the parabola through the highest bin and its neighbours.
    pub position: f64,
    /// Of that parabola.
    pub height: f64,
    /// Full width at half of that height, by linear interpolation.
    pub width: f64,
    /// Bin of the lowest value between the peak and 1.7 times its distance; coordination numbers
    /// count up to its outer edge.
    pub minimum: usize,
}

impl FirstPeak {
    /// The first maximum above 1 that dominates a tenth of its own distance to either side (so
    /// that noise is no peak) and drops by a fifth at least before the next; `None` without one.
    pub fn of(g: &[f64]) -> Option<FirstPeak> {
        let bins = g.len();
        let top = (1..bins.saturating_sub(1)).find(|&k| {
            let reach = (k / 10).max(2);
            let (low, high) = (k.saturating_sub(reach), (k + reach).min(bins - 1));
            g[k] > 1.0 && g[low..=high].iter().all(|x| *x <= g[k])
        })?;
        let end = (top * 17 / 10).min(bins - 1);
        let minimum = (top + 1..=end).min_by(|i, j| g[*i].total_cmp(&g[*j]))?;
        if g[minimum] >= 0.8 * g[top] || minimum == bins - 1 {
            return None;
        }
        let (left, middle, right) = (g[top - 1], g[top], g[top + 1]);
        let bend = left - 2.0 * middle + right;
        let offset = if bend.abs() > 1e-12 { 0.5 * (left - right) / bend } else { 0.0 };
        let height = middle - 0.25 * (left - right) * offset;
        let half = 0.5 * height;
        // where g crosses half the height, going away from the top
        let crossing = |inner: usize, outer: usize| {
            let step = (g[inner] - half) / (g[inner] - g[outer]);
            inner as f64 + step * (outer as f64 - inner as f64)
        };
        let below = (1..=top).rev().find(|k| g[k - 1] < half).map(|k| crossing(k, k - 1));
        let above = (top..bins - 1).find(|k| g[k + 1] < half).map(|k| crossing(k, k + 1));
        Some(FirstPeak {
            position: top as f64 + 0.5 + offset,
            height,
            width: above.zip(below).map_or(f64::NAN, |(above, below)| above - below),
            minimum,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gaussian_peak_has_its_place_height_and_width() {
        let sigma = 6.0;
        let g: Vec<f64> = (0..200)
            .map(|k| {
                let x = (f64::from(k) + 0.5 - 80.3) / sigma;
                4.0 * (-0.5 * x * x).exp() + if k > 110 { 1.0 } else { 0.1 }
            })
            .collect();
        let peak = FirstPeak::of(&g).expect("there is one");
        assert!((peak.position - 80.3).abs() < 0.01);
        assert!((peak.height - 4.1).abs() < 0.01);
        // half of 4.1 is reached where the Gaussian is 1.95
        let expected = 2.0 * sigma * (2.0 * (4.0_f64 / 1.95).ln()).sqrt();
        assert!((peak.width - expected).abs() < 0.05, "{} is not {expected}", peak.width);
        assert!(peak.minimum > 95 && peak.minimum <= 111);
    }

    #[test]
    fn a_gas_has_no_peak() {
        let g: Vec<f64> = (0..100).map(|k| if k < 30 { 0.0 } else { 1.0 }).collect();
        assert_eq!(FirstPeak::of(&g), None);
    }
}
