//! Where a continuous function of one variable is zero: Brent's method (R. P. Brent, Algorithms for Minimization without Derivatives,
//! 1973, chapter 4).

/// Most steps; bisection alone would need about 100 for any interval of doubles that is used here.
const STEPS_MAX: usize = 300;

/// Returns a zero between `a` and `b`, where the function has different signs, to a relative tolerance; nothing where it has not.
pub(crate) fn zero(f: impl Fn(f64) -> f64, a: f64, b: f64, tolerance: f64) -> Option<f64> {
    let (mut a, mut b) = (a, b);
    let (mut fa, mut fb) = (f(a), f(b));
    // Not a number on either side is no change of sign.
    if fa * fb > 0.0 || fa.is_nan() || fb.is_nan() {
        return None;
    }
    let (mut c, mut fc) = (a, fa);
    let mut step = b - a;
    let mut before = step;
    for _ in 0..STEPS_MAX {
        if fb * fc > 0.0 {
            (c, fc) = (a, fa);
            step = b - a;
            before = step;
        }
        if fc.abs() < fb.abs() {
            (a, b, c) = (b, c, b);
            (fa, fb, fc) = (fb, fc, fb);
        }
        let enough = 2.0 * f64::EPSILON * b.abs() + 0.5 * tolerance * b.abs();
        let half = 0.5 * (c - b);
        if half.abs() <= enough || fb == 0.0 {
            return Some(b);
        }
        if before.abs() >= enough && fa.abs() > fb.abs() {
            let s = fb / fa;
            let (mut p, mut q) = if a == c {
                (2.0 * half * s, 1.0 - s)
            } else {
                let (q, r) = (fa / fc, fb / fc);
                (s * (2.0 * half * q * (q - r) - (b - a) * (r - 1.0)), (q - 1.0) * (r - 1.0) * (s - 1.0))
            };
            if p > 0.0 {
                q = -q;
            }
            p = p.abs();
            if 2.0 * p < (3.0 * half * q - (enough * q).abs()).min((before * q).abs()) {
                before = step;
                step = p / q;
            } else {
                step = half;
                before = half;
            }
        } else {
            step = half;
            before = half;
        }
        (a, fa) = (b, fb);
        b += if step.abs() > enough { step } else { enough.copysign(half) };
        fb = f(b);
    }
    Some(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_found_to_the_last_digits() {
        assert!((zero(|x| x * x - 2.0, 0.0, 5.0, 1e-15).unwrap() - 2f64.sqrt()).abs() < 1e-14);
        assert!((zero(|x| x.cos() - x, 0.0, 1.0, 1e-15).unwrap() - 0.739_085_133_215_160_6).abs() < 1e-14);
        assert_eq!(zero(|x| x * x + 1.0, -1.0, 1.0, 1e-15), None);
        assert_eq!(zero(|_| f64::NAN, -1.0, 1.0, 1e-15), None);
    }
}
