//! Dense products of row-major blocks: one safe edge around the `gemm` crate.
#![allow(unsafe_code)]

use super::real::Real;

/// `C = A · B` with `A` `m × k`, `B` `k × n`, `C` `m × n`, all row-major and contiguous.
///
/// # Panics
/// If a slice is shorter than its shape.
pub fn product<T: Real>(m: usize, k: usize, n: usize, a: &[T], b: &[T], c: &mut [T]) {
    assert!(a.len() >= m * k && b.len() >= k * n && c.len() >= m * n, "shapes fit the slices");
    // SAFETY: the assertion above bounds every element the strides reach: A (k, 1), B (n, 1),
    // C (n, 1); C is a unique borrow, so it overlaps neither A nor B.
    unsafe {
        run(m, k, n, c.as_mut_ptr(), n, a.as_ptr(), (k, 1), b.as_ptr(), (n, 1));
    }
}

/// `C = A · Bᵀ` with `A` `m × k`, `B` `n × k`, `C` `m × n`, all row-major and contiguous.
///
/// # Panics
/// If a slice is shorter than its shape.
pub fn product_transposed<T: Real>(m: usize, k: usize, n: usize, a: &[T], b: &[T], c: &mut [T]) {
    assert!(a.len() >= m * k && b.len() >= k * n && c.len() >= m * n, "shapes fit the slices");
    // SAFETY: as in `product`; Bᵀ has row stride 1 and column stride k.
    unsafe {
        run(m, k, n, c.as_mut_ptr(), n, a.as_ptr(), (k, 1), b.as_ptr(), (1, k));
    }
}

/// `strides` are (row, column) in elements.
///
/// # Safety
/// All elements `c[i·n + j]`, `a[i·ra + l·ca]`, `b[l·rb + j·cb]` for `i < m`, `j < n`, `l < k` lie
/// in live allocations, and `c` overlaps neither `a` nor `b`.
#[allow(clippy::too_many_arguments)]
unsafe fn run<T: Real>(
    m: usize,
    k: usize,
    n: usize,
    c: *mut T,
    c_row: usize,
    a: *const T,
    (a_row, a_column): (usize, usize),
    b: *const T,
    (b_row, b_column): (usize, usize),
) {
    // SAFETY: the caller's promise; strides fit isize because slices do.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c,
            1,
            c_row as isize,
            false,
            a,
            a_column as isize,
            a_row as isize,
            b,
            b_column as isize,
            b_row as isize,
            T::ZERO,
            T::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrion_core::rng::{self, Stream};

    #[test]
    fn products_agree_with_plain_loops() {
        let mut random = rng::at(1, Stream::Testing, 21, 0);
        for (m, k, n) in [(1, 1, 1), (3, 7, 5), (64, 33, 17), (5, 192, 40)] {
            let a: Vec<f64> = (0..m * k).map(|_| random.normal()).collect();
            let b: Vec<f64> = (0..k * n).map(|_| random.normal()).collect();
            let bt: Vec<f64> = (0..n * k).map(|p| b[(p % k) * n + p / k]).collect();
            let (mut c, mut ct) = (vec![f64::NAN; m * n], vec![f64::NAN; m * n]);
            product(m, k, n, &a, &b, &mut c);
            product_transposed(m, k, n, &a, &bt, &mut ct);
            for i in 0..m {
                for j in 0..n {
                    let exact: f64 = (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum();
                    assert!((c[i * n + j] - exact).abs() < 1e-12);
                    assert!((ct[i * n + j] - exact).abs() < 1e-12);
                }
            }
        }
    }
}
