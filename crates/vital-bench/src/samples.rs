//! Percentiles by nearest rank over all samples: no sketch, no interpolation.

use std::time::Duration;

/// Milliseconds of a duration.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Samples in rising order.
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Sorts samples.
    pub(crate) fn new(samples: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Self(sorted)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest sample that at least `percent` of a hundred do not exceed; not a number when there are none.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let rank = (percent / 100.0 * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }

    /// The samples, each less `amount`.
    pub(crate) fn less(&self, amount: f64) -> Self {
        Self(self.0.iter().map(|sample| sample - amount).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Samples;

    #[test]
    fn a_percentile_is_a_sample_that_was_taken() {
        let samples = Samples::new((1..=100).rev().map(f64::from));
        assert_eq!(
            [samples.percentile(50.0), samples.percentile(95.0), samples.percentile(99.0), samples.percentile(100.0)],
            [50.0, 95.0, 99.0, 100.0]
        );
        let few = Samples::new([3.0, 1.0, 2.0]);
        assert_eq!([few.percentile(0.0), few.percentile(50.0), few.percentile(99.0)], [1.0, 2.0, 3.0]);
        assert!(Samples::new([]).percentile(50.0).is_nan());
    }

    #[test]
    fn subtracting_moves_every_percentile_alike() {
        let samples = Samples::new([10.0, 30.0, 20.0]).less(5.0);
        assert_eq!((samples.percentile(50.0), samples.percentile(99.0), samples.len()), (15.0, 25.0, 3));
    }
}
