//! A condition on a metric: `p95<50`, `count==0`.

use serde::Deserialize;

/// What of a metric is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// Mean of a trend.
    Avg,
    /// Smallest value of a trend.
    Min,
    /// Largest value of a trend.
    Max,
    /// A percentile of a trend, from 0 to 100.
    Percentile(f64),
    /// A counter, or how many values a trend has.
    Count,
    /// A counter per second.
    Rate,
    /// A gauge.
    Value,
}

/// How it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Threshold {
    /// What is compared.
    pub statistic: Statistic,
    /// How.
    pub comparison: Comparison,
    /// With what.
    pub bound: f64,
    /// As it was written.
    pub text: String,
}

impl TryFrom<String> for Threshold {
    type Error = String;

    fn try_from(text: String) -> Result<Threshold, String> {
        let wrong = || {
            format!(
                "{text:?} is no condition; write p95<50, max<=1000, avg<5, count==0, rate>100 or value<64"
            )
        };
        let operators = [
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("==", Comparison::Equal),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let (at, operator, comparison) = operators
            .iter()
            .find_map(|(operator, comparison)| text.find(operator).map(|at| (at, *operator, *comparison)))
            .ok_or_else(wrong)?;
        let statistic = match text[..at].trim() {
            "avg" => Statistic::Avg,
            "min" => Statistic::Min,
            "max" => Statistic::Max,
            "count" => Statistic::Count,
            "rate" => Statistic::Rate,
            "value" => Statistic::Value,
            other => {
                let percent = other.strip_prefix('p').and_then(|digits| digits.parse().ok());
                Statistic::Percentile(
                    percent
                        .filter(|percent| (0.0..=100.0).contains(percent))
                        .ok_or_else(wrong)?,
                )
            }
        };
        let bound = text[at + operator.len()..].trim().parse().map_err(|_| wrong())?;
        Ok(Threshold {
            statistic,
            comparison,
            bound,
            text,
        })
    }
}

impl Threshold {
    /// Whether a value keeps it.
    pub fn holds(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Less => value < self.bound,
            Comparison::LessOrEqual => value <= self.bound,
            Comparison::Greater => value > self.bound,
            Comparison::GreaterOrEqual => value >= self.bound,
            Comparison::Equal => value == self.bound,
        }
    }
}
