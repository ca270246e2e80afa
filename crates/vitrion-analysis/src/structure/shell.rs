//! The first coordination shell: where g(r) first peaks and where the shell ends.

/// Width of the Gaussian that smooths g(r) before peaks are looked for [Å].
pub(super) const SMOOTHING: f64 = 0.03;

/// First peak and the end of the first shell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FirstShell {
    /// Position of the maximum [Å], by a parabola through the three highest bins.
    pub(super) peak: f64,
    /// Number of the bin edge at the first minimum; `None` if g does not fall below 1 again.
    pub(super) minimum: Option<usize>,
}

/// The first interval with smoothed `g > 1` holds the peak; the lowest bin of the following interval
/// with `g < 1` is the minimum (the middle of it when g is flat there, as in a crystal).
///
/// `g[k]` belongs to the bin centre `(k + 1/2) dr`.
pub(super) fn first_shell(g: &[f64], dr: f64) -> Option<FirstShell> {
    let g = smoothed(g, dr);
    let rise = g.iter().position(|v| *v > 1.0)?;
    let fall = g[rise..].iter().position(|v| *v < 1.0).map(|k| rise + k);
    let top = (rise..fall.unwrap_or(g.len())).max_by(|a, b| g[*a].total_cmp(&g[*b]))?;
    let mut peak = top as f64 + 0.5;
    if top > 0 && top + 1 < g.len() {
        let (left, middle, right) = (g[top - 1], g[top], g[top + 1]);
        let curvature = left - 2.0 * middle + right;
        if curvature < 0.0 {
            peak += 0.5 * (left - right) / curvature;
        }
    }
    // a minimum needs a following rise: without one g may still be falling at r_max
    let minimum = fall.and_then(|fall| {
        let end = fall + g[fall..].iter().position(|v| *v > 1.0)?;
        let lowest = g[fall..end].iter().copied().fold(f64::INFINITY, f64::min);
        let flat: Vec<usize> = (fall..end).filter(|k| g[*k] <= lowest + 1e-6).collect();
        Some((flat[0] + flat[flat.len() - 1] + 1).div_ceil(2))
    });
    Some(FirstShell { peak: peak * dr, minimum })
}

/// Gaussian smoothing, normalised at the ends; nothing for bins wider than the Gaussian.
fn smoothed(g: &[f64], dr: f64) -> Vec<f64> {
    let reach = (4.0 * SMOOTHING / dr).floor() as usize;
    let weight = |k: usize| (-0.5 * (k as f64 * dr / SMOOTHING).powi(2)).exp();
    (0..g.len())
        .map(|center| {
            let range = center.saturating_sub(reach)..(center + reach + 1).min(g.len());
            let (mut sum, mut total) = (0.0, 0.0);
            for k in range {
                let w = weight(k.abs_diff(center));
                sum += w * g[k];
                total += w;
            }
            sum / total
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_of_a_gaussian_is_found_between_bins() {
        let dr = 0.02;
        let g: Vec<f64> = (0..300)
            .map(|k| {
                let r = (f64::from(k) + 0.5) * dr;
                3.0 * (-0.5 * ((r - 2.453) / 0.15).powi(2)).exp()
                    + 2.0 * (-0.5 * ((r - 4.0) / 0.2).powi(2)).exp()
            })
            .collect();
        let shell = first_shell(&g, dr).expect("a peak");
        assert!((shell.peak - 2.453).abs() < 1e-3, "{shell:?}");
        let minimum = shell.minimum.expect("a second peak follows") as f64 * dr;
        assert!((2.9..3.4).contains(&minimum), "{minimum}");
    }

    #[test]
    fn an_empty_gap_is_cut_in_the_middle() {
        let mut g = vec![0.0; 100];
        g[20] = 50.0;
        g[60] = 50.0;
        let shell = first_shell(&g, 0.1).expect("a peak");
        assert!((shell.peak - 2.05).abs() < 1e-12);
        assert_eq!(shell.minimum, Some(41));
    }

    #[test]
    fn without_structure_there_is_no_shell() {
        assert_eq!(first_shell(&[0.5; 40], 0.1), None);
    }
}
