//! A figure with its spread, and when two figures may be compared.

use serde::Serialize;

/// What was measured over several rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The middle one.
    pub median: f64,
    /// (largest − smallest) / median; none after a single round.
    pub spread: Option<f64>,
}

/// One figure divided by another, if that says anything.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ratio {
    /// So many times as much.
    Times(f64),
    /// The spreads of the two figures, which is this together, are larger than the difference.
    WithinNoise(f64),
    /// Nobody knows the spread: there was a single round.
    SingleRound,
}

impl Figure {
    /// Of what each round measured; `None` without any.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (smallest, largest) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        // Nothing that is measured here can be nothing, but what cannot be divided by has no spread.
        let spread = (sorted.len() > 1 && median > 0.0).then(|| (largest - smallest) / median);
        Some(Self { median, spread })
    }

    /// Divided by `base`.
    pub fn against(self, base: Self) -> Ratio {
        let (Some(own), Some(other)) = (self.spread, base.spread) else { return Ratio::SingleRound };
        let (times, noise) = (self.median / base.median, own + other);
        if noise > (times - 1.0).abs() { Ratio::WithinNoise(noise) } else { Ratio::Times(times) }
    }
}

/// `2.4 times`, `within the noise (± 8 %)`, `unknown after a single round`.
impl std::fmt::Display for Ratio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Times(times) => write!(f, "{times:.1} times"),
            Self::WithinNoise(noise) => write!(f, "within the noise (± {:.0} %)", noise * 100.0),
            Self::SingleRound => f.write_str("unknown after a single round"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_one_counts_and_the_spread_is_of_all() {
        let check = |values: &[f64], expected: Option<(f64, Option<f64>)>| {
            assert_eq!(Figure::of(values).map(|figure| (figure.median, figure.spread)), expected, "{values:?}");
        };
        check(&[], None);
        check(&[5.0], Some((5.0, None)));
        check(&[4.0, 6.0], Some((5.0, Some(0.4))));
        check(&[10.0, 8.0, 50.0], Some((10.0, Some(4.2))));
        check(&[0.0, 0.0], Some((0.0, None)));
    }

    #[test]
    fn a_difference_smaller_than_the_spreads_is_none() {
        let figure = |median, spread| Figure { median, spread: Some(spread) };
        let check = |own: Figure, base: Figure, expected: Ratio, said: &str| {
            let ratio = own.against(base);
            assert_eq!((ratio, &*ratio.to_string()), (expected, said));
        };
        let base = figure(20.0, 0.25);
        check(figure(50.0, 0.25), base, Ratio::Times(2.5), "2.5 times");
        check(figure(10.0, 0.25), base, Ratio::Times(0.5), "0.5 times");
        check(figure(25.0, 0.125), base, Ratio::WithinNoise(0.375), "within the noise (± 38 %)");
        check(figure(15.0, 0.125), base, Ratio::WithinNoise(0.375), "within the noise (± 38 %)");
        check(base, base, Ratio::WithinNoise(0.5), "within the noise (± 50 %)");
        let once = Figure { median: 50.0, spread: None };
        check(once, base, Ratio::SingleRound, "unknown after a single round");
        check(base, once, Ratio::SingleRound, "unknown after a single round");
    }
}
