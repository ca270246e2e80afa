//! Counter-based random numbers: a draw depends on (seed, stream, step, index) and nothing else.
//!
//! Results therefore do not depend on threads, on restarts, or on what else was drawn. The
//! generator is Threefry-2x64-20 (Salmon et al., SC'11), whose published known-answer vectors are
//! in the tests.

/// What a draw is for. Each use has its own stream; a new use is a new variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Stream {
    /// Initial velocities.
    Velocities = 1,
    /// Random packing and perturbation of structures.
    Structure = 2,
    /// Bootstrap resampling.
    Bootstrap = 3,
    /// Langevin noise.
    Langevin = 4,
    /// Stochastic velocity rescaling.
    VelocityRescaling = 8,
    /// Stochastic cell rescaling.
    CellRescaling = 9,
    /// Batches of training frames.
    Batches = 6,
    /// Initial weights of a network.
    Weights = 7,
    /// Which candidates are labelled.
    Selection = 10,
    /// Seeds of the random numbers of other programs.
    OtherPrograms = 11,
    /// Test systems.
    Testing = 5,
}

const ROTATIONS: [u32; 8] = [16, 42, 12, 31, 16, 32, 24, 21];
const PARITY: u64 = 0x1BD1_1BDA_A9FC_1A22;

/// 20 rounds of Threefry-2x64.
fn threefry(counter: [u64; 2], key: [u64; 2]) -> [u64; 2] {
    let schedule = [key[0], key[1], PARITY ^ key[0] ^ key[1]];
    let mut x = [counter[0].wrapping_add(schedule[0]), counter[1].wrapping_add(schedule[1])];
    for round in 0..20 {
        x[0] = x[0].wrapping_add(x[1]);
        x[1] = x[1].rotate_left(ROTATIONS[round % 8]) ^ x[0];
        if round % 4 == 3 {
            let block = round / 4 + 1;
            x[0] = x[0].wrapping_add(schedule[block % 3]);
            x[1] = x[1].wrapping_add(schedule[(block + 1) % 3]).wrapping_add(block as u64);
        }
    }
    x
}

/// Random numbers of one (seed, stream, step, index).
#[derive(Debug, Clone)]
pub struct Random {
    key: [u64; 2],
    counter: [u64; 2],
    spare: Option<u64>,
}

/// The generator of one (seed, stream, step, index); successive draws from it are independent.
pub fn at(seed: u64, stream: Stream, step: u64, index: u64) -> Random {
    // the key holds seed and stream, the counter step and index; 2^24 draws fit below `step`
    Random { key: [seed, stream as u64], counter: [step << 24, index], spare: None }
}

impl Random {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        if let Some(bits) = self.spare.take() {
            return bits;
        }
        let [first, second] = threefry(self.counter, self.key);
        self.counter[0] = self.counter[0].wrapping_add(1);
        self.spare = Some(second);
        first
    }

    /// Uniform in [0, 1) with 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * 2f64.powi(-53)
    }

    /// Standard normal (Box–Muller, one of the pair).
    pub fn normal(&mut self) -> f64 {
        let u = 1.0 - self.uniform();
        let v = self.uniform();
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// Sum of the squares of `n` standard normals, that is chi-squared with `n` degrees of freedom;
    /// twice a gamma variable of shape `n/2` (Marsaglia & Tsang, ACM Trans. Math. Softw. 26, 363
    /// (2000)).
    pub fn chi_squared(&mut self, n: usize) -> f64 {
        if n < 4 {
            return (0..n).map(|_| self.normal().powi(2)).sum();
        }
        let d = 0.5 * n as f64 - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            let u = 1.0 - self.uniform();
            if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return 2.0 * d * v;
            }
        }
    }

    /// Uniform integer below `n`.
    ///
    /// # Panics
    /// If `n` is zero.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "an empty range has no element");
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_random123() {
        // Random123 kat_vectors, threefry2x64 20 rounds
        assert_eq!(threefry([0, 0], [0, 0]), [0xc2b6_e3a8_c2c6_9865, 0x6f81_ed42_f350_084d]);
        let ones = u64::MAX;
        assert_eq!(
            threefry([ones, ones], [ones, ones]),
            [0xe02c_b7c4_d95d_277a, 0xd066_33d0_893b_8b68]
        );
    }

    #[test]
    fn normal_numbers_have_the_right_moments() {
        let n = 100_000;
        let (mut sum, mut sum2, mut sum4) = (0.0, 0.0, 0.0);
        let mut random = at(7, Stream::Testing, 0, 0);
        for _ in 0..n {
            let x = random.normal();
            sum += x;
            sum2 += x * x;
            sum4 += x.powi(4);
        }
        let n = f64::from(n);
        // five standard errors of each moment
        assert!((sum / n).abs() < 5.0 / n.sqrt());
        assert!((sum2 / n - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
        assert!((sum4 / n - 3.0).abs() < 5.0 * (96.0 / n).sqrt());
    }

    #[test]
    fn streams_steps_and_indices_differ() {
        let first = at(1, Stream::Velocities, 0, 0).bits();
        assert_ne!(first, at(1, Stream::Structure, 0, 0).bits());
        assert_ne!(first, at(1, Stream::Velocities, 1, 0).bits());
        assert_ne!(first, at(1, Stream::Velocities, 0, 1).bits());
        assert_ne!(first, at(2, Stream::Velocities, 0, 0).bits());
    }

    #[test]
    fn chi_squared_has_its_mean_and_variance() {
        for n in [1, 3, 4, 7, 93] {
            let draws = 20_000;
            let (mut sum, mut squares) = (0.0, 0.0);
            for k in 0..draws {
                let x = at(3, Stream::Testing, n as u64, k).chi_squared(n) / n as f64 - 1.0;
                sum += x;
                squares += x * x;
            }
            // of the mean over n: variance 2/n; of the squares: relative spread √(2 + 12/n)
            let (count, variance) = (draws as f64, 2.0 / n as f64);
            let (mean, found) = (sum / count, squares / count);
            assert!(mean.abs() < 5.0 * (variance / count).sqrt(), "n = {n}: mean {mean}");
            let spread = variance * ((2.0 + 12.0 / n as f64) / count).sqrt();
            assert!((found - variance).abs() < 5.0 * spread, "n = {n}: {found}, not {variance}");
        }
    }
}
