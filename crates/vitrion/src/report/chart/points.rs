//! Fewer points of long curves.

/// Least and greatest of each bucket, so that spikes stay visible: at most `limit` points.
pub(in super::super) fn decimate(x: &[f64], y: &[f64], limit: usize) -> (Vec<f64>, Vec<f64>) {
    let count = x.len().min(y.len());
    if count <= limit || limit < 4 {
        return (x[..count].to_vec(), y[..count].to_vec());
    }
    let buckets = (limit - 2) / 2;
    let mut keep = vec![0];
    for bucket in 0..buckets {
        let (from, to) = (bucket * count / buckets, (bucket + 1) * count / buckets);
        let least = (from..to).min_by(|a, b| y[*a].total_cmp(&y[*b]));
        let greatest = (from..to).max_by(|a, b| y[*a].total_cmp(&y[*b]));
        let mut pair: Vec<usize> = least.into_iter().chain(greatest).collect();
        pair.sort_unstable();
        keep.extend(pair);
    }
    keep.push(count - 1);
    keep.dedup();
    (keep.iter().map(|i| x[*i]).collect(), keep.iter().map(|i| y[*i]).collect())
}

/// At most `limit` indices of `0..count`, spread evenly or (for `log`) evenly in the logarithm.
pub(in super::super) fn sparse(count: usize, limit: usize, log: bool) -> Vec<usize> {
    if count <= limit || limit < 2 {
        return (0..count).collect();
    }
    let last = (count - 1) as f64;
    let mut indices: Vec<usize> = (0..limit)
        .map(|step| {
            let t = step as f64 / (limit - 1) as f64;
            let place = if log { (last + 1.0).powf(t) - 1.0 } else { last * t };
            place.round() as usize
        })
        .collect();
    indices.dedup();
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimation_keeps_ends_and_spikes() {
        let x: Vec<f64> = (0..10_000).map(f64::from).collect();
        let mut y = vec![0.0; 10_000];
        y[7321] = 99.0;
        let (kept, values) = decimate(&x, &y, 500);
        assert!(kept.len() <= 500, "{}", kept.len());
        assert!(values.contains(&99.0));
        assert!(kept[0] < 0.5 && kept[kept.len() - 1] > 9998.5);
        assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
