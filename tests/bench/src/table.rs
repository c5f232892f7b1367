//! The figures beside one another.

use comfy_table::{Table as Grid, presets};

/// Collected row by row.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Limit, ours and `blackbox_exporter`, with ours as a ratio of the others.
    pub(crate) fn row(
        &mut self,
        what: &str,
        of: &[f64; 3],
        unit: &str,
        bound: &str,
        reached: bool,
    ) {
        let [limit, ours, blackbox] = of;
        let digits = if unit == "ms" { 4 } else { 0 };
        let value = |v: &f64| format!("{v:.digits$} {unit}");
        self.rows.push(vec![
            what.to_owned(),
            value(limit),
            value(ours),
            value(blackbox),
            format!("{:.2} / {:.3}", ours / limit, ours / blackbox),
            bound.to_owned(),
            word(reached),
        ]);
    }

    /// A figure of ours alone.
    pub(crate) fn own(&mut self, what: &str, value: &str, bound: &str, reached: bool) {
        let dash = || "–".to_owned();
        let row = [what.to_owned(), dash(), value.to_owned(), dash(), dash(), bound.to_owned()];
        self.rows.push(row.into_iter().chain([word(reached)]).collect());
    }

    pub(crate) fn render(&self) -> String {
        let header =
            ["", "limit client", "Parallax", "blackbox_exporter", "ours / theirs", "to reach", ""];
        let mut grid = Grid::new();
        grid.load_style(presets::ASCII_MARKDOWN);
        grid.set_header(header);
        for row in &self.rows {
            grid.add_row(row);
        }
        grid.to_string()
    }
}

fn word(reached: bool) -> String {
    if reached { "reached" } else { "NOT reached" }.to_owned()
}
