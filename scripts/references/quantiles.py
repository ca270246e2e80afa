"""Reference quantiles for crates/vitrion-core/src/stats/quantile.rs, printed as Rust constants.

pip install scipy
"""

import scipy
from scipy import stats

print(f"// scipy {scipy.__version__}")
print("    const NORMAL_SCIPY: [(f64, f64); 7] = [")
for p in (1e-20, 1e-6, 0.025, 0.2, 0.6, 0.975, 0.999999):
    print(f"        ({p!r}, {float(stats.norm.ppf(p))!r}),")
print("    ];")
print("    const STUDENT_SCIPY: [(f64, f64, f64); 8] = [")
for p, dof in ((0.975, 1.0), (0.975, 2.0), (0.975, 3.0), (0.95, 7.5), (0.995, 30.0),
               (0.975, 1000.0), (0.6, 2.0), (0.9999, 4.0)):
    print(f"        ({p!r}, {dof!r}, {float(stats.t.ppf(p, dof))!r}),")
print("    ];")
