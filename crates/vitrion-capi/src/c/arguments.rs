//! What C hands over, as slices and strings.

use super::Neighbors;
use super::failure::Failure;
use crate::hosted::HostError;
use crate::list::Centers;
use std::ffi::{CStr, c_char, c_int};

/// `length` values at `pointer`, which may only be NULL for none.
///
/// # Safety
/// So many values lie there, and stay as they are while the slice lives.
pub(super) unsafe fn array<'a, T>(
    pointer: *const T,
    length: usize,
    name: &'static str,
) -> Result<&'a [T], Failure> {
    if length == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(Failure::null(name));
    }
    // SAFETY: promised by the caller
    Ok(unsafe { std::slice::from_raw_parts(pointer, length) })
}

/// The same to write to; `None` for NULL.
///
/// # Safety
/// So many values lie there, and nobody else uses them while the slice lives.
pub(super) unsafe fn array_mut<'a, T>(pointer: *mut T, length: usize) -> Option<&'a mut [T]> {
    // SAFETY: promised by the caller
    (!pointer.is_null()).then(|| unsafe { std::slice::from_raw_parts_mut(pointer, length) })
}

/// A string that ends with zero.
///
/// # Safety
/// It is one, or NULL.
pub(super) unsafe fn text<'a>(
    pointer: *const c_char,
    name: &'static str,
) -> Result<&'a str, Failure> {
    if pointer.is_null() {
        return Err(Failure::null(name));
    }
    // SAFETY: promised by the caller
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map_err(|_| Failure::argument(format!("{name} is not UTF-8: {text:?}")))
}

/// A neighbour list of C.
pub(super) struct List<'a> {
    centers: &'a [c_int],
    counts: &'a [c_int],
    rows: &'a [*const c_int],
    mask: c_int,
}

impl<'a> List<'a> {
    /// # Safety
    /// Centres are as many as it says; rows of centres are as long as it says.
    pub(super) unsafe fn new(list: &Neighbors, n_atoms: usize) -> Result<List<'a>, Failure> {
        // SAFETY: promised by the caller
        let centers: &'a [c_int] =
            unsafe { array(list.centers, list.n_centers, "neighbors.centers") }?;
        // rows of atoms that are no centres are nobody's business: hosts may not have them
        let known = centers.iter().map(|i| usize::try_from(*i).map_or(usize::MAX, |i| i));
        let entries = known.max().map_or(0, |last| last.saturating_add(1));
        if entries > n_atoms {
            let message = format!("neighbors.centers has indices beyond the {n_atoms} atoms");
            return Err(Failure::list(message));
        }
        // SAFETY: promised by the caller
        let (counts, rows) = unsafe {
            (
                array(list.counts, entries, "neighbors.counts")?,
                array(list.rows, entries, "neighbors.rows")?,
            )
        };
        Ok(List { centers, counts, rows, mask: list.mask })
    }
}

impl Centers for List<'_> {
    fn centers(&self) -> impl ExactSizeIterator<Item = usize> {
        self.centers.iter().map(|i| *i as usize)
    }

    fn neighbors(&self, atom: usize) -> Result<&[c_int], HostError> {
        let count = usize::try_from(self.counts[atom]);
        let count = count.map_err(|_| HostError::NoNeighbors { atom })?;
        // SAFETY: promised when the list was made
        let row = unsafe { array(self.rows[atom], count, "a row of neighbors.rows") };
        row.map_err(|_| HostError::NoNeighbors { atom })
    }

    fn mask(&self) -> c_int {
        self.mask
    }
}
