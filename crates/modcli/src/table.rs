//! Tables for people: columns as wide as their widest cell, and nothing that moves a terminal's cursor.

/// Columns are no wider than this, in characters; what does not fit pushes the rest of its line to the right.
const WIDEST: usize = 60;

/// Two spaces between columns.
const GAP: &str = "  ";

/// The rows, each ended by a newline. The last cell of a row is not padded, so rows may be of different lengths.
#[must_use]
pub fn lines<Row: AsRef<[String]>>(rows: &[Row]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for cells in rows.iter().map(AsRef::as_ref) {
        for (column, cell) in cells.iter().enumerate().take(cells.len().saturating_sub(1)) {
            let width = cell.chars().count().min(WIDEST);
            match widths.get_mut(column) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let mut text = String::new();
    for cells in rows.iter().map(AsRef::as_ref) {
        let last = cells.len().saturating_sub(1);
        for (column, cell) in cells.iter().enumerate() {
            let width = if column == last { 0 } else { widths.get(column).copied().unwrap_or_default() };
            let gap = if column == last { "" } else { GAP };
            text.push_str(&format!("{cell:width$}{gap}"));
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

/// Bytes as text: what is not UTF-8 is replaced, a control character is shown as `?`, white space as a blank.
#[must_use]
pub fn plain(bytes: &[u8]) -> String {
    let clean = |character: char| match character {
        '\n' | '\t' | '\r' => ' ',
        control if control.is_control() => '?',
        other => other,
    };
    String::from_utf8_lossy(bytes).chars().map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows =
            [vec!["A", "B", "LAST"], vec!["long", "", "é is one character"], vec!["x", "wide"], vec![]];
        let rows = rows.map(|row| row.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(lines(&rows), "A     B  LAST\nlong     é is one character\nx     wide\n\n");
        assert_eq!(lines::<Vec<String>>(&[]), "");
        let long = "x".repeat(WIDEST + 1);
        let rows = [[long.clone(), "1".into()], ["y".into(), "2".into()]];
        assert_eq!(lines(&rows), format!("{long}  1\n{:WIDEST$}  2\n", "y"));
    }

    #[test]
    fn a_cell_cannot_move_the_cursor() {
        assert_eq!(plain(b"a\x1b[2Jb\nc\xff\x7f"), "a?[2Jb c\u{fffd}?");
    }
}
