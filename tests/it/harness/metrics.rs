//! One scrape of `/metrics`.

use std::collections::{BTreeMap, BTreeSet};

/// Every series of a scrape.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    pub(super) fn parse(text: &str) -> Self {
        let series = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(
            series
                .map(|line| {
                    let (name, value) = line.rsplit_once(' ').unwrap();
                    (name.to_owned(), value.parse().unwrap())
                })
                .collect(),
        )
    }

    /// A series by name and labels as the scrape writes them; the test fails if there is none.
    #[track_caller]
    pub(crate) fn value(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("no series {series}: {:#?}", self.0.keys()))
    }

    /// The sum over all series of that name whose labels hold each of `labels`, `result="late"`
    /// for one.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let fits = |series: &str| {
            let (found, rest) = series.split_once('{').unwrap_or((series, ""));
            found == name && labels.iter().all(|label| rest.contains(label))
        };
        self.0.iter().filter(|(series, _)| fits(series)).map(|(_, value)| value).sum()
    }

    /// The names of all series with their labels, but of buckets only that they are there.
    pub(crate) fn series(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }
}
