//! The table: one row a figure, one column a server, and the ratio of the first server to each other.

use std::fmt::Write;

/// One measured figure of one server.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The work and the figure with its unit.
    pub row: String,
    /// The server.
    pub peer: String,
    /// The value; smaller is better throughout.
    pub value: f64,
}

/// Everything measured in one run.
#[derive(Debug, Default)]
pub struct Report {
    figures: Vec<Figure>,
    notes: Vec<String>,
}

impl Report {
    /// Adds a figure.
    pub fn add(&mut self, row: &str, peer: &str, value: f64) {
        self.figures.push(Figure { row: row.to_owned(), peer: peer.to_owned(), value });
    }

    /// Adds a remark that stands below the table.
    pub fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// `work,peer,value` lines.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut out = String::from("figure,peer,value\n");
        for figure in &self.figures {
            let row = figure.row.replace(',', ";");
            writeln!(out, "{row},{},{}", figure.peer, figure.value).expect("text in memory");
        }
        out
    }

    /// The table in Markdown; `x` columns divide the other server's figure by ours.
    #[must_use]
    pub fn table(&self) -> String {
        let mut peers: Vec<&str> = Vec::new();
        let mut rows: Vec<&str> = Vec::new();
        for figure in &self.figures {
            if !peers.contains(&figure.peer.as_str()) {
                peers.push(&figure.peer);
            }
            if !rows.contains(&figure.row.as_str()) {
                rows.push(&figure.row);
            }
        }
        let mut out = String::from("| figure |");
        for (index, peer) in peers.iter().enumerate() {
            write!(out, " {peer} |").expect("text in memory");
            if index > 0 {
                write!(out, " x |").expect("text in memory");
            }
        }
        out.push_str("\n|---|");
        out.push_str(&"---:|".repeat((peers.len() * 2).saturating_sub(1)));
        out.push('\n');
        for row in rows {
            write!(out, "| {row} |").expect("text in memory");
            let value = |peer: &str| {
                self.figures.iter().find(|f| f.row == row && f.peer == peer).map(|f| f.value)
            };
            let ours = peers.first().and_then(|peer| value(peer));
            for (index, peer) in peers.iter().enumerate() {
                let theirs = value(peer);
                write!(out, " {} |", theirs.map_or("-".to_owned(), show)).expect("text in memory");
                if index > 0 {
                    let ratio = theirs.zip(ours).filter(|(_, ours)| *ours > 0.0);
                    let text = ratio.map_or("-".to_owned(), |(t, o)| format!("{:.2}", t / o));
                    write!(out, " {text} |").expect("text in memory");
                }
            }
            out.push('\n');
        }
        for note in &self.notes {
            write!(out, "\n{note}\n").expect("text in memory");
        }
        out
    }
}

fn show(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}
