//! A straight line through points, by least squares.

/// `y = at_zero + slope * x`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) slope: f64,
    pub(crate) at_zero: f64,
}

impl Line {
    /// None where there are not two places to put it through.
    pub(crate) fn through(points: &[(f64, f64)]) -> Option<Line> {
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        let both: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
        (points.len() > 1 && spread > 0.0).then(|| Line {
            slope: both / spread,
            at_zero: y - both / spread * x,
        })
    }

    /// How far the farthest point is off, as a share of the highest.
    pub(crate) fn worst_share(&self, points: &[(f64, f64)]) -> Option<f64> {
        let off = points
            .iter()
            .map(|(x, y)| (y - self.at_zero - self.slope * x).abs())
            .fold(0.0, f64::max);
        let most = points.iter().map(|(_, y)| *y).fold(0.0, f64::max);
        (most > 0.0).then(|| off / most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_and_a_bend_is_told() {
        let straight = [(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)];
        let line = Line::through(&straight).expect("a line");
        assert!((line.slope - 2.0).abs() < 1e-9 && (line.at_zero - 1.0).abs() < 1e-9);
        assert!(line.worst_share(&straight).is_some_and(|share| share < 1e-9));
        let bent = [(0.0, 0.0), (1.0, 10.0), (2.0, 0.0)];
        let share = Line::through(&bent).and_then(|line| line.worst_share(&bent));
        assert!(share.is_some_and(|share| share > 0.5), "{share:?}");
        assert_eq!(Line::through(&[(1.0, 1.0), (1.0, 2.0)]), None);
        assert_eq!(Line::through(&[]), None);
    }
}
