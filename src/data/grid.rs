//! Brightness in cells: the mean of any rectangle of a picture, and how far two arrangements of cells agree.

/// Cells along the longer side of a grid.
const FINE: usize = 128;

/// The brightness of a picture in square cells, summed up from the upper left corner, so that the mean of any rectangle is
/// a matter of four sums.
pub(super) struct Grid {
    /// Pixels.
    pub(super) width: f64,
    pub(super) height: f64,
    /// Pixels per side of a cell.
    pub(super) cell: f64,
    columns: usize,
    rows: usize,
    /// `[rows + 1, columns + 1]`
    sums: Vec<f64>,
}

impl Grid {
    /// Columns and rows of the grid of a picture of so many pixels.
    pub(super) fn cells(width: usize, height: usize) -> [usize; 2] {
        let cell = (width.max(height) as f64 / FINE as f64).max(1.0);
        let count = |side: usize| ((side as f64 / cell).round() as usize).max(1);
        [count(width), count(height)]
    }

    /// The grid of a picture of so many pixels, whose cells have these means, row by row.
    pub(super) fn new([width, height]: [usize; 2], means: &[u8]) -> Self {
        let [columns, rows] = Grid::cells(width, height);
        let (width, height) = (width as f64, height as f64);
        let mut sums = vec![0.0; (columns + 1) * (rows + 1)];
        for row in 0..rows {
            let mut line = 0.0;
            for column in 0..columns {
                line += f64::from(means[row * columns + column]);
                let above = sums[row * (columns + 1) + column + 1];
                sums[(row + 1) * (columns + 1) + column + 1] = above + line;
            }
        }
        Grid { width, height, cell: width / columns as f64, columns, rows, sums }
    }

    /// The sum up to a point in cells.
    fn sum(&self, x: f64, y: f64) -> f64 {
        let (x, y) = (x.clamp(0.0, self.columns as f64), y.clamp(0.0, self.rows as f64));
        let (left, top) = ((x as usize).min(self.columns - 1), (y as usize).min(self.rows - 1));
        let (u, v) = (x - left as f64, y - top as f64);
        let at = |row: usize, column: usize| self.sums[row * (self.columns + 1) + column];
        let line = |row: usize| at(row, left) * (1.0 - u) + at(row, left + 1) * u;
        line(top) * (1.0 - v) + line(top + 1) * v
    }

    /// Mean brightness of a square at a pixel.
    pub(super) fn mean(&self, at: [f64; 2], side: f64) -> f32 {
        self.rectangle(at, [side, side])
    }

    /// Mean brightness of a rectangle at a pixel.
    pub(super) fn rectangle(&self, [x, y]: [f64; 2], [width, height]: [f64; 2]) -> f32 {
        let (sx, sy) = (self.columns as f64 / self.width, self.rows as f64 / self.height);
        let (x0, x1, y0, y1) = (x * sx, (x + width) * sx, y * sy, (y + height) * sy);
        let sum = self.sum(x1, y1) - self.sum(x0, y1) - self.sum(x1, y0) + self.sum(x0, y0);
        (sum / ((x1 - x0) * (y1 - y0))) as f32
    }
}

/// Brightness in cells, row by row.
pub(super) struct Cells {
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) values: Vec<f32>,
}

impl Cells {
    /// Cells of `cell` pixels a side from a pixel on.
    pub(super) fn sample(grid: &Grid, [x, y]: [f64; 2], cell: f64, [columns, rows]: [usize; 2]) -> Self {
        let at = |i: usize| [x + (i % columns) as f64 * cell, y + (i / columns) as f64 * cell];
        Cells { columns, rows, values: (0..columns * rows).map(|i| grid.mean(at(i), cell)).collect() }
    }

    /// Under one of the symmetries of the square.
    pub(super) fn turned(&self, turn: usize) -> Self {
        let swap = turn & 4 != 0;
        let (columns, rows) = if swap { (self.rows, self.columns) } else { (self.columns, self.rows) };
        let value = |i: usize| {
            let (mut row, mut column) = (i / columns, i % columns);
            if turn & 2 != 0 {
                row = rows - 1 - row;
            }
            if turn & 1 != 0 {
                column = columns - 1 - column;
            }
            if swap { self.values[column * self.columns + row] } else { self.values[row * self.columns + column] }
        };
        Cells { columns, rows, values: (0..columns * rows).map(value).collect() }
    }

    pub(super) fn mean(&self) -> f32 {
        self.values.iter().sum::<f32>() / self.values.len() as f32
    }

    /// Mean difference from the mean.
    pub(super) fn contrast(&self) -> f32 {
        let mean = self.mean();
        self.values.iter().map(|v| (v - mean).abs()).sum::<f32>() / self.values.len() as f32
    }

    pub(super) fn deviation(&self) -> f32 {
        let mean = self.mean();
        (self.values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / self.values.len() as f32).sqrt()
    }

    /// Pearson's correlation; 0 where one is flat.
    pub(super) fn correlation(&self, other: &Cells) -> f32 {
        let (one, two) = (self.mean(), other.mean());
        let [mut both, mut first, mut second] = [0.0f32; 3];
        for (a, b) in self.values.iter().zip(&other.values) {
            let (a, b) = (a - one, b - two);
            both += a * b;
            first += a * a;
            second += b * b;
        }
        let size = (first * second).sqrt();
        if size > 0.0 { both / size } else { 0.0 }
    }

    /// What remains without the mean of the four neighbours, of cells that have four.
    pub(super) fn detail(&self) -> Self {
        let (columns, rows) = (self.columns - 2, self.rows - 2);
        let at = |row: usize, column: usize| self.values[row * self.columns + column];
        let value = |i: usize| {
            let (row, column) = (i / columns + 1, i % columns + 1);
            let around = at(row - 1, column) + at(row + 1, column) + at(row, column - 1) + at(row, column + 1);
            at(row, column) - around / 4.0
        };
        Cells { columns, rows, values: (0..columns * rows).map(value).collect() }
    }
}
