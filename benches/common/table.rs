//! The table: medians, spreads, and ratios to tokio with as many threads.

/// One line of the table.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) workload: &'static str,
    /// What was counted, with its unit.
    pub(crate) figure: String,
    pub(crate) runtime: &'static str,
    /// The runtime whose median this one's is divided by.
    pub(crate) yardstick: &'static str,
}

/// All values of all rounds, in the order in which their rows were first seen.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<(Row, Vec<f64>)>,
    /// Whether the heading has been printed.
    headed: bool,
}

impl Table {
    /// Takes in what one round found.
    pub(crate) fn add(&mut self, row: Row, value: f64) {
        match self.rows.iter_mut().find(|(known, _)| *known == row) {
            Some((_, values)) => values.push(value),
            None => self.rows.push((row, vec![value])),
        }
    }

    /// Prints what there is, figure by figure, so that the runtimes to compare stand under each other.
    pub(crate) fn print_and_clear(&mut self) {
        if !self.headed {
            println!("{:<18} {:<20} {:<16} {:>10}  {:>15}  ratio", "workload", "figure", "runtime", "median", "spread");
            self.headed = true;
        }
        let mut figures: Vec<String> = Vec::new();
        for (row, _) in &self.rows {
            if !figures.contains(&row.figure) {
                figures.push(row.figure.clone());
            }
        }
        for figure in &figures {
            self.rows.iter().filter(|(row, _)| row.figure == *figure).for_each(|(row, values)| self.line(row, values));
        }
        self.rows.clear();
    }

    fn line(&self, row: &Row, values: &[f64]) {
        let median = quantile(&mut values.to_vec(), 0.5);
        let of_median = |part: f64| (quantile(&mut values.to_vec(), part) / median - 1.0) * 100.0;
        let spread = format!("{:+.0} {:+.0} %", of_median(0.0), of_median(1.0));
        let ratio = self
            .median_of(row.yardstick, &row.figure)
            .map_or("-".to_owned(), |yardstick| format!("{:.2} of {}", median / yardstick, row.yardstick));
        let Row { workload, figure, runtime, .. } = row;
        println!("{workload:<18} {figure:<20} {runtime:<16} {median:>10.2}  {spread:>15}  {ratio}");
    }

    fn median_of(&self, runtime: &str, figure: &str) -> Option<f64> {
        let (_, values) = self.rows.iter().find(|(row, _)| row.runtime == runtime && row.figure == figure)?;
        Some(quantile(&mut values.clone(), 0.5))
    }
}

/// The value that a share `part` of all values lies below. Sorts them on the way.
pub(crate) fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part).round() as usize]
}
