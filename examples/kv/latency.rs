//! A histogram of latencies: 16 KiB whatever is put in, and no sorting at the end.
//!
//! Each power of two is divided into 32 equal steps, so a figure read back is at most 1/32 too high, from
//! nanoseconds to centuries.

/// 2^5 steps to a power of two.
const STEP_BITS: u32 = 5;
/// Enough for every `u64`.
const BUCKETS: usize = (64 - STEP_BITS as usize + 1) << STEP_BITS;

/// Counts of values in nanoseconds.
#[derive(Debug)]
pub(crate) struct Histogram {
    /// How many values fell into each bucket.
    counts: Vec<u64>,
    /// How many there are in all.
    count: u64,
    /// The largest, exactly.
    max: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], count: 0, max: 0 }
    }

    pub(crate) fn record(&mut self, value: u64, times: u64) {
        if times == 0 {
            return;
        }
        self.counts[bucket_of(value)] += times;
        self.count += times;
        self.max = self.max.max(value);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    /// The value that this share of all values does not exceed.
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        let rank = (share * self.count as f64).ceil() as u64;
        let mut seen = 0;
        let reached = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        reached.map_or(self.max, |bucket| top_of(bucket).min(self.max))
    }
}

fn bucket_of(value: u64) -> usize {
    // Small values have a bucket each; above, the exponent says which group and the next bits which step.
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(STEP_BITS + 1);
    ((shift as usize) << STEP_BITS) + (value >> shift) as usize
}

/// The largest value in a bucket.
fn top_of(bucket: usize) -> u64 {
    let shift = (bucket >> STEP_BITS).saturating_sub(1);
    let step = (bucket - (shift << STEP_BITS)) as u64;
    (step << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_finds_its_bucket_and_comes_back_hardly_larger() {
        let powers = (0..64).map(|bit| 1_u64 << bit);
        for value in powers.flat_map(|power| [power - 1, power, power + power / 3]).chain([u64::MAX]) {
            let top = top_of(bucket_of(value));
            assert!(top >= value && top - value <= value / 32, "{value} came back as {top}");
        }
        assert!(bucket_of(u64::MAX) < BUCKETS);
    }

    #[test]
    fn quantiles_are_read_from_the_counts() {
        let mut all = Histogram::new();
        for half in [0, 500] {
            let mut part = Histogram::new();
            (half + 1..=half + 500).for_each(|value| part.record(value, 1));
            all.add(&part);
        }
        assert!((500..=515).contains(&all.quantile(0.5)));
        assert!((990..=1_000).contains(&all.quantile(0.99)));
        assert_eq!((all.quantile(1.0), all.max()), (1_000, 1_000));
        assert_eq!(Histogram::new().quantile(0.5), 0);
    }
}
