//! Activation functions with their derivatives, as DeePMD-kit defines them.

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// tanh(x)
    Tanh,
    /// max(0, x)
    Relu,
    /// min(max(0, x), 6)
    Relu6,
    /// x/2 · (1 + tanh(√(2/π)(x + 0.044715 x³))): the tanh form, also called "gelu_tf"
    Gelu,
    /// ln(1 + eˣ)
    Softplus,
    /// 1/(1 + e⁻ˣ)
    Sigmoid,
    /// x · sigmoid(x)
    Silu,
    /// silu below the threshold, a tanh continued with the same value and slope above
    Silut(f64),
    /// x
    Linear,
}

impl Activation {
    /// Reads DeePMD-kit's name, for example "tanh" or "silut:3.0".
    pub fn parse(name: &str) -> Option<Self> {
        let lower = name.to_lowercase();
        Some(match lower.as_str() {
            "tanh" => Activation::Tanh,
            "relu" => Activation::Relu,
            "relu6" => Activation::Relu6,
            "gelu" | "gelu_tf" => Activation::Gelu,
            "softplus" => Activation::Softplus,
            "sigmoid" => Activation::Sigmoid,
            "silu" => Activation::Silu,
            "none" | "linear" => Activation::Linear,
            other if other.starts_with("silut") || other.starts_with("custom_silu") => {
                match other.split_once(':') {
                    Some((_, threshold)) => Activation::Silut(threshold.parse().ok()?),
                    None => Activation::Silut(3.0),
                }
            }
            _ => return None,
        })
    }

    /// The name DeePMD-kit uses.
    pub fn name(self) -> String {
        match self {
            Activation::Tanh => "tanh".into(),
            Activation::Relu => "relu".into(),
            Activation::Relu6 => "relu6".into(),
            Activation::Gelu => "gelu".into(),
            Activation::Softplus => "softplus".into(),
            Activation::Sigmoid => "sigmoid".into(),
            Activation::Silu => "silu".into(),
            Activation::Silut(threshold) => format!("silut:{threshold:?}"),
            Activation::Linear => "none".into(),
        }
    }

    /// True where all derivatives exist, so that a table can follow the function.
    pub fn is_smooth(self) -> bool {
        !matches!(self, Activation::Relu | Activation::Relu6 | Activation::Silut(_))
    }

    /// `(f, f′, f″)` at `x`.
    pub fn derivatives(self, x: f64) -> (f64, f64, f64) {
        match self {
            Activation::Tanh => {
                let t = x.tanh();
                let slope = 1.0 - t * t;
                (t, slope, -2.0 * t * slope)
            }
            Activation::Relu => {
                if x > 0.0 {
                    (x, 1.0, 0.0)
                } else {
                    (0.0, 0.0, 0.0)
                }
            }
            Activation::Relu6 => {
                if x < 0.0 {
                    (0.0, 0.0, 0.0)
                } else if x > 6.0 {
                    (6.0, 0.0, 0.0)
                } else {
                    (x, 1.0, 0.0)
                }
            }
            Activation::Gelu => {
                let c = (2.0 / std::f64::consts::PI).sqrt();
                let u = c * (x + 0.044_715 * x * x * x);
                let du = c * (1.0 + 3.0 * 0.044_715 * x * x);
                let ddu = c * 6.0 * 0.044_715 * x;
                let t = u.tanh();
                let dt = 1.0 - t * t;
                (
                    0.5 * x * (1.0 + t),
                    0.5 * (1.0 + t) + 0.5 * x * dt * du,
                    dt * du + 0.5 * x * (dt * ddu - 2.0 * t * dt * du * du),
                )
            }
            Activation::Softplus => {
                let s = sigmoid(x);
                // ln(1 + eˣ) without overflow
                let value = x.max(0.0) + (-x.abs()).exp().ln_1p();
                (value, s, s * (1.0 - s))
            }
            Activation::Sigmoid => {
                let s = sigmoid(x);
                let slope = s * (1.0 - s);
                (s, slope, slope * (1.0 - 2.0 * s))
            }
            Activation::Silu => silu(x),
            Activation::Silut(threshold) => {
                if x < threshold {
                    return silu(x);
                }
                let (value, slope, _) = silu(threshold);
                let t = (slope * (x - threshold)).tanh();
                let dt = 1.0 - t * t;
                (t + value, slope * dt, -2.0 * slope * slope * t * dt)
            }
            Activation::Linear => (x, 1.0, 0.0),
        }
    }

    /// `f‴` at `x`; zero for functions with kinks, which have none there.
    pub fn third_derivative(self, x: f64) -> f64 {
        match self {
            Activation::Tanh => {
                let t = x.tanh();
                let slope = 1.0 - t * t;
                slope * (4.0 * t * t - 2.0 * slope)
            }
            Activation::Gelu => {
                // f = x (1 + T)/2, so f‴ = (3 T″ + x T‴)/2 with T = tanh(u(x))
                let c = (2.0 / std::f64::consts::PI).sqrt();
                let u = c * (x + 0.044_715 * x * x * x);
                let du = c * (1.0 + 3.0 * 0.044_715 * x * x);
                let ddu = c * 6.0 * 0.044_715 * x;
                let dddu = c * 6.0 * 0.044_715;
                let (_, first, second) = Activation::Tanh.derivatives(u);
                let third = Activation::Tanh.third_derivative(u);
                let bend = second * du * du + first * ddu;
                let twist = third * du * du * du + 3.0 * second * du * ddu + first * dddu;
                0.5 * (3.0 * bend + x * twist)
            }
            Activation::Softplus => Activation::Sigmoid.derivatives(x).2,
            Activation::Sigmoid => {
                let (s, slope, bend) = Activation::Sigmoid.derivatives(x);
                bend * (1.0 - 2.0 * s) - 2.0 * slope * slope
            }
            Activation::Silu => {
                let (_, _, bend) = Activation::Sigmoid.derivatives(x);
                3.0 * bend + x * Activation::Sigmoid.third_derivative(x)
            }
            Activation::Relu | Activation::Relu6 | Activation::Silut(_) | Activation::Linear => 0.0,
        }
    }

    /// `f(x)`
    pub fn value(self, x: f64) -> f64 {
        self.derivatives(x).0
    }
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

fn silu(x: f64) -> (f64, f64, f64) {
    let s = sigmoid(x);
    let ds = s * (1.0 - s);
    let dds = ds * (1.0 - 2.0 * s);
    (x * s, s + x * ds, 2.0 * ds + x * dds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_agree_with_central_differences() {
        let all = [
            Activation::Tanh,
            Activation::Relu,
            Activation::Relu6,
            Activation::Gelu,
            Activation::Softplus,
            Activation::Sigmoid,
            Activation::Silu,
            Activation::Silut(1.5),
            Activation::Linear,
        ];
        let h = 1e-5;
        for activation in all {
            for x in [-7.1, -2.3, -0.4, 0.3, 1.2, 2.9, 7.7] {
                let (_, first, second) = activation.derivatives(x);
                let slope = (activation.value(x + h) - activation.value(x - h)) / (2.0 * h);
                let bend =
                    (activation.derivatives(x + h).1 - activation.derivatives(x - h).1) / (2.0 * h);
                assert!((first - slope).abs() < 1e-9, "{activation:?} at {x}");
                assert!((second - bend).abs() < 1e-9, "{activation:?} at {x}: curvature");
                if activation.is_smooth() {
                    let twist = (activation.derivatives(x + h).2 - activation.derivatives(x - h).2)
                        / (2.0 * h);
                    let third = activation.third_derivative(x);
                    assert!((third - twist).abs() < 1e-8, "{activation:?} at {x}: third");
                }
            }
        }
    }

    #[test]
    fn names_survive_the_round_trip() {
        for name in ["tanh", "relu", "relu6", "gelu", "softplus", "sigmoid", "silu", "none"] {
            assert_eq!(Activation::parse(name).expect("known").name(), name);
        }
        assert_eq!(Activation::parse("silut:2.5"), Some(Activation::Silut(2.5)));
        assert_eq!(Activation::parse("custom_silu"), Some(Activation::Silut(3.0)));
        assert_eq!(Activation::parse("swishy"), None);
    }
}
