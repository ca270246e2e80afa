//! A table of any length in little memory: neighbouring rows are merged as it grows, and each merged row keeps
//! mean, least and greatest, so that spikes stay visible.

/// One value of a merged row.
#[derive(Debug, Clone, Copy)]
struct Cell {
    sum: f64,
    low: f64,
    high: f64,
    count: u32,
}

const EMPTY: Cell = Cell { sum: 0.0, low: f64::INFINITY, high: f64::NEG_INFINITY, count: 0 };

impl Cell {
    fn merge(&mut self, other: Cell) {
        self.sum += other.sum;
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
        self.count += other.count;
    }
}

/// Rows of `columns` numbers, at most `most` of them after merging.
#[derive(Debug)]
pub(super) struct Thinned {
    columns: usize,
    most: usize,
    /// Rows merged into one, and of these in the last.
    per: u64,
    in_last: u64,
    cells: Vec<Cell>,
    /// As given.
    pub(super) first: Option<Vec<f64>>,
    pub(super) last: Option<Vec<f64>>,
}

/// A column against another, ready to be drawn.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Drawn {
    pub(super) x: Vec<f64>,
    pub(super) y: Vec<f64>,
    /// Empty as long as every row is drawn.
    pub(super) low: Vec<f64>,
    pub(super) high: Vec<f64>,
}

impl Thinned {
    pub(super) fn new(columns: usize, most: usize) -> Self {
        let most = most.max(2);
        Thinned { columns, most, per: 1, in_last: 1, cells: Vec::new(), first: None, last: None }
    }

    /// Forgets all rows.
    pub(super) fn clear(&mut self) {
        *self = Thinned::new(self.columns, self.most);
    }

    /// Adds a row; what is not finite is left out of its column.
    pub(super) fn push(&mut self, row: &[f64]) {
        debug_assert_eq!(row.len(), self.columns, "a row of the table");
        if self.in_last >= self.per {
            if self.cells.len() >= self.columns * self.most {
                self.halve();
            }
            if self.in_last >= self.per {
                self.cells.resize(self.cells.len() + self.columns, EMPTY);
                self.in_last = 0;
            }
        }
        let start = self.cells.len() - self.columns;
        for (cell, x) in self.cells[start..].iter_mut().zip(row).filter(|(_, x)| x.is_finite()) {
            cell.merge(Cell { sum: *x, low: *x, high: *x, count: 1 });
        }
        self.in_last += 1;
        self.first.get_or_insert_with(|| row.to_vec());
        self.last = Some(row.to_vec());
    }

    fn halve(&mut self) {
        let rows: Vec<&[Cell]> = self.cells.chunks(self.columns).collect();
        let odd = rows.len() % 2 == 1;
        let mut merged = Vec::with_capacity(self.cells.len() / 2 + self.columns);
        for pair in rows.chunks(2) {
            let start = merged.len();
            merged.extend_from_slice(pair[0]);
            for other in &pair[1..] {
                merged[start..].iter_mut().zip(*other).for_each(|(a, b)| a.merge(*b));
            }
        }
        self.cells = merged;
        // a pair that is full counts as such, a single row leaves room for another
        self.in_last = if odd { self.per } else { 2 * self.per };
        self.per *= 2;
    }

    /// Column `y` against column `x`, where both are known.
    pub(super) fn curve(&self, x: usize, y: usize) -> Drawn {
        let mut drawn = Drawn::default();
        for row in self.cells.chunks(self.columns) {
            let (place, cell) = (row[x], row[y]);
            if place.count == 0 || cell.count == 0 {
                continue;
            }
            drawn.x.push(place.sum / f64::from(place.count));
            drawn.y.push(cell.sum / f64::from(cell.count));
            if self.per > 1 {
                drawn.low.push(cell.low);
                drawn.high.push(cell.high);
            }
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_table_is_drawn_as_it_is() {
        let mut table = Thinned::new(2, 8);
        (0..8).for_each(|k| table.push(&[f64::from(k), f64::from(k * k)]));
        table.push(&[f64::NAN, 1.0]);
        table.clear();
        (0..3).for_each(|k| table.push(&[f64::from(k), f64::from(k * k)]));
        table.push(&[3.0, f64::NAN]);
        let drawn = table.curve(0, 1);
        assert_eq!((drawn.x, drawn.y), (vec![0.0, 1.0, 2.0], vec![0.0, 1.0, 4.0]));
        assert!(drawn.low.is_empty());
    }

    #[test]
    fn a_long_table_keeps_its_mean_and_its_spikes() {
        for rows in [9_u32, 17, 100, 1000, 4097] {
            let mut table = Thinned::new(2, 8);
            for k in 0..rows {
                let spike = if k == rows / 3 { 50.0 } else { f64::from(k % 2) };
                table.push(&[f64::from(k), spike]);
            }
            let drawn = table.curve(0, 1);
            assert!((4..=8).contains(&drawn.x.len()), "{rows} rows: {}", drawn.x.len());
            assert!(drawn.x.windows(2).all(|pair| pair[0] < pair[1]), "{rows} rows");
            let highest = drawn.high.iter().copied().fold(0.0, f64::max);
            assert!((highest - 50.0).abs() < 1e-12, "{rows} rows: the spike is lost");
            let counted: u32 = table.cells.chunks(2).map(|row| row[0].count).sum();
            assert_eq!(counted, rows);
            assert_eq!(table.last.as_ref().map(|row| row[0] as u32), Some(rows - 1));
        }
    }
}
