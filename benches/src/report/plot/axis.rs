//! From a value to a place between 0 and 1, and the ticks that a reader finds values by.

use super::super::number::significant;

/// An axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it measures, with its unit.
    pub label: String,
    /// Its first value.
    pub from: f64,
    /// Its last value, greater than the first.
    pub to: f64,
    /// How values lie on it.
    pub scale: Scale,
}

/// How values lie on an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Alike.
    Linear,
    /// By their logarithm. Only for values above zero.
    Logarithmic,
    /// As percentiles: each nine as far as the one before (90, 99, 99.9 …). Only for values below 100.
    Percentiles,
}

impl Axis {
    /// A linear axis that begins at zero and ends at a round number that is not below `longest`.
    pub fn up_to(label: impl Into<String>, longest: f64) -> Self {
        let step = step(longest.max(f64::MIN_POSITIVE));
        Self { label: label.into(), from: 0.0, to: (longest / step).ceil().max(1.0) * step, scale: Scale::Linear }
    }

    /// Where `value` lies: 0 at the first, 1 at the last. What lies outside is moved to the nearer end.
    pub(super) fn position(&self, value: f64) -> f64 {
        let (from, to, value) = (self.scale.of(self.from), self.scale.of(self.to), self.scale.of(value));
        let position = (value - from) / (to - from);
        if position.is_finite() { position.clamp(0.0, 1.0) } else { 0.0 }
    }

    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let values: Vec<f64> = match self.scale {
            Scale::Linear => {
                let step = step(self.to - self.from);
                let first = (self.from / step).ceil();
                (0..=12).map(|index| (first + f64::from(index)) * step).collect()
            }
            Scale::Logarithmic => (-9..=9).map(|power| 10f64.powi(power)).collect(),
            Scale::Percentiles => vec![0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999],
        };
        let slack = (self.to - self.from) * 1e-9;
        let inside = values.into_iter().filter(|value| *value >= self.from - slack && *value <= self.to + slack);
        inside.map(|value| (value, label(value, self.scale))).collect()
    }
}

impl Scale {
    fn of(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithmic => value.log10(),
            Self::Percentiles => -(1.0 - value / 100.0).log10(),
        }
    }
}

/// 1, 2 or 5 times a power of ten, so that four to ten of it make `span`.
fn step(span: f64) -> f64 {
    let power = 10f64.powf((span / 5.0).log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| span / (times * power) <= 7.0);
    times.unwrap_or(10.0) * power
}

fn label(value: f64, scale: Scale) -> String {
    match scale {
        Scale::Percentiles => format!("{value}"),
        Scale::Linear | Scale::Logarithmic => {
            let text = significant(value);
            if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(axis: &Axis, expected: &[&str]) {
        let labels: Vec<String> = axis.ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, expected, "{axis:?}");
    }

    #[test]
    fn ticks_are_round_numbers() {
        check(&Axis::up_to("", 200.0), &["0", "50", "100", "150", "200"]);
        check(&Axis::up_to("", 61.0), &["0", "10", "20", "30", "40", "50", "60", "70"]);
        check(&Axis::up_to("", 0.7), &["0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7"]);
        check(&Axis::up_to("", 12_345.0), &["0", "2,000", "4,000", "6,000", "8,000", "10,000", "12,000", "14,000"]);
    }

    #[test]
    fn each_nine_is_as_far_as_the_one_before() {
        let axis = Axis { label: String::new(), from: 0.0, to: 99.9, scale: Scale::Percentiles };
        check(&axis, &["0", "50", "90", "99", "99.9"]);
        let place = |value| (axis.position(value) * 100.0).round();
        assert_eq!([place(0.0), place(90.0), place(99.0), place(99.9), place(100.0)], [0.0, 33.0, 67.0, 100.0, 0.0]);
    }

    #[test]
    fn what_lies_outside_is_moved_to_the_nearer_end() {
        let axis = Axis { label: String::new(), from: 1.0, to: 100.0, scale: Scale::Logarithmic };
        assert_eq!([0.0, 10.0, 1e6].map(|value| axis.position(value)), [0.0, 0.5, 1.0]);
    }
}
