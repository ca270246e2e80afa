//! Whether a set of grid cells goes on through the borders of the periodic cell.

/// Along each axis: true if a connected piece of the cells with at least `level` reaches its own image.
pub(super) fn percolates(counts: &[u32], grid: [usize; 3], level: u32) -> [bool; 3] {
    let level = level.max(1);
    let inside = |cell: usize| counts[cell] >= level;
    // the way from the first cell of a piece, in grid cells without wrapping
    let mut ways: Vec<Option<[i32; 3]>> = vec![None; counts.len()];
    let mut found = [false; 3];
    let mut stack = Vec::new();
    for start in 0..counts.len() {
        if ways[start].is_some() || !inside(start) {
            continue;
        }
        ways[start] = Some([0; 3]);
        stack.push(start);
        while let Some(cell) = stack.pop() {
            let way = ways[cell].expect("set when it was pushed");
            let place = [cell / (grid[1] * grid[2]), cell / grid[2] % grid[1], cell % grid[2]];
            for axis in 0..3 {
                for step in [-1_i32, 1] {
                    let mut next = place;
                    next[axis] =
                        (place[axis] + grid[axis]).wrapping_add_signed(step as isize) % grid[axis];
                    let other = (next[0] * grid[1] + next[1]) * grid[2] + next[2];
                    if !inside(other) {
                        continue;
                    }
                    let mut there = way;
                    there[axis] += step;
                    match ways[other] {
                        None => {
                            ways[other] = Some(there);
                            stack.push(other);
                        }
                        Some(known) => {
                            for k in 0..3 {
                                found[k] |= known[k] != there[k];
                            }
                        }
                    }
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tube_percolates_along_its_axis_only() {
        let grid = [6, 5, 7];
        let mut counts = vec![0; 6 * 5 * 7];
        for c in 0..7 {
            counts[(2 * 5 + 3) * 7 + c] = 4;
        }
        assert_eq!(percolates(&counts, grid, 2), [false, false, true]);
        // a gap
        counts[(2 * 5 + 3) * 7 + 4] = 1;
        assert_eq!(percolates(&counts, grid, 2), [false; 3]);
        assert_eq!(percolates(&counts, grid, 1), [false, false, true]);
    }

    #[test]
    fn a_path_through_the_border_of_another_axis_counts_for_both() {
        // a diagonal staircase in a and b
        let grid = [4, 4, 3];
        let mut counts = vec![0; 48];
        for k in 0..4 {
            counts[(k * 4 + k) * 3] = 1;
            counts[(k * 4 + (k + 1) % 4) * 3] = 1;
        }
        assert_eq!(percolates(&counts, grid, 1), [true, true, false]);
    }
}
