//! The host's neighbour list as the potentials of vitrion want it.

use super::hosted::HostError;
use std::ffi::c_int;
use vitrion_core::NeighborList;

/// A full list of the host: every neighbour of every centre, ghosts as atoms of their own.
pub trait Centers {
    /// Atoms whose energies are wanted, as indices into the host's arrays.
    fn centers(&self) -> impl ExactSizeIterator<Item = usize>;

    /// Neighbours of the atom: indices into the host's arrays.
    ///
    /// # Errors
    /// The host cannot tell.
    fn neighbors(&self, atom: usize) -> Result<&[c_int], HostError>;

    /// What of a number of [`Centers::neighbors`] is an index; hosts keep marks in the other bits.
    fn mask(&self) -> c_int {
        !0
    }
}

/// Not a place: an atom that is neither a centre nor near one.
const NOWHERE: u32 = u32::MAX;

/// Rows of centres; atoms numbered anew, centres first, and only those that some row needs.
#[derive(Debug, Default)]
pub(crate) struct HostList {
    pub(crate) list: NeighborList,
    /// Atom of the host at each place.
    pub(crate) order: Vec<u32>,
    pub(crate) n_local: usize,
    /// Place of each atom of the host.
    places: Vec<u32>,
    /// Types for which atoms were chosen.
    types: Vec<c_int>,
}

impl HostList {
    /// Takes a new list over; `seen` says whether the potential sees atoms of a type.
    pub(crate) fn rebuild(
        &mut self,
        types: &[c_int],
        host: &impl Centers,
        seen: impl Fn(usize) -> Result<bool, HostError>,
    ) -> Result<(), HostError> {
        let n_all = types.len();
        // until it is whole, there is none
        self.forget();
        if n_all >= NOWHERE as usize {
            return Err(HostError::TooManyAtoms { atoms: n_all });
        }
        let mut visible = Vec::with_capacity(n_all);
        for atom in 0..n_all {
            visible.push(seen(atom)?);
        }
        self.places.resize(n_all, NOWHERE);
        for atom in host.centers() {
            let inside = self.places.get_mut(atom);
            let place = inside.ok_or(HostError::Centre { atom: atom as i64, atoms: n_all })?;
            if !visible[atom] {
                continue;
            }
            if *place != NOWHERE {
                return Err(HostError::CentreTwice { atom });
            }
            *place = self.order.len() as u32;
            self.order.push(atom as u32);
        }
        self.n_local = self.order.len();
        let mask = host.mask();
        self.list.offsets.push(0);
        for centre in 0..self.n_local {
            let atom = self.order[centre] as usize;
            for number in host.neighbors(atom)? {
                let number = number & mask;
                let outside = HostError::Neighbor { atom, neighbor: number, atoms: n_all };
                let neighbor =
                    usize::try_from(number).ok().filter(|j| *j < n_all).ok_or(outside)?;
                if !visible[neighbor] {
                    continue;
                }
                if neighbor == atom {
                    return Err(HostError::Neighbor { atom, neighbor: number, atoms: n_all });
                }
                let place = &mut self.places[neighbor];
                if *place == NOWHERE {
                    *place = self.order.len() as u32;
                    self.order.push(number as u32);
                }
                self.list.index.push(*place);
            }
            self.list.offsets.push(self.list.index.len());
        }
        // images are atoms of their own
        self.list.image.resize(self.list.index.len(), 0);
        self.types.extend_from_slice(types);
        Ok(())
    }

    fn forget(&mut self) {
        let NeighborList { offsets, index, image, translations, .. } = &mut self.list;
        offsets.clear();
        index.clear();
        image.clear();
        translations.clear();
        translations.push([0.0; 3]);
        self.order.clear();
        self.places.clear();
        self.types.clear();
        self.n_local = 0;
    }

    /// Whether there is a list, and it was made for these types.
    pub(crate) fn fits(&self, types: &[c_int]) -> bool {
        !self.list.offsets.is_empty() && self.types == types
    }

    /// Bytes of its arrays.
    pub(crate) fn bytes(&self) -> usize {
        self.list.offsets.capacity() * size_of::<usize>()
            + (self.list.index.capacity() + self.list.image.capacity()) * size_of::<u32>()
            + (self.order.capacity() + self.places.capacity()) * size_of::<u32>()
            + self.types.capacity() * size_of::<c_int>()
    }
}
