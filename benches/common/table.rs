//! All values of all rounds, and what they come to: medians, spreads, and ratios to tokio with as many threads.

use super::case::Class;

/// What a value belongs to.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) workload: String,
    /// What was counted, with its unit.
    pub(crate) figure: String,
    pub(crate) runtime: String,
    /// With whom it is compared.
    pub(crate) class: Class,
}

/// The values of a row, summed up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    /// How many there are.
    pub(crate) rounds: usize,
    /// The least and the greatest.
    pub(crate) range: (f64, f64),
    /// Between these two lies the middle half, rounded outwards: with three rounds it is the range.
    pub(crate) quartiles: (f64, f64),
    pub(crate) median: f64,
}

impl Summary {
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let last = values.len() - 1;
        let quartiles = (values[last / 4], values[last - last / 4]);
        Self { rounds: values.len(), range: (values[0], values[last]), quartiles, median: quantile(&mut values, 0.5) }
    }
}

/// All rows, in the order in which they were first seen.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<(Row, Vec<f64>)>,
}

impl Table {
    /// Takes in what one round found.
    pub(crate) fn add(&mut self, row: Row, value: f64) {
        match self.rows.iter_mut().find(|(known, _)| *known == row) {
            Some((_, values)) => values.push(value),
            None => self.rows.push((row, vec![value])),
        }
    }

    /// Every row with its values.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&Row, &[f64])> {
        self.rows.iter().map(|(row, values)| (row, values.as_slice()))
    }

    /// What the rounds came to, if there were any.
    pub(crate) fn summary(&self, workload: &str, figure: &str, runtime: &str) -> Option<Summary> {
        let is_it = |row: &Row| row.workload == workload && row.figure == figure && row.runtime == runtime;
        self.rows.iter().find(|(row, _)| is_it(row)).map(|(_, values)| Summary::of(values))
    }

    pub(crate) fn print_heading() {
        println!("{:<18} {:<20} {:<16} {:>10}  {:>15}  ratio", "workload", "figure", "runtime", "median", "spread");
    }

    /// Prints one workload, figure by figure, so that the runtimes to compare stand under each other.
    pub(crate) fn print(&self, workload: &str) {
        let of_workload = || self.rows().filter(|(row, _)| row.workload == workload);
        let mut figures: Vec<&str> = Vec::new();
        for (row, _) in of_workload() {
            if !figures.contains(&row.figure.as_str()) {
                figures.push(&row.figure);
            }
        }
        for figure in figures {
            of_workload().filter(|(row, _)| row.figure == figure).for_each(|(row, values)| self.line(row, values));
        }
    }

    fn line(&self, row: &Row, values: &[f64]) {
        let Summary { range: (least, greatest), median, .. } = Summary::of(values);
        let of_median = |value: f64| (value / median - 1.0) * 100.0;
        let spread = format!("{:+.0} {:+.0} %", of_median(least), of_median(greatest));
        let Row { workload, figure, runtime, class } = row;
        let yardstick = class.yardstick();
        let of_yardstick = |known: Summary| format!("{:.2} of {yardstick}", median / known.median);
        let ratio = self.summary(workload, figure, yardstick).map_or("-".to_owned(), of_yardstick);
        println!("{workload:<18} {figure:<20} {runtime:<16} {median:>10.2}  {spread:>15}  {ratio}");
    }
}

/// The value that a share `part` of all values lies below. Sorts them on the way.
pub(crate) fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part).round() as usize]
}
